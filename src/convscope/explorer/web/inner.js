// Sums on the way: under a softmax, of a mean, of a variance; their terms as tiles.

import { range } from "./arrays.js";
import { FEW_ROWS } from "./account.js";
import { innerSums } from "./evaluator.js";
import { addingUp, decimal, grouped, places, signed } from "./texts.js";
import { fill, h } from "./elements.js";

/** @import {Inner, Values} from "./types" */
/** @import {Now} from "./account.js" */
/** @import {Microscope} from "./microscope.js" */

const INNER = { sum: "Σ", mean: "mean", max: "max", first: "first" };

/** @param {Microscope} micro  of whose number it shows what is summed up on the way */
export function inners(micro) {
	const element = h("div.cs-inners");

	/** Draw them; says whether there are any. @param {Now} now @param {Values} values */
	function draw({ detail: { equation }, at }, values) {
		const found = innerSums(equation, at, values);
		fill(element, found.map(figure));
		return found.length > 0;
	}

	/** @param {Inner} inner */
	function figure({ name, kind, names, sizes, terms, value }) {
		const { net } = micro.app;
		const all = range(terms.length);
		const size = (/** @type {number} */ n) => (Number.isNaN(terms[n]) ? Infinity : kind === "max" ? terms[n] : Math.abs(terms[n]));
		const few = all.length <= FEW_ROWS ? all : [...all].sort((a, b) => size(b) - size(a) || a - b).slice(0, FEW_ROWS - 1).sort((a, b) => a - b);
		const share = kind === "mean" ? terms.length : 1;
		const parts = few.map((n) => terms[n] / share);
		const adds = kind !== "max";
		if (few.length < all.length && adds) parts.push(all.reduce((sum, n) => (few.includes(n) ? sum : sum + terms[n] / share), 0));
		const digits = places(Math.max(...parts.map(Math.abs), Math.abs(value)));
		const { texts, total } = adds ? addingUp(parts, value, digits) : { texts: parts.map((v) => decimal(v, digits)), total: decimal(value, digits) };
		const { labels, run } = Object.assign({ run: net.run }, net.told);
		const classes = micro.app.place.layer === run?.output && labels.length === terms.length ? labels : null;
		const label = (/** @type {number} */ n) => {
			if (classes) return classes[n];
			let rest = n;
			return [...sizes.keys()].reverse().map((d) => {
				const place = rest % sizes[d];
				rest = Math.floor(rest / sizes[d]);
				return `${names[d]} = ${place}`;
			}).reverse().join(", ");
		};
		const words = few.map((n) => `${label(n)}${share > 1 ? `: ${decimal(terms[n], Math.min(4, digits))} ÷ ${grouped(share)}` : ""}`);
		if (few.length < all.length) words.push(`the other ${grouped(all.length - few.length)}`);
		const what = `${name ? `${name} = ` : ""}${INNER[kind]} of ${grouped(terms.length)} number${terms.length === 1 ? "" : "s"}`;
		return h("section.cs-inner", { "aria-label": what },
			h("p.cs-inner-total", h("span.cs-sigma", { "aria-hidden": "true" }, INNER[kind]), h("span.cs-step", h("span.cs-step-name", what), h("span.cs-step-value", total))),
			h("div.cs-inner-tiles", { role: "list" }, words.map((word, n) =>
				h("div.cs-tile", { role: "listitem" }, h("span.cs-tile-name", word), h("span.cs-tile-value", n < texts.length ? signed(texts[n]) : "none larger")))));
	}

	return { element, draw };
}
