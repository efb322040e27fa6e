// @ts-check
// The explorer in one file: gives the module the `model` that it would get from a notebook, and answers its
// questions from what the file holds, as convscope's host would. explorer/single_file.py writes the file.

import { Alternatives } from "./alternatives.js";
import { product, stridesOf } from "./arrays.js";
import { decoded, prepared } from "./preparing.js";
import { Refusal } from "./refusal.js";
import { Running } from "./running.js";
import { called } from "./texts.js";

/** @import {Edits, Known, Stage as EditedStage} from "./alternatives.js" */

/** @typedef {(...given: any[]) => void} Listener */
/** @typedef {{ facts: any, body?: ArrayBuffer }} Answer */
/** @typedef {{ kind: string, text: string }} Fault */
/** @typedef {{ maps: number | null, rows: number | null, columns: number | null }} Axes */
/**
 * @typedef {object} Tensor  an activation, or a weight of a layer
 * @property {string} layer
 * @property {string | null} weight
 * @property {number[]} shape
 * @property {"float32" | "float64"} dtype
 * @property {Axes} axes       which axis picks the map, which its rows and columns
 * @property {number | null} numbers  which of the page's blocks of numbers it is; null where it was left out
 * @property {string} [why]    why it was left out
 * @property {Float32Array<ArrayBuffer>} [data]  of a run that the page made itself
 */
/** @typedef {{ facts?: any, error?: Fault }} Told  an answer as it was when the file was written */
/**
 * @typedef {object} Edited  what one edit makes of the network: where it differs from the network as it is
 * @property {any[]} [edits]
 * @property {any} [totals]
 * @property {string[]} [notes]
 * @property {[number, number][]} [layers]  which layers, and which of `rows` they are then
 * @property {Fault} [error]
 */
/**
 * @typedef {object} Page
 * @property {string} script  the module
 * @property {any} network
 * @property {[string, Told][]} layers
 * @property {[string, Told][]} settings
 * @property {[string, Told][]} energies
 * @property {Tensor[]} tensors
 * @property {{facts: any}} lessons
 * @property {Record<string, string>} preparing  what is said of each step that makes a picture ready
 * @property {[string, string][]} samples  pictures that come along, in base64
 * @property {[string, string, [Record<string, any>, {facts: any, body: string}][]][]} rooms  late screens: name, text, and questions with their answers
 * @property {{ base: Told, rows: any[], edits: [string, [string, any, Edited][]][] }} whatif
 * @property {Known} alternatives  layers with letters for sizes
 */

const OWN = "this page";
const RUNS = 6; // so many that the page made itself are kept

const NEEDED = "that needs convscope running: convscope explore MODEL, with the model's file, can do it";

/** @param {string} id */
const textOf = (id) => /** @type {HTMLElement} */ (document.getElementById(id)).textContent ?? "";

/** A whole number from 0 below a bound. @param {unknown} value @param {number} bound */
const below = (value, bound) => Number.isInteger(value) && /** @type {number} */ (value) >= 0 && /** @type {number} */ (value) < bound;

/** Answers questions from what the page holds; the same answers as convscope's host would give. */
class Holder {
	/** @param {Page} page */
	constructor(page) {
		this.page = page;
		/** @type {Running | null} */
		this.running = null;
		/** @type {Map<number, {facts: any, tensors: Map<string, Tensor>, tried: boolean}>} runs that were made here */
		this.runs = new Map();
		this.last = page.network.run.id;
		// maps, and not objects: a layer may be called __proto__
		this.layers = new Map(page.layers);
		this.settings = new Map(page.settings);
		this.energies = new Map(page.energies);
		this.edits = new Map(page.whatif.edits);
		this.rooms = new Map(page.rooms.map(([name, script, answers]) => [name, { script, answers: new Map(answers.map(([asked, told]) => [key(asked), told])) }]));
		this.alternatives = new Alternatives(page.alternatives, page.network,
			(layer) => this.layers.get(layer)?.facts ?? { equation: null, feeds: {} }, (layer) => this.settings.get(layer)?.facts?.settings ?? {});
		/** @type {{asked: string, running: Running} | null} the edited network that ran last */
		this.tried = null;
		/** @type {Map<string, Tensor>} */
		this.tensors = new Map(page.tensors.map((tensor) => [JSON.stringify([tensor.layer, tensor.weight]), tensor]));
		/** @type {Map<number, Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>>} */
		this.decoded = new Map();
	}

