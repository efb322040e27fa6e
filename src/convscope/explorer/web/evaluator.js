// The evaluator: a layer from its equation.
//
// The value, the ledger and the windows of any layer, from its equation's JSON (notation/serial.py says what it
// holds) and the numbers it reads: notation/evaluation.py and notation/ledger.py over again, in float64. It knows
// the language of equations and no layer: what a convolution is, and how it is taken apart, it reads in the JSON.
//
// Every expression is compiled once, to a closure over `at`, the position along each axis; numbers are read where
// they lie. Values that the equation defines on the way (locals: the mean of a normalisation) are computed once for
// each `values` object, so new numbers need a new object.

import { clipped, modulo, product } from "./arrays.js";
import { OPERATORS, formula, primitive } from "./functions.js";
import { factorsOf, known, placed, readsIn, sizeOf } from "./windows.js";

/** @import {EquationJson, ExpressionJson, Groups, IndexJson, Inner, Kind, Ledger, LocalJson, MainJson, NearJson, Patch, PiecesJson, Position, ReadJson, Reading, ReductionJson, Values} from "./types" */

/** @typedef {() => number} Numeric */

/**
 * Return the number at one position; `values` holds every tensor that `needs` names, or the part it asks for.
 * @param {EquationJson} equation @param {Position} position @param {Values} values
 */
export function evaluate(equation, position, values) {
	return programAt(equation, position, values).value(equation.expression);
}

/**
 * Return the number at one position taken apart; `values` are as for `evaluate`.
 * @param {EquationJson} equation @param {Position} position @param {Values} values @returns {Ledger}
 */
export function ledger(equation, position, values) {
	const { axes, preactivation, activation, whole, main, added, listed_axes, listed } = equation.ledger;
	const program = programAt(equation, position, values);
	const value = program.value(equation.expression);
	program.stand(axes, position);
	const before = activation.length || whole ? program.value(preactivation) : value;
	const bias = added.length ? added.reduce((sum, part) => sum + program.value(part), 0) : null;
	const groups = main && program.groups(main);
	program.stand(listed_axes, position);
	return {
		position: Array.from(position),
		value,
		preactivation: before,
		bias,
		terms: groups ? groups.windows.length : 0,
		reduction: main && main.reduce,
		activation,
		whole,
		readings: listed.flatMap((part) => [...program.readings(part).values()]),
		groups,
	};
}

/**
 * Return the sums, means and maxima on the way to the number at one position, but for the one that its ledger has:
 * the sum under a softmax, the mean and the variance of a normalisation. Each with its terms in C order.
 * @param {EquationJson} equation @param {Position} position @param {Values} values @returns {Inner[]}
 */
