// Arrays of numbers: sizes, strides, places.


/** @import {Patch} from "./types" */
/** @import {Numbers} from "./elements.js" */

/** @param {number[]} sizes */
export const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

/** @param {number} place @param {number} size */
export const clipped = (place, size) => Math.min(Math.max(place, 0), size - 1);

/** @param {number} value @param {number} by */
export const modulo = (value, by) => value - by * Math.floor(value / by);

/** The whole numbers from `from`. @param {number} length */
export const range = (length, from = 0) => Array.from({ length }, (_, n) => from + n);

/** @param {number} value @param {number} low @param {number} high */
export const between = (value, low, high) => Math.max(low, Math.min(high, value));

/** @param {number[]} shape */
export const origin = (shape) => shape.map(() => 0);

/** @param {number[]} shape */
export function stridesOf(shape) {
	const strides = shape.map(() => 1);
	for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
	return strides;
}

/** @param {Patch} patch @param {number[]} at */
export function numberAt({ data, shape, origin }, at) {
	return data[stridesOf(shape).reduce((sum, stride, axis) => sum + (at[axis] - origin[axis]) * stride, 0)];
}

/** @param {Numbers | null} data */
export function largestOf(data) {
	let most = 0;
	for (let n = 0; n < (data?.length ?? 0); n++) {
		const size = Math.abs(/** @type {Numbers} */ (data)[n]);
		if (size > most && size < Infinity) most = size;
	}
	return most;
}
