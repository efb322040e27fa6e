// One number's account: what is added up, in figures that add up.

import { product, range } from "./arrays.js";
import { addingUp, called, decimal, filledIn, grouped, places } from "./texts.js";

/** @import {Detail, Groups, Ledger, Wording} from "./types" */

const MOST_ROWS = 64; // so many input maps are shown one by one; of more the largest, and the rest in one
export const FEW_ROWS = 12; // and so many where the small ones are folded

/**
 * One number's account: what is added up, rounded so that what is shown adds up to what is shown.
 * @param {Ledger} led  with groups @param {Wording} words @param {number} [most]  so many rows @param {boolean} [sorted]  the largest first
 */
export function account({ groups, bias, reduction, preactivation }, words, most = MOST_ROWS, sorted = false) {
	const { partials, channels } = /** @type {Groups} */ (groups);
	const all = range(partials.length);
	const size = (/** @type {number} */ n) => (Number.isNaN(partials[n]) ? Infinity : Math.abs(partials[n]));
	const largest = [...all].sort((a, b) => size(b) - size(a) || a - b).slice(0, all.length > most ? most - 1 : most);
	const listed = sorted ? largest : largest.sort((a, b) => a - b);
	const values = listed.map((n) => partials[n]);
	const names = listed.map((n) => filledIn(words.row, { map: channels[n] }));
	if (listed.length < all.length) {
		const shown = new Set(listed);
		values.push(all.reduce((sum, n) => (shown.has(n) ? sum : sum + partials[n]), 0));
		names.push(filledIn(words.rest, { count: grouped(all.length - listed.length) }));
	}
	const sums = values.length;
	if (bias !== null) {
		values.push(bias);
		names.push(words.bias);
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
	if (!groups || !detail.account) return null;
	const wide = groups.sizes.at(-1) ?? 1;
	const feed = detail.feeds[groups.tensor];
	const source = feed === undefined ? groups.tensor : called(feed);
	return { led, detail, at, groups, feed, source, wide, tall: product(groups.sizes) / wide, ...account(led, detail.account, most, sorted) };
}

/** What a number reads, in the words that the host told. @param {Sum} sum */
export function sentence({ detail: { account: words }, groups: { count, products, inside, between, channels }, source }) {
	const { reads, padding, gaps, edge } = /** @type {Wording} */ (words); // what is a sum has them
	const first = channels.reduce((least, one) => Math.min(least, one), Infinity); // not spread: there may be more than a call takes
	const padded = inside.reduce((sum, one) => sum + (one ? 0 : 1), 0) - between;
	const outside = [between && filledIn(gaps, { count: grouped(between) }), padded && filledIn(between ? edge : padding, { count: grouped(padded) })].filter(Boolean).join("; ");
	// 0 · NaN is NaN, and ∞ · 0 too; the engine does not go where there is nothing
	const lost = products?.some((product, n) => !inside[n] && Number.isNaN(product));
	return filledIn(reads, { source, first, last: first + count - 1, group: Math.floor(first / count) + 1 })
		+ (outside && ` ${outside} (hatched).`)
		+ (lost ? " A weight that is no finite number meets their zeros there, which makes NaN; the engine leaves the padding out." : "");
}
