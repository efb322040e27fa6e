// Figures of a map in words, and its histogram.

import { svg } from "../elements.js";
import { exact } from "../texts.js";

/** @import {Figures} from "./types" */

/** @param {number | null} value */
const short = (value) => (value === null ? "–" : exact(Number(value.toPrecision(3))));

/** A share; 0 % and 100 % only where it is exactly that. @param {number} share @param {number} [digits] */
export function percent(share, digits = 1) {
	const text = `${(share * 100).toFixed(digits)} %`;
	const step = (10 ** -digits).toFixed(digits);
	if (share === 0 || share === 1) return `${share * 100} %`;
	if (Number.parseFloat(text) === 0) return `< ${step} %`;
	return Number.parseFloat(text) === 100 ? `> ${(100 - Number(step)).toFixed(digits)} %` : text;
}

/** "mean 0.21 ± 0.4, 0 … 2.1, 48 % zeros". @param {Figures} all @param {number} map */
export function figures(all, map) {
	if (all.mean[map] === null) return "no finite number";
	const odd = /** @type {number} */ (all.not_finite[map]);
	return `mean ${short(all.mean[map])} ± ${short(all.std[map])}, ${short(all.min[map])} … ${short(all.max[map])}, ${percent(/** @type {number} */ (all.zeros[map]))} zeros`
		+ (odd ? `, ${percent(odd)} not finite` : "");
}

/** What the ends of the bars are. @param {Figures} all @param {number} map */
export const around = (all, map) => `how often, from ${short(all.min[map])} on the left to ${short(all.max[map])} on the right; zeros are left out`;

/** @param {number[]} counts @param {number} tall */
export function bars(counts, tall) {
	const most = Math.max(...counts, 1);
	return svg("svg", { viewBox: `0 0 ${counts.length * 5} ${tall}`, preserveAspectRatio: "none", class: "cs-survey-bars", height: tall, "aria-hidden": "true" },
		...counts.flatMap((count, n) => (count ? [svg("rect", { x: n * 5, y: tall - (tall * count) / most, width: 4.4, height: (tall * count) / most })] : [])));
}