	/** @param {Record<string, any>} question @param {ArrayBuffer} [body]  a picture @returns {Answer | Promise<Answer>} */
	answer(question, body) {
		switch (question.ask) {
			case "network":
				return { facts: this.page.network };
			case "lessons":
				return this.page.lessons;
			case "layer":
				return this.told(this.layers, question.layer);
			case "settings":
				return this.told(this.settings, question.layer);
			case "maps":
				return this.energy(question);
			case "values":
				return this.values(question);
			case "tiles":
				return this.tiles(question);
			case "whatif":
				return { facts: this.whatif(question.edits) };
			case "try":
				return this.try(question);
			case "patch":
				throw new Refusal("UnsupportedError", "behind an up-sampling a file does not tell what a number sees; convscope explore does");
			case "sample":
				return this.let({ ...question, name: `${question.name}.png` }, this.sample(question.name));
			case "picture":
				return { facts: {}, body: this.sample(question.name) };
			case "image":
				if (!body) throw new Refusal("InputError", "there is no picture: its bytes go with the question");
				return this.let(question, body);
			case "room":
				return { facts: { script: this.rooms.get(question.name)?.script } };
			default:
				if (this.rooms.has(question.ask)) return this.late(question);
				throw new Refusal("UnsupportedError", `the explorer cannot be asked ${JSON.stringify(question.ask)}`);
		}
	}

	/** A picture that comes along. @param {string} asked */
	sample(asked) {
		const [, text] = this.page.samples.find(([name]) => name === asked) ?? [];
		if (text === undefined) throw new Refusal("InputError", `there is no sample ${JSON.stringify(asked)} in this file`);
		return bytesOf(text).buffer;
	}

	/** What a late screen asks, if the file has the answer. @param {Record<string, any>} question @returns {Answer} */
	late({ ask, page, ...asked }) {
		const found = this.rooms.get(ask)?.answers.get(key(asked));
		if (!found) throw new Refusal("UnsupportedError", `This file does not hold that: ${NEEDED}.`);
		return { facts: found.facts, body: bytesOf(found.body).buffer };
	}

	/** Let a picture go through the network, or offer the steps that it needs before. @param {Record<string, any>} question @param {ArrayBuffer} picture @returns {Promise<Answer>} */
	async let(question, picture) {
		const { network } = this.page;
		const [input] = network.inputs;
		const running = (this.running ??= this.made());
		const { maps, rows, columns } = input.axes;
		const shape = this.tensor({ layer: input.name, run: network.run.id }).shape;
		const wanted = { rows: shape[rows], columns: shape[columns], channels: maps === null ? 1 : shape[maps], first: maps === 0 };
		const pixels = question.pixels ?? network.run.pixels ?? network.pixels.name;
		const found = prepared(await decoded(picture), wanted, question.steps ?? [], pixels, network.pixels.choices, this.page.preparing);
		if (!found.array) return { facts: { offer: found.offer, shape } };
		const values = await running.run([found.array]);
		const { steps } = found;
		return { facts: { run: this.remember(values, { source: question.name, steps, pixels }, network.run.shapes) } };
	}

	/** What went through the network goes through the edited one, a run beside the one that is shown. @param {Record<string, any>} question @returns {Promise<Answer>} */
	async try({ edits, run }) {
		const { network } = this.page;
		const asked = JSON.stringify(edits);
		if (this.tried?.asked !== asked) {
			this.tried?.running.close();
			const stages = this.derived(edits, () => this.alternatives.made(edits), true);
			this.tried = { asked, running: this.made(stages) };
		}
		const { running } = this.tried;
		const given = network.inputs.map((/** @type {any} */ { name }) => Float32Array.from(this.numbers(this.tensor({ layer: name, run }))));
		const values = await running.run(given);
		const shapes = { ...network.run.shapes };
		running.stages.forEach(({ name }, n) => (shapes[name] = running.shapes[n]));
		const { source, steps, pixels } = this.runs.get(run)?.facts ?? network.run;
		return { facts: { tried: this.remember(values, { source, steps, pixels }, shapes, true) } };
	}

