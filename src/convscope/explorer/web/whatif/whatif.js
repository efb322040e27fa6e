// What if: settings changed, and what becomes of every layer after them.

import { range } from "../arrays.js";
import { called, grouped, times } from "../texts.js";
import { attributes, choice, dim, fill, h, latest, scrolled, sized, small, table, wrong } from "../elements.js";
import { fieldText, weightsText } from "../facts.js";
import { hinted } from "../hints.js";
import { sideBySide } from "./beside.js";

/** @import {Props} from "../elements.js" */
/** @import {Change, Dropped, Setting} from "../types" */
/** @import {Ramp} from "../colours.js" */
/** @import {App} from "../frame.js" */

const FEW = 40; // so many layers are listed whether or not they change
const WAIT = 150; // milliseconds after the last keystroke until the host is asked

/** Settings changed: what becomes of every layer after them, old beside new. @param {App} app */
function whatIf(app) {
	const newest = latest();
	/** @type {Map<string, Map<string, any>>} layer → setting → new value */
	const changes = new Map();
	let timer = 0;
	let shown = "";
	const title = h("h2.cs-number");
	const form = h("form.cs-form", { onsubmit: (event) => event.preventDefault() });
	const list = h("p.cs-edits");
	const of = h("p.cs-of");
	const result = h("div.cs-result", { "aria-live": "polite" });
	const problem = h("div", { "aria-live": "polite" });
	const beside = sideBySide(app);
	let told = "[]"; // the edits that the address has
	/** @type {any[]} the edits that the table is of */
	let tabled = [];
	/** @type {number | undefined} the run that stands beside them */
	let image = app.net.run?.id;
	const element = h("section.cs-whatif", title, form, list, problem, beside.element, of, result);

	async function show() {
		const { net, layer: { name, kind, input }, place: { edits } } = app;
		if (JSON.stringify(edits) !== told) { // by a link, or the way back
			told = JSON.stringify(edits);
			changes.clear();
			for (const [layer, setting, value] of edits) changes.set(layer, (changes.get(layer) ?? new Map()).set(setting, value));
			shown = "";
			fill(result);
		}
		if (image !== net.run?.id) { // another image: the old one's numbers go
			image = net.run?.id;
			beside.clear();
			if (edits.length && result.childElementCount) ask();
		}
		fill(title, "What if ", h("b", called(name)), " were different?");
		if (shown === name) return;
		shown = name;
		fill(form);
		const none = (/** @type {string} */ why) => fill(form, h("p.cs-dim", why));
		if (input) return none("An input has no settings: choose a layer above.");
		try {
			const { settings, why } = await net.ask({ ask: "settings", layer: name });
			if (shown !== name) return;
			const fields = Object.entries(settings).map(([setting, told]) => field(name, setting, told));
			if (fields.length) fill(form, fields);
			else none(why ?? `${kind} has no settings to change.`);
		} catch (error) {
			fill(form, wrong(error));
		}
		if (!result.childElementCount) ask();
	}

	/** @param {string} layer @param {string} name @param {Setting} setting */
	function field(layer, name, { kind, value: old, none, choices, count }) {
		const edited = changes.get(layer);
		const value = edited?.has(name) ? edited.get(name) : old;
		const set = (/** @type {any} */ to) => change(layer, name, to, old);
		const label = name.replaceAll("_", " ");
		const box = (/** @type {Props} */ props) => h("input", { type: "number", step: 1, ...props });
		const labelled = (/** @type {HTMLElement} */ one) => h("label.cs-field", h("span", label), one);
		if (kind === "choice") {
			const texts = Object.fromEntries([...(none ? [["", "none"]] : []), ...choices.map((text) => [text, text])]);
			const select = choice(texts, (to) => set(to === "" ? null : to));
			select.value = value ?? "";
			return labelled(select);
		}
		if (kind === "bool") {
			const tick = box({ type: "checkbox", step: null, checked: Boolean(value), onchange: () => set(tick.checked) });
			return labelled(tick);
		}
		if (kind === "sizes") {
			const boxes = range(count).map((n) => box({
				value: value?.[n], "aria-label": `${label} ${n + 1}`,
				oninput: () => boxes.every((one) => one.value !== "") && set(boxes.map((one) => Number(one.value))),
			}));
			return h("fieldset.cs-field", h("legend", label), boxes.flatMap((one, n) => (n ? ["×", one] : [one])));
		}
		if (kind === "int" || kind === "number") {
			const one = box({
				step: kind === "int" ? 1 : "any", value,
				oninput: () => (one.value !== "" || none) && set(one.value === "" ? null : Number(one.value)),
			});
			return labelled(one);
		}
		const text = box({ type: "text", step: null, value: JSON.stringify(value), onchange: () => {
			try {
				set(JSON.parse(text.value));
			} catch {
				fill(problem, wrong(`${label} is a list such as [[0, 1], [2, 3]], not ${text.value}`));
			}
		} });
		return labelled(text);
	}

	/** @param {string} layer @param {string} name @param {any} value @param {any} old */
	function change(layer, name, value, old) {
		const edits = changes.get(layer) ?? new Map();
		if (JSON.stringify(value) === JSON.stringify(old)) edits.delete(name);
		else edits.set(name, value);
		changes.set(layer, edits);
		clearTimeout(timer);
		timer = setTimeout(() => ask(), WAIT);
	}

	function reset() {
		changes.clear();
		shown = "";
		ask();
		show();
	}

	async function ask() {
		const edits = [...changes].flatMap(([layer, settings]) => [...settings].map(([name, value]) => [layer, name, value]));
		told = JSON.stringify(edits);
		if (told !== JSON.stringify(app.place.edits)) app.go({ edits });
		fill(list, edits.map(written), edits.length
			? small("undo all", () => reset()) : dim("Change a setting: the figures of every layer after it follow at once."));
		try {
			await tableOf(edits);
		} catch (error) {
			// beside the table as it was, which says what it is of: old numbers never stand under new words
			attributes(result, { "aria-busy": null });
			if (!result.childElementCount) await tableOf([]).catch(() => {});
			fill(problem, wrong(error));
			beside.clear();
			if (result.childElementCount) fill(of, "Below is still the network ", ...(tabled.length ? ["with", ...tabled.flatMap((edit) => [" ", written(edit)])] : ["as it is"]), ", without this.");
		}
	}

	/** @param {any[]} edits */
	async function tableOf(edits) {
		attributes(result, { "aria-busy": true }); // and dimmed: it is of other edits
		const { facts } = await newest(app.link.ask({ ask: "whatif", edits }));
		tabled = edits;
		fill(of);
		fill(problem); // here: what is drawn beside comes later, when there may be another
		draw(facts);
		await beside.show(edits, facts);
	}

	/** @param {Change} change */
	function draw({ layers, totals, edits, notes }) {
		const cell = (/** @type {any} */ { old, new: now }, /** @type {(row: any) => string | null} */ text) => {
			const [before, after] = [old, now].map((row) => (row && text(row)) || "–");
			return before === after ? h("td", after) : h("td.cs-changed", h("s", before), " ", h("b", after));
		};
		const costs = (/** @type {any} */ of) => [cell(of, ({ params }) => grouped(params)),
			cell(of, ({ macs, uncounted_layers }) => (uncounted_layers && macs ? `≥ ${grouped(macs)}` : uncounted_layers ? null : grouped(macs)))];
		const most = 400;
		// of a large network those that change, so that nobody has to look for them
		const others = layers.filter(({ changed }) => changed);
		const shown = others.length && layers.length > FEW ? others : layers;
		attributes(result, { "aria-busy": null });
		fill(result,
			h("div.cs-scroll", scrolled("The layers, old and new"),
				table(["layer", "output", "weights", ...["parameters", "MACs", "sees"].map((word) => hinted(word, true))], shown.slice(0, most).map((l) => [
					[l.name, l.weights_redrawn.length > 0
						&& h("span.cs-badge", { title: `drawn anew: ${l.weights_redrawn.join(", ")}` }, "weights drawn anew")],
					cell(l, ({ output_shape }) => (output_shape ? times(output_shape.slice(1)) : "?")),
					cell(l, ({ weights }) => weightsText(weights)), ...costs(l),
					cell(l, ({ receptive_field }) => receptive_field && fieldText(receptive_field))]),
				["total", "", "", ...costs(totals), ""])),
			shown.length > most && h("p.cs-dim", `and ${shown.length - most} more layers`),
			layers.flatMap(({ name, dropped }) => (notes.some((note) => note.startsWith(`${called(name)}: `)) ? together(dropped ?? []).map((one) => strides(name, one, app.ramp)) : [])),
			edits.length > 0 && notes.map((note) => h("p", note)));
		if (element.isConnected) app.tell(`${layers.filter(({ changed }) => changed).length} layers changed`);
	}

	return { element, show };
}

