// The network and its numbers: what the host has told so far.

import { origin, product, stridesOf } from "./arrays.js";
import { SCREENS } from "./address.js";
import { Form } from "./form.js";
import { needs } from "./windows.js";

/** @import {Answer, Box, Detail, Layer, Patch, Question, Tiles, Told, Values} from "./types" */
/** @import {Link} from "./link.js" */

const WHOLE = 1 << 22; // tensors of up to this many numbers are fetched whole: hovering then needs no round trip
const KEPT = 384 << 20; // bytes of numbers that are kept

/** What the host has told so far: layers, equations, numbers. */
export class Network {
	/** @param {Link} link @param {Told} told */
	constructor(link, told) {
		this.link = link;
		this.told = told;
		this.run = told.run;
		/** @type {Map<string, Layer>} */
		this.layers = new Map();
		const input = { kind: "input", inputs: [], weights: {}, params: 0, macs: 0, receptive_field: null, equation: false, pictures: false };
		for (const one of told.inputs) this.layers.set(one.name, { ...input, ...one, input: true });
		for (const one of told.layers) this.layers.set(one.name, { ...one, input: false });
		this.names = [...this.layers.keys()];
		/** @type {Record<string, string>} every screen's title, those of late rooms last */
		this.screens = { ...SCREENS, ...told.screens };
		/** @type {Map<string, {promise: Promise<any>, ready: any, bytes: number}>} what was told, the latest use last */
		this.known = new Map();
		this.bytes = 0;
		/** @type {Values} */
		this.latest = {};
	}

	/** @param {string} name */
	layer(name) {
		return /** @type {Layer} */ (this.layers.get(name));
	}

	/** @param {string} name */
	shape(name) {
		return this.run?.shapes[name] ?? this.layer(name).shape ?? [];
	}

	/** @param {string} name */
	form(name) {
		return new Form(this.layer(name).axes, this.shape(name));
	}

	/** @param {string} name */
	has(name) {
		return this.run !== null && Object.hasOwn(this.run.shapes, name) && product(this.shape(name)) > 0;
	}

	/** @param {string} name @returns {[number, number]} */
	range(name) {
		return this.run?.ranges[name] ?? [0, 1];
	}

	/** @param {string} name */
	limit(name) {
		return Math.max(...this.range(name).map(Math.abs));
	}

	/** @param {string} text */
	find(text) {
		const wanted = text.trim().toLowerCase();
		return this.names.filter((name) => `${name} ${this.layer(name).kind}`.toLowerCase().includes(wanted));
	}

	/** Ask the host, once; what has not been used for longest is forgotten first. @param {Question} question @returns {Promise<any>} */
	ask(question) {
		const key = JSON.stringify(question);
		const found = this.known.get(key);
		if (found) {
			this.known.delete(key);
			this.known.set(key, found);
			return found.promise;
		}
		const promise = this.link.ask(question).then((answer) => this.read(question, answer));
		const entry = { promise, ready: /** @type {any} */ (null), bytes: 0 };
		this.known.set(key, entry);
		promise.then((ready) => {
			entry.ready = ready;
			this.bytes += entry.bytes = ready.data?.byteLength ?? 0;
			for (const [old, { bytes }] of this.known) {
				if (this.bytes <= KEPT || old === key) break;
				this.known.delete(old);
				this.bytes -= bytes;
			}
		}, () => this.known.delete(key));
		return promise;
	}

	/** The facts of an answer with its numbers: of values, where they lie in their tensor. @param {Question} question @param {Answer} answer */
	read({ ask, layer, weight, box }, { facts, body }) {
		const { buffer, byteOffset, byteLength } = body ?? new DataView(new ArrayBuffer(0));
		const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
		const data = facts.dtype === "float64" ? new Float64Array(bytes) : new Float32Array(bytes); // as on every platform
		if (ask !== "values") return byteLength ? { ...facts, data } : facts;
		const whole = weight === null ? this.shape(layer) : this.layer(layer).weights[weight];
		return { ...facts, data, whole, origin: whole.map((_, axis) => (box ? box[axis][0] : 0)) };
	}