	/** Keep a run that was made here; return what the page is told of it. @param {Map<string, Float32Array<ArrayBuffer>>} values @param {{source: string, steps: any, pixels: any}} from @param {Record<string, number[]>} shapes */
	remember(values, from, shapes, tried = false) {
		const id = ++this.last;
		/** @type {Map<string, Tensor>} */
		const tensors = new Map();
		for (const [layer, data] of values) {
			const known = /** @type {Tensor} */ (this.tensors.get(JSON.stringify([layer, null])));
			tensors.set(layer, { ...known, shape: shapes[layer], dtype: "float32", data });
		}
		const { output } = this.page.network.run;
		const facts = {
			id, ...from, engine: OWN, shapes, output,
			ranges: Object.fromEntries([...tensors].map(([layer, { data }]) => [layer, ends(data)])),
			largest: largest(/** @type {Float32Array} */ (values.get(output)), shapes[output]),
		};
		this.runs.set(id, { facts, tensors, tried });
		const alike = [...this.runs].filter(([, one]) => one.tried === tried);
		for (const [old] of alike.slice(0, -RUNS)) this.runs.delete(old);
		return facts;
	}

	/** The network as it runs here, or as it is edited. @param {Map<string, EditedStage>} [edited] */
	made(edited) {
		const { network } = this.page;
		const stages = network.layers.map((/** @type {any} */ { name, weights: own }) => {
			const { equation, feeds, weights = own, redrawn = [] } = edited?.get(name) ?? this.layers.get(name)?.facts ?? {};
			return {
				name, equation: equation ?? null, feeds: feeds ?? {},
				weights: Object.fromEntries(Object.entries(weights).map(([weight, shape]) => [weight, {
					shape, data: () => (redrawn.includes(weight) ? this.alternatives.drawn(name, weight, shape)
						: this.numbers(this.tensor({ layer: name, weight })).slice()),
				}])),
			};
		});
		const running = new Running(network.inputs.map((/** @type {any} */ { name }) => name), stages);
		if (running.why) throw new Refusal("UnsupportedError", `This page cannot compute the network by itself: ${running.why}. To let another image through, ${NEEDED}.`);
		return running;
	}

	/** How much is going on in each map: the mean of its squares. @param {Record<string, any>} question @returns {Answer} */
	energy(question) {
		const tensor = this.tensor(question);
		if (!tensor.data) return this.told(this.energies, question.layer);
		const { count, starts, apart, columns, across, data, rows } = new Planes(tensor, tensor.data);
		const energy = Array.from({ length: count }, (_, map) => {
			let sum = 0;
			for (const start of starts) for (let x = 0; x < columns; x++) sum += data[map * apart + start + x * across] ** 2 || 0;
			return sum / (rows * columns);
		});
		return { facts: { energy } };
	}

	/** @param {Map<string, Told>} answers @param {string} layer @returns {Answer} */
	told(answers, layer) {
		const found = answers.get(layer);
		if (!found) throw new Refusal("LayerLookupError", `there is no layer ${JSON.stringify(layer)} in this file`);
		if (found.error) throw new Refusal(found.error.kind, found.error.text);
		return { facts: found.facts };
	}

	/** @param {Record<string, any>} question @returns {Tensor} */
	tensor({ layer, weight = null, run }) {
		const own = this.page.network.run.id;
		const made = weight === null ? this.runs.get(run)?.tensors.get(layer) : undefined;
		if (made) return made;
		if (weight === null && run !== own) throw new Refusal("InputError", `this file holds run ${own}, and not run ${JSON.stringify(run)}`);
		const found = this.tensors.get(JSON.stringify([layer, weight]));
		if (found) return found;
		const what = weight === null ? `the numbers of ${layer}` : `a weight ${weight} of ${layer}`;
		throw new Refusal("LayerLookupError", `this file does not have ${what}`);
	}

