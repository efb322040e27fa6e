// Mental models: the pictures that people have of a convolution, tested.

import { numberAt } from "../arrays.js";
import { evaluate, ledger } from "../evaluator.js";
import { called, decimal, exact, filledIn, grouped, places, times } from "../texts.js";
import { fill, h, latest, link, say, scrolled, svg, table, wrong } from "../elements.js";
import { weightsText } from "../facts.js";

/** @import {Detail, Values} from "../types" */
/** @import {Child} from "../elements.js" */
/** @import {App} from "../frame.js" */

/** What a layer would need. @param {any} layer */
const needed = ({ weights, params }) => `${weightsText(weights)} = ${grouped(params)} parameters`;

/** The pictures that people have of a convolution, side by side at the same pixel. @param {App} app */
function mentalModels(app) {
	const newest = latest();
	const title = h("h2.cs-number");
	const lead = h("p.cs-reads");
	const cards = h("div.cs-models", { role: "radiogroup", "aria-label": "Mental models" });
	const compared = h("div.cs-compare", scrolled("The mental models, compared"));
	const element = h("section.cs-models-screen", title, lead, cards, compared);

	let shown = "";

	async function show() {
		const { net, place: { layer, at }, layer: { kind, input, equation } } = app;
		newest();
		if (shown !== `${net.run?.id} ${layer}`) clear(); // old numbers never stand under a new name
		shown = `${net.run?.id} ${layer}`;
		if (!net.run) return none("No image has gone through the network yet: choose one under Input.");
		if (input || !equation) return none("The mental models are about convolutions.");
		try {
			const detail = await newest(net.ask(net.detail(layer)));
			if (!detail.pictures.length) return none(`${called(layer)} (${kind}) is not a convolution with filters over channels.`);
			const values = await newest(net.readsSoon(net.reads(detail, at)));
			draw(detail, values, numberAt(await newest(net.ask(net.around(layer, at))), at));
		} catch (error) {
			clear();
			fill(cards, wrong(error));
		}
	}

	function clear() {
		say(title, app.place.layer);
		for (const part of [lead, cards, compared]) fill(part);
	}

	/** @param {string} why */
	function none(why) {
		const { net, place } = app;
		const others = net.names.filter((name) => net.layer(name).pictures && name !== place.layer).slice(0, 8);
		clear();
		fill(lead, why, " ", others.length > 0 && [
			"Try ", ...others.flatMap((name, n) => [n ? ", " : "", link(name, () => app.visit(name))]), "."]);
	}

	/** @param {Detail} detail @param {Values} values @param {number} engine */
	function draw({ pictures, feeds, equation }, values, engine) {
		const { net, place: { layer, at, model }, form: { shape, listed } } = app;
		const where = `(${at.join(", ")})`;
		const feed = feeds.in ?? app.layer.inputs[0];
		const channels = Number(equation.ledger.main?.channels ?? net.form(feed).maps);
		fill(title, `${pictures.length} pictures of `, h("b", called(layer)), `, tested at ${where}`);
		const { words } = net.told;
		say(lead, filledIn(words.lead, { input: times(net.shape(feed)) }));
		// how far float32 may be off: a rounding of the size of all terms for each of √terms, as in notation/rounding.py
		const { groups, bias, terms } = ledger(equation, at, values);
		const size = (groups?.products ?? new Float64Array(0)).reduce((sum, term) => sum + Math.abs(term), Math.abs(bias ?? 0));
		const room = Math.min(terms + 1, 8 * Math.sqrt(terms) + 1) * size * 2 ** -24;
		const models = pictures.map((picture) => {
			const value = evaluate(picture.equation, at.map((p, axis) => p % picture.shape[axis]), values);
			const shaped = String(picture.shape) === String(shape);
			const close = near(value, engine, room);
			return { ...picture, value, shaped, close, stands: shaped && close !== false };
		});
		const standing = models.filter(({ stands }) => stands);
		const proved = (/** @type {any} */ m) => m.stands && m.close && standing.length === 1;
		app.pictures = models.map(({ key }) => key);
		const current = models.find(({ key }) => key === model) ?? models.find(({ real }) => real) ?? models[0];
		const digits = places(Math.max(...[engine, ...models.map(({ value }) => value)].map(Math.abs)));
		const verdict = (/** @type {any} */ m) => {
			const { value } = m;
			if (proved(m)) return `✓ ${words.proved}`;
			if (!m.shaped) return `✗ ${filledIn(words.shape, { would: times(m.shape), true: times(shape) })}`;
			if (!m.stands && Number.isFinite(value) && Number.isFinite(engine)) return `✗ ${filledIn(words.off, { off: decimal(Math.abs(value - engine), digits) })}`;
			const both = { would: decimal(value, digits), true: decimal(engine, digits) };
			return m.stands ? (m.close === null ? filledIn(words.unknown, both) : words.alike) : `✗ ${filledIn(words.value, both)}`;
		};
		const colour = (/** @type {any} */ m) => (proved(m) ? "cs-good" : m.stands ? "cs-dim" : "cs-bad");
		const style = (/** @type {any} */ m) => (m.key !== "real" ? m.key : app.pictures.includes("added") ? "depth" : "added");
		const seen = groups && groups.of !== null && groups.count < groups.of ? groups.count : channels;
		fill(cards, models.map((m) => h("button.cs-model", {
			role: "radio", "aria-checked": String(m === current), onclick: () => app.go({ model: m.key }),
		}, h("span.cs-model-name", m.name), sketch(style(m), style(m) === "depth" ? channels : seen, channels, m.shape[listed ?? 0]),
		h("span.cs-model-claim", m.claim), h("code", m.equation.text), h(`span.${colour(m)}`, verdict(m)))));
		const row = (/** @type {string} */ name, /** @type {(model: any) => Child} */ cell) => [name, ...models.map((m) => h("td", [cell(m)]))];
		const right = (/** @type {boolean} */ is, /** @type {string} */ text) => h("span", { class: is ? "" : "cs-bad" }, text);
		fill(compared, table(["", ...models.map(({ name }) => name)], [
			row("output", (m) => right(m.shaped, times(m.shape))),
			row("kernel", (m) => times(m.kernel)),
			row("parameters", (m) => grouped(m.params)),
			row("MACs", (m) => grouped(m.macs)),
			row(`value at ${where}`, (m) => right(m.close !== false, decimal(m.value, digits))),
			row("the next layer would need", ({ next }) => (!next ? "–" : `${called(next.layer)}: ${next.impossible ? "impossible" : needed(next)}`)),
			row("the engine agrees", (m) => h(`b.${colour(m)}`, proved(m) ? "yes" : m.stands ? words.untold : "no")),
		], [net.run?.engine ?? "", h("td", { colspan: models.length }, `${times(shape)}, and ${exact(engine)} at ${where}`)]));
		const heard = proved(current) ? "the engine agrees" : current.stands ? `it ${words.untold}` : "the engine does not agree";
		app.tell(`${current.name}: ${times(current.shape)}, ${decimal(current.value, digits)}; ${heard}`);
	}

	return { element, show, hide: () => void newest() }; // a screen that was left says nothing more
}