	/** @param {Question} question */
	now(question) {
		return this.known.get(JSON.stringify(question))?.ready ?? null;
	}

	/** @param {string} layer */
	detail(layer) {
		return { ask: "layer", layer, run: this.run?.id };
	}

	/** @param {string} layer @param {string | null} [weight] @param {Box | null} [box] */
	values(layer, weight = null, box = null) {
		return { ask: "values", run: weight === null || this.run?.weights ? this.run?.id : null, layer, weight, box };
	}

	/** What asks for one number of an activation: with all others, if they are not too many. @param {string} layer @param {number[]} at */
	around(layer, at) {
		return this.values(layer, null, product(this.shape(layer)) <= WHOLE ? null : at.map((p) => [p, p]));
	}

	/** What asks for all that an equation reads at a position, by its own names for it. @param {Detail} detail @param {number[]} at */
	reads({ name, equation, feeds }, at) {
		/** @type {Record<string, Box> | null} */
		let boxes = null;
		/** @type {Record<string, Question>} */
		const found = {};
		for (const [tensor, { role }] of Object.entries(equation.tensors)) {
			const weight = role === "weight" ? tensor : null;
			const layer = weight === null ? feeds[tensor] : name;
			const whole = product(weight === null ? this.shape(layer) : this.layer(layer).weights[weight]) <= WHOLE;
			if (whole) found[tensor] = this.values(layer, weight);
			else if ((boxes ??= needs(equation, at))[tensor]) found[tensor] = this.values(layer, weight, boxes[tensor]);
		}
		return found;
	}

	/** @param {Record<string, Question>} reads */
	readsNow(reads) {
		const found = /** @type {Values} */ ({});
		for (const [tensor, question] of Object.entries(reads)) {
			if (!(found[tensor] = this.now(question))) return null;
		}
		// the same object for the same numbers: what an equation works out on the way is remembered with it
		const names = Object.keys(found);
		const same = names.length === Object.keys(this.latest).length && names.every((t) => found[t] === this.latest[t]);
		return same ? this.latest : (this.latest = found);
	}

	/** @param {Record<string, Question>} reads */
	async readsSoon(reads) {
		await Promise.all(Object.values(reads).map((question) => this.ask(question)));
		return /** @type {Values} */ (this.readsNow(reads));
	}

	/** @param {string} layer @returns {Patch | null} */
	activation(layer) {
		return this.now(this.values(layer));
	}

	/** @param {string} layer @param {number[]} maps @param {number} side @param {{id: number} | null} [run] @returns {Promise<Tiles>} */
	async tiles(layer, maps, side, run = this.run) {
		return { maps, ...(await this.ask({ ask: "tiles", run: run?.id, layer, maps, side })) };
	}

	/** @param {string} layer @returns {Promise<number[]>} */
	async energy(layer) {
		return (await this.ask({ ask: "maps", run: this.run?.id, layer })).energy;
	}

	/** @param {string} name */
	async liveliest(name) {
		const shape = this.shape(name);
		if (!this.has(name) || product(shape) > WHOLE) return origin(shape);
		const { data } = await this.ask(this.values(name)).catch(() => ({ data: [] })); // the screen will say why
		const { axes } = this.form(name);
		const strides = stridesOf(shape);
		const place = (/** @type {number} */ n) => strides.map((stride, axis) => Math.floor(n / stride) % shape[axis]);
		const inner = [axes.rows, axes.columns].filter((axis) => axis !== null && axes.maps !== null && shape[axis] > 6);
		// away from the border, where windows are whole, if there is anything there
		const within = (/** @type {number} */ n) => inner.every((axis) => {
			const p = Math.floor(n / strides[Number(axis)]) % shape[Number(axis)];
			return p >= 2 && p < shape[Number(axis)] - 2;
		});
		let best = -1;
		for (let n = 0; n < data.length; n++) if ((best < 0 || data[n] > data[best]) && within(n)) best = n;
		return place(Math.max(best, 0));
	}
}