export function innerSums(equation, position, values) {
	const program = programAt(equation, position, values);
	const locals = new Map(equation.locals.map((item) => [item.name, item]));
	/** @type {Map<string, Inner>} */
	const found = new Map();
	/** @type {(node: ExpressionJson, name: string) => void} */
	const visit = (node, name) => {
		if ("args" in node) node.args.forEach((part) => visit(part, name));
		else if ("pieces" in node) node.pieces.forEach((part) => visit(part, name));
		else if ("read" in node) {
			const local = locals.get(node.read);
			if (!local || local.preactivation) return;
			const read = program.read(node);
			read.locate();
			const key = `${node.read}(${read.places})`;
			if (found.has(key)) return;
			program.elsewhere(local.axes, Array.from(read.places), () => visit(local.expression, key));
		} else if ("reduce" in node && node.reduce !== "first") {
			const { over, body, reduce: kind } = node;
			const { lengths: sizes, starts, ends, find, counts } = program.spans(over, node.near);
			find();
			const terms = new Float64Array(product(sizes));
			program.elsewhere(over, starts, () => {
				visit(body, name);
				for (let n = 0; n < terms.length; n++) {
					terms[n] = counts() ? program.value(body) : 0;
					step(program.at, over, ends, starts);
				}
			});
			const names = over.map((axis) => equation.index[axis].name);
			found.set(name, { name: name.replace(/\(.*/, ""), kind, names, sizes, terms, value: program.value(node) });
		}
	};
	program.stand(equation.axes, position);
	if (!equation.ledger.main || equation.ledger.whole) visit(equation.expression, "");
	return [...found.values()];
}

/** @type {WeakMap<EquationJson, Program>} */
const PROGRAMS = new WeakMap();

/** @param {EquationJson} equation @param {Position} position @param {Values} values */
function programAt(equation, position, values) {
	placed(equation, position);
	const program = PROGRAMS.get(equation) || new Program(equation);
	PROGRAMS.set(equation, program);
	for (const tensor of program.tensors.values()) tensor.bind(values);
	program.stand(equation.axes, position);
	return program;
}

/** An equation as closures over `at`, made when they are first asked for. */
class Program {
	/** @param {EquationJson} equation */
	constructor(equation) {
		this.equation = equation;
		this.at = new Int32Array(equation.index.length);
		/** @type {Map<string, Source | Local>} */
		this.tensors = new Map();
		for (const [name, tensor] of Object.entries(equation.tensors)) this.tensors.set(name, new Source(name, tensor));
		for (const item of equation.locals) this.tensors.set(item.name, new Local(this, item));
		/** @type {Map<ExpressionJson, Numeric>} */
		this.compiled = new Map();
		/** @type {Map<ReadJson, Read>} */
		this.reads = new Map();
	}

	/** @param {number[]} axes @param {Position} position */
	stand(axes, position) {
		for (let n = 0; n < axes.length; n++) this.at[axes[n]] = position[n];
	}

	/**
	 * Return what `ask` finds with some axes elsewhere; they are put back.
	 * @template T @param {number[]} axes @param {Position} places @param {() => T} ask
	 */
	elsewhere(axes, places, ask) {
		const before = axes.map((axis) => this.at[axis]);
		this.stand(axes, places);
		const found = ask();
		this.stand(axes, before);
		return found;
	}

	/** The number that an expression has here. @param {ExpressionJson} node */
	value(node) {
		let found = this.compiled.get(node);
		if (!found) this.compiled.set(node, (found = this.compile(node)));
		return found();
	}

	/** @param {ReadJson} node */
	read(node) {
		let found = this.reads.get(node);
		if (!found) this.reads.set(node, (found = new Read(this, node)));
		return found;
	}

	/** @param {ExpressionJson} node @returns {Numeric} */
	compile(node) {
		if ("number" in node) {
			const value = Number(String(node.number).replace("inf", "Infinity"));
			return () => value;
		}
		if ("read" in node) {
			const read = this.read(node);
			return () => read.value();
		}
		if ("reduce" in node) return node.reduce === "first" ? this.first(node) : this.reduction(node);
		if ("pieces" in node) {
			const ends = node.ends.map(known);
			const pieces = node.pieces.map((piece) => this.compile(piece));
			const along = this.along(node);
			return () => {
				const place = along();
				return pieces[ends.findIndex((end) => place < end)]();
			};
		}
		if ("place" in node) return compiledIndex(this.at, node.place).place;
		if ("inside" in node) {
			const sizes = node.sizes.map(known);
			const indices = node.inside.map((index) => compiledIndex(this.at, index));
			const holds = indices.map(({ place, tests }, n) => () => {
				const here = place();
				return here >= 0 && here < sizes[n] && tests.every((test) => test());
			});
			return () => Number(holds.every((hold) => hold()));
		}
		const args = node.args.map((part) => this.compile(part));
		if ("op" in node) return primitive(OPERATORS[node.op], args);
		const own = this.equation.functions[node.call];
		if (!own) return primitive(node.call, args);
		/** @type {Record<string, number>} */
		const given = {};
		const body = formula(own.formula, given);
		return () => {
			for (let n = 0; n < args.length; n++) given[own.parameters[n]] = args[n]();
			return body();
		};
	}

	/** Where pieces are told by. @param {PiecesJson} node @returns {Numeric} */
	along({ along }) {
		const { at } = this;
		return typeof along === "number" ? () => at[along] : compiledIndex(at, along).place;
	}

	/**
	 * The first place, counted over all axes, at which a body is largest; NaN counts as larger than all, as in numpy.
	 * @param {ReductionJson} node @returns {Numeric}
	 */
	first({ over, body }) {
		const sizes = over.map((axis) => sizeOf(this.equation, axis));
		const terms = product(sizes);
		const term = this.compile(body);
		const run = () => {
			let [best, found] = [NaN, -1];
			for (let n = 0; n < terms; n++) {
				const value = term();
				if (found < 0 || value > best || (Number.isNaN(value) && !Number.isNaN(best))) [best, found] = [value, n];
				step(this.at, over, sizes);
			}
			return found;
		};
		const start = over.map(() => 0);
		return () => this.elsewhere(over, start, run);
	}

	/**
	 * Along how many places axes run, and from where to before where: all of them, or the few next to a number that is
	 * looked up by `find`; `counts` says whether a place is next to it. Next to a NaN all count, as in Python.
	 * @param {number[]} axes @param {NearJson[]} [near]
	 */
	spans(axes, near = []) {
		const { at } = this;
		const sizes = axes.map((axis) => sizeOf(this.equation, axis));
		const [lengths, starts, ends] = [sizes.slice(), axes.map(() => 0), sizes.slice()];
		const few = near.map(([axis, number, taps]) => ({ axis, n: axes.indexOf(axis), number: this.compile(number), taps, first: 0 }));
		for (const { n, taps } of few) lengths[n] = Math.min(taps, sizes[n]);
		const find = () => {
			for (const one of few) {
				const { n, number, taps } = one;
				one.first = Math.floor(number() - taps / 2) + 1;
				starts[n] = one.first < sizes[n] ? clipped(one.first, sizes[n] - lengths[n] + 1) : 0;
				ends[n] = starts[n] + lengths[n];
			}
		};
		const counts = () => few.every(({ axis, first, taps }) => !(at[axis] < first || at[axis] >= first + taps));
		return { lengths, starts, ends, find, counts };
	}

	/** @param {ReductionJson} node @returns {Numeric} */
	reduction({ reduce: kind, over, body, near }) {
		const { at } = this;
		const { lengths, starts, ends, find, counts } = this.spans(over, near);
		const last = over.length - 1;
		const along = over[last];
		const length = lengths[last] ?? 1;
		const rows = product(lengths) / length;
		const term = this.compile(body);
		const skipping = kind === "mean" ? readsIn(body).map((node) => this.read(node)).find((read) => read.skips) : null;
		const factors = factorsOf(body);
		const reads = factors.flatMap((part) => ("read" in part ? this.read(part) : [])).filter((read) => read.affine);
		const straight = reads.length === factors.length && reads.length <= (kind === "max" ? 1 : 2);
		const [one, two] = reads;
		const run = () => {
			let total = kind === "max" ? -Infinity : 0;
			let counted = 0;
			for (let row = 0; row < rows; row++) {
				if (straight && one.aligned(along, length) && (!two || two.aligned(along, length))) {
					total = two ? addProducts(total, one, two, length) : addRow(total, kind, one, length);
					if (!skipping || skipping.inside) counted += length;
					at[along] = length - 1;
				} else {
					for (let t = 0; t < length; t++) {
						at[along] = starts[last] + t;
						const value = near && !counts() ? 0 : term();
						total = kind === "max" ? Math.max(total, value) : total + value;
						if (!skipping || skipping.inside) counted++;
					}
				}
				step(at, over, ends, starts);
			}
			return kind === "mean" ? total / counted : total;
		};
		return () => (find(), this.elsewhere(over, starts, run));
	}

	/** The terms of the main reduction, one by one. @param {MainJson} main @returns {Groups} */
	groups({ reduce: kind, over, window, read: node, weights: others, near, channel, channels: of }) {
		const axes = over === null ? window : [over, ...window];
		const weights = others.map((weight) => this.compile(weight));
		const { lengths, starts, ends, find, counts } = this.spans(axes, near);
		find();
		const count = over === null ? 1 : lengths[0];
		const [each, terms] = [product(lengths) / count, product(lengths)];
		const few = window.filter((axis) => !near?.some(([other, , taps]) => other === axis && taps === 1));
		const shown = few.length ? few : window; // one place is no axis
		const sizes = shown.map((axis) => lengths[axes.indexOf(axis)]);
		const read = this.read(node);
		const rank = node.at.length;
		const places = new Int32Array(terms * rank);
		const windows = new Float64Array(terms);
		const inside = new Uint8Array(terms);
		const kernels = weights.length ? new Float64Array(terms) : null;
		const products = kernels && new Float64Array(terms);
		const partials = new Float64Array(count).fill(kind === "max" ? -Infinity : 0);
		const channels = new Int32Array(count);
		/** @type {number[][]} */
		const corners = [];
		let counted = 0;
		let between = 0;
		const run = () => {
			for (let group = 0, n = 0; group < count; group++) {
				/** @type {number[]} */
				const lowest = [];
				for (let k = 0; k < each; k++, n++) {
					let term = (windows[n] = read.value());
					if (read.inside) counted += inside[n] = 1;
					else if (!read.whole()) between++;
					for (let d = 0; d < rank; d++) {
						const place = (places[n * rank + d] = read.places[d]);
						if (!(lowest[d] <= place)) lowest[d] = place;
					}
					if (kernels && products) {
						let kernel = 1;
						for (const weight of weights) kernel *= weight();
						kernels[n] = kernel;
						products[n] = term = counts() ? term * kernel : 0;
					}
					partials[group] = kind === "max" ? Math.max(partials[group], term) : partials[group] + term;
					step(this.at, axes, ends, starts);
				}
				if (channel !== null) channels[group] = lowest[channel];
				corners.push(lowest.filter((_, d) => d !== channel));
			}
		};
		this.elsewhere(axes, starts, run);
		if (kind === "mean") {
			const all = node.outside === "skip" ? counted : terms;
			for (let group = 0; group < count; group++) partials[group] /= all;
		}
		const names = shown.map((axis) => this.equation.index[axis].name);
		return {
			tensor: node.read, count, axes: names, sizes, rank, channel, channels, of: typeof of === "number" ? of : null, between,
			places, windows, inside, kernels, products, partials, corners,
		};
	}

	/**
	 * What an expression reads outside reductions, each thing once.
	 * @param {ExpressionJson} node @param {Map<string, Reading>} [found]
	 */
	readings(node, found = new Map()) {
		if ("read" in node) {
			const read = this.read(node);
			const value = read.value();
			const { name, role } = read.tensor;
			const index = Array.from(read.places);
			found.set(JSON.stringify([name, index]), { name, index, value, role });
		} else if ("pieces" in node) {
			const place = this.along(node)();
			const here = node.ends.findIndex((end) => place < known(end));
			this.readings(node.pieces[here], found);
		} else if ("args" in node) node.args.forEach((part) => this.readings(part, found));
		return found;
	}
}

/** A tensor whose numbers are given, anew for every question. */
class Source {
	/** @param {string} name @param {EquationJson["tensors"][string]} tensor */
	constructor(name, { role, shape }) {
		this.name = name;
		this.role = role;
		this.declared = (shape || []).map((size) => (typeof size === "number" ? size : NaN));
		this.whole = this.declared;
		/** @type {Patch | null} */
		this.patch = null;
	}

	/** @param {Values} values */
	bind(values) {
		this.patch = Object.hasOwn(values, this.name) ? values[this.name] : null;
		this.whole = this.patch ? this.patch.whole : this.declared; // without numbers there may still be border to read
		if (!this.patch || product(this.patch.shape) === this.patch.data.length) return;
		const { data, shape } = this.patch;
		throw new RangeError(`${this.name}: ${data.length} numbers are not ${shape.join("×")}`);
	}

	/** Where a number lies among those given; -1 where it is not among them. @param {Int32Array} places */
	offset(places) {
		if (!this.patch) return -1;
		const { origin, shape } = this.patch;
		let offset = 0;
		for (let d = 0; d < places.length; d++) {
			const place = places[d] - origin[d];
			if (!(place >= 0 && place < shape[d])) return -1;
			offset = offset * shape[d] + place;
		}
		return offset;
	}

	/** @param {Int32Array} places */
	read(places) {
		const offset = this.offset(places);
		if (!this.patch) throw new RangeError(`${this.name} is read, and not among the values`);
		if (offset >= 0) return this.patch.data[offset];
		const { origin, shape } = this.patch;
		const d = places.findIndex((place, n) => !(place >= origin[n] && place < origin[n] + shape[n]));
		throw new RangeError(
			`${this.name} is read at ${places[d]} along axis ${d}; ` +
				`what was given runs from ${origin[d]} to ${origin[d] + shape[d] - 1}`,
		);
	}
}

/** A tensor that the equation defines: each of its numbers is computed once for one set of values. */
class Local {
	/** @param {Program} program @param {LocalJson} item */
	constructor(program, { name, axes, expression }) {
		this.name = name;
		this.role = /** @type {const} */ ("local");
		this.sizes = axes.map((axis) => Number(program.equation.index[axis].size));
		this.whole = this.sizes;
		/** @type {WeakMap<Values, Map<number | string, number>>} */
		this.memories = new WeakMap();
		/** @type {Map<number | string, number>} */
		this.memory = new Map();
		const ask = () => program.value(expression);
		/** @param {Int32Array} places */
		this.compute = (places) => program.elsewhere(axes, places, ask);
	}

	/** @param {Values} values */
	bind(values) {
		this.memory = this.memories.get(values) || new Map();
		this.memories.set(values, this.memory);
	}

	/** @param {Int32Array} places */
	read(places) {
		let flat = 0;
		for (let n = 0; n < places.length; n++) {
			flat = places[n] >= 0 && places[n] < this.sizes[n] ? flat * this.sizes[n] + places[n] : NaN;
		}
		const key = Number.isNaN(flat) ? places.join() : flat; // it may be read beyond its axes
		let found = this.memory.get(key);
		if (found === undefined) this.memory.set(key, (found = this.compute(places)));
		return found;
	}
}

/** A read: where, of which tensor, and what is found in the border. */
class Read {
	/** @param {Program} program @param {ReadJson} node */
	constructor(program, { read, at, padding = [], outside = "zero" }) {
		const tensor = program.tensors.get(read);
		if (!tensor) throw new RangeError(`${read} is not among the equation's tensors`);
		const indices = at.map((index) => compiledIndex(program.at, index));
		this.tensor = tensor;
		this.at = program.at;
		this.indices = indices.map(({ place }) => place);
		this.tests = indices.flatMap(({ tests }) => tests);
		this.bordered = at.map((_, d) => d in padding && padding[d].some((size) => size !== 0));
		this.edge = outside === "edge";
		this.fill = outside === "-inf" ? -Infinity : 0;
		this.skips = outside === "skip" && (this.tests.length > 0 || this.bordered.includes(true));
		this.affine = tensor instanceof Source && indices.every(({ affine }) => affine);
		this.filled = Float64Array.of(this.fill); // a row of border, read with stride 0
		// what was last found: where, whether inside, and of a row (see `aligned`) where its numbers lie
		this.places = new Int32Array(at.length);
		this.inside = true;
		/** @type {Patch["data"]} */
		this.data = this.filled;
		this.offset = 0;
		this.stride = 0;
	}

	locate() {
		for (let d = 0; d < this.places.length; d++) this.places[d] = this.indices[d]();
	}

	/** Which border the place lies in: −1, −2, … before the first, second, … index; 1, 2, … after it; 0 for none. */
	border() {
		const { places, bordered } = this;
		const { whole } = this.tensor;
		for (let d = 0; d < places.length; d++) {
			if (bordered[d] && places[d] < 0) return -1 - d;
			if (bordered[d] && places[d] >= whole[d]) return 1 + d;
		}
		return 0;
	}

	/** Whether every exact division comes out whole here. */
	whole() {
		return this.tests.every((test) => test());
	}

	value() {
		this.locate();
		const { tensor, places } = this;
		this.inside = this.border() === 0 && this.whole();
		if (this.inside) return tensor.read(places);
		return this.edge ? tensor.read(places.map((place, d) => clipped(place, tensor.whole[d]))) : this.fill;
	}

	/**
	 * Whether a row along an axis is all among the numbers given, or all border; sets where it lies. As the indices are
	 * affine, its two ends tell.
	 * @param {number} axis @param {number} length
	 */
	aligned(axis, length) {
		const { at, tensor, places } = this;
		if (!(tensor instanceof Source)) return false;
		at[axis] = length - 1;
		this.locate();
		const last = tensor.offset(places);
		const border = last < 0 ? this.border() : 0;
		at[axis] = 0;
		this.locate();
		const first = tensor.offset(places);
		this.inside = first >= 0 && last >= 0;
		this.data = this.inside && tensor.patch ? tensor.patch.data : this.filled;
		this.offset = this.inside ? first : 0;
		this.stride = this.inside ? (last - first) / Math.max(length - 1, 1) : 0;
		return this.inside || (border !== 0 && border === this.border() && !this.edge);
	}
}

/** @param {number} total @param {Kind} kind @param {Read} read @param {number} length */
function addRow(total, kind, { data, offset: i, stride }, length) {
	if (kind === "max") for (let t = 0; t < length; t++, i += stride) total = Math.max(total, data[i]);
	else for (let t = 0; t < length; t++, i += stride) total += data[i];
	return total;
}

/** @param {number} total @param {Read} one @param {Read} two @param {number} length */
function addProducts(total, { data: a, offset: i, stride: across }, { data: b, offset: j, stride: down }, length) {
	for (let t = 0; t < length; t++, i += across, j += down) total += a[i] * b[j];
	return total;
}

/**
 * An index: where it is, and what has to hold so that its exact divisions come out whole.
 * @param {Int32Array} at @param {IndexJson} index
 * @returns {{place: Numeric, tests: (() => boolean)[], affine: boolean}}
 */
function compiledIndex(at, index) {
	const start = known(index.const);
	/** @type {number[]} */
	const axes = [];
	/** @type {number[]} */
	const factors = [];
	/** @type {Numeric[]} */
	const divided = [];
	/** @type {(() => boolean)[]} */
	const tests = [];
	for (const [atom, size] of index.terms) {
		const factor = known(size);
		if (typeof atom === "number") {
			axes.push(atom);
			factors.push(factor);
			continue;
		}
		const { place, tests: inner } = compiledIndex(at, atom.of);
		tests.push(...inner);
		if ("table" in atom) {
			divided.push(() => factor * atom.table[place()]);
			continue;
		}
		const by = known(atom.by);
		if (atom.op === "mod") divided.push(() => factor * modulo(place(), by));
		else divided.push(() => factor * Math.floor(place() / by));
		if (atom.op === "exact") tests.push(() => modulo(place(), by) === 0);
	}
	const affine = () => {
		let sum = start;
		for (let n = 0; n < axes.length; n++) sum += at[axes[n]] * factors[n];
		return sum;
	};
	if (!divided.length) return { place: affine, tests, affine: true };
	return { place: () => divided.reduce((sum, part) => sum + part(), affine()), tests, affine: false };
}

/** Take the next step, the last axis first. @param {Int32Array} at @param {number[]} axes @param {number[]} sizes @param {number[]} [starts] */
function step(at, axes, sizes, starts = []) {
	for (let n = axes.length - 1; n >= 0; n--) {
		if (++at[axes[n]] < sizes[n]) return;
		at[axes[n]] = starts[n] || 0;
	}
}