/** @param {any[]} edit */
const written = ([layer, setting, value]) => h("code", `${layer}.${setting}=${value}`);

/** What rows and columns drop, once where it is the same. @param {Dropped[]} dropped */
function together(dropped) {
	/** @type {Map<string, Dropped>} */
	const found = new Map();
	for (const { word, ...rest } of dropped) {
		const { size, stride, positions, kept, unread } = rest;
		const key = String([size, stride, positions, kept, unread]);
		const before = found.get(key);
		found.set(key, { ...rest, word: before ? `${before.word}s and ${word}` : word });
	}
	return [...found.values()];
}

/** The positions that a stride keeps, among all; a note says how many. @param {string} layer @param {Dropped} dropped @param {Ramp} ramp */
function strides(layer, { stride, positions, kept, word }, ramp) {
	if (positions > 80) return null;
	const cell = Math.min(14, 560 / positions);
	const canvas = h("canvas", { role: "img", "aria-label": `${called(layer)}: ${kept} of ${positions} ${word}s` });
	const pen = sized(canvas, positions * cell + 1, 16);
	for (let n = 0; n < positions; n++) {
		const on = n % stride === 0 && n / stride < kept;
		pen.fillStyle = on ? ramp.of(1) : "#8c959f77";
		pen.fillRect(n * cell, on ? 1 : 5, cell - 1.5, on ? 14 : 6);
	}
	return h("figure.cs-strides", canvas, h("figcaption", `${called(layer)}, ${word}s: the tall ones are kept.`));
}

export default whatIf;
