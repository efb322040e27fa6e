// What is known of layers and runs, in words.

import { ledger } from "./evaluator.js";
import { times } from "./texts.js";
import { dim, h } from "./elements.js";

/** @import {Run} from "./types" */
/** @import {Place} from "./address.js" */
/** @import {Network} from "./network.js" */

/** @param {Record<string, number[]>} weights */
export const weightsText = (weights) => Object.entries(weights).map(([name, shape]) => `${name} ${times(shape)}`).join(", ");

/** @param {{size: number[], stride: (number | null)[]}} field */
export const fieldText = ({ size, stride }) =>
	`${times(size)} pixels${stride.some((s) => s !== null && s !== 1) ? `, stride ${times(stride)}` : ""}`;

/** How much each map of a layer adds to the number at a place that it feeds; null if it does not feed it in a sum. @param {Network} net @param {Place} place @param {string} feed */
export async function contributions(net, { layer, at }, feed) {
	if (!net.has(layer) || !net.layer(layer).inputs.includes(feed)) return null;
	const detail = await net.ask(net.detail(layer));
	if (!detail.equation) return null;
	const { groups } = ledger(detail.equation, at, await net.readsSoon(net.reads(detail, at)));
	if (!groups || detail.feeds[groups.tensor] !== feed) return null;
	return new Map(Array.from(groups.channels, (channel, n) => [channel, groups.partials[n]]));
}

/** The largest numbers that come out, with the names of their classes where they have any. @param {Network} net @param {Run} run */
export const outcome = ({ told: { labels } }, { largest, output, shapes }) => largest.map(({ position, value }) => {
	const where = `${output}(${position.join(", ")})`;
	const label = labels.length === shapes[output]?.[0] && position.length === 1 ? labels[position[0]] : undefined;
	return { name: label ?? where, where, label, value: Number(value) };
});

/** @param {Run | null} run */
export const steps = (run) => run !== null && run.steps.length > 0 && h("ol.cs-steps", run.steps.map(({ step, words, before, after }) =>
	h("li", h("b", step), words ? `: ${words}` : "", before && after && dim(` ${times(before)} → ${times(after)}`))));
