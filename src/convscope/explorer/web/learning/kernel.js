// A weight's numbers as one picture: a filter is a column of slices, each as many cells as its window has.

import { largestOf, product, range, stridesOf } from "../arrays.js";
import { h, penOf, pixelled } from "../elements.js";

/** @import {Ramp} from "../colours.js" */

/**
 * How the numbers of a weight are laid out: tiles of rows × columns, `across` × `down` of them. In Keras's layouts the last
 * axis says the filter (or unit), the one before the input map.
 * @param {number[]} shape
 */
function layout(shape) {
	const filters = shape[shape.length - 1] ?? 1;
	if (shape.length < 2) return { rows: 1, columns: 1, down: 1, across: filters };
	if (shape.length === 2) { // a unit's weights, folded to a square
		const side = Math.ceil(Math.sqrt(shape[0]));
		return { rows: Math.ceil(shape[0] / side), columns: side, down: 1, across: filters };
	}
	const window = shape.slice(0, -2);
	const columns = window[window.length - 1];
	return { rows: product(window) / columns, columns, down: shape[shape.length - 2], across: filters };
}

/** @param {(at: number[]) => void} picked */
export function kernelPicture(picked) {
	/** @type {number[]} */
	let shape = [];
	let plan = layout([1]);
	let zoom = 1;
	let folded = 1; // rows of tiles that stand beside one another, where they are too many to stand in one row
	const canvas = h("canvas.cs-learning-kernel", {
		role: "img", onclick: (/** @type {MouseEvent} */ event) => {
			const box = canvas.getBoundingClientRect();
			const at = place(((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height);
			if (at) picked(at);
		},
	});

	const per = () => Math.ceil(plan.across / folded);

	/** Where a number's cell is, in cells. @param {number[]} at @returns {[number, number]} */
	function cell(at) {
		const filter = at[at.length - 1] ?? 0;
		const band = Math.floor(filter / per());
		const left = (filter % per()) * (plan.columns + 1);
		const top = band * (plan.down * (plan.rows + 1) + 1);
		if (shape.length < 2) return [left, top];
		if (shape.length === 2) return [left + (at[0] % plan.columns), top + Math.floor(at[0] / plan.columns)];
		const strides = stridesOf(shape.slice(0, -2));
		const inner = strides.reduce((sum, stride, n) => sum + stride * at[n], 0);
		return [left + (inner % plan.columns), top + at[at.length - 2] * (plan.rows + 1) + Math.floor(inner / plan.columns)];
	}

	/** Which number a pixel is of. @param {number} x @param {number} y @returns {number[] | null} */
	function place(x, y) {
		const [column, row] = [Math.floor(x / zoom), Math.floor(y / zoom)];
		const [wide, tall] = [plan.columns + 1, plan.rows + 1];
		const band = Math.floor(row / (plan.down * tall + 1));
		const inBand = row - band * (plan.down * tall + 1);
		const filter = band * per() + Math.floor(column / wide);
		const [c, r, slice] = [column % wide, inBand % tall, Math.floor(inBand / tall)];
		if (c >= plan.columns || r >= plan.rows || slice >= plan.down || filter >= plan.across) return null;
		if (shape.length < 2) return shape.length ? [filter] : [];
		const inner = r * plan.columns + c;
		if (shape.length === 2) return inner < shape[0] ? [inner, filter] : null;
		const window = shape.slice(0, -2);
		return [...stridesOf(window).map((stride, n) => Math.floor(inner / stride) % window[n]), slice, filter];
	}

	/** @param {number[]} of @param {Float32Array} data @param {number[] | null} chosen @param {Ramp} ramp @param {number} room  pixels across */
	function draw(of, data, chosen, ramp, room) {
		shape = of;
		plan = layout(of);
		folded = Math.max(1, Math.ceil((plan.across * (plan.columns + 1) * 2) / Math.max(room, 200)));
		folded = Math.min(folded, plan.across);
		const cells = per() * (plan.columns + 1);
		zoom = Math.max(1, Math.min(14, Math.floor(room / cells)));
		const bands = Math.ceil(plan.across / per());
		const high = bands * (plan.down * (plan.rows + 1) + 1);
		const limit = largestOf(data);
		const strides = stridesOf(of);
		const colours = new Uint32Array(data.length);
		ramp.paint(colours, data, { limit, grey: null });
		pixelled(canvas, cells * zoom, high * zoom, (pixels) => {
			const at = of.map(() => 0);
			for (let n = 0; n < data.length; n++) {
				for (let axis = 0; axis < of.length; axis++) at[axis] = Math.floor(n / strides[axis]) % of[axis];
				const [x, y] = cell(at);
				for (let line = 0; line < zoom; line++) {
					const start = (y * zoom + line) * cells * zoom + x * zoom;
					pixels.fill(colours[n], start, start + zoom);
				}
			}
		});
		canvas.style.width = `${cells * zoom}px`;
		if (chosen) {
			const [x, y] = cell(chosen);
			const pen = penOf(canvas);
			Object.assign(pen, { strokeStyle: ramp.line, lineWidth: 2 });
			pen.strokeRect(x * zoom - 1, y * zoom - 1, zoom + 2, zoom + 2);
		}
		return limit;
	}

	return { canvas, draw };
}

/** What stands where in the picture, in words. @param {number[]} shape */
export function laidOut(shape) {
	const { rows, columns, down, across } = layout(shape);
	if (shape.length < 2) return `${across} numbers, one a filter`;
	if (shape.length === 2) return `${across} units beside one another; the ${shape[0]} weights of each folded to rows of ${columns}`;
	return `${across} filters beside one another; beneath one another the ${down} slice${down > 1 ? "s" : ""} of each, ${rows} × ${columns}`;
}

/** The number before or after along what arrows move: the filter, or what lies under it. @param {number[]} shape @param {number[]} at @param {"across" | "down"} way @param {number} by */
export function beside(shape, at, way, by) {
	const outer = shape.slice(0, -1);
	if (way === "across" || !outer.length) return at.map((p, n) => (n === shape.length - 1 ? (p + by + shape[n]) % shape[n] : p));
	// down a filter's column: columns of the window last, then rows, then slices
	const order = shape.length > 2 ? [shape.length - 2, ...range(shape.length - 2)] : [0];
	const sizes = order.map((axis) => shape[axis]);
	const strides = stridesOf(sizes);
	const all = product(sizes);
	const next = (strides.reduce((sum, stride, n) => sum + stride * at[order[n]], 0) + by + all) % all;
	const found = [...at];
	order.forEach((axis, n) => (found[axis] = Math.floor(next / strides[n]) % sizes[n]));
	return found;
}