	/** The numbers of a tensor, decoded when they are first asked for. @param {Tensor} tensor */
	numbers({ numbers: block, why, dtype, data }) {
		if (data) return data;
		if (block === null) throw new Refusal("UnsupportedError", why ?? "");
		let found = this.decoded.get(block);
		if (!found) {
			const bytes = bytesOf(textOf(`numbers-${block}`));
			found = dtype === "float64" ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
			this.decoded.set(block, found);
		}
		return found;
	}

	/** Numbers of an activation or of a weight, those of a box if one is named. @param {Record<string, any>} question */
	values(question) {
		const tensor = this.tensor(question);
		const data = this.numbers(tensor);
		const { shape, dtype } = tensor;
		const box = question.box ?? null;
		if (box === null) return { facts: { shape, dtype }, body: data.slice().buffer };
		const fits = Array.isArray(box) && box.length === shape.length
			&& box.every((pair, axis) => Array.isArray(pair) && pair.length === 2 && below(pair[0], pair[1] + 1) && below(pair[1], shape[axis]));
		if (!fits) {
			const sizes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
			throw new Refusal("PositionError", `a box of ${sizes} is [first, last] along each axis, not ${JSON.stringify(box).replaceAll(",", ", ")}`);
		}
		const sizes = box.map(([first, last]) => last - first + 1);
		return { facts: { shape: sizes, dtype }, body: cut(data, shape, box.map(([first]) => first), sizes).buffer };
	}

	/** Pictures of some maps: each number the mean of a square block where a map is large. @param {Record<string, any>} question */
	tiles(question) {
		const tensor = this.tensor(question);
		const { maps, side } = question;
		const planes = new Planes(tensor, this.numbers(tensor));
		if (!Number.isInteger(side) || side < 1 || side > 1024) throw new Refusal("InputError", `side must be a whole number from 1 to 1024, not ${JSON.stringify(side)}`);
		if (!Array.isArray(maps) || !maps.every((map) => below(map, planes.count))) throw new Refusal("InputError", `maps must be numbers of maps, 0 … ${planes.count - 1}`);
		const step = Math.max(1, Math.ceil(Math.max(planes.rows, planes.columns) / side));
		const tile = [Math.ceil(planes.rows / step), Math.ceil(planes.columns / step)];
		const body = new Float32Array(maps.length * tile[0] * tile[1]);
		maps.forEach((map, n) => planes.shrink(map, step, body, n * tile[0] * tile[1]));
		return { facts: { tile, of: [planes.rows, planes.columns] }, body: body.buffer };
	}

	/** What edits would change: looked up where it was worked out beforehand, else worked out. @param {any} edits */
	whatif(edits) {
		const { base, rows } = this.page.whatif;
		if (base.error) throw new Refusal(base.error.kind, base.error.text);
		if (!Array.isArray(edits)) throw new Refusal("InputError", `edits must be [[layer, setting, value], …], not ${JSON.stringify(edits)}`);
		if (edits.length === 0) return base.facts;
		const known = this.prepared(edits);
		if (!known) return this.derived(edits, () => this.alternatives.table(edits, base.facts));
		const found = known[2];
		if (found.error) throw new Refusal(found.error.kind, found.error.text);
		const layers = base.facts.layers.map((/** @type {any} */ row) => ({ ...row }));
		for (const [place, row] of found.layers ?? []) Object.assign(layers[place], rows[row]);
		return { ...base.facts, edits: found.edits, layers, totals: { ...base.facts.totals, new: found.totals }, notes: found.notes };
	}

	/** An edit that was worked out beforehand. @param {Edits} edits */
	prepared([[layer, setting, value], ...others]) {
		return others.length ? undefined : this.edits.get(layer)?.find(([s, v]) => s === setting && same(v, value));
	}

