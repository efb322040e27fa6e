// Edited networks, worked out with nobody to ask: layers whose equations have letters for sizes (explorer/alternatives.py
// says which, and has tried them), put together anew with numbers in their places.

import { product } from "./arrays.js";
import { Sight } from "./fields.js";
import { Refusal } from "./refusal.js";
import { filled } from "./sizes.js";
import { called, times } from "./texts.js";

/** @import {EquationJson} from "./types" */
/** @import {Held} from "./running.js" */
/** @import {Numbers} from "./sizes.js" */

/**
 * @typedef {object} Kind  a layer with letters
 * @property {(string | number)[][]} inputs
 * @property {Record<string, string | string[]>} open  setting → its letters
 * @property {string[]} fixed
 * @property {[any[], any][]} ways  values of the fixed settings, and the layer's statement
 */
/** @typedef {{ layers: [string, {kinds: number[], starts: Record<string, number | null>}][], kinds: (Kind | null)[], why: string }} Known */
/** @typedef {Record<string, {value: any, count?: number}>} Settings */
/** @typedef {[string, string, any][]} Edits */
/**
 * @typedef {object} Stage  a layer of an edited network
 * @property {string} name
 * @property {EquationJson | null} equation
 * @property {Record<string, string>} feeds
 * @property {number[]} shape
 * @property {Record<string, number[]>} weights
 * @property {number} params
 * @property {number} trainable
 * @property {number} macs
 * @property {string[]} redrawn  weights that no longer fit
 * @property {boolean} changed
 */

/** The networks that edits make, from what a file holds. */
export class Alternatives {
	/** @param {Known} known @param {any} network @param {(layer: string) => any} detail  a layer as it is @param {(layer: string) => Settings} settings */
	constructor(known, network, detail, settings) {
		this.known = new Map(known.layers);
		this.kinds = known.kinds;
		this.why = known.why;
		this.network = network;
		this.detail = detail;
		this.settings = settings;
	}

	/** The layers of the edited network, in order. @param {Edits} edits @returns {Map<string, Stage>} */
	made(edits) {
		/** @type {Map<string, Map<string, any>>} */
		const wanted = new Map();
		for (const [layer, setting, value] of edits) wanted.set(layer, (wanted.get(layer) ?? new Map()).set(setting, value));
		const { inputs, layers, run } = this.network;
		const names = new Set(layers.map((/** @type {any} */ { name }) => name));
		for (const name of wanted.keys()) if (!names.has(name)) throw new Refusal("LayerLookupError", `there is no layer ${JSON.stringify(name)} in this file`);
		/** @type {Map<string, number[]>} */
		const shapes = new Map(inputs.map((/** @type {any} */ { name }) => [name, run.shapes[name]]));
		/** @type {Map<string, Stage>} */
		const stages = new Map();
		for (const layer of layers) {
			const stage = this.stage(layer, layer.inputs.map((/** @type {string} */ name) => shapes.get(name)), wanted.get(layer.name));
			stages.set(layer.name, stage);
			shapes.set(layer.name, stage.shape);
		}
		return stages;
	}

	/** @param {any} layer @param {number[][]} given  the shapes of its inputs @param {Map<string, any> | undefined} edits @returns {Stage} */
	stage({ name, weights, inputs, params, trainable, macs }, given, edits) {
		const { equation, feeds } = this.detail(name);
		const { shapes } = this.network.run;
		if (!edits && inputs.every((/** @type {string} */ feed, /** @type {number} */ n) => String(shapes[feed]) === String(given[n]))) {
			return { name, equation, feeds, shape: shapes[name], weights, params, trainable, macs, redrawn: [], changed: false };
		}
		const figures = this.found(name, edits, given);
		const shape = figures.equation.axes.map((/** @type {number} */ axis) => figures.equation.index[axis].size);
		const small = shape.findIndex((/** @type {number} */ size) => size < 1);
		if (small >= 0) {
			const { word } = figures.equation.index[figures.equation.axes[small]];
			throw new Refusal("EditError", `${called(name)} cannot be so: from an input of ${given.map(times).join(" and ")} its output would have ${shape[small]} `
				+ `${word}s. A smaller window here or before, a smaller stride, or padding would do.`);
		}
		const redrawn = Object.keys(figures.weights).filter((one) => String(figures.weights[one]) !== String(weights[one]));
		return { ...figures, name, feeds, shape, redrawn, changed: true };
	}

