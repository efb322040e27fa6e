// Numbers as text.
//
// explain/words.py over again, digit for digit. Python rounds what lies exactly halfway to the even digit, JavaScript
// away from zero; all else both round correctly.

import { between } from "./arrays.js";

/** A number with a fixed number of decimals, in a unit (1.23457·10⁻²⁷) where they are more than 20, and a true minus sign. @param {number} value @returns {string} */
export function decimal(value, places = 6) {
	if (!Number.isFinite(value)) return exact(value);
	if (places > 20) { // in a unit
		const text = decimal(value * Number(`1e${places - 5}`), 5);
		return /[1-9]/.test(text) ? text + tens(5 - places) : text;
	}
	const size = Math.abs(value);
	let text = size.toFixed(places);
	if (size < 1e21) text = toEven(text, size, places);
	else text = BigInt(size) + (places ? `.${"0".repeat(places)}` : ""); // toFixed would write an exponent
	return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** A layer's name as a sentence says it: a bare number would read as a count. @param {string} name */
export const called = (name) => (/^\d+$/.test(name) ? `layer ${name}` : name);

/** A number with every digit that float32 has, and a true minus sign. @param {number} value */
export function exact(value) {
	if (Number.isNaN(value)) return "NaN";
	const sign = value < 0 || Object.is(value, -0) ? "−" : "";
	const size = Math.abs(value);
	if (size === 0 || size === Infinity) return `${sign}${size ? "∞" : "0"}`;
	const [mantissa, power] = exponential(size, 8);
	if (power >= -4 && power < 9) return sign + withoutZeros(decimal(size, 8 - power));
	return `${sign}${withoutZeros(mantissa)}e${power < 0 ? "−" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** A small number as 2·10⁻⁸. @param {number} value */
export function scientific(value) {
	if (value === 0 || !Number.isFinite(value)) return exact(value);
	const [mantissa, power] = exponential(Math.abs(value), 1);
	return `${value < 0 ? "−" : ""}${withoutZeros(mantissa)}${tens(power)}`;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** @param {number} power */
const tens = (power) => `·10${String(power).replace(/./g, (c) => (c === "-" ? "⁻" : RAISED[Number(c)]))}`;

/**
 * Numbers rounded so that what is shown adds up to the shown total, exactly: each is rounded down, and the units that
 * are then missing go to those that lost most. If one is not finite they do not add up, and come back one by one.
 * @param {ArrayLike<number>} values @param {number} total @param {number} digits how many decimals
 */
export function addingUp(values, total, digits) {
	const numbers = Array.from(values);
	if (!numbers.length || ![...numbers, total].every(Number.isFinite)) {
		return { texts: numbers.map((value) => decimal(value, digits)), total: decimal(total, digits) };
	}
	const unit = Number(`1e${digits}`);
	const scaled = numbers.map((value) => value * unit);
	const whole = scaled.map((value) => BigInt(Math.floor(value)));
	const lost = scaled.map((value) => value - Math.floor(value));
	const target = BigInt(halfToEven(total * unit));
	const missing = target - whole.reduce((a, b) => a + b, 0n);
	const one = missing > 0n ? 1n : -1n;
	const order = lost.map((_, n) => n).sort((a, b) => Number(one) * (lost[b] - lost[a]));
	const count = BigInt(order.length);
	const [turns, more] = [(missing * one) / count, (missing * one) % count];
	order.forEach((n, place) => (whole[n] += one * (turns + (place < more ? 1n : 0n))));
	const texts = whole.map((value) => decimal(Number(value) / unit, digits));
	return { texts, total: decimal(Number(target) / unit, digits) };
}

/** @param {number} value */
function halfToEven(value) {
	const below = Math.floor(value);
	const lost = value - below;
	return lost > 0.5 || (lost === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/**
 * A positive number's mantissa with so many decimals, and its power of ten.
 * @param {number} size @param {number} decimals @returns {[string, number]}
 */
function exponential(size, decimals) {
	const [mantissa, power] = size.toExponential(decimals).split("e");
	return [toEven(mantissa, size, decimals - Number(power)), Number(power)];
}

/**
 * The text of a number that was rounded to so many decimals (or, below 0, to tens) with halves going up, with halves
 * going to the even digit. Halfway is size·10ᵖ = n + ½, so that size·2ᵖ⁺¹ is odd; no double is halfway beyond 10²².
 * @param {string} text @param {number} size @param {number} places
 */
function toEven(text, size, places) {
	const tens = Number(`1e${-places}`);
	const halfway = places < 0 ? places >= -22 && size % tens === tens / 2 : (size * 2 ** (places + 1)) % 2 === 1;
	const last = Number(text.slice(-1));
	return halfway && last % 2 ? `${text.slice(0, -1)}${last - 1}` : text;
}

/** @param {string} text */
const withoutZeros = (text) => (text.includes(".") ? text.replace(/\.?0*$/, "") : text);

/** @param {(number | string | null)[] | null} sizes */
export const times = (sizes) => (!sizes ? "?" : sizes.length ? sizes.map((s) => s ?? "?").join("×") : "one number");

const THOUSANDS = new Intl.NumberFormat("en-US");

/** @param {number | string | null} value */
export const grouped = (value) =>
	typeof value === "number" ? THOUSANDS.format(value).replace("-", "−") : (value ?? "–");

/** How many decimals show a number of this size well. @param {number} largest */
export function places(largest) {
	const size = Math.abs(largest);
	return size > 0 && size < Infinity ? between(5 - Math.floor(Math.log10(size)), size < 1e13 ? 2 : 0, 60) : 6;
}

/** A number that `decimal` wrote. @param {string} text */
export const readBack = (text) => Number(text.replace("−", "-").replace("∞", "Infinity")
	.replace(/·10⁻(.*)/, (_, power) => `e-${[...power].map((c) => RAISED.indexOf(c)).join("")}`));

/** With its sign in front, also a plus. @param {string} text */
export const signed = (text) => (/^[−-]|^NaN|^0\.?0*$/.test(text) ? text : `+${text}`);

/** The sum of texts, as a text that they add up to. @param {string[]} texts @param {number} digits */
export function added(texts, digits) {
	const unit = 10 ** digits;
	return decimal(texts.reduce((sum, text) => sum + Math.round(readBack(text) * unit), 0) / unit, digits);
}

/** Words that the host told, with what stands in braces. @param {string} words @param {Record<string, string | number>} values */
export const filledIn = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
