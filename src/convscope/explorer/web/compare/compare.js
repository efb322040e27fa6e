// The screen Compare: two networks in pairs of layers, the maps of both and their difference, and where they part.

import { between, largestOf } from "../arrays.js";
import { drawSheet } from "../colours.js";
import { dim, fill, h, latest, link, memo, message, say, scrolled, table } from "../elements.js";
import { exact, scientific, times } from "../texts.js";

/** @import {App, Screen} from "../frame.js" */
/** @import {First, Maps, Pair, Told} from "./types" */

const SIDE = 300; // pixels that a map is drawn in, at most

/** @param {App} app @returns {Screen} */
function comparing(app) {
	/** @type {Told | null} */
	let told = null;
	/** @type {Maps | null} */
	let maps = null;
	/** @type {{rows: number, columns: number, sides: Float32Array[]} | null} */
	let drawn = null;
	const newest = latest();
	const changed = memo();
	const verdict = h("p.cs-compare-verdict", { role: "status" }, "Comparing …");
	const first = h("div.cs-compare-first");
	const list = h("div.cs-compare-list", scrolled("Pairs of layers"));
	const title = h("h3");
	const which = h("input", { type: "number", min: 0, value: 0, "aria-label": "Map", onchange: () => go({ map: String(Math.trunc(Number(which.value)) || 0) }) });
	const most = h("span.cs-compare-most");
	const under = h("p.cs-compare-under", { "aria-live": "off" });
	const pictures = [0, 1, 2].map((n) => {
		const canvas = h("canvas", {
			role: "img", onpointermove: (event) => over(n, event), onpointerleave: () => over(n, null), onclick: (event) => down(n, event),
		});
		const caption = h("figcaption");
		return { canvas, caption, figure: h("figure.cs-compare-map", caption, canvas) };
	});
	const problem = h("p.cs-dim");
	const pair = h("section.cs-compare-pair", title, h("label", "map ", which), " ", most, h("div.cs-compare-maps", pictures.map(({ figure }) => figure)), under, problem);
	const element = h("section.cs-compare-screen", verdict, first, h("div.cs-compare-two", list, pair));

	/** @param {Record<string, string>} more */
	const go = (more) => app.go({ more: { ...app.place.more, ...more } });

	/** Which pair the address names; else the first that differs. */
	function here() {
		const { layers, first: guilty } = /** @type {Told} */ (told);
		const asked = app.place.more?.n;
		if (/^\d{1,6}$/.test(asked ?? "")) return between(Number(asked), 0, layers.length - 1);
		const other = layers.findIndex(({ same }) => !same);
		return guilty ?? (other >= 0 ? other : Math.max(0, layers.findIndex(({ layers: [one] }) => one === app.place.layer)));
	}

	async function show() {
		try {
			if (!told) {
				told = /** @type {Told} */ ((await newest(app.link.ask({ ask: "compare", what: "table" }))).facts);
				head(told);
			}
			const n = here();
			const asked = app.place.more?.map;
			if (!changed(n, asked, app.ramp.scheme)) return;
			for (const [k, row] of list.querySelectorAll("tbody tr").entries()) row.classList.toggle("cs-lit", k === n);
			const { layers: [one, other], why_not: why } = told.layers[n];
			say(title, `${one ?? "–"} in ${told.names[0]} | ${other ?? "–"} in ${told.names[1]}`);
			maps = drawn = null;
			const answer = await newest(app.link.ask({ ask: "compare", what: "pair", n }).catch((error) => ({ facts: { wrong: message(error) } })));
			if (answer.facts.wrong) return nothing(why ?? answer.facts.wrong);
			const found = maps = /** @type {Maps} */ (answer.facts);
			const map = /^\d{1,9}$/.test(asked ?? "") ? between(Number(asked), 0, found.maps - 1) : found.start;
			const { body } = await newest(app.link.ask({ ask: "compare", what: "map", n, map }));
			const { buffer, byteOffset, byteLength } = /** @type {DataView} */ (body);
			const both = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
			paint(told, map, both);
		} catch (error) {
			nothing(message(error));
		}
	}

	/** @param {string} why */
	function nothing(why) {
		drawn = null;
		pair.classList.add("cs-compare-none");
		say(problem, why);
		say(under, "");
	}

	/** @param {Told} told @param {number} map @param {Float32Array} both */
	function paint({ names }, map, both) {
		const { maps: count, tile: [rows, columns], largest } = /** @type {Maps} */ (maps);
		const half = both.length / 2;
		const [one, other] = [both.subarray(0, half), both.subarray(half)];
		const apart = one.map((v, k) => (v === other[k] ? 0 : v - other[k]));
		drawn = { rows, columns, sides: [one, other, apart] };
		pair.classList.remove("cs-compare-none");
		say(problem, "");
		which.max = String(count - 1);
		which.value = String(map);
		const order = largest.map((_, k) => k).sort((a, b) => (largest[b] ?? Infinity) - (largest[a] ?? Infinity) || a - b).slice(0, 6);
		fill(most, `of ${count}; those that differ most: `, ...order.flatMap((k) => [link(String(k), () => go({ map: String(k) })), dim(` ${size(largest[k])} `)]));
		const limit = Math.max(largestOf(one), largestOf(other));
		const scale = Math.max(1, Math.floor(SIDE / Math.max(rows, columns)));
		pictures.forEach(({ canvas, caption }, n) => {
			const own = n < 2 ? limit : largestOf(apart);
			const tiles = { maps: [0], tile: [rows, columns], of: [rows, columns], data: /** @type {Float32Array[]} */ (drawn?.sides)[n] };
			drawSheet(canvas, { tiles: /** @type {any} */ (tiles), across: 1, scale, high: rows === 1 ? Math.max(scale, 24) : scale, gap: 0, each: false, limit: own, grey: null }, app.ramp);
			const name = n < 2 ? names[n] : "their difference";
			fill(caption, h("b", name), dim(` colours to ±${size(own)}`));
			canvas.setAttribute("aria-label", `map ${map}, ${name}: ${rows} × ${columns} numbers, at most ${size(own)}`);
		});
		say(under, "Point at a number: it is told of both. A click takes it apart.");
	}

	/** @param {number} n @param {MouseEvent} event */
	function spot(n, event) {
		if (!drawn) return null;
		const { clientWidth: wide, clientHeight: tall } = pictures[n].canvas;
		return [between(Math.floor((event.offsetY * drawn.rows) / (tall || 1)), 0, drawn.rows - 1), between(Math.floor((event.offsetX * drawn.columns) / (wide || 1)), 0, drawn.columns - 1)];
	}

	/** @param {number} n @param {MouseEvent | null} event */
	function over(n, event) {
		const at = event && spot(n, event);
		if (!at || !drawn || !told) return;
		const k = at[0] * drawn.columns + at[1];
		const [one, other, apart] = drawn.sides.map((side) => side[k]);
		say(under, `row ${at[0]}, column ${at[1]}: ${exact(one)} in ${told.names[0]}, ${exact(other)} in ${told.names[1]}, difference ${size(apart)}`);
	}

	/** @param {number} n @param {MouseEvent} event */
	function down(n, event) {
		const at = spot(n, event);
		const name = told?.layers[here()].layers[0];
		if (!at || !name || !app.net.has(name)) return;
		app.go({ screen: "microscope", layer: name, at: app.net.form(name).position({ map: Number(which.value), row: at[0], column: at[1] }) }, true);
	}

	/** @param {Told} told */
	function head(told) {
		const { names, layers, first_difference: guilty, verdict: said } = told;
		say(verdict, said);
		verdict.classList.toggle("cs-bad", told.agree === false);
		verdict.classList.toggle("cs-good", told.agree === true);
		fill(first, guilty && ledgers(names, guilty));
		fill(list, table([names[0], names[1], "output", "weights", "largest difference", "of its own", ""], layers.map((one, n) => [
			link(one.layers[0] ?? "–", () => go({ n: String(n), map: "" })), one.layers[1] ?? "–", shapes(one), one.weights?.how ?? "",
			one.difference === null ? "" : size(one.difference), one.own_difference === null ? "" : size(one.own_difference), sign(one)])));
	}

	return { element, show };
}

