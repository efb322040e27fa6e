// The output map: to point at, to walk over, to choose other maps.

import { numberAt, product, range } from "./arrays.js";
import { decimal, grouped, places, times } from "./texts.js";
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
		say(caption, axes.maps === null ? `${place.layer}: ${times(form.shape)}` : `map ${map} of ${place.layer}, ${form.size}`);
		const patch = net.activation(place.layer);
		const bars = rows === 1 && columns > 1;
		scale = 250 / (bars ? columns : Math.max(rows, columns));
		const [width, height] = [columns * scale, bars ? 100 : rows * scale];
		if (pictured(look, map, !patch)) picture = patch && micro.thumb(patch, place.layer, map);
		const pen = sized(canvas, width, height);
		if (bars && patch) drawBars(pen, form.plane(patch, map), width, height, ramp, net.limit(place.layer));
		else if (picture) pen.drawImage(picture, 0, 0, width, height);
		const left = slider.left();
		if (left !== null) { // what the window has not come to yet is not filled
			pen.fillStyle = ramp.css[255];
			const down = bars ? 0 : Math.floor(left / columns) * scale;
			pen.fillRect((left % columns) * scale, down, left < rows * columns ? width : 0, bars ? height : scale);
			pen.fillRect(0, down + (bars ? height : scale), width, height);
		}
		for (let plane = form.tall; !bars && plane < rows; plane += form.tall) { // between a volume's planes
			pen.fillStyle = ramp.line;
			pen.fillRect(0, plane * scale - 0.75, width, 1.5);
		}
		const [row, column] = [form.row(at), form.column(at)];
		const [x, y] = [Math.max(1, column * scale - 1), bars ? 1 : Math.max(1, row * scale - 1)];
		for (const [strokeStyle, lineWidth] of [[ramp.under, 4], [ramp.line, 2]]) {
			Object.assign(pen, { strokeStyle, lineWidth });
			pen.strokeRect(x, y, Math.min(scale + 2, width - 2), Math.min((bars ? height : scale) + 2, height - 2));
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
		const column = Math.floor(offsetX / scale);
		const row = form.rows === 1 && form.columns > 1 ? 0 : Math.floor(offsetY / scale);
		if (row < 0 || column < 0 || row >= form.rows || column >= form.columns) return null;
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

	return { element, value, show, around, pause: slider.pause };
}