	/** The kinds that a layer may be. @param {string} name @returns {Kind[]} */
	kindsOf(name) {
		return (this.known.get(name)?.kinds ?? []).flatMap((place) => this.kinds[place] ?? []);
	}

	/** The settings of a layer that may be any number. @param {string} name */
	settingsOf(name) {
		return this.kindsOf(name)[0]?.open ?? {};
	}

	/** A layer's statement after edits, by the first of its kinds that it is then. @param {string} name @param {Map<string, any> | undefined} edits @param {number[][]} given */
	found(name, edits, given) {
		/** @type {unknown} */
		let fault = new Refusal("UnsupportedError", `This file does not hold ${called(name)} with other sizes${this.why && `: ${this.why}`}.`);
		for (const kind of this.kindsOf(name)) {
			try {
				const told = this.told(name, kind, edits);
				return filled(this.way(name, kind, told), this.numbers(name, kind, told, given));
			} catch (refused) {
				if (!(refused instanceof Refusal) || refused.kind !== "UnsupportedError") throw refused;
				fault = refused;
			}
		}
		throw fault;
	}

	/** A layer's settings after edits. @param {string} name @param {Kind} kind @param {Map<string, any>} [edits] */
	told(name, kind, edits) {
		/** @type {Record<string, any>} */
		const told = {};
		for (const [setting, { value, count }] of Object.entries(this.settings(name))) {
			const to = edits?.has(setting) ? edits.get(setting) : value;
			told[setting] = count && typeof to === "number" ? Array(count).fill(to) : to;
			if (JSON.stringify(told[setting]) !== JSON.stringify(value) && !(setting in kind.open) && !kind.fixed.includes(setting)) {
				throw new Refusal("UnsupportedError", `This file does not hold ${called(name)} with another ${setting}.`);
			}
		}
		for (const setting of edits?.keys() ?? []) if (!(setting in told)) throw new Refusal("SettingError", `${name} has no setting ${JSON.stringify(setting)}.`);
		return told;
	}

	/** What the letters stand for. @param {string} name @param {Kind} kind @param {Record<string, any>} told @param {number[][]} given @returns {Numbers} */
	numbers(name, { inputs, open }, told, given) {
		/** @type {Numbers} */
		const numbers = {};
		const put = (/** @type {string | number} */ letter, /** @type {number} */ number) => {
			if (typeof letter === "number" ? letter !== number : (numbers[letter] ?? number) !== number) {
				throw new Refusal("UnsupportedError", `This file does not hold ${called(name)} for inputs of ${given.map(times).join(" and ")}.`);
			}
			if (typeof letter === "string") numbers[letter] = number;
		};
		inputs.forEach((shape, n) => shape.forEach((letter, axis) => put(letter, given[n][axis])));
		for (const [setting, letters] of Object.entries(open)) {
			const [all, values] = [[letters].flat(), [told[setting]].flat()];
			if (values.length !== all.length || !values.every((value) => Number.isInteger(value) && value > 0)) {
				throw new Refusal("SettingError", `${called(name)}: ${setting} takes ${all.length > 1 ? `${all.length} whole numbers` : "a whole number"} from 1, not ${values.join("×")}.`);
			}
			all.forEach((letter, n) => put(letter, values[n]));
		}
		return numbers;
	}

	/** A layer's statement for its fixed settings. @param {string} name @param {Kind} kind @param {Record<string, any>} told */
	way(name, { fixed, ways }, told) {
		const wanted = JSON.stringify(fixed.map((setting) => told[setting]));
		const found = ways.find(([values]) => JSON.stringify(values) === wanted);
		if (!found) {
			const words = fixed.map((setting) => `${setting} ${[told[setting]].flat().join("×")}`).join(", ");
			throw new Refusal("UnsupportedError", `This file does not hold ${called(name)} with ${words}.`);
		}
		const [[, first]] = ways;
		return found[1] === first || !Array.isArray(found[1]) ? found[1] : patched(first, found[1]);
	}