	/** What follows from edits, or why it cannot be worked out here and what can. @template T @param {Edits} edits @param {() => T} ask @param {boolean} [numbers]  whether numbers are asked for, beyond figures */
	derived(edits, ask, numbers) {
		try {
			return ask();
		} catch (fault) {
			if (!(fault instanceof Refusal) || fault.kind !== "UnsupportedError") throw fault;
			const { why } = this.alternatives;
			if (numbers && this.prepared(edits)) throw new Refusal(fault.kind, `This file has the figures of this edit and not its numbers${why && `: ${why}`}; ${NEEDED}.`);
			throw new Refusal(fault.kind, `${fault.message} ${this.known(edits)} Any other: ${NEEDED}; so can convscope whatif MODEL.`);
		}
	}

	/** Which edits of the first layer that was edited can be worked out here. @param {Edits} edits */
	known([[layer]]) {
		/** @type {Map<string, string[]>} */
		const values = new Map();
		for (const [setting, value] of this.edits.get(layer) ?? []) {
			if (!Array.isArray(value) || value.every((v) => v === value[0])) {
				values.set(setting, [...(values.get(setting) ?? []), [value].flat().join("×")]);
			}
		}
		const any = Object.keys(this.alternatives.settingsOf(layer));
		for (const setting of any) values.delete(setting);
		const listed = [...any.map((setting) => `any ${setting}`), ...[...values].map(([setting, texts]) => `${setting} ${texts.join(", ")}`)];
		return `Of ${called(layer)} it knows ${listed.join("; ") || "no edit"}.`;
	}
}

/** A question, whatever the order of what it says. @param {Record<string, any>} asked */
const key = (asked) => JSON.stringify(Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1)));

/** @param {string} text  base64 */
function bytesOf(text) {
	const found = atob(text);
	const bytes = new Uint8Array(found.length);
	for (let n = 0; n < found.length; n++) bytes[n] = found.charCodeAt(n);
	return bytes;
}

/** The smallest and the largest finite number. @param {ArrayLike<number>} [data] */
function ends(data = []) {
	let [low, high] = [Infinity, -Infinity];
	for (let n = 0; n < data.length; n++) if (Number.isFinite(data[n])) [low, high] = [Math.min(low, data[n]), Math.max(high, data[n])];
	return low > high ? [0, 0] : [low, high];
}

/** Where the largest numbers are. @param {ArrayLike<number>} data @param {number[]} shape */
function largest(data, shape) {
	const strides = stridesOf(shape);
	const order = Array.from(data, (_, n) => n).sort((a, b) => data[b] - data[a] || a - b).slice(0, 5);
	return order.map((n) => ({ position: strides.map((stride, axis) => Math.floor(n / stride) % shape[axis]), value: data[n] }));
}

/** Whether an edit's value is a known one; 5 is 5×5. @param {any} known @param {any} asked */
function same(known, asked) {
	if (!Array.isArray(known)) return known === asked;
	return known.length > 0 && known.every((value, n) => value === (Array.isArray(asked) ? asked[n] : asked))
		&& (!Array.isArray(asked) || asked.length === known.length);
}

/**
 * A box out of an array.
 * @param {Float32Array | Float64Array} data
 * @param {number[]} shape
 * @param {number[]} first
 * @param {number[]} sizes
 */
function cut(data, shape, first, sizes) {
	const length = product(sizes);
	const part = data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
	const strides = stridesOf(shape);
	const rank = shape.length;
	const run = rank ? sizes[rank - 1] : 1;
	const at = sizes.map(() => 0);
	for (let to = 0; to < length; to += run) {
		const from = at.reduce((sum, p, axis) => sum + (first[axis] + p) * strides[axis], 0);
		part.set(data.subarray(from, from + run), to);
		for (let axis = rank - 2; axis >= 0 && ++at[axis] === sizes[axis]; axis--) at[axis] = 0;
	}
	return part;
}