/** @param {Pair} pair */
function shapes({ shapes: [ours, theirs] }) {
	const [one, other] = [ours, theirs].map((shape) => shape && times(shape.map((size) => size ?? NaN)));
	const alike = ours && theirs && [...ours].sort().join() === [...theirs].sort().join();
	return alike || !theirs ? (one ?? "") : !ours ? (other ?? "") : `${one} | ${other}`;
}

/** @param {Pair} pair */
function sign({ layers: [one, other], agrees, same_equation: alike, unlike, why_not: why }) {
	if (one === null || other === null) return h("span.cs-bad", "no partner");
	if (agrees === false) return h("span.cs-bad", unlike ? `differs: ${unlike}` : "differs");
	if (!alike) return h("span.cs-bad", unlike || "not the same equation");
	return agrees ? h("span.cs-good", "agrees") : (why ?? "");
}

/** @param {number | string | null} value */
const size = (value) => (value === null || value === "Infinity" ? "∞" : typeof value === "string" ? value : value === 0 ? "0" : Math.abs(value) >= 0.001 && Math.abs(value) < 1e6 ? String(Number(value.toPrecision(4))) : scientific(value));

/** @param {number | string | null} value */
const said = (value) => (typeof value === "number" ? exact(value) : (value ?? ""));

/** What the two do at the first number that differs, side by side. @param {[string, string]} names @param {First} first */
function ledgers(names, { layers, positions, values, roundings, cause, ledgers: sides, terms }) {
	const room = roundings.every((r) => typeof r === "number") ? Number(roundings[0]) + Number(roundings[1]) : null;
	const apart = values.every((v) => typeof v === "number") ? Math.abs(Number(values[0]) - Number(values[1])) : null;
	const steps = Math.max(...sides.map((side) => side?.steps.length ?? 0));
	const rows = Array.from({ length: steps }, (_, n) => [sides[0]?.steps[n]?.[0] ?? sides[1]?.steps[n]?.[0] ?? "", ...sides.map((side) => {
		const step = side?.steps[n];
		return step ? `${said(step[1])}${sides[0]?.steps[n]?.[0] === step[0] ? "" : ` (${step[0]})`}` : "";
	})]);
	const half = terms ? (terms.names.length - 1) / 2 : 0;
	const heads = terms && [terms.names[0], ...terms.names.slice(1).map((name, n) => `${name} in ${names[n < half ? 0 : 1]}`.trim())];
	const body = terms && terms.rows.map(([place, ...numbers]) => [String(place), ...numbers.map(said)]);
	return [
		h("h2", `Where they part: ${layers[0]} and ${layers[1]}`),
		h("p", cause ? [h("b", "What makes them agree: "), `${cause}. It was tried.`] : "Nothing that was tried makes them agree."),
		h("p", `Given the same input, the number at (${positions[0].join(", ")}) is ${said(values[0])} in ${names[0]} and ${said(values[1])} in ${names[1]}: ${size(apart)} apart, where roundings account for ${size(room)} at most.`),
		h("div.cs-compare-ledgers", scrolled("The two ledgers"), table(["step", ...names], rows)),
		terms && heads && body && h("details.cs-table", h("summary", `The terms side by side, those that differ most first (${terms.rows.length} of ${terms.all})`),
			h("div.cs-compare-ledgers", scrolled("The terms"), table(heads, body)),
			terms.rest && h("p.cs-note", `The other ${terms.all - terms.rows.length} add up to ${said(terms.rest[0])} in ${names[0]} and ${said(terms.rest[1])} in ${names[1]}.`)),
		h("details.cs-table", h("summary", "Their equations"), sides.map((side, n) => side && h("p", dim(`${names[n]}: `), h("code", side.equation)))),
	];
}

export default comparing;