	/**
	 * The table of what edits change, in the place of an answer to none.
	 * @param {Edits} edits @param {any} base  the answer to no edit @returns {any}
	 */
	table(edits, base) {
		const stages = this.made(edits);
		const { inputs, layers } = this.network;
		const [{ name: image, axes, shape }] = inputs;
		const plane = axes.rows === null && axes.columns === null ? [] : shape.map((/** @type {number} */ _, /** @type {number} */ n) => n).filter((/** @type {number} */ n) => n !== axes.maps);
		const sight = new Sight(new Map([...stages]), image, plane);
		const edited = new Set(edits.map(([layer]) => layer));
		let [params, trainable, macs] = [0, 0, 0];
		/** @type {string[]} */
		const drawn = [];
		const vague = new Set(inputs.length > 1 ? inputs.map((/** @type {any} */ { name }) => name) : []);
		const behind = new Set(edited); // what lies behind an edit: its field may be another one
		const rows = base.layers.map((/** @type {any} */ row, /** @type {number} */ n) => {
			const stage = /** @type {Stage} */ (stages.get(row.name));
			if (layers[n].inputs.some((/** @type {string} */ feed) => behind.has(feed))) behind.add(row.name);
			if (!layers[n].receptive_field?.alike) vague.add(row.name);
			if (!behind.has(row.name)) return row;
			// behind an up-sampling, and wherever windows move unevenly, it is not said
			const field = layers[n].receptive_field?.alike && !layers[n].inputs.some((/** @type {string} */ feed) => vague.has(feed)) ? sight.field(row.name) : null;
			if (!field) vague.add(row.name);
			const now = { output_shape: [null, ...stage.shape], weights: stage.weights, params: stage.params, macs: stage.macs, receptive_field: field };
			params += stage.params - (row.old.params ?? 0);
			trainable += stage.trainable - (layers[n].trainable ?? 0);
			macs += stage.macs - (row.old.macs ?? 0);
			if (stage.redrawn.length) drawn.push(`${called(row.name)} (${stage.redrawn.join(", ")})`);
			const differs = Object.keys(now).some((key) => JSON.stringify(now[/** @type {keyof typeof now} */ (key)]) !== JSON.stringify(row.old[key]));
			return { ...row, new: now, weights_redrawn: stage.redrawn, changed: differs || stage.redrawn.length > 0 || edited.has(row.name) };
		});
		const { old } = base.totals;
		const each = old.params ? old.bytes / old.params : 4;
		const totals = {
			...old, params: old.params + params, trainable: old.trainable + trainable, non_trainable: old.non_trainable + params - trainable,
			macs: old.macs + macs, bytes: old.bytes + params * each,
		};
		const listed = edits.map(([layer, setting, value]) => {
			const { value: before, count } = this.settings(layer)[setting];
			return { layer, setting, old: before, new: count && typeof value === "number" ? Array(count).fill(value) : value };
		});
		const notes = drawn.length ? [`Weights that no longer fit are drawn anew by this page, and not trained: ${drawn.join("; ")}.`] : [];
		return { ...base, edits: listed, layers: rows, totals: { old, new: totals }, notes };
	}

	/** A weight that no longer fits, as before training: even, within Glorot's limits, or the number that it starts with. @param {string} layer @param {string} weight @param {number[]} shape @returns {Held} */
	drawn(layer, weight, shape) {
		const starts = this.known.get(layer)?.starts[weight];
		const found = new Float32Array(product(shape));
		if (typeof starts === "number") return found.fill(starts);
		const [into, out] = shape.length > 1 ? shape.slice(-2) : [shape[0], shape[0]];
		const limit = Math.sqrt(6 / ((into + out) * product(shape.slice(0, -2))));
		let state = 0;
		for (const sign of `${layer} ${weight} ${shape}`) state = (Math.imul(state, 31) + Number(sign.codePointAt(0))) | 0;
		for (let n = 0; n < found.length; n++) { // Marsaglia's xorshift, so that the same edit gives the same numbers
			state ||= 1;
			state ^= state << 13;
			state ^= state >>> 17;
			state ^= state << 5;
			found[n] = limit * (2 * ((state >>> 0) / 2 ** 32) - 1);
		}
		return found;
	}
}

/** Data with some of its parts replaced. @param {any} data @param {[(string | number)[], any][]} changes */
function patched(data, changes) {
	const found = structuredClone(data);
	for (const [path, value] of changes) {
		let part = found;
		for (const key of path.slice(0, -1)) part = part[key];
		part[/** @type {string | number} */ (path.at(-1))] = value;
	}
	return found;
}
