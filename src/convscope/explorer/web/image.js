// The image, always in view: what of it the number sees.

import { between } from "./arrays.js";
import { attributes, h, latest, memo, pixelled, say, sized } from "./elements.js";
import { scaleOf } from "./colours.js";

/** @import {App} from "./frame.js" */
/** @import {Microscope} from "./microscope.js" */

const IMAGE = 72; // its longer side, in CSS pixels

/**
 * An input's picture: three maps as one in colours, else the first. @param {App} app @param {string} name
 * @param {HTMLCanvasElement} canvas @param {number} side
 */
export async function portrait({ net, ramp }, name, canvas, side) {
	const coloured = net.form(name).maps === 3;
	const { tile: [rows, columns], data } = await net.tiles(name, coloured ? [0, 1, 2] : [0], side);
	return pixelled(canvas, columns, rows, (pixels) => {
		if (!coloured) return ramp.paint(pixels, data, scaleOf(net, name, "layer"));
		const [low, high] = net.range(name);
		const level = (/** @type {number} */ v) => between(Math.round(((v - low) / (high - low || 1)) * 255), 0, 255);
		const channel = pixels.length;
		for (let n = 0; n < channel; n++) pixels[n] = [2, 1, 0].reduce((pixel, c) => (pixel << 8) | level(data[c * channel + n]), 255);
	});
}

/** @param {Microscope} micro  whose number sees a part of the image, which is drawn on it */
export function pictured(micro) {
	const { app } = micro;
	const newest = latest();
	const canvas = h("canvas", { role: "img", onclick: (event) => enter(event) });
	const caption = h("figcaption");
	const element = h("figure.cs-image", caption, canvas);
	const changed = memo();
	/** @type {HTMLCanvasElement | null} */
	let whole = null;
	let asking = 0;
	/** @type {{key: string, patch: [number, number][] | null}} what the host said last */
	let known = { key: "", patch: null };

	/** The only input, if it is a picture. */
	function name() {
		const { inputs } = app.net.told;
		const { rows, columns, maps } = inputs[0]?.axes ?? {};
		const planar = inputs.length === 1 && inputs[0].shape?.length === (maps === null ? 2 : 3) && rows !== null && columns !== null;
		return planar && app.net.has(inputs[0].name) ? inputs[0].name : null;
	}

	async function show() {
		const input = name();
		element.hidden = input === null;
		if (input === null) return;
		if (changed(app.net.run?.id, app.ramp.scheme)) {
			whole = null;
			whole = await newest(portrait(app, input, h("canvas"), 256)).catch(() => null);
			if (!whole) changed(); // it is asked for again
		}
		draw();
	}

	/** Which rows and columns of the image a number sees; null where nobody can tell from the layer alone. @param {number[]} at @returns {[number, number][] | null} */
	function seen(at) {
		const { layer, form: { axes: { maps }, shape } } = app;
		if (layer.input) return [Number(layer.axes.rows), Number(layer.axes.columns)].map((axis) => [at[axis], at[axis]]);
		const field = layer.receptive_field;
		if (!field) return null;
		if (!field.alike) return told(at);
		const spatial = shape.map((_, axis) => axis).filter((axis) => axis !== maps);
		/** @type {[number, number][]} */
		const box = [];
		for (const [d, stride] of field.stride.entries()) {
			if (typeof field.size[d] !== "number" || typeof field.start[d] !== "number") return null;
			if (stride !== null && spatial.length !== field.stride.length) return null;
			const first = field.start[d] + (stride === null ? 0 : stride * at[spatial[d]]);
			box.push([first, first + field.size[d] - 1]);
		}
		return box.length === 2 ? box : null;
	}

	/** What the host says that a number sees, behind an up-sampling: there no two need be alike. @param {number[]} at @returns {[number, number][] | null} */
	function told(at) {
		const { net, link, place: { layer } } = app;
		const question = { ask: "patch", layer, at: [...at], run: net.run?.id };
		const key = JSON.stringify(question);
		if (known.key === key) return known.patch;
		clearTimeout(asking);
		asking = setTimeout(() => link.ask(question).then(({ facts: { patch } }) => {
			known = { key, patch: patch.length === 2 && patch.every(Boolean) ? patch : null };
			draw();
		}, () => {}), 60); // a file cannot tell
		return null;
	}

	/** Draw the image and what of it is seen from where the microscope is. */
	function draw() {
		const input = name();
		if (!whole || input === null) return;
		const { net, ramp } = app;
		const form = net.form(input);
		const scale = IMAGE / Math.max(form.rows, form.columns);
		const [width, height] = [form.columns * scale, form.rows * scale];
		const pen = sized(canvas, width, height);
		pen.drawImage(whole, 0, 0, width, height);
		const box = seen(micro.at);
		const clipped = box?.map(([first, last], d) => [Math.max(0, first), Math.min(last, [form.rows, form.columns][d] - 1)]);
		if (!box || !clipped || clipped.some(([first, last]) => last < first)) {
			say(caption, box ? "sees only padding" : "");
			attributes(canvas, { "aria-label": "The image" });
			return;
		}
		const [[top, bottom], [left, right]] = clipped;
		for (const [strokeStyle, lineWidth] of [[ramp.under, 4], ["#e8590c", 2]]) {
			Object.assign(pen, { strokeStyle, lineWidth });
			pen.strokeRect(left * scale, top * scale, (right - left + 1) * scale, (bottom - top + 1) * scale);
		}
		const size = box.map(([first, last]) => last - first + 1);
		say(caption, app.layer.input ? "this pixel" : `sees ${size.join("×")}${size[0] > bottom - top + 1 || size[1] > right - left + 1 ? ", some of it padding" : ""}`);
		attributes(canvas, { "aria-label": `The image; this number sees its rows ${top} to ${bottom} and columns ${left} to ${right}` });
	}

	/** @param {MouseEvent} event */
	function enter({ offsetX, offsetY }) {
		const input = name();
		if (input === null) return;
		const form = app.net.form(input);
		const scale = IMAGE / Math.max(form.rows, form.columns);
		const at = form.position({ map: 0, row: between(Math.floor(offsetY / scale), 0, form.rows - 1), column: between(Math.floor(offsetX / scale), 0, form.columns - 1) });
		micro.down(input, at);
	}

	return { element, show, draw };
}
