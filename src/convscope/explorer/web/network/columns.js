// A small network as columns of maps: which go into which, and the classes that come out.

import { range } from "../arrays.js";
import { needs } from "../windows.js";
import { called, decimal, grouped, times } from "../texts.js";
import { attributes, breakable, fill, h, latest, memo, penOf, say, sized } from "../elements.js";
import { drawBars, scaleOf } from "../colours.js";
import { mark } from "../marks.js";

/** @import {Detail, Patch} from "../types" */
/** @import {App} from "../frame.js" */

const LEAST = 88; // so many pixels a column has at least, or nobody could read what stands over it
const SCALES = 34; // and below them so many are left for the colours' scales
const MOST_MAPS = 8; // so many maps of a layer are drawn
const CLASSES = 10; // and of a row of numbers so many, where they are few or the last

/**
 * A layer's column: its items from top to bottom, and where they stand. An item is a map, a number, or all numbers.
 * @typedef {{name: string, x: number, wide: number, items: {n: number | null, y: number, tall: number}[], kind: "maps" | "numbers" | "all"}} Column
 */

/** @typedef {{column: number, item: number} | null} Lit  what is pointed at; item −1: all of its column */

/** @param {App} app */
export function columns(app) {
	const names = app.net.names;
	const newest = latest();
	const canvas = h("canvas.cs-columns-picture", {
		role: "img", onpointermove: (event) => over(under(event)), onpointerleave: () => over(null), onclick: (event) => open(under(event)),
	});
	const heads = h("div.cs-columns-heads");
	const note = h("p.cs-caption", { "aria-live": "off" });
	const element = h("div.cs-columns", heads, canvas, note);
	const changed = memo();
	/** @type {Column[]} */
	let drawn = [];
	/** @type {Map<string, Patch>} */
	let held = new Map();
	/** @type {Map<string, Detail>} */
	let details = new Map();
	/** @type {Lit} */
	let lit = null;

	function marked() {
		for (const button of heads.querySelectorAll("button")) {
			const { layer: name = "", label = "" } = button.dataset;
			attributes(button, { "aria-current": name === app.place.layer || null });
			mark(app, button, [name], label);
		}
	}

	async function show() {
		const { net, ramp, place: { colour } } = app;
		marked();
		if (!changed(net.run?.id, ramp.scheme, colour, element.clientWidth)) return paint();
		const told = (details = new Map());
		const given = (held = new Map()); // those of an image before come too late for these
		await newest(Promise.all(names.map(async (name) => {
			const { input, equation } = net.layer(name);
			if (!input && equation) told.set(name, await net.ask(net.detail(name)));
			if (net.has(name)) given.set(name, await net.ask(net.values(name)));
		})).catch(() => changed())); // what cannot be had is not drawn, and asked for again
		lay();
		paint();
		say(note, rest());
	}

	/** Where everything stands. */
	function lay() {
		const { net } = app;
		const width = Math.max(LEAST * names.length, element.clientWidth || 900); // wider than the page it scrolls
		const pitch = width / names.length;
		const side = Math.min(56, pitch * 0.52);
		const tall = MOST_MAPS * (side + 8);
		drawn = names.map((name, c) => {
			const form = net.form(name);
			const patch = held.get(name);
			const last = c === names.length - 1;
			const count = form.maps > 1 || form.axes.rows !== null ? form.maps : form.columns;
			const maps = form.axes.rows !== null || form.maps > 1;
			const kind = maps ? "maps" : last || count <= CLASSES ? "numbers" : "all";
			let shown = range(Math.min(count, maps ? MOST_MAPS : CLASSES));
			if (kind === "numbers" && patch && count > CLASSES) { // of many classes the likeliest
				shown = range(count).sort((a, b) => patch.data[b] - patch.data[a]).slice(0, CLASSES);
			}
			const step = tall / Math.max(shown.length, kind === "all" ? 1 : 3);
			const high = kind === "maps" ? Math.min(side, step - 6) : kind === "all" ? tall - 12 : Math.min(26, step - 2);
			const start = kind === "all" ? 6 : (tall - shown.length * step) / 2 + (step - high) / 2;
			const items = kind === "all" ? [{ n: null, y: start, tall: high }] : shown.map((n, k) => ({ n, y: start + k * step, tall: high }));
			const wide = kind === "maps" ? side : kind === "all" ? Math.min(26, side) : pitch * 0.62;
			return { name, kind, items, wide, x: last && kind === "numbers" ? width - wide - 4 : c * pitch + (pitch - wide) / 2 };
		});
		heads.style.width = `${width}px`;
		fill(heads, drawn.map(({ name }, c) => {
			const { kind } = net.layer(name);
			const size = times(net.shape(name));
			return h("button.cs-column-head", {
				"data-layer": name, title: `${name} (${kind})`, "data-label": `${name}, ${kind}, ${size}`, style: { left: `${c * pitch}px`, width: `${pitch}px` },
				onclick: () => app.visit(name), onfocus: () => over({ column: c, item: -1 }), onblur: () => over(null),
			}, h("span", breakable(name)), h("span.cs-dim", breakable(size)));
		}));
		marked();
		sized(canvas, width, tall + SCALES);
	}

	/** Which items of the layer before go into an item; by its equation. @param {number} c @param {number} item */
	function sources(c, item) {
		const { net } = app;
		const { name, items } = drawn[c];
		const detail = details.get(name);
		if (!detail) return [];
		const form = net.form(name);
		const { n } = items[item];
		const middle = form.shape.map((size) => Math.floor(size / 2));
		const axis = form.axes.maps ?? form.axes.columns;
		const ends = n === null ? [middle.map(() => 0), form.shape.map((size) => size - 1)] : [middle.map((p, d) => (d === axis ? n : p))];
		const boxes = ends.map((at) => needs(detail.equation, at));
		return Object.entries(detail.feeds).flatMap(([tensor, feed]) => {
			const from = drawn.findIndex((one) => one.name === feed);
			const of = net.form(feed);
			const along = of.axes.maps ?? of.axes.columns;
			if (from < 0 || along === null) return from < 0 ? [] : drawn[from].items.map((_, k) => ({ from, item: k }));
			const [low, high] = [Math.min(...boxes.map((box) => box[tensor]?.[along][0] ?? 0)), Math.max(...boxes.map((box) => box[tensor]?.[along][1] ?? -1))];
			return drawn[from].items.flatMap((one, k) => (one.n === null || (one.n >= low && one.n <= high) ? [{ from, item: k }] : []));
		});
	}

	function paint() {
		if (!drawn.length) return;
		const { net, ramp, place } = app;
		const pen = penOf(canvas);
		const { clientWidth: width } = canvas;
		pen.clearRect(0, 0, canvas.width, canvas.height);
		pen.lineCap = "round";
		/** @type {[{from: number, item: number}, number, number][]} */
		const bright = [];
		const line = (/** @type {{from: number, item: number}} */ { from, item }, /** @type {number} */ c, /** @type {number} */ k) => {
			const [a, b] = [drawn[from], drawn[c]];
			const [x1, x2] = [a.x + a.wide + 2, b.x - 2];
			const [y1, y2] = [[a, item], [b, k]].map(([column, n]) => {
				const { y, tall } = /** @type {Column} */ (column).items[/** @type {number} */ (n)];
				return y + tall / 2;
			});
			pen.beginPath();
			pen.moveTo(x1, y1);
			pen.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2);
			pen.stroke();
		};
		Object.assign(pen, { strokeStyle: ramp.line, lineWidth: 1, globalAlpha: 0.13 });
		drawn.forEach(({ items }, c) => items.forEach((_, k) => {
			for (const source of sources(c, k)) {
				if (lit && lit.column === c && (lit.item === k || lit.item < 0)) bright.push([source, c, k]);
				else line(source, c, k);
			}
		}));
		Object.assign(pen, { strokeStyle: ramp.of(1), lineWidth: 1.6, globalAlpha: 0.85 });
		for (const [source, c, k] of bright) line(source, c, k);
		pen.globalAlpha = 1;
		drawn.forEach((column, c) => {
			const { name, kind, items, x, wide } = column;
			const patch = held.get(name);
			if (!patch) return;
			const form = net.form(name);
			const limit = net.limit(name);
			for (const [k, { n, y, tall }] of items.entries()) {
				const chosen = lit?.column === c && (lit.item === k || lit.item < 0);
				if (kind === "maps") {
					// of a volume the plane in the middle; a row of numbers as bars
					const { columns, planes, tall: rows } = form;
					const scale = Math.min(wide / columns, tall / rows);
					const [w, t] = form.rows === 1 ? [wide, tall] : [columns * scale, rows * scale];
					if (form.rows === 1) {
						pen.save();
						pen.translate(x, y);
						drawBars(pen, form.plane(patch, n ?? 0), w, t, ramp, limit);
						pen.restore();
					} else {
						pen.drawImage(app.microscope.thumb(patch, name, n ?? 0), 0, Math.floor(planes / 2) * rows, columns, rows, x + (wide - w) / 2, y + (tall - t) / 2, w, t);
					}
					Object.assign(pen, { strokeStyle: chosen || name === place.layer ? ramp.of(1) : ramp.line, lineWidth: chosen ? 2.5 : 1, globalAlpha: chosen ? 1 : name === place.layer ? 0.8 : 0.3 });
					pen.strokeRect(x + (wide - w) / 2 - 0.5, y + (tall - t) / 2 - 0.5, w + 1, t + 1);
					pen.globalAlpha = 1;
				} else if (kind === "all") {
					const many = Math.min(patch.data.length, Math.floor(tall));
					const scale = scaleOf(net, name, "layer");
					for (let row = 0; row < many; row++) { // of numbers that share a line the largest
						let value = 0;
						for (let m = Math.floor((row * patch.data.length) / many); m < ((row + 1) * patch.data.length) / many; m++) {
							if (Math.abs(patch.data[m]) > Math.abs(value)) value = patch.data[m];
						}
						pen.fillStyle = ramp.of(value, scale.limit);
						pen.fillRect(x, y + (row * tall) / many, wide, tall / many + 0.5);
					}
					Object.assign(pen, { strokeStyle: ramp.line, lineWidth: 1, globalAlpha: 0.3 });
					pen.strokeRect(x - 0.5, y - 0.5, wide + 1, tall + 1);
					pen.globalAlpha = 1;
				} else {
					const value = patch.data[n ?? 0];
					const text = label(name, n ?? 0);
					Object.assign(pen, { fillStyle: ramp.line, font: `${chosen ? "bold " : ""}12px system-ui, sans-serif`, textAlign: "left", textBaseline: "alphabetic" });
					pen.fillText(text, x, y + tall - 9, wide);
					pen.fillStyle = ramp.of(value < 0 ? -1 : 1);
					pen.fillRect(x, y + tall - 5, limit > 0 ? Math.max(1, (Math.abs(value) / limit) * Math.min(wide, width - x - 2)) : 1, 4);
				}
			}
		});
		if (place.colour !== "map") for (const column of drawn) if (column.kind !== "numbers" && held.has(column.name)) legend(pen, column);
		attributes(canvas, { "aria-label": `${names.length} layers from left to right, ${drawn.map(({ name }) => name).join(", ")}: which maps go into which` });
	}

	/** The scale of a column's colours, below it. @param {CanvasRenderingContext2D} pen @param {Column} column */
	function legend(pen, { name, x, wide }) {
		const { net, ramp, place: { colour } } = app;
		const { limit, grey } = scaleOf(net, name, colour);
		const [low, high] = grey ?? [-limit, limit];
		const [left, top] = [Math.round(x + wide / 2) - 32, canvas.clientHeight - SCALES + 8];
		for (let n = 0; n < 64; n++) {
			pen.fillStyle = grey ? `rgb(${Array(3).fill(Math.round((n / 63) * 255)).join(" ")})` : ramp.of((n - 31.5) / 31.5);
			pen.fillRect(left + n, top, 1, 6);
		}
		Object.assign(pen, { fillStyle: ramp.line, font: "10px system-ui, sans-serif", textBaseline: "top", textAlign: "left" });
		const short = (/** @type {number} */ value) => String(Number(value.toPrecision(3))).replace("-", "−");
		pen.fillText(short(low), left - 6, top + 9);
		pen.textAlign = "right";
		pen.fillText(short(high), left + 70, top + 9);
	}

	/** @param {string} name @param {number} n */
	function label(name, n) {
		const { run, told: { labels } } = app.net;
		return (name === run?.output && labels[n]) || String(n);
	}

	function rest() {
		const hidden = drawn.filter(({ name, kind }) => kind === "maps" && app.net.form(name).maps > MOST_MAPS).map(({ name }) => `${grouped(app.net.form(name).maps - MOST_MAPS)} more of ${called(name)}`);
		return hidden.length ? `Of each layer the first ${MOST_MAPS} maps; not drawn: ${hidden.join(", ")}. Point at a map: what goes into it lights up.` : "Point at a map: what goes into it lights up.";
	}

	/** @param {MouseEvent} event */
	function under({ offsetX, offsetY }) {
		const column = drawn.findIndex(({ x, wide }) => offsetX >= x - 3 && offsetX <= x + wide + 3);
		if (column < 0) return null;
		const item = drawn[column].items.findIndex(({ y, tall }) => offsetY >= y - 3 && offsetY <= y + tall + 3);
		return item < 0 ? null : { column, item };
	}

	/** @param {Lit} to */
	function over(to) {
		if (to?.column === lit?.column && to?.item === lit?.item) return;
		lit = to;
		paint();
		canvas.style.cursor = to && to.item >= 0 ? "pointer" : "";
		if (!to || to.item < 0) return say(note, rest());
		const { name, items, kind } = drawn[to.column];
		const { n } = items[to.item];
		const { net } = app;
		const what = kind === "maps" ? `map ${n} of ${called(name)}` : kind === "all" ? called(name) : `${called(name)} ${label(name, n ?? 0)} = ${decimal(held.get(name)?.data[n ?? 0] ?? NaN, 4)}`;
		const detail = details.get(name);
		const reads = detail && kind !== "all" ? Object.entries(detail.feeds).map(([tensor, feed]) => {
			const form = net.form(feed);
			const axis = form.axes.maps ?? form.axes.columns;
			const own = net.form(name);
			const along = own.axes.maps ?? own.axes.columns;
			const box = needs(detail.equation, own.shape.map((size, d) => (d === along ? (n ?? 0) : Math.floor(size / 2))))[tensor];
			if (axis === null || !box) return called(feed);
			const [low, high] = box[axis];
			const word = form.axes.maps === null ? "number" : "map";
			const count = form.shape[axis];
			return high - low + 1 === count ? `${count === 1 ? `the one ${word}` : `all ${grouped(count)} ${word}s`} of ${called(feed)}` : low === high ? `${word} ${low} of ${called(feed)}` : `${word}s ${low} … ${high} of ${called(feed)}`;
		}) : [];
		say(note, `${what}${reads.length ? `: it reads ${reads.join(" and ")}` : ""}.`);
	}

	/** To the largest number of a map. @param {Lit} to */
	function open(to) {
		if (!to) return;
		const { name, items, kind } = drawn[to.column];
		const { n } = items[to.item];
		const form = app.net.form(name);
		const patch = held.get(name);
		if (kind === "maps" && patch && n !== null) {
			const plane = form.plane(patch, n);
			const best = plane.reduce((most, value, k) => (value > plane[most] ? k : most), 0);
			app.go({ screen: "microscope", layer: name, at: form.position({ map: n, row: Math.floor(best / form.columns), column: best % form.columns }) }, true);
		} else if (kind === "numbers" && n !== null) {
			app.go({ screen: "microscope", layer: name, at: form.shape.map((_, d) => (d === form.axes.columns ? n : 0)) }, true);
		} else app.visit(name);
	}

	return { element, show };
}
