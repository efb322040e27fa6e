// A picture becomes the numbers that a network takes, in the steps of engine/preparing.py, each shown.

import { filledIn } from "./texts.js";

/**
 * @typedef {{data: Uint8ClampedArray | Uint8Array, rows: number, columns: number, channels: number}} Picture  its pixels
 * @typedef {{step: string, words: string, before: number[], after: number[], range: number[]}} Done
 */

/** Decode a picture's file. @param {ArrayBuffer} bytes @returns {Promise<Picture>} */
export async function decoded(bytes) {
	const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
	const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
	const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
	pen.drawImage(bitmap, 0, 0);
	const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
	return { data, rows: bitmap.height, columns: bitmap.width, channels: 4 };
}

/**
 * What a network takes of a picture, or an offer of the steps that are missing; as engine/preparing.py says it.
 * @param {Picture} picture  R, G, B and how opaque @param {{rows: number, columns: number, channels: number, first: boolean}} wanted  first: channels first
 * @param {string[]} steps @param {string} pixels  how they become numbers
 * @param {Record<string, string>} choices  every way in words @param {Record<string, string>} words  what is said of each step
 */
export function prepared(picture, wanted, steps, pixels, choices, words) {
	/** @type {Done[]} */
	const done = [];
	/** @type {{step: string, or: string[], why: string}[]} */
	const offer = [];
	let now = without(picture);
	const step = (/** @type {string} */ name, /** @type {string} */ said, /** @type {Picture} */ after) => {
		done.push({ step: name, words: said, before: shapeOf(now), after: shapeOf(after), range: rangeOf(after.data) });
		now = after;
	};
	if (picture.data.some((v, n) => n % 4 === 3 && v < 255)) {
		const background = steps.find((name) => name.startsWith("background:"));
		const value = background === "background:black" ? 0 : 255;
		const under = mapped(picture, 3, (at, c) => {
			const opaque = picture.data[at + 3] / 255;
			return Math.round(picture.data[at + c] * opaque + value * (1 - opaque));
		});
		if (background) step(background, filledIn(words.background, { value, color: value ? "white" : "black" }), under);
		else {
			now = under;
			offer.push({ step: "background:white", or: ["background:black"], why: words["see-through"] });
		}
	}
	const grey = now.data.every((v, n) => n % 3 === 0 || v === now.data[n - 1]);
	if (grey) now = mapped(now, 1, (at) => now.data[at]);
	if (now.channels === 3 && steps.includes("grey")) step("grey", words.grey, greyed(now));
	if (now.channels === 1 && wanted.channels === 3 && (grey || steps.includes("rgb"))) {
		step("rgb", words.rgb, mapped(now, 3, (at) => now.data[at]));
	}
	if (now.channels !== wanted.channels) {
		offer.push(now.channels === 3 ? { step: "grey", or: [], why: words["one of three"] }
			: { step: "rgb", or: [], why: words["three of one"] });
	}
	if (steps.includes("invert")) step("invert", words.invert, { ...now, data: now.data.map((v) => 255 - v) });
	if (now.rows !== wanted.rows || now.columns !== wanted.columns) {
		const [rows, columns] = middle(now, wanted);
		const sizes = () => ({ have: `${now.rows}×${now.columns}`, wanted: `${wanted.rows}×${wanted.columns}` });
		const why = filledIn(words.size, sizes());
		if (steps.includes("crop-and-resize")) {
			if (rows !== now.rows || columns !== now.columns) {
				step("crop", filledIn(words.crop, { ...sizes(), part: `${rows}×${columns}` }), cropped(now, rows, columns));
			}
		} else if (!steps.includes("resize")) {
			const whole = rows === now.rows && columns === now.columns;
			offer.push(whole ? { step: "resize", or: [], why } : { step: "crop-and-resize", or: ["resize"], why });
		}
		if (!offer.length && (now.rows !== wanted.rows || now.columns !== wanted.columns)) {
			const shrinks = now.rows >= wanted.rows && now.columns >= wanted.columns;
			step("resize", filledIn(shrinks ? words.smaller : words.larger, sizes()), resized(now, wanted.rows, wanted.columns, shrinks));
		}
	}
	if (offer.length) return { offer };
	const { rows, columns, channels } = now;
	const array = scaled(now, pixels);
	let before = shapeOf(now);
	const range = rangeOf(now.data);
	let placed = array;
	if (wanted.first) {
		const after = [channels, rows, columns];
		placed = new Float32Array(array.length);
		for (let n = 0; n < rows * columns; n++) for (let c = 0; c < channels; c++) placed[c * rows * columns + n] = array[n * channels + c];
		done.push({ step: "channels first", words: filledIn(words["channels first"], { have: `(${before.join(", ")})`, wanted: `(${after.join(", ")})` }), before, after, range });
		before = after;
	}
	const [name, said] = choices[pixels].split(/: (.*)/);
	done.push({ step: name, words: said, before, after: before, range: rangeOf(placed) });
	return { array: placed, steps: done };
}

const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];
const CAFFE = [103.939, 116.779, 123.68];

