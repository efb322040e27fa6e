// Where we are, and how an address says it.

import { between, origin } from "./arrays.js";

/** @import {Form} from "./form.js" */
/** @import {Network} from "./network.js" */

export const SCREENS = { network: "Network", stack: "Stack", microscope: "Microscope", models: "Mental models", whatif: "What if", input: "Input" };
export const MODELS = ["apart", "shared", "real", "depth", "added"];
export const COLOURS = { layer: "one scale for the layer", map: "a scale for each map", grey: "grey" };
export const SORTS = { index: "index", energy: "energy", contribution: "contribution" };

const KEYS_OF_PLACES = ["l", "o", "y", "x", "p", "m", "s", "w", "i", "t", "c", "sort"];

/** @typedef {{map: number, row: number, column: number}} Spot */
/** @typedef {{screen: string, layer: string, at: number[], model: string, colour: string, sort: string, edits: any[], sample?: string, tour: string, said?: string, more?: Record<string, string>}} Place  edits: of What if; more: what a late screen says by names of its own; sample: the image, one of those that come along; tour: a lesson and its step, question.2; said: what stood there, for the way back */

/** The one after in a list, or before; it goes round. @template T @param {T[]} list @param {T} one */
export const after = (list, one, by = 1) => list[(list.indexOf(one) + by + list.length) % list.length];

/** @param {Form} form @returns {[string, number | null][]} */
const named = ({ listed, axes }) => [["o", listed], ["y", axes.rows], ["x", axes.columns]];

/** @param {string} text  after the # @param {Network} net @param {Place} before */
export function parsePlace(text, net, before) {
	const given = new URLSearchParams(text);
	const place = { ...before, at: [...before.at] };
	const name = given.get("l");
	if (name !== null && net.layers.has(name)) {
		if (name !== place.layer) place.at = origin(net.shape(name));
		place.layer = name;
	}
	const form = net.form(place.layer);
	const whole = (/** @type {string | null | undefined} */ t) => (t && /^\d{1,9}$/.test(t) ? Number(t) : null);
	const listed = given.get("p")?.split(",");
	if (listed) place.at = form.shape.map((_, n) => whole(listed[n]) ?? 0);
	for (const [key, axis] of named(form)) if (axis !== null) place.at[axis] = whole(given.get(key)) ?? place.at[axis];
	place.at = form.shape.map((size, n) => between(place.at[n] ?? 0, 0, Math.max(0, size - 1)));
	const among = (/** @type {string} */ key, /** @type {object} */ words, /** @type {string} */ now) => {
		const word = given.get(key);
		return word && Object.hasOwn(words, word) ? word : now;
	};
	place.screen = among("s", net.screens, place.screen);
	if (!Object.hasOwn(SCREENS, place.screen)) place.more = Object.fromEntries([...given].filter(([key]) => !KEYS_OF_PLACES.includes(key)));
	place.colour = among("c", COLOURS, place.colour);
	place.sort = among("sort", SORTS, place.sort);
	place.tour = given.get("t") ?? place.tour;
	const edits = given.get("w");
	if (edits !== null) place.edits = readEdits(edits, net);
	const sample = given.get("i");
	if (sample !== null && net.told.samples.includes(sample)) place.sample = sample;
	place.model = MODELS.find((model) => model === given.get("m")) ?? place.model;
	return place;
}

/** Edits as an address says them, of layers that there are. @param {string} text @param {Network} net @returns {any[]} */
function readEdits(text, net) {
	try {
		const found = JSON.parse(text);
		return found.filter((/** @type {any} */ one) => Array.isArray(one) && one.length === 3 && net.layers.has(one[0]) && typeof one[1] === "string");
	} catch {
		return [];
	}
}

/** @param {Place} place @param {Network} net */
export function placeText(place, net) {
	const parts = [`l=${encodeURIComponent(place.layer)}`];
	const form = net.form(place.layer);
	const axes = named(form).filter(([key, axis]) => axis !== null && !(key === "x" && axis === form.listed));
	if (axes.length === place.at.length) parts.push(...axes.map(([key, axis]) => `${key}=${place.at[Number(axis)]}`));
	else parts.push(`p=${place.at.join(",")}`);
	parts.push(`m=${place.model}`);
	if (place.screen !== "microscope") parts.push(`s=${place.screen}`);
	if (place.edits.length) parts.push(`w=${encodeURIComponent(JSON.stringify(place.edits))}`);
	if (place.sample !== undefined) parts.push(`i=${encodeURIComponent(place.sample)}`);
	if (place.tour) parts.push(`t=${encodeURIComponent(place.tour)}`);
	if (place.colour !== "layer") parts.push(`c=${place.colour}`);
	if (place.sort !== "index") parts.push(`sort=${place.sort}`);
	if (!Object.hasOwn(SCREENS, place.screen)) {
		parts.push(...Object.entries(place.more ?? {}).map(([key, value]) => `${key}=${encodeURIComponent(value)}`));
	}
	return parts.join("&");
}
