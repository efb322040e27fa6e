// Receptive fields of a network that nobody has described: windows chained back to the image, as notation/spread.py
// and model/receptive.py say them, where every output's window is the first one moved.

import { reached } from "./windows.js";

/** @import {Box, EquationJson} from "./types" */

/** @typedef {{name: string, equation: EquationJson | null, feeds: Record<string, string>, shape: number[]}} Stage */
/** @typedef {{size: number[], stride: (number | null)[], start: number[]}} ReceptiveField */

/** What outputs of layers see of the image. */
export class Sight {
	/** @param {Map<string, Stage>} stages @param {string} image  the input's name @param {number[]} axes  of it that lie in the plane */
	constructor(stages, image, axes) {
		this.stages = stages;
		this.image = image;
		this.axes = axes;
		/** @type {Map<string, EquationJson>} the same without shapes, so that nothing is cut at a border */
		this.open = new Map();
	}

	/** What a box of a layer's numbers sees of the image; null where that cannot be said. @param {string} name @param {Box} box @returns {Box | null} */
	box(name, box) {
		/** @type {Map<string, Box>} */
		const wanted = new Map([[name, box]]);
		for (const stage of [...this.stages.values()].reverse()) { // in whose order feeds come first
			const here = wanted.get(stage.name);
			if (!here) continue;
			if (!stage.equation) return null;
			for (const [tensor, read] of Object.entries(reached(this.bare(stage.name, stage.equation), here))) {
				const feed = stage.feeds[tensor];
				if (feed === undefined) continue;
				const before = wanted.get(feed) ?? read;
				wanted.set(feed, read.map(([first, last], axis) => [Math.min(first, before[axis][0]), Math.max(last, before[axis][1])]));
			}
		}
		return wanted.get(this.image) ?? null;
	}

	/** @param {string} name @param {EquationJson} equation */
	bare(name, equation) {
		const found = this.open.get(name) ?? {
			...equation,
			tensors: Object.fromEntries(Object.entries(equation.tensors).map(([tensor, { role }]) => [tensor, { role, shape: null }])),
		};
		this.open.set(name, found);
		return found;
	}

	/** @param {string} name @returns {ReceptiveField | null} */
	field(name) {
		const { shape } = /** @type {Stage} */ (this.stages.get(name));
		const at = (/** @type {number[]} */ place) => this.box(name, place.map((p) => [p, p]));
		const zero = shape.map(() => 0);
		const first = at(zero);
		if (!first) return null;
		const moves = shape.map((size, axis) => [1, 2].filter((p) => p < size).map((p) => at(zero.map((_, n) => (n === axis ? p : 0)))));
		/** @type {ReceptiveField} */
		const found = { size: [], stride: [], start: [] };
		for (const axis of this.axes) {
			const [low, high] = first[axis];
			/** @type {number | null} */
			let stride = null;
			for (const boxes of moves) {
				const steps = boxes.map((box) => box && [box[axis][0] - low, box[axis][1] - high]);
				if (steps.every((step) => step && !step[0] && !step[1])) continue;
				const [one, two] = steps;
				const even = one && one[0] === one[1] && (!two || (two[0] === 2 * one[0] && two[1] === two[0]));
				if (!even || stride !== null) return null; // it is moved by more, or not evenly
				stride = one[0];
			}
			found.size.push(high - low + 1);
			found.stride.push(stride);
			found.start.push(low);
		}
		return found;
	}
}