/** An activation as maps of rows and columns; slices (a volume's depth) stand above one another. */
class Planes {
	/** @param {Tensor} tensor @param {Float32Array | Float64Array} data */
	constructor({ shape, axes }, data) {
		this.data = data;
		const strides = stridesOf(shape);
		const size = (/** @type {number | null} */ axis) => (axis === null ? 1 : shape[axis]);
		const stride = (/** @type {number | null} */ axis) => (axis === null ? 0 : strides[axis]);
		this.count = size(axes.maps);
		this.apart = stride(axes.maps);
		this.columns = size(axes.columns);
		this.across = stride(axes.columns);
		// where each row of a map begins
		this.starts = [0];
		for (let axis = 0; axis < shape.length; axis++) {
			if (axis === axes.maps || axis === axes.rows || axis === axes.columns) continue;
			this.starts = this.starts.flatMap((start) => Array.from({ length: shape[axis] }, (_, n) => start + n * strides[axis]));
		}
		this.starts = this.starts.flatMap((start) => Array.from({ length: size(axes.rows) }, (_, n) => start + n * stride(axes.rows)));
		this.rows = this.starts.length;
	}

	/**
	 * The means of a map's blocks of step × step, added up in the order in which convscope does.
	 * @param {number} map
	 * @param {number} step
	 * @param {Float32Array} into
	 * @param {number} at
	 */
	shrink(map, step, into, at) {
		const { data, starts, rows, columns, across } = this;
		const from = map * this.apart;
		for (let top = 0; top < rows; top += step) {
			const bottom = Math.min(top + step, rows);
			for (let left = 0; left < columns; left += step) {
				const right = Math.min(left + step, columns);
				let total = -0;
				for (let column = left; column < right; column++) {
					let sum = -0; // to which anything may be added without a change, 0 and -0 too
					for (let row = top; row < bottom; row++) sum += data[from + starts[row] + column * across];
					total += sum;
				}
				into[at++] = total / ((bottom - top) * (right - left));
			}
		}
	}
}

/** The `model` of anywidget, answered from the page. */
class Model {
	/** @param {Holder} holder */
	constructor(holder) {
		this.holder = holder;
		/** @type {Map<string, Set<Listener>>} */
		this.listeners = new Map();
		// the address and the keys are the explorer's, in a frame that leads to the file too; a notebook's cell has no address
		/** @type {Map<string, unknown>} */
		this.values = new Map([["page", location.protocol !== "about:"]]);
	}

	/** @param {string} name */
	get(name) {
		return this.values.get(name);
	}

	/** @param {string} name @param {unknown} value */
	set(name, value) {
		this.values.set(name, value);
	}

	/** There is nobody who would keep it: what a page is to find again stands in its address. */
	save_changes() {}

	/** @param {string} event @param {Listener} listener */
	on(event, listener) {
		this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
	}

	/** @param {string} event @param {Listener} listener */
	off(event, listener) {
		this.listeners.get(event)?.delete(listener);
	}

	/** @param {{ id: unknown, question: Record<string, any> }} asked @param {unknown} [_callbacks] @param {ArrayBuffer[]} [given]  a picture's bytes */
	async send({ id, question }, _callbacks, given) {
		await null; // an answer never comes before the question is asked
		let message;
		/** @type {DataView[]} */
		let buffers = [];
		try {
			const { facts, body } = await this.holder.answer(question, given?.[0]);
			message = { id, facts };
			buffers = [new DataView(body ?? new ArrayBuffer(0))];
		} catch (fault) {
			const kind = fault instanceof Refusal ? fault.kind : "InternalError";
			message = { id, error: { kind, text: fault instanceof Error ? fault.message : String(fault) } };
		}
		for (const listener of this.listeners.get("msg:custom") ?? []) listener(message, buffers);
	}
}

const el = /** @type {HTMLElement} */ (document.getElementById("explorer"));
try {
	/** @type {Page} */
	const page = JSON.parse(textOf("told"));
	const address = URL.createObjectURL(new Blob([page.script], { type: "text/javascript" }));
	const module = await import(address);
	URL.revokeObjectURL(address);
	await module.default.render({ model: new Model(new Holder(page)), el });
} catch (fault) {
	el.textContent = `The page could not be drawn: ${fault}`;
	reportError(fault);
}
