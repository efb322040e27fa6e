// One number's account: what is added up, in figures that add up.

import { product, range } from "./arrays.js";
import { addingUp, called, decimal, grouped, places, times } from "./texts.js";

/** @import {Detail, Groups, Ledger} from "./types" */

const MOST_ROWS = 64; // so many input maps are shown one by one; of more the largest, and the rest in one
export const FEW_ROWS = 12; // and so many where the small ones are folded

/**
 * One number's account: what is added up, rounded so that what is shown adds up to what is shown.
 * @param {Ledger} led  with groups @param {number} [most]  so many rows @param {boolean} [sorted]  the largest first
 */
export function account({ groups, bias, reduction, preactivation }, most = MOST_ROWS, sorted = false) {
	const { partials, channels, sizes } = /** @type {Groups} */ (groups);
	const all = range(partials.length);
	const size = (/** @type {number} */ n) => (Number.isNaN(partials[n]) ? Infinity : Math.abs(partials[n]));
	const largest = [...all].sort((a, b) => size(b) - size(a) || a - b).slice(0, all.length > most ? most - 1 : most);
	const listed = sorted ? largest : largest.sort((a, b) => a - b);
	const values = listed.map((n) => partials[n]);
	const one = sizes.length ? "map" : "input";
	const names = listed.map((n) => `${one} ${channels[n]}`);
	if (listed.length < all.length) {
		const shown = new Set(listed);
		values.push(all.reduce((sum, n) => (shown.has(n) ? sum : sum + partials[n]), 0));
		names.push(`the other ${grouped(all.length - listed.length)} ${one}s`);
	}
	const sums = values.length;
	if (bias !== null) {
		values.push(bias);
		names.push("bias");
	}
	const digits = places(Math.max(...values.map(Math.abs), Math.abs(preactivation)));
	const { texts, total } = reduction !== "max" && values.every(Number.isFinite)
		? addingUp(values, preactivation, digits)
		: { texts: values.map((v) => decimal(v, digits)), total: decimal(preactivation, digits) };
	return { listed, names, values, texts, sums, total, digits };
}

/**
 * What is on the screen: a number taken apart; of one that adds up many also these, as the window is drawn.
 * @typedef {{led: Ledger, detail: Detail, at: number[], digits: number}} Now
 * @typedef {ReturnType<typeof account> & Now & {groups: Groups, feed: string | undefined, source: string, tall: number,
 *   wide: number}} Sum  feed: the layer whose numbers are read; source: its name, or what else they are
 */

/** @param {Ledger} led @param {Detail} detail @param {number[]} at @param {number} [most] @param {boolean} [sorted] @returns {Sum | null} */
export function sumOf(led, detail, at, most, sorted) {
	const { groups } = led;
	if (!groups) return null;
	const wide = groups.sizes.at(-1) ?? 1;
	const feed = detail.feeds[groups.tensor];
	const source = feed === undefined ? groups.tensor : called(feed);
	return { led, detail, at, groups, feed, source, wide, tall: product(groups.sizes) / wide, ...account(led, most, sorted) };
}

/** @param {Sum} sum */
export function sentence({ led: { terms, reduction }, groups: { sizes, count, of, products, inside, between, channels }, source }) {
	const total = grouped(terms);
	const makes = reduction === "max" ? "takes the largest of them as its" : reduction === "mean" ? "takes their mean as its"
		: products ? "adds up the products to" : "adds them up to";
	const padded = inside.reduce((sum, one) => sum + (one ? 0 : 1), 0) - between;
	const where = between ? `${grouped(between)} of them fall between its numbers, where the stride leaves gaps` : "";
	const beyond = padded ? (between ? `${grouped(padded)} lie beyond its edge` : `${grouped(padded)} of them lie in the padding`) : "";
	// 0 · NaN is NaN, and ∞ · 0 too; the engine does not go where there is nothing
	const lost = products?.some((product, n) => !inside[n] && Number.isNaN(product));
	const outside = where || beyond ? ` ${[where, beyond].filter(Boolean).join("; ")} (hatched).${lost ? " A weight that is no finite number meets their zeros there, which makes NaN; the engine leaves the padding out." : ""}` : "";
	const all = grouped(count);
	if (count > 1 && sizes.length) {
		const window = sizes.length > 1 ? `a ${times(sizes)} window` : `a window of ${sizes[0]}`;
		const first = Math.min(...channels);
		const maps = of !== null && of > count
			? `${all} of the ${grouped(of)} maps of ${source}: maps ${first} … ${first + count - 1}, group ${Math.floor(first / count) + 1} of ${Math.floor(of / count)}`
			: `every one of the ${all} maps of ${source}`;
		return `It reads ${[...sizes, count].join(" × ")} = ${total} numbers: ${window} of ${maps}. All ${all} go in; one number comes out.${outside}`;
	}
	if (count > 1) return `It reads ${total} numbers of ${source}, each with a weight of its own, and ${makes} one number.`;
	return `It reads ${sizes.length ? `${times(sizes)} = ` : ""}${total} number${terms === 1 ? "" : "s"}, all from map ${channels[0]} of ${source}, and ${makes} one number.${outside}`;
}