/** As engine/pixels.py does it. @param {Picture} picture @param {string} pixels */
function scaled({ data, channels }, pixels) {
	const f = Math.fround;
	if (channels !== 3 && (pixels === "mean-std" || pixels === "caffe")) {
		throw new Error("the picture is grey, and this is about R, G and B: choose another way for pixels to go in");
	}
	/** @type {Record<string, (v: number, n: number) => number>} */
	const ways = {
		"0-1": (v) => v / 255,
		"0-255": (v) => v,
		"-1-1": (v) => f(v / 127.5) - 1,
		"mean-std": (v, n) => f(f(v / 255) - f(MEAN[n % 3])) / f(DEVIATION[n % 3]),
		caffe: (_, n) => data[n - (n % 3) + 2 - (n % 3)] - f(CAFFE[n % 3]),
	};
	return Float32Array.from(data, ways[pixels]);
}

/** @param {Picture} picture @param {number} channels @param {(at: number, channel: number) => number} value  of the pixel whose numbers begin there @returns {Picture} */
function mapped({ data, rows, columns, channels: had }, channels, value) {
	const made = new Uint8Array(rows * columns * channels);
	for (let from = 0, to = 0; to < made.length; from += had) for (let c = 0; c < channels; c++) made[to++] = value(from, c);
	return { data: made, rows, columns, channels };
}

/** @param {Picture} picture */
const without = (picture) => mapped(picture, 3, (at, c) => picture.data[at + c]);

/** As Pillow rounds. @param {Picture} picture */
const greyed = (picture) => mapped(picture, 1, (at) => (picture.data[at] * 19595 + picture.data[at + 1] * 38470 + picture.data[at + 2] * 7471 + 0x8000) >> 16);

/** @param {Picture} picture @returns {number[]} */
const shapeOf = ({ rows, columns, channels }) => [rows, columns, channels];

/** @param {ArrayLike<number>} data */
function rangeOf(data) {
	let [low, high] = [Infinity, -Infinity];
	for (let n = 0; n < data.length; n++) [low, high] = [Math.min(low, data[n]), Math.max(high, data[n])];
	return [low, high];
}

/** The largest rows and columns of the wanted proportion. @param {Picture} have @param {{rows: number, columns: number}} wanted */
function middle({ rows, columns }, { rows: tall, columns: wide }) {
	if (rows * wide > columns * tall) return [Math.max(1, Math.floor((columns * tall) / wide)), columns];
	return [rows, Math.max(1, Math.floor((rows * wide) / tall))];
}

/** @param {Picture} picture @param {number} rows @param {number} columns @returns {Picture} */
function cropped({ data, rows: tall, columns: wide, channels }, rows, columns) {
	const [top, left] = [Math.floor((tall - rows) / 2), Math.floor((wide - columns) / 2)];
	const made = new Uint8Array(rows * columns * channels);
	for (let y = 0; y < rows; y++) {
		const from = ((top + y) * wide + left) * channels;
		made.set(data.subarray(from, from + columns * channels), y * columns * channels);
	}
	return { data: made, rows, columns, channels };
}

/** With Pillow's filters, rounded once. @param {Picture} picture @param {number} rows @param {number} columns @param {boolean} shrinks @returns {Picture} */
function resized({ data, rows: tall, columns: wide, channels }, rows, columns, shrinks) {
	const across = weightsOf(wide, columns, shrinks);
	const down = weightsOf(tall, rows, shrinks);
	const between = new Float32Array(tall * columns * channels);
	for (let y = 0; y < tall; y++) {
		across.forEach(({ from, weights }, x) => {
			for (let c = 0; c < channels; c++) {
				between[(y * columns + x) * channels + c] = weights.reduce((sum, weight, k) => sum + weight * data[(y * wide + from + k) * channels + c], 0);
			}
		});
	}
	const made = new Uint8Array(rows * columns * channels);
	down.forEach(({ from, weights }, y) => {
		for (let n = 0; n < columns * channels; n++) {
			const value = Math.fround(weights.reduce((sum, weight, k) => sum + weight * between[(from + k) * columns * channels + n], 0));
			const below = Math.floor(value);
			made[y * columns * channels + n] = value - below === 0.5 ? below + (below % 2) : Math.round(value); // halves to even
		}
	});
	return { data: made, rows, columns, channels };
}

/** @param {number} have @param {number} wanted @param {boolean} box */
function weightsOf(have, wanted, box) {
	const scale = have / wanted;
	const wide = Math.max(scale, 1);
	const support = (box ? 0.5 : 1) * wide;
	return Array.from({ length: wanted }, (_, n) => {
		const center = (n + 0.5) * scale;
		const from = Math.max(0, Math.trunc(center - support + 0.5));
		const to = Math.min(have, Math.trunc(center + support + 0.5));
		const raw = Array.from({ length: to - from }, (_, k) => {
			const x = (k + from - center + 0.5) / wide;
			return box ? Number(x > -0.5 && x <= 0.5) : Math.max(0, 1 - Math.abs(x));
		});
		const sum = raw.reduce((a, b) => a + b, 0);
		return { from, weights: raw.map((weight) => weight / sum) };
	});
}
