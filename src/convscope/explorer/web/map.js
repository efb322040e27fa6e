// The output map: to point at, to walk over, to choose other maps.

import { numberAt, product, range } from "./arrays.js";
import { called, decimal, grouped, places, times } from "./texts.js";
import { attributes, dim, fill, folded, h, inFrame, latest, memo, say, scrolled, sized, table, unfold } from "./elements.js";
import { drawBars } from "./colours.js";
import { Atlas } from "./atlas.js";
import { sliding } from "./sliding.js";

/** @import {Microscope} from "./microscope.js" */

/** @param {Microscope} micro  of which it is the map that the number is in: to point at, to walk over, to choose other maps */
export function outputMap(micro) {
	const { app } = micro;
	const newest = latest();
	const canvas = h("canvas.cs-map", {
		"aria-hidden": "true", onpointermove: (event) => over(under(event) ?? micro.hover), onpointerleave: () => over(null),
		onclick: (event) => {
			const at = under(event);
			if (!at) return;
			micro.hover = null;
			app.go({ at });
			cell.focus({ preventScroll: true });
		},
	});
	const cell = h("span.cs-cell", { role: "gridcell", tabindex: 0 });
	const grid = h("div.cs-map-grid", { role: "grid", "aria-label": "The output map" }, canvas, h("div", { role: "row" }, cell));
	const caption = h("p.cs-caption");
	const steppers = h("div.cs-steppers");
	const picker = new Atlas(app, "All maps of this layer", ({ map }) => app.move(Number(app.form.axes.maps), map),
		(spot) => picker.mark(spot?.map ?? app.form.map(micro.at)));
	const note = h("p.cs-dim cs-note");
	const strip = h("div.cs-picker", scrolled("All maps of this layer"), picker.element);
	const numbers = folded("The numbers around it", () => tabulate());
	const slider = sliding(micro, { over: (at) => slid(at), veil: () => later() });
	const element = h("div.cs-output", caption, grid, slider.element, steppers, strip, note, numbers);
	const [picked, stepped, pictured] = [memo(), memo(), memo()];
	const later = inFrame(() => {
		draw();
		micro.draw();
	});
	let scale = 1;
	let across = 1; // so many planes of a volume stand beside one another
	/** @type {HTMLInputElement[]} */
	let inputs = [];
	/** @type {HTMLCanvasElement | null} */
	let picture = null;

	/** The engine's number, if it is at hand. @param {number[]} at @returns {number | null} */
	function value(at) {
		const patch = app.net.now(app.net.around(app.place.layer, at));
		return patch && numberAt(patch, at);
	}

	async function show() {
		const { net, place } = app;
		element.hidden = !net.has(place.layer);
		slider.show();
		if (element.hidden) return;
		step();
		const question = net.around(place.layer, place.at);
		const known = net.now(question);
		if (known) newest();
		else await newest(net.ask(question).catch(() => null));
		draw();
		if (!known) micro.draw();
		await pick();
	}

	/** All maps of the layer, small, to choose from. */
	async function pick() {
		const { place, form, look } = app;
		strip.hidden = form.maps === 1;
		const from = Math.floor(form.map(micro.at) / 512) * 512;
		if (form.maps > 1 && picked(look, from)) {
			const maps = range(Math.min(512, form.maps - from), from);
			await picker.draw(place.layer, maps, 250, form.maps > 64 ? 18 : 26).catch(() => picked()); // the screen says why
			say(note, form.maps > 512 ? `maps ${from} … ${from + maps.length - 1} of ${grouped(form.maps)}` : "");
		}
		picker.mark(app.form.map(micro.at));
	}

	function step() {
		const { place, form } = app;
		if (stepped(place.layer, form.shape)) {
			inputs = form.shape.map((size, axis) => h("input", {
				type: "number", min: 0, max: size - 1, "aria-label": form.word(axis), onchange: ({ target }) => {
					app.move(axis, Math.round(Number(target.value)) || 0);
					step();
				},
			}));
			const one = product(form.shape) === 1; // an axis of size 1 leaves no choice
			fill(steppers, form.shape.map((size, axis) => (size > 1 || one) &&
				h("label", h("span", form.word(axis), dim(` of ${grouped(size)}`)), inputs[axis])));
		}
		inputs.forEach((box, axis) => {
			if (box.value !== String(place.at[axis])) box.value = String(place.at[axis]);
		});
	}

	function draw() {
		const { net, place, ramp, form, look } = app;
		const { at } = micro;
		const { rows, columns, axes } = form;
		const map = form.map(place.at);
		say(caption, axes.maps === null ? `${called(place.layer)}: ${times(form.shape)}` : `map ${map} of ${called(place.layer)}, ${form.size}`);
		const patch = net.activation(place.layer);
		const bars = rows === 1 && columns > 1;
		const { planes, tall } = form;
		across = form.beside();
		scale = 250 / (bars ? columns : Math.max(across * columns, Math.ceil(planes / across) * tall));
		const [width, height] = [across * columns * scale, bars ? 100 : Math.ceil(planes / across) * tall * scale];
		if (pictured(look, map, !patch)) picture = patch && micro.thumb(patch, place.layer, map);
		const pen = sized(canvas, width, height);
		if (bars && patch) drawBars(pen, form.plane(patch, map), width, height, ramp, net.limit(place.layer));
		else if (picture) {
			for (let plane = 0; plane < planes; plane++) {
				pen.drawImage(picture, 0, plane * tall, columns, tall, ...corner(0, plane * tall), columns * scale, tall * scale);
			}
		}
		const left = slider.left();
		if (left !== null) { // what the window has not come to yet is not filled
			pen.fillStyle = ramp.css[255];
			for (let row = Math.floor(left / columns), from = left % columns; row < rows; row++, from = 0) {
				const [x, y] = corner(from, row);
				pen.fillRect(x, bars ? 0 : y, (columns - from) * scale, bars ? height : scale + 0.5);
			}
		}
		for (let plane = 0; planes > 1 && plane < planes; plane++) { // what is one plane of a volume
			Object.assign(pen, { strokeStyle: ramp.line, lineWidth: 1 });
			pen.strokeRect(...corner(0, plane * tall), columns * scale, tall * scale);
		}
		const [row, column] = [form.row(at), form.column(at)];
		const [x, y] = corner(column, row).map((p) => Math.max(1, p - 1));
		for (const [strokeStyle, lineWidth] of [[ramp.under, 4], [ramp.line, 2]]) {
			Object.assign(pen, { strokeStyle, lineWidth });
			pen.strokeRect(x, bars ? 1 : y, Math.min(scale + 2, width - 2), Math.min((bars ? height : scale) + 2, height - 2));
		}
		attributes(grid, { "aria-rowcount": rows, "aria-colcount": columns });
		attributes(cell, { "aria-rowindex": row + 1, "aria-colindex": column + 1 });
		const number = value(at);
		say(cell, `${at.join(", ")}: ${number === null ? "" : decimal(number, places(number))}`);
		tabulate();
	}

	function tabulate() {
		if (numbers.open) unfold(numbers, around());
	}

	/** The pixel and those around it, as a table. */
	function around() {
		const { axes: { rows, columns }, shape } = app.form;
		const { at } = micro;
		const near = (/** @type {number | null} */ axis) =>
			axis === null ? [0] : range(5, at[axis] - 2).filter((p) => p >= 0 && p < shape[axis]);
		return h("div.cs-scroll cs-pixels", scrolled("The numbers around it"), table(["row", ...near(columns).map(String)], near(rows).map((y) => [rows === null ? "" : y,
			...near(columns).map((x) => {
				const there = at.map((p, axis) => (axis === rows ? y : axis === columns ? x : p));
				const number = value(there);
				return h(`td.cs-figure${String(there) === String(at) ? " cs-here" : ""}`, number === null ? "" : decimal(number, 4));
			})])));
	}

	/** @param {MouseEvent} event */
	function under({ offsetX, offsetY }) {
		const { form, place } = app;
		const { tall, columns } = form;
		const [x, y] = [Math.floor(offsetX / scale), form.rows === 1 && columns > 1 ? 0 : Math.floor(offsetY / scale)];
		const column = x % columns;
		const row = (Math.floor(y / tall) * across + Math.floor(x / columns)) * tall + (y % tall);
		if (y < 0 || x < 0 || x >= across * columns || row >= form.rows) return null;
		return form.position({ map: form.map(place.at), row, column });
	}

	/** @param {number[]} at */
	function slid(at) {
		micro.hover = at;
		draw();
		micro.draw();
	}

	/** @param {number[] | null} at */
	function over(at) {
		if (slider.playing()) return;
		if (String(at) === String(micro.hover)) return;
		micro.hover = at;
		later();
	}

	/** Where a pixel begins on the canvas. @param {number} column @param {number} row @returns {[number, number]} */
	function corner(column, row) {
		const { tall, columns } = app.form;
		const plane = Math.floor(row / tall);
		return [((plane % across) * columns + column) * scale, (Math.floor(plane / across) * tall + (row % tall)) * scale];
	}

	/** Where the middle of the number's pixel lies on the map. */
	const spot = () => {
		const { form } = app;
		const [x, y] = corner(form.column(micro.at), form.row(micro.at));
		return [x + scale / 2, form.rows === 1 && form.columns > 1 ? 50 : y + scale / 2];
	};

	return { element, value, show, around, spot, place: () => canvas.getBoundingClientRect(), pause: slider.pause };
}
