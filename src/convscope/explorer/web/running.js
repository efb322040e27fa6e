// Running a whole network in the page: every layer's equation compiled, in a worker made from their text.

import { compiled } from "./compiler.js";
import { errorFunction } from "./functions.js";

/** @import {EquationJson} from "./types" */

/** How many terms a network may take for one image: about half a second. */
const MOST = 3e8;

/**
 * @typedef {Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>} Held
 * @typedef {{name: string, equation: EquationJson | null, feeds: Record<string, string>, weights: Record<string, {shape: number[], data: () => Held}>}} Stage
 */

/** A network that runs from its equations. */
export class Running {
	/** @type {Worker | null} */
	worker = null;
	/** @type {Map<number, {done: (values: Float32Array[]) => void, failed: (error: Error) => void}>} */
	open = new Map();
	last = 0;

	/** @param {string[]} inputs @param {Stage[]} stages  in order */
	constructor(inputs, stages) {
		this.names = [...inputs, ...stages.map(({ name }) => name)];
		this.inputs = inputs;
		this.stages = stages;
		/** @type {number[][]} the shapes of what each layer gives */
		this.shapes = [];
	}

	/** Why it cannot run here; null if it can. @returns {string | null} */
	get why() {
		const opaque = this.stages.find(({ equation }) => !equation);
		return opaque ? `${opaque.name} has no equation` : null;
	}

	/** Make the worker: the text of every layer, and its weights. */
	start() {
		const places = new Map(this.names.map((name, n) => [name, n]));
		/** @type {Held[]} */
		const weights = [];
		let steps = 0;
		const texts = this.stages.map(({ name, equation, feeds, weights: held }) => {
			if (!equation) throw new Error(`${name} has no equation`);
			const shapes = Object.fromEntries(Object.entries(held).map(([weight, { shape }]) => [weight, shape]));
			const { text, tensors, shape, steps: own } = compiled(equation, shapes);
			steps += own;
			if (steps > MOST) {
				throw new Error(`this network takes more than ${MOST / 1e6} million multiplications for an image, too many for a page by itself`);
			}
			this.shapes.push(shape);
			const reads = tensors.map((tensor) => {
				if (equation.tensors[tensor].role !== "weight") return `values[${places.get(feeds[tensor])}]`;
				weights.push(held[tensor].data());
				return `weights[${weights.length - 1}]`;
			});
			return `values.push((${text})(${reads.join(", ")}));`;
		});
		const source = [
			'"use strict";',
			`const errorFunction = ${errorFunction};`,
			"let weights = [];",
			`const stages = [${texts.map((text) => `(values) => { ${text} }`).join(",\n")}];`,
			"onmessage = ({ data: { id, values, weights: given } }) => {",
			"if (given) return void (weights = given);",
			"try {",
			"for (const stage of stages) stage(values);",
			"postMessage({ id, values }, values.map(({ buffer }) => buffer));",
			"} catch (error) {",
			"postMessage({ id, error: String(error) });",
			"}",
			"};",
		].join("\n");
		const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
		const worker = new Worker(address);
		worker.onmessage = ({ data: { id, values, error } }) => {
			const asked = this.open.get(id);
			this.open.delete(id);
			if (error) asked?.failed(new Error(error));
			else asked?.done(values);
		};
		worker.onerror = (event) => {
			for (const { failed } of this.open.values()) failed(new Error(event.message || "the worker could not be started"));
			this.open.clear();
		};
		worker.postMessage({ weights });
		return worker;
	}

	close() {
		this.worker?.terminate();
	}

	/** The numbers of every input and layer, by name. @param {Float32Array[]} given  of the inputs @returns {Promise<Map<string, Float32Array<ArrayBuffer>>>} */
	async run(given) {
		const worker = (this.worker ??= this.start());
		const id = ++this.last;
		/** @type {Promise<any[]>} */
		const told = new Promise((done, failed) => this.open.set(id, { done, failed }));
		worker.postMessage({ id, values: given });
		const values = await told;
		return new Map(this.names.map((name, n) => [name, values[n]]));
	}
}
