// Colours of numbers, and maps drawn in them.

import { between, largestOf, range } from "./arrays.js";
import { pixelled } from "./elements.js";

/** @import {Tiles, Told} from "./types" */
/** @import {Numbers, Pen} from "./elements.js" */
/** @import {Network} from "./network.js" */

/** @typedef {"light" | "dark"} Scheme */
/** @typedef {{limit: number, grey: [number, number] | null}} Scale  the size that colours go up to, or a grey scale's range */

const INKS = { light: ["#1f2328", "#fff"], dark: ["#f0f3f6", "#000"] };

/** @param {number} value @param {number} limit */
export const index = (value, limit) => 255 + Math.round(limit > 0 ? between(value / limit, -1, 1) * 255 || 0 : 0);

/** Colours of numbers from −1 to 1, as 32-bit pixels and for CSS. */
export class Ramp {
	/** @param {Scheme} scheme @param {Told["colours"]} ends */
	constructor(scheme, ends) {
		const { low, zero, high } = ends[scheme];
		this.scheme = scheme;
		const [line, under] = INKS[scheme];
		this.line = line; // what is drawn on the colours, and beside them
		this.under = under;
		const pixel = (/** @type {number[]} */ [r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
		const colours = range(511, -255).map((n) =>
			zero.map((from, c) => Math.round(from + ((n < 0 ? low : high)[c] - from) * (Math.abs(n) / 255))));
		this.pixels = Uint32Array.from(colours, pixel);
		this.css = colours.map((colour) => `rgb(${colour.join(" ")})`);
		this.inks = colours.map((colour) => { // of text on each: black or white, of which one is always legible
			const [r, g, b] = colour.map((v) => (v > 10 ? ((v / 255 + 0.055) / 1.055) ** 2.4 : v / 3294.6));
			return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
		});
		this.grey = Uint32Array.from(range(256), (n) => pixel([n, n, n]));
		this.hatch = scheme === "light" ? 0xff7c7f80 : 0xff969391; // in the padding
		this.nothing = scheme === "light" ? 0xffb0a0b0 : 0xff705070; // not a number
	}

	/** @param {number} value */
	of(value, limit = 1) {
		return this.css[index(value, limit)];
	}

	/** Paint a square cell into pixels; what lies in the padding is hatched, what is faint is seen through. @param {Uint32Array} pixels @param {number} width @param {number} left @param {number} top @param {number} side @param {number} value @param {number} limit @param {boolean} hatched @param {boolean} faint */
	square(pixels, width, left, top, side, value, limit, hatched, faint) {
		const alpha = faint ? 0x40ffffff : 0xffffffff;
		const colour = this.pixels[index(value, limit)] & alpha;
		for (let y = top; y < top + side; y++) {
			const start = y * width + left;
			pixels.fill(colour, start, start + side);
			if (hatched) for (let x = left; x < left + side; x++) if ((x + y) % 4 === 0) pixels[y * width + x] = this.hatch & alpha;
		}
	}

	/** @param {Uint32Array} pixels @param {Numbers} data @param {Scale} scale @param {number} [from] */
	paint(pixels, data, { limit, grey }, from = 0) {
		const [low, high] = grey ?? [-limit, limit];
		const colours = grey ? this.grey : this.pixels;
		const last = colours.length - 1;
		const scale = high > low ? last / (high - low) : 0;
		const shift = scale || grey ? 0 : 255; // all zero
		for (let n = 0; n < pixels.length; n++) {
			const level = (data[from + n] - low) * scale + shift;
			pixels[n] = level === level ? colours[Math.round(between(level, 0, last))] : this.nothing;
		}
	}
}

/** @typedef {{tiles: Tiles, across: number, scale: number, high: number, gap: number, each: boolean} & Scale} Sheet  a number is scale × high pixels; each: a scale for each map */

/** @param {HTMLCanvasElement} canvas @param {Sheet} sheet @param {Ramp} ramp */
export function drawSheet(canvas, sheet, ramp) {
	const { tiles, across, scale, high, gap } = sheet;
	const [rows, columns] = tiles.tile;
	const [tall, wide] = [rows * high + gap, columns * scale + gap];
	const width = Math.max(1, across * wide - gap);
	const height = Math.max(1, Math.max(1, Math.ceil(tiles.maps.length / across)) * tall - gap);
	const size = rows * columns;
	const pixels = new Uint32Array(size);
	pixelled(canvas, width, height, (out) => tiles.maps.forEach((_, n) => {
		const limit = sheet.each ? largestOf(tiles.data.subarray(n * size, (n + 1) * size)) : sheet.limit;
		ramp.paint(pixels, tiles.data, { limit, grey: sheet.grey }, n * size);
		const corner = Math.floor(n / across) * tall * width + (n % across) * wide;
		for (let y = 0; y < rows; y++) {
			const start = corner + y * high * width;
			for (let x = 0; x < columns; x++) out.fill(pixels[y * columns + x], start + x * scale, start + (x + 1) * scale);
			for (let s = 1; s < high; s++) out.copyWithin(start + s * width, start, start + columns * scale);
		}
	}));
}

/** Numbers as bars around zero; of more than there is room for, the largest of those that share a bar. @param {Pen} pen @param {Numbers} data @param {number} width @param {number} height @param {Ramp} ramp @param {number} limit */
export function drawBars(pen, data, width, height, ramp, limit) {
	const low = Array.prototype.some.call(data, (v) => v < 0);
	const zero = low ? height / 2 : height - 1;
	const room = zero - 1;
	const step = Math.max(1, Math.ceil(data.length / width));
	const wide = (width * step) / data.length;
	for (let n = 0, x = 0; n < data.length; n += step, x += wide) {
		let value = 0;
		for (let m = n; m < Math.min(n + step, data.length); m++) if (Math.abs(data[m]) > Math.abs(value)) value = data[m];
		const tall = limit > 0 ? (value / limit) * room : 0;
		pen.fillStyle = ramp.of(value < 0 ? -1 : 1);
		pen.fillRect(x, Math.min(zero, zero - tall), Math.max(wide - (wide > 4 ? 2 : 0), 0.75), Math.max(Math.abs(tall), 0.5));
	}
	pen.fillStyle = ramp.line;
	pen.globalAlpha = 0.4;
	pen.fillRect(0, zero, width, 1);
	pen.globalAlpha = 1;
}

/** The colours of a layer's maps; an image is grey. @param {Network} net @param {string} name @param {string} colour @returns {Scale} */
export function scaleOf(net, name, colour) {
	const ends = net.range(name);
	const grey = colour === "grey" || (net.layer(name).input && ends[0] >= 0);
	return { limit: net.limit(name), grey: grey ? ends : null };
}
