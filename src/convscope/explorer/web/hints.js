// Words that are explained where they stand.

import { h } from "./elements.js";

/** @type {Record<string, string>} */
export const HINTS = {
	MACs: "multiply–accumulates: products of an input and a weight that are added up, for one image; the bias is not counted",
	"pre-activation": "what the sum and the bias come to, before the activation function is applied",
	"receptive field": "the part of the image that one number can see; its stride is how far apart the parts of two neighbours are",
	sees: "the receptive field: the part of the image that one number can see, and how far apart those of two neighbours are",
	parameters: "the numbers that training sets: weights and biases, each counted once",
	bias: "a number of its own that each map adds, whatever the input is",
	"partial sums": "what each input map adds: its window times its slice of the filter, number by number, added up",
};

/** A word with its hint: shown under the pointer, and when it has the focus. @param {string} word @param {boolean} [focused]  whether Tab stops at it */
export function hinted(word, focused = false) {
	const key = Object.keys(HINTS).find((one) => word === one || word.endsWith(` ${one}`));
	if (!key) return word;
	return focused ? h("span.cs-hint", { tabindex: 0, role: "note", "aria-description": HINTS[key], "data-hint": HINTS[key] }, word)
		: h("span.cs-hint", { title: HINTS[key] }, word);
}
