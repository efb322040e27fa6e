// Heat: what each number of the maps that fed a dense layer adds to one of its numbers.

import { largestOf, origin, product, range, stridesOf } from "./arrays.js";
import { needs } from "./windows.js";
import { called, decimal, grouped, places, signed } from "./texts.js";
import { h, say } from "./elements.js";
import { drawSheet } from "./colours.js";

/** @import {Sum} from "./account.js" */
/** @import {Sheet} from "./colours.js" */
/** @import {Microscope} from "./microscope.js" */

const MOST_TRACED = 1 << 16; // of more numbers it is not traced where they come from
const HEAT_MAPS = 64; // so many maps are drawn

/** @typedef {{layer: string, places: Int32Array}} Origins  the layer whose maps they are; where each number lies in it */

/** @param {Microscope} micro  whose number's parts it lays over the maps that they come from */
export function heat(micro) {
	const { app } = micro;
	const canvas = h("canvas.cs-atlas", {
		role: "img", onpointermove: (event) => over(under(event)), onpointerleave: () => over(null), onclick: (event) => enter(under(event)),
	});
	const caption = h("p.cs-caption");
	const element = h("figure.cs-heat", { hidden: true }, caption, canvas);
	/** @type {Map<string, Promise<Origins | null>>} */
	const known = new Map();
	/** @type {{sum: Sum, origins: Origins, sheet: Sheet, back: Map<number, number>} | null} */
	let drawn = null;
	let wanted = 0;

	/** Where the numbers of a layer come from, through layers that only move them. @param {string} feed @returns {Promise<Origins | null>} */
	async function trace(feed) {
		const { net } = app;
		const count = product(net.shape(feed));
		if (count > MOST_TRACED) return null;
		let places = Int32Array.from({ length: count }, (_, n) => n);
		let layer = feed;
		while (net.form(layer).axes.rows === null) {
			if (net.layer(layer).input || !net.layer(layer).equation) return null;
			const { equation, feeds } = await net.ask(net.detail(layer));
			const [tensor, ...others] = Object.keys(feeds);
			if (others.length || Object.keys(equation.tensors).length !== 1 || equation.expression.read !== tensor) return null;
			const from = feeds[tensor];
			const [strides, own, shape] = [stridesOf(net.shape(from)), stridesOf(net.shape(layer)), net.shape(layer)];
			places = places.map((n) => {
				const box = needs(equation, own.map((stride, axis) => Math.floor(n / stride) % shape[axis]))[tensor];
				return box ? box.reduce((sum, [first], axis) => sum + first * strides[axis], 0) : -1;
			});
			if (places.includes(-1)) return null;
			layer = from;
		}
		return layer === feed ? null : { layer, places };
	}

	/** @param {Sum | null} sum */
	async function draw(sum) {
		const mine = ++wanted;
		const feed = sum && !sum.groups.sizes.length && sum.led.reduction === "sum" && sum.groups.count > 12 ? sum.feed : undefined;
		if (!sum || feed === undefined) {
			element.hidden = true;
			return;
		}
		const key = `${app.net.run?.id} ${feed}`;
		const promise = known.get(key) ?? trace(feed).catch(() => null);
		known.set(key, promise);
		const origins = await promise;
		if (mine !== wanted) return;
		element.hidden = !origins || origins.places.length !== sum.groups.count;
		if (origins && !element.hidden) paint(sum, origins);
	}

	/** @param {Sum} sum @param {Origins} origins */
	function paint(sum, origins) {
		const { net, ramp } = app;
		const form = net.form(origins.layer);
		const whole = new Float32Array(product(form.shape));
		const { partials, channels } = sum.groups;
		const back = new Map();
		partials.forEach((part, n) => {
			whole[origins.places[channels[n]]] = part;
			back.set(origins.places[channels[n]], n);
		});
		const patch = { data: whole, origin: origin(form.shape), shape: form.shape, whole: form.shape };
		const maps = range(Math.min(form.maps, HEAT_MAPS));
		const data = new Float32Array(maps.length * form.rows * form.columns);
		for (const map of maps) data.set(form.plane(patch, map), map * form.rows * form.columns);
		const side = Math.max(form.rows, form.columns);
		const scale = Math.max(1, Math.floor(26 / side));
		const room = Math.max(240, element.clientWidth || 600);
		const across = Math.max(1, Math.min(maps.length, 32, Math.floor(room / (form.columns * scale + 2))));
		const tile = /** @type {[number, number]} */ ([form.rows, form.columns]);
		const sheet = { tiles: { maps, tile, of: tile, data }, across, scale, high: scale, gap: 2, each: false, limit: largestOf(whole), grey: null };
		drawSheet(canvas, sheet, ramp);
		drawn = { sum, origins, sheet, back };
		canvas.setAttribute("aria-label", `What each of the ${grouped(partials.length)} numbers adds, drawn over the maps of ${called(origins.layer)}; the tiles below have the largest`);
		over(null);
	}

	/** @param {MouseEvent} event @returns {number | null} */
	function under({ offsetX, offsetY }) {
		if (!drawn) return null;
		const { sheet: { tiles: { maps, tile: [rows, columns] }, across, scale, gap }, origins } = drawn;
		const [y, x] = [(offsetY * canvas.height) / (canvas.clientHeight || 1), (offsetX * canvas.width) / (canvas.clientWidth || 1)];
		const [tall, wide] = [rows * scale + gap, columns * scale + gap];
		const map = Math.floor(y / tall) * across + Math.floor(x / wide);
		const [row, column] = [Math.floor((y % tall) / scale), Math.floor((x % wide) / scale)];
		if (Math.floor(x / wide) >= across || map >= maps.length || row >= rows || column >= columns) return null;
		const form = app.net.form(origins.layer);
		const strides = stridesOf(form.shape);
		return form.position({ map, row, column }).reduce((sum, p, axis) => sum + p * strides[axis], 0);
	}

	/** @param {number} place */
	function position(place) {
		const { shape } = app.net.form(/** @type {NonNullable<typeof drawn>} */ (drawn).origins.layer);
		return stridesOf(shape).map((stride, axis) => Math.floor(place / stride) % shape[axis]);
	}

	/** @param {number | null} place */
	function over(place) {
		if (!drawn) return;
		const { sum: { groups: { partials } }, origins: { layer }, back } = drawn;
		const n = place === null ? undefined : back.get(place);
		const { maps } = app.net.form(layer);
		if (place === null || n === undefined) {
			return say(caption, `What each number of ${called(layer)} adds to this one${maps > HEAT_MAPS ? `: the first ${HEAT_MAPS} of its ${grouped(maps)} maps` : ""}. Point at one; click to go down to it.`);
		}
		say(caption, `${called(layer)}(${position(place).join(", ")}) adds ${signed(decimal(partials[n], Math.min(8, places(partials[n]))))}`);
	}

	/** @param {number | null} place */
	function enter(place) {
		if (drawn && place !== null) micro.down(drawn.origins.layer, position(place));
	}

	return { element, draw };
}
