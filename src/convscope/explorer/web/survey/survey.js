// The screen Survey: what every map did over a data set; each of the cases that drove it most opens in the microscope.

import { choice, dim, fill, h, latest, link, memo, message, scrolled, small, table, wrong } from "../elements.js";
import { called, exact, grouped } from "../texts.js";
import { around, bars, figures, percent } from "./figures.js";

/** @import {App, Screen} from "../frame.js" */
/** @import {Block, Card, Figures, Response, Verdict, Whole} from "./types" */

const SORTS = { index: "index", max: "the most", zeros: "zeros", std: "deviation" };
const SHOWN = 48; // cards before more are asked for
const NAMED = 24; // maps of a verdict that are named before the others are counted

/** @param {App} app @returns {Screen} */
function survey(app) {
	/** @type {Whole | null} */
	let told = null;
	/** @type {Figures | null} */
	let now = null;
	/** @type {Map<string, Promise<Block>>} by layer and number */
	const blocks = new Map();
	let shown = SHOWN;
	let begun = false;
	const newest = latest();
	const layered = latest();
	const chosen = latest();
	const changed = memo();
	const turned = memo();

	const head = h("div.cs-survey-head");
	const layers = h("nav.cs-survey-layers cs-scroll", { "aria-label": "Surveyed layers", tabindex: 0 });
	const findings = h("div.cs-survey-findings");
	const title = h("div.cs-survey-title");
	const sort = choice(SORTS, (to) => go({ sort: to }), { "aria-label": "Order of the maps" });
	const only = h("input", { type: "checkbox", onchange: () => go({ only: only.checked ? "1" : "" }) });
	const bar = h("div.cs-bar", h("label", "order ", sort), h("label", only, " only maps with a verdict"));
	const detail = h("section.cs-survey-map", { hidden: true, tabindex: -1 });
	const cards = h("div.cs-survey-cards");
	const more = small("more maps", () => ((shown += SHOWN), maps().then(mark)));
	const maps_ = h("div.cs-survey-maps", title, detail, bar, cards, more);
	const element = h("section.cs-survey-screen", head, h("div.cs-survey-sides", layers, h("div.cs-survey-main", findings, maps_)));

	/** @param {Record<string, any>} question */
	const ask = (question) => app.link.ask({ ask: "survey", ...question });

	// -- where we are: in the address -----------------------------------------------------------------

	/** The surveyed layer that the page is at, or the first one. */
	function layer() {
		const { layers: all, same } = /** @type {Whole} */ (told);
		const name = same[app.place.layer] ?? app.place.layer;
		return all.find((one) => one.name === name) ?? all[0];
	}

	function here() {
		const { map = "", sort: by = "index", only: some = "" } = app.place.more ?? {};
		const number = /^\d{1,7}$/.test(map) && Number(map) < layer().maps ? Number(map) : null;
		return { map: number, sort: Object.hasOwn(SORTS, by) ? by : "index", only: some === "1" };
	}

	/** @param {{map?: number | null, sort?: string, only?: string, layer?: string}} change */
	function go(change) {
		const at = here();
		const { map, sort: by, only: some } = { ...at, only: at.only ? "1" : "", ...change };
		const to = change.layer ?? layer().name;
		const other = to !== app.place.layer && { layer: to, at: app.net.shape(to).map(() => 0) };
		const number = change.layer && change.map === undefined ? null : map;
		app.go({ ...other, more: { ...(number === null ? {} : { map: String(number) }), ...(by === "index" ? {} : { sort: by }), ...(some ? { only: some } : {}) } });
	}

	/** The maps of the layer as they are shown. */
	function order() {
		const { sort: by, only: some } = here();
		const all = Array.from({ length: layer().maps }, (_, n) => n);
		const doubtful = new Set(some ? verdictsOf(layer().name).flatMap(({ maps }) => maps) : all);
		const worth = by === "index" || !now ? null : now[/** @type {"max" | "zeros" | "std"} */ (by)];
		const listed = all.filter((n) => doubtful.has(n));
		return worth ? listed.sort((a, b) => (worth[b] ?? -Infinity) - (worth[a] ?? -Infinity) || a - b) : listed;
	}

	/** @param {string} name @param {number} [map] @returns {Verdict[]} */
	const verdictsOf = (name, map) => /** @type {Whole} */ (told).verdicts.filter((one) => one.layer === name && (map === undefined || one.maps.includes(map)));

	/** @param {number} map @returns {Promise<Card>} */
	async function card(map) {
		const { block } = /** @type {Whole} */ (told);
		const key = `${Math.floor(map / block)} ${layer().name}`;
		if (!blocks.has(key)) {
			const asked = ask({ of: "maps", layer: layer().name, block: Math.floor(map / block) }).then(({ facts }) => /** @type {Block} */ (facts));
			asked.catch(() => blocks.delete(key)); // it may be asked for again
			blocks.set(key, asked);
		}
		return (await /** @type {Promise<Block>} */ (blocks.get(key))).maps[map % block];
	}

	// -- a case ---------------------------------------------------------------------------------------

	/** Let the image of a response go through, and look at its number. @param {Response} response @param {HTMLElement} beside */
	async function open(response, beside) {
		const { name } = layer();
		const waiting = h("p.cs-dim", { role: "status" }, "the image goes through …");
		beside.append(waiting);
		try {
			const { facts } = await (told?.pictures ? picture(response.image) : ask({ of: "run", image: response.image }));
			app.trail.push(app.place);
			app.ran(facts.run);
			app.go({ layer: name, at: response.at, screen: "microscope" });
		} catch (error) {
			beside.append(wrong(error));
		}
		waiting.remove();
	}

	/** @param {number} image */
	async function picture(image) {
		const { facts: { name, steps, pixels }, body } = await ask({ of: "picture", image });
		const { buffer, byteOffset, byteLength } = /** @type {DataView} */ (body);
		return app.link.ask({ ask: "image", name, steps, pixels }, /** @type {ArrayBuffer} */ (buffer.slice(byteOffset, byteOffset + byteLength)));
	}

	// -- what is shown --------------------------------------------------------------------------------

	function whole() {
		const { images, all, described, steps, skipped, bad } = /** @type {Whole} */ (told);
		fill(head,
			h("h2", `${grouped(images)} images`, all ? "" : " so far"),
			h("p.cs-dim cs-note", `${described}; every image: ${steps.join("; ")}`),
			skipped > 0 && h("details.cs-table", h("summary.cs-bad", skipped === 1 ? "1 image was skipped" : `${grouped(skipped)} images were skipped`),
				h("ul", bad.map(([name, why]) => h("li", `${name}: ${why}`)))));
		fill(findings, verdicts(), classes());
	}

	function list() {
		const { layers: all, verdicts: found } = /** @type {Whole} */ (told);
		const current = layer().name;
		fill(layers, table(["layer", "maps", "zeros", "verdicts"], all.map(({ name, maps, zeros }) => {
			const doubts = found.filter((one) => one.layer === name).length;
			const button = link(name, () => go({ layer: name, map: null }));
			if (name === current) button.setAttribute("aria-current", "true");
			return [button, grouped(maps), percent(zeros), doubts ? h("td.cs-figure cs-bad", grouped(doubts)) : ""];
		})));
	}

	function verdicts() {
		const { verdicts: found } = /** @type {Whole} */ (told);
		if (!found.length) return h("p.cs-note", "No verdicts: there is no map that never fired, is constant, always on, saturated or a copy.");
		/** @type {Map<string, Verdict[]>} of several maps each is one of its own */
		const groups = new Map();
		for (const one of found) {
			const key = `${one.layer} ${one.kind} ${one.maps.length > 1 ? one.maps : ""}`;
			groups.set(key, [...(groups.get(key) ?? []), one]);
		}
		const lines = [...groups.values()].map((many) => {
			const [{ layer: name, kind, evidence, proved }] = many;
			const maps = many.flatMap((one) => one.maps);
			return h("li", h("b", name), ` ${kind}: ${maps.length > 1 ? "maps" : "map"} `,
				maps.slice(0, NAMED).flatMap((map) => [link(String(map), () => go({ layer: name, map })), " "]),
				maps.length > NAMED && `and ${grouped(maps.length - NAMED)} more `,
				dim(`${maps.length > 1 && many.length > 1 ? `map ${maps[0]}: ` : ""}${evidence}`), proved && h("span.cs-good", " ✓ proved"));
		});
		return h("details.cs-table", { open: true }, h("summary", `Verdicts: ${grouped(found.length)}`), h("ul.cs-survey-verdicts", lines));
	}

	function classes() {
		const { classes: names, confusion, accuracy } = /** @type {Whole} */ (told);
		const rows = Object.entries(confusion);
		if (!rows.length) return null;
		const cell = (/** @type {string} */ label, /** @type {string} */ name, /** @type {number} */ count) =>
			h("td.cs-figure", { class: `cs-figure${count && accuracy !== null && label !== name ? " cs-bad" : ""}` }, count ? grouped(count) : dim("0"));
		const own = accuracy === null ? "" : `; the image's own in ${percent(accuracy, 2)}`;
		return h("details.cs-table", h("summary", `Which class was the largest output${own}`),
			h("div.cs-scroll", scrolled("Labels and classes"),
				table(["label", ...names], rows.map(([label, counts]) => [label, ...counts.map((count, n) => cell(label, names[n], count))]))));
	}

	async function maps() {
		const { name, kind, maps: many, places, sees } = layer();
		fill(title, h("h2", name, " ", dim(`(${kind})`)), h("p.cs-dim cs-note", `${grouped(many)} map${many > 1 ? "s" : ""} × ${grouped(places)} place${places > 1 ? "s" : ""}${sees ? `; ${sees}` : ""}`));
		const { facts } = await layered(ask({ of: "layer", layer: name }));
		now = /** @type {Figures} */ (facts);
		const listed = order();
		more.hidden = listed.length <= shown;
		fill(cards, listed.slice(0, shown).map(entry), !listed.length && h("p.cs-dim", "No map of this layer has a verdict."));
	}

	/** @param {number} map */
	function entry(map) {
		const doubts = verdictsOf(layer().name, map);
		const inside = h("span.cs-survey-inside", dim("…"));
		const made = h("button.cs-survey-card", { type: "button", "data-map": map, onclick: () => go({ map }) },
			h("span.cs-survey-name", h("b", `map ${map}`), h("span.cs-bad", doubts.map(({ kind }) => kind).join(", "))),
			dim(figures(/** @type {Figures} */ (now), map)), inside);
		card(map).then(
			({ bars: counts, top }) => fill(inside, counts.length > 0 && bars(counts, 34), h("span.cs-survey-row", top.slice(0, 4).map(image))),
			(error) => fill(inside, dim(message(error))),
		);
		return made;
	}

	/** @param {Response} response */
	const image = ({ patch, words }) => patch && h("img.cs-survey-patch", { src: patch, alt: words, loading: "lazy" });

	function mark() {
		const { map } = here();
		for (const one of cards.querySelectorAll("button")) {
			if (one.dataset.map === String(map)) one.setAttribute("aria-current", "true");
			else one.removeAttribute("aria-current");
		}
	}

	async function one() {
		const { map } = here();
		detail.hidden = map === null;
		if (map === null) return;
		const { name } = layer();
		const doubts = verdictsOf(name, map);
		const cases = h("div.cs-survey-cases");
		const picture_ = h("div");
		const problem = h("div");
		fill(detail,
			h("header.cs-survey-name", h("h3", `map ${map} of ${called(name)}`), h("span",
				small("‹", () => beside(-1), { "aria-label": "The map before" }), " ", small("›", () => beside(1), { "aria-label": "The next map" }), " ",
				small("close", () => go({ map: null })))),
			h("p.cs-note", now && figures(now, map)),
			doubts.length > 0 && h("ul.cs-note", doubts.map(({ kind, evidence, proved }) => h("li", h("b.cs-bad", kind), `: ${evidence}`, proved && h("span.cs-good", " ✓ proved")))),
			picture_, cases, problem);
		try {
			const { bars: counts, top } = await chosen(card(map));
			if (counts.length && now) fill(picture_, h("figure", bars(counts, 90), h("figcaption.cs-dim cs-note", around(now, map))));
			fill(cases, top.map((response) => h("figure.cs-survey-case",
				h("button", { type: "button", title: "open this number in the microscope", onclick: () => open(response, problem) },
					image(response) || h("span.cs-dim", "no picture"), h("b", exact(Number(response.value)))),
				h("figcaption.cs-dim", `(${response.at.join(", ")}) ${response.words}`))));
		} catch (error) {
			fill(cases, wrong(error));
		}
	}

	/** @param {number} by */
	function beside(by) {
		const listed = order();
		const { map } = here();
		const to = map === null ? listed[0] : listed[listed.indexOf(map) + by];
		if (to !== undefined) go({ map: to });
	}

	async function begin() {
		begun = true;
		try {
			told = /** @type {Whole} */ ((await newest(ask({ of: "whole" }))).facts);
			whole();
			show();
		} catch (error) {
			begun = false;
			fill(head, wrong(error));
		}
	}

	async function show() {
		if (!told) return void (begun || begin());
		const { map, sort: by, only: some } = here();
		sort.value = by;
		only.checked = some;
		try {
			const another = turned(layer().name, map);
			if (changed(layer().name, by, some)) {
				shown = SHOWN;
				now = null; // until the layer's own figures are there
				list();
				await maps();
			} else if (!another || !now) return; // figures that are still to come show the map, too
			mark();
			await one();
			if (here().map !== null && element.isConnected) detail.scrollIntoView({ block: "nearest" });
		} catch (error) {
			fill(cards, wrong(error));
		}
	}

	return {
		element, show,
		up() {
			if (!told || here().map === null) return false;
			go({ map: null });
			return true;
		},
		key({ key, target }) {
			if (!told || /** @type {HTMLElement} */ (target).getAttribute?.("role") === "tab") return false;
			const by = { ArrowLeft: -1, ",": -1, ArrowRight: 1, ".": 1 }[key];
			if (by === undefined || /** @type {HTMLElement} */ (target).closest?.("[role=region], nav")) return false;
			beside(by);
			return true;
		},
	};
}

export default survey;