/** Whether two numbers are as near as rounding allows; null if they are the same NaN or infinity, which proves nothing. @param {number} value @param {number} truth @param {number} room */
function near(value, truth, room) {
	if (Number.isFinite(value) && Number.isFinite(truth)) return Math.abs(value - truth) <= room;
	return Object.is(value, truth) ? null : false;
}

/** What a picture does with the maps; of those in other groups it sees nothing. @param {string} model @param {number} seen @param {number} channels @param {number} out */
function sketch(model, seen, channels, out) {
	const added = model === "added" || model === "shared";
	const rows = channels === 1 ? [42] : [22, 42, 62].slice(0, channels > seen ? 2 : 3);
	const others = channels > seen ? [62] : [];
	const slices = model === "shared" ? [42] : rows;
	/** @type {(x: number, y: number, kind: string) => Node} */
	const box = (x, y, kind) => svg("rect", { x, y, width: 15, height: 15, rx: 2, class: `cs-sketch-${kind}` });
	/** @type {(x1: number, y1: number, x2: number, y2: number) => Node} */
	const line = (x1, y1, x2, y2) => svg("path", { d: `M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`, class: "cs-wire" });
	/** @type {(x: number, y: number, anchor: string, words: string) => Node} */
	const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
	const maps = (/** @type {number} */ n) => `${grouped(n)} map${n === 1 ? "" : "s"}`;
	const words = { apart: "nothing added up", depth: "a slice a map", shared: "one slice for all", added: "a slice a map, added up" };
	const outs = model === "apart" ? [150, 168] : [162];
	return svg("svg", { viewBox: "0 0 200 96", class: "cs-sketch", role: "img", "aria-label": `${maps(seen)}${seen < channels ? ` of ${channels}` : ""} in, ${maps(out)} out` },
		...rows.map((y) => box(8, y, "in")), ...others.map((y) => box(8, y, "other")),
		text(2, 90, "start", seen < channels ? `${seen} of ${maps(channels)}` : maps(seen)), text(198, 90, "end", maps(out)),
		text(100, 14, "middle", words[/** @type {keyof typeof words} */ (model)] ?? ""),
		...rows.map((y) => line(23, y + 7.5, 84, (model === "shared" ? 42 : y) + 7.5)),
		...slices.flatMap((y) => [added ? line(99, y + 7.5, 126, 49.5) : line(99, y + 7.5, outs[0], y + 7.5), box(84, y, "slice")]),
		...(added ? [text(134, 53.5, "middle", "Σ"), line(142, 49.5, 162, 49.5), box(162, 42, "out")]
			: rows.flatMap((y) => outs.map((x) => box(x, y, "out")))));
}

export default mentalModels;
