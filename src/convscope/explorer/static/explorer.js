/**
 * The explorer: one ES module for a page, a notebook and a file on its own.
 *
 * `render({ model, el })` is anywidget's contract. The module draws a network, asks its host for numbers
 * through `model` (see `Link`), and works out the arithmetic of any number itself, from the layer's equation.
 *
 * Chapters: evaluating equations · numbers as text · elements · asking the host · the network and its
 * numbers · where we are · colours and maps · the page's frame · the stack · the microscope · mental models ·
 * what if · input · keys · render.
 */

// == The evaluator ================================================================================
//
// The value, the ledger and the windows of any layer, from its equation's JSON (notation/serial.py says what it
// holds) and the numbers it reads: notation/evaluation.py and notation/ledger.py over again, in float64. It knows
// the language of equations and no layer: what a convolution is, and how it is taken apart, it reads in the JSON.
//
// Every expression is compiled once, to a closure over `at`, the position along each axis; numbers are read where
// they lie. Values that the equation defines on the way (locals: the mean of a normalisation) are computed once for
// each `values` object, so new numbers need a new object.

/** @import {Answer, Axes, Box, CallJson, Change, Detail, Dropped, EquationJson, ExpressionJson, FormulaJson, Groups, IndexJson, Kind, Layer, Ledger, LocalJson, MainJson, Model, Patch, PiecesJson, Position, Question, Reading, ReadJson, ReductionJson, Run, Setting, Size, Tiles, Told, Values} from "./types" */
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
 * Return which box of each tensor the number at one position is made from. Inputs' boxes are clipped to the tensor;
 * a tensor of which nothing is read is absent.
 * @param {EquationJson} equation @param {Position} position @returns {Record<string, Box>}
 */
export function needs(equation, position) {
	placed(equation, position);
	const locals = new Map(equation.locals.map((item) => [item.name, item]));
	/** @type {Map<string, Box>} */
	const boxes = new Map();
	const followed = new Set(); // locals with their boxes, so that none is gone through twice

	/** @type {(node: ExpressionJson, ranges: Box) => void} `ranges` is where each axis runs */
	const visit = (node, ranges) => {
		if ("args" in node) node.args.forEach((part) => visit(part, ranges));
		else if ("read" in node) read(node, node.at.map((index) => bounds(index, ranges)), ranges);
		else if ("reduce" in node) {
			visit(node.body, moved(ranges, node.over, node.over.map((axis) => [0, sizeOf(equation, axis) - 1])));
		} else if ("pieces" in node) {
			const [low, high] = ranges[node.along];
			node.pieces.forEach((piece, n) => {
				const first = Math.max(low, n ? known(node.ends[n - 1]) : 0);
				const last = Math.min(high, known(node.ends[n]) - 1);
				if (first <= last) visit(piece, moved(ranges, [node.along], [[first, last]]));
			});
		}
	};

	/** @type {(node: ReadJson, box: Box, ranges: Box) => void} */
	const read = (node, box, ranges) => {
		const local = locals.get(node.read);
		if (local) {
			const key = JSON.stringify([node.read, box]);
			if (!followed.has(key)) visit(local.expression, moved(ranges, local.axes, box));
			followed.add(key);
			return;
		}
		if (box.some(([first, last]) => last < first)) return; // no division comes out whole
		const { role, shape } = equation.tensors[node.read];
		if (role === "input" && shape) {
			const sizes = shape.map(known);
			const beyond = box.some(([first, last], d) => last < 0 || first >= sizes[d]);
			if (beyond && node.padding && node.outside !== "edge") return; // nothing but border
			box = box.map(([first, last], d) => [clipped(first, sizes[d]), clipped(last, sizes[d])]);
		}
		const old = boxes.get(node.read) || box;
		boxes.set(
			node.read,
			box.map(([first, last], d) => [Math.min(first, old[d][0]), Math.max(last, old[d][1])]),
		);
	};

	visit(equation.expression, moved([], equation.axes, Array.from(position, (place) => [place, place])));
	return Object.fromEntries(boxes);
}

/** Ranges with some axes moved. @param {Box} ranges @param {number[]} axes @param {Box} to */
function moved(ranges, axes, to) {
	const found = ranges.slice();
	axes.forEach((axis, n) => (found[axis] = to[n]));
	return found;
}

/**
 * The lowest and highest value of an index; exact where it is affine.
 * @param {IndexJson} index @param {Box} ranges @returns {[number, number]}
 */
function bounds(index, ranges) {
	let first = known(index.const);
	let last = first;
	for (const [atom, size] of index.terms) {
		const factor = known(size);
		let [a, b] = typeof atom === "number" ? ranges[atom] : bounds(atom.of, ranges);
		if (typeof atom !== "number") {
			const by = known(atom.by);
			const [below, above] = [Math.floor(a / by), Math.floor(b / by)];
			if (atom.op === "floor") [a, b] = [below, above];
			else if (atom.op === "exact") [a, b] = [Math.ceil(a / by), above];
			else if (below === above) [a, b] = [modulo(a, by), modulo(b, by)];
			else [a, b] = [0, by - 1];
		}
		first += factor * (factor < 0 ? b : a);
		last += factor * (factor < 0 ? a : b);
	}
	return [first, last];
}

/** @param {EquationJson} equation @param {Position} position */
function placed(equation, position) {
	const { axes, index } = equation;
	const text = Array.from(position).join(", ");
	if (position.length !== axes.length) {
		throw new RangeError(`(${text}) has ${position.length} places; ${equation.name} has ${axes.length}`);
	}
	axes.forEach((axis, n) => {
		const { name, size } = index[axis];
		if (!Number.isInteger(position[n]) || position[n] < 0 || (typeof size === "number" && position[n] >= size)) {
			throw new RangeError(`(${text}) is not in ${equation.name}: axis ${name} has ${size}`);
		}
	});
}

/** A size that has to be a number. @param {Size} size */
function known(size) {
	if (typeof size === "number") return size;
	throw new RangeError(`this cannot be computed before ${size === null ? "a size" : size} is a number`);
}

/** @param {EquationJson} equation @param {number} axis */
const sizeOf = (equation, axis) => known(equation.index[axis].size);

/** @param {number[]} sizes */
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

/** @param {number} place @param {number} size */
const clipped = (place, size) => Math.min(Math.max(place, 0), size - 1);

/** @param {number} value @param {number} by */
const modulo = (value, by) => value - by * Math.floor(value / by);

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
		if ("reduce" in node) return this.reduction(node);
		if ("pieces" in node) {
			const { at } = this;
			const ends = node.ends.map(known);
			const pieces = node.pieces.map((piece) => this.compile(piece));
			return () => pieces[ends.findIndex((end) => at[node.along] < end)]();
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

	/** @param {ReductionJson} node @returns {Numeric} */
	reduction({ reduce: kind, over, body }) {
		const { at } = this;
		const sizes = over.map((axis) => sizeOf(this.equation, axis));
		const along = over[over.length - 1];
		const length = sizes[over.length - 1] ?? 1;
		const rows = product(sizes) / length;
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
						at[along] = t;
						const value = term();
						total = kind === "max" ? Math.max(total, value) : total + value;
						if (!skipping || skipping.inside) counted++;
					}
				}
				step(at, over, sizes);
			}
			return kind === "mean" ? total / counted : total;
		};
		const start = over.map(() => 0);
		return () => this.elsewhere(over, start, run);
	}

	/** The terms of the main reduction, one by one. @param {MainJson} main @returns {Groups} */
	groups({ reduce: kind, over, window, read: node, weights: others, channel }) {
		const axes = over === null ? window : [over, ...window];
		const lengths = axes.map((axis) => sizeOf(this.equation, axis));
		const count = over === null ? 1 : lengths[0];
		const sizes = lengths.slice(axes.length - window.length);
		const [each, terms] = [product(sizes), product(lengths)];
		const read = this.read(node);
		const weights = others.map((weight) => this.read(weight));
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
		const run = () => {
			for (let group = 0, n = 0; group < count; group++) {
				/** @type {number[]} */
				const lowest = [];
				for (let k = 0; k < each; k++, n++) {
					let term = (windows[n] = read.value());
					if (read.inside) counted += inside[n] = 1;
					for (let d = 0; d < rank; d++) {
						const place = (places[n * rank + d] = read.places[d]);
						if (!(lowest[d] <= place)) lowest[d] = place;
					}
					if (kernels && products) {
						let kernel = 1;
						for (const weight of weights) kernel *= weight.value();
						kernels[n] = kernel;
						products[n] = term *= kernel;
					}
					partials[group] = kind === "max" ? Math.max(partials[group], term) : partials[group] + term;
					step(this.at, axes, lengths);
				}
				if (channel !== null) channels[group] = lowest[channel];
				corners.push(lowest.filter((_, d) => d !== channel));
			}
		};
		this.elsewhere(axes, axes.map(() => 0), run);
		if (kind === "mean") {
			const all = node.outside === "skip" ? counted : terms;
			for (let group = 0; group < count; group++) partials[group] /= all;
		}
		const names = window.map((axis) => this.equation.index[axis].name);
		return {
			tensor: node.read, count, axes: names, sizes, rank, channel, channels, places, windows, inside, kernels, products,
			partials, corners,
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
			const here = node.ends.findIndex((end) => this.at[node.along] < known(end));
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
		/** @type {number[]} it has no border, so that nobody compares its sizes */
		this.whole = [];
		this.sizes = axes.map((axis) => Number(program.equation.index[axis].size));
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

	value() {
		this.locate();
		const { tensor, places, tests } = this;
		this.inside = this.border() === 0 && (!tests.length || tests.every((test) => test()));
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
		const by = known(atom.by);
		tests.push(...inner);
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

/** Take the next step, the last axis first. @param {Int32Array} at @param {number[]} axes @param {number[]} sizes */
function step(at, axes, sizes) {
	for (let n = axes.length - 1; n >= 0; n--) {
		if (++at[axes[n]] < sizes[n]) return;
		at[axes[n]] = 0;
	}
}

/** @param {ExpressionJson} node @returns {ExpressionJson[]} */
const factorsOf = (node) => ("op" in node && node.op === "*" ? node.args.flatMap(factorsOf) : [node]);

/** @param {ExpressionJson} node @returns {ReadJson[]} */
function readsIn(node) {
	if ("read" in node) return [node];
	if ("body" in node) return readsIn(node.body);
	return "args" in node ? node.args.flatMap(readsIn) : "pieces" in node ? node.pieces.flatMap(readsIn) : [];
}

const OPERATORS = { "+": "add", "-": "sub", "*": "mul", "/": "div" };

/** @type {Record<string, (x: number, a: number, b: number) => number>} */
const PRIMITIVES = {
	add: (x, a) => x + a,
	sub: (x, a) => x - a,
	mul: (x, a) => x * a,
	div: (x, a) => x / a,
	max: (x, a) => Math.max(x, a),
	min: (x, a) => Math.min(x, a),
	exp: Math.exp,
	log: Math.log,
	log1p: Math.log1p,
	sqrt: Math.sqrt,
	tanh: Math.tanh,
	abs: Math.abs,
	erf: errorFunction,
	select: (x, a, b) => (x > 0 ? a : b),
};

/** @param {string} name @param {Numeric[]} args @returns {Numeric} */
function primitive(name, [x, a, b]) {
	const f = PRIMITIVES[name];
	if (!f) throw new RangeError(`there is no function ${name}`);
	if (b) return () => f(x(), a(), b());
	return a ? () => f(x(), a(), 0) : () => f(x(), 0, 0);
}

/** @param {FormulaJson} node @param {Record<string, number>} given the parameters' values @returns {Numeric} */
function formula(node, given) {
	if (typeof node === "number") return () => node;
	if (typeof node === "string") return () => given[node];
	const [name, ...rest] = node;
	return primitive(name, rest.map((/** @type {FormulaJson} */ part) => formula(part, given)));
}

/**
 * erf: below 2 by its series of positive terms, 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)); above by the
 * continued fraction of 1 − erf, which is then so small that its own error does not show.
 * @param {number} x
 */
function errorFunction(x) {
	const size = Math.abs(x);
	if (!(size < 6)) return Number.isNaN(x) ? NaN : Math.sign(x);
	if (size < 2) {
		let term = x;
		let sum = x;
		for (let n = 3; Math.abs(term) > Math.abs(sum) * 1e-18; n += 2) {
			term *= (2 * x * x) / n;
			sum += term;
		}
		return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
	}
	let fraction = size;
	for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
	return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction);
}

// == Numbers as text ==============================================================================
//
// explain/words.py over again, digit for digit. Python rounds what lies exactly halfway to the even digit, JavaScript
// away from zero; all else both round correctly.

/** A number with a fixed number of decimals and a true minus sign. @param {number} value @returns {string} */
export function decimal(value, places = 6) {
	if (!Number.isFinite(value)) return exact(value);
	const size = Math.abs(value);
	let text = size.toFixed(places);
	if (size < 1e21) text = toEven(text, size, places);
	else text = BigInt(size) + (places ? `.${"0".repeat(places)}` : ""); // toFixed would write an exponent
	return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** A number with every digit that float32 has, and a true minus sign. @param {number} value */
export function exact(value) {
	if (Number.isNaN(value)) return "NaN";
	const sign = value < 0 || Object.is(value, -0) ? "−" : "";
	const size = Math.abs(value);
	if (size === 0 || size === Infinity) return `${sign}${size ? "∞" : "0"}`;
	const [mantissa, power] = exponential(size, 8);
	if (power >= -4 && power < 9) return sign + withoutZeros(decimal(size, 8 - power));
	return `${sign}${withoutZeros(mantissa)}e${power < 0 ? "−" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** A small number as 2·10⁻⁸. @param {number} value */
export function scientific(value) {
	if (value === 0 || !Number.isFinite(value)) return exact(value);
	const [mantissa, power] = exponential(Math.abs(value), 1);
	const raised = String(power).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
	return `${value < 0 ? "−" : ""}${withoutZeros(mantissa)}·10${raised}`;
}

/**
 * Numbers rounded so that what is shown adds up to the shown total, exactly: each is rounded down, and the units that
 * are then missing go to those that lost most. If one is not finite they do not add up, and come back one by one.
 * @param {ArrayLike<number>} values @param {number} total @param {number} digits how many decimals
 */
export function addingUp(values, total, digits) {
	const numbers = Array.from(values);
	if (!numbers.length || ![...numbers, total].every(Number.isFinite)) {
		return { texts: numbers.map((value) => decimal(value, digits)), total: decimal(total, digits) };
	}
	const unit = Number(`1e${digits}`);
	const scaled = numbers.map((value) => value * unit);
	const whole = scaled.map((value) => BigInt(Math.floor(value)));
	const lost = scaled.map((value) => value - Math.floor(value));
	const target = BigInt(halfToEven(total * unit));
	const missing = target - whole.reduce((a, b) => a + b, 0n);
	const one = missing > 0n ? 1n : -1n;
	const order = lost.map((_, n) => n).sort((a, b) => Number(one) * (lost[b] - lost[a]));
	const count = BigInt(order.length);
	const [turns, more] = [(missing * one) / count, (missing * one) % count];
	order.forEach((n, place) => (whole[n] += one * (turns + (place < more ? 1n : 0n))));
	const texts = whole.map((value) => decimal(Number(value) / unit, digits));
	return { texts, total: decimal(Number(target) / unit, digits) };
}

/** @param {number} value */
function halfToEven(value) {
	const below = Math.floor(value);
	const lost = value - below;
	return lost > 0.5 || (lost === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/**
 * A positive number's mantissa with so many decimals, and its power of ten.
 * @param {number} size @param {number} decimals @returns {[string, number]}
 */
function exponential(size, decimals) {
	const [mantissa, power] = size.toExponential(decimals).split("e");
	return [toEven(mantissa, size, decimals - Number(power)), Number(power)];
}

/**
 * The text of a number that was rounded to so many decimals (or, below 0, to tens) with halves going up, with halves
 * going to the even digit. Halfway is size·10ᵖ = n + ½, so that size·2ᵖ⁺¹ is odd; no double is halfway beyond 10²².
 * @param {string} text @param {number} size @param {number} places
 */
function toEven(text, size, places) {
	const tens = Number(`1e${-places}`);
	const halfway = places < 0 ? places >= -22 && size % tens === tens / 2 : (size * 2 ** (places + 1)) % 2 === 1;
	const last = Number(text.slice(-1));
	return halfway && last % 2 ? `${text.slice(0, -1)}${last - 1}` : text;
}

/** @param {string} text */
const withoutZeros = (text) => (text.includes(".") ? text.replace(/\.?0*$/, "") : text);

// == Elements ==

/** @typedef {Node | string | number | null | undefined | false} Child  what is nothing is left out */
/**
 * On… is a listener, `style` its style, the rest attributes; what is null or false is left out.
 * @typedef {{[on: `on${string}`]: (event: any) => any, [name: string]: any}} Props
 */

/** @param {any} value */
const there = (value) => value !== null && value !== undefined && value !== false;

/**
 * A new element, "tag" or "tag.classes". Text from a model only ever becomes text nodes and attributes that hold no
 * code.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T | `${T}.${string}`} what @param {Props | Child | Child[]} [props]  or the first child
 * @param {...(Child | Child[])} children @returns {HTMLElementTagNameMap[T]}
 */
function h(what, props, ...children) {
	const [, tag, classes] = /** @type {string[]} */ (/^(\w+)\.?(.*)/.exec(what));
	const element = /** @type {HTMLElementTagNameMap[T]} */ (document.createElement(tag));
	if (classes) element.className = classes;
	if (typeof props !== "object" || props instanceof Node || Array.isArray(props)) children.unshift(props);
	else {
		for (const [name, value] of Object.entries(props ?? {})) {
			if (!there(value)) continue;
			if (name === "style") Object.assign(element.style, value);
			else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
			else element.setAttribute(name, value === true ? "" : value);
		}
	}
	return put(element, ...children);
}

/** @template {Element} T @param {T} element @param {...(Child | Child[])} children */
function put(element, ...children) {
	element.append(.../** @type {Node[]} */ (children.flat().filter(there)));
	return element;
}

/** @param {Element} element @param {...(Child | Child[])} children */
function fill(element, ...children) {
	element.replaceChildren();
	return put(element, ...children);
}

/** Set a text where it has changed, so that nothing is laid out for nothing. @param {Element} element @param {string} text */
function say(element, text) {
	const { firstChild } = element;
	if (firstChild instanceof Text && !firstChild.nextSibling) {
		if (firstChild.data !== text) firstChild.data = text;
	} else if (firstChild || text) element.textContent = text;
}

/** @param {Child[]} children */
const dim = (...children) => h("span.cs-dim", children);

/** What scrolls, for the keyboard too. @param {string} label */
const scrolled = (label) => ({ tabindex: 0, role: "region", "aria-label": label });

/** @param {string} text @param {() => void} onclick */
const link = (text, onclick) => h("button.cs-link", { onclick }, text);

/** @param {string} text @param {() => void} onclick @param {Props} [props] */
const small = (text, onclick, props) => h("button.cs-small", { ...props, type: "button", onclick }, text);

/** @param {unknown} error */
const message = (error) => (error instanceof Error ? error.message : String(error));

/** @param {unknown} error */
const wrong = (error) => h("p.cs-error", { role: "alert" }, message(error));

/** What opens to a table, which is made when it is looked at. @param {string} title @param {() => void} ontoggle */
const folded = (title, ontoggle) => h("details.cs-table", { ontoggle }, h("summary", title));

/** @param {HTMLDetailsElement} details @param {Child} content */
const unfold = (details, content) => fill(details, details.querySelector("summary"), content);

/** Says whether what something is made from has changed since it was last asked. */
function memo() {
	let before = "";
	return (/** @type {any[]} */ ...parts) => before !== (before = JSON.stringify(parts));
}

/** @param {Record<string, string>} texts  by value @param {(value: string) => void} chosen @param {Props} [props] */
function choice(texts, chosen, props) {
	const options = Object.entries(texts).map(([value, text]) => h("option", { value }, text));
	const made = h("select", { ...props, onchange: () => chosen(made.value) }, options);
	return made;
}

/**
 * A table; the first cell of a row names it, and those that are given as text stand to the right if they are numbers.
 * @param {Child[] | null} head @param {(Child | Child[])[][]} rows @param {(Child | Child[])[] | null} [foot]
 */
function table(head, rows, foot) {
	const row = (/** @type {(Child | Child[])[]} */ cells) => h("tr", cells.map((cell, n) => {
		if (cell instanceof HTMLTableCellElement) return cell;
		if (!n) return h("th", { scope: "row" }, cell);
		return h(typeof cell === "string" && /^[+\[−\d]?[\d.,∞]+/.test(cell) ? "td.cs-figure" : "td", null, cell);
	}));
	return h("table.cs-data",
		head && h("thead", h("tr", head.map((cell) => (cell ? h("th", { scope: "col" }, cell) : h("td"))))),
		h("tbody", rows.map(row)), foot && h("tfoot", row(foot)));
}

/** A function that gives what a promise comes to; nothing at all, if it was called again meanwhile. */
function latest() {
	let turn = 0;
	/** @template T @param {Promise<T>} [promise] @returns {Promise<T>} */
	const newest = async (promise) => {
		const mine = ++turn;
		const [found] = await Promise.allSettled([promise]);
		if (mine !== turn) return new Promise(() => {});
		if (found.status === "rejected") throw found.reason;
		return /** @type {T} */ (found.value);
	};
	return newest;
}

/** What stands on the page. */
class Part {
	newest = latest();

	/** @param {App} app */
	constructor(app) {
		this.app = app;
	}
}

/** A function that runs `work` in the next frame, once. @param {() => void} work */
function inFrame(work) {
	let frame = 0;
	return () => {
		cancelAnimationFrame(frame);
		frame = requestAnimationFrame(work);
	};
}

/** @param {Element} element @param {Record<string, any>} values  null: without it */
function attributes(element, values) {
	for (const [name, value] of Object.entries(values)) {
		if (value === null) element.removeAttribute(name);
		else element.setAttribute(name, value);
	}
}

/** @param {string} tag @param {Record<string, string | number>} values @param {...(Node | string)} children */
function svg(tag, values, ...children) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	attributes(element, values);
	element.append(...children);
	return element;
}

/** @typedef {CanvasRenderingContext2D} Pen */
/** @typedef {ArrayLike<number>} Numbers */

/** @param {HTMLCanvasElement} canvas */
const penOf = (canvas) => /** @type {Pen} */ (canvas.getContext("2d"));

/** Empty, sharp on any screen; in CSS pixels. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function sized(canvas, width, height) {
	const ratio = Math.min(window.devicePixelRatio || 1, 3);
	const [wide, tall] = [width, height].map((size) => Math.max(1, Math.round(size * ratio)));
	if (canvas.width !== wide || canvas.height !== tall) {
		Object.assign(canvas, { width: wide, height: tall });
		Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
	}
	const pen = penOf(canvas);
	pen.setTransform(ratio, 0, 0, ratio, 0, 0);
	pen.clearRect(0, 0, width, height);
	pen.imageSmoothingEnabled = false;
	return pen;
}

/** A canvas of so many pixels, put in by `paint`. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height @param {(pixels: Uint32Array) => void} paint */
function pixelled(canvas, width, height, paint) {
	Object.assign(canvas, { width, height });
	const pen = penOf(canvas);
	const image = pen.createImageData(width, height);
	paint(new Uint32Array(image.data.buffer));
	pen.putImageData(image, 0, 0);
	return canvas;
}

// == Asking the host ==

/** Questions to the host, each with its answer. */
class Link {
	/** @param {Model} model */
	constructor(model) {
		this.model = model;
		this.last = 0;
		this.mark = Math.random().toString(36).slice(2, 10); // a notebook's model tells all its views every answer
		/** @type {Map<string, {done: (answer: Answer) => void, failed: (error: Error) => void}>} */
		this.open = new Map();
		/** @type {(status: string, text: string) => void} told when the host is lost, or back */
		this.heard = () => {};
		this.listen = this.listen.bind(this);
		model.on("msg:custom", this.listen);
	}

	close() {
		this.model.off("msg:custom", this.listen);
	}

	/** @param {Question} question @param {ArrayBuffer} [upload]  a picture's bytes @returns {Promise<Answer>} */
	ask(question, upload) {
		return new Promise((done, failed) => {
			const id = `${this.mark}-${++this.last}`;
			this.open.set(id, { done, failed });
			this.model.send({ id, question }, undefined, upload ? [upload] : []);
		});
	}

	/** @param {any} message @param {DataView[]} [buffers] */
	listen({ id, status, text, error, facts }, buffers) {
		if (status) return this.heard(status, text ?? "");
		const asked = this.open.get(id);
		this.open.delete(id);
		if (error) asked?.failed(new Error(error.text));
		else asked?.done({ facts, body: buffers?.[0] ?? null });
	}
}

// == The network and its numbers ==

const WHOLE = 1 << 22; // tensors of up to this many numbers are fetched whole: hovering then needs no round trip
const KEPT = 384 << 20; // bytes of numbers that are kept

/** The whole numbers from `from`. @param {number} length */
const range = (length, from = 0) => Array.from({ length }, (_, n) => from + n);

/** @param {number} value @param {number} low @param {number} high */
const between = (value, low, high) => Math.max(low, Math.min(high, value));

/** @param {number[]} shape */
const origin = (shape) => shape.map(() => 0);

/** @param {number[]} shape */
function stridesOf(shape) {
	const strides = shape.map(() => 1);
	for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
	return strides;
}

/** @param {Patch} patch @param {number[]} at */
function numberAt({ data, shape, origin }, at) {
	return data[stridesOf(shape).reduce((sum, stride, axis) => sum + (at[axis] - origin[axis]) * stride, 0)];
}

/** @param {Numbers | null} data */
function largestOf(data) {
	let most = 0;
	for (let n = 0; n < (data?.length ?? 0); n++) {
		const size = Math.abs(/** @type {Numbers} */ (data)[n]);
		if (size > most && size < Infinity) most = size;
	}
	return most;
}

/** @param {(number | string | null)[] | null} sizes */
const times = (sizes) => (!sizes ? "?" : sizes.length ? sizes.map((s) => s ?? "?").join("×") : "one number");

/** @param {number | string | null} value */
const grouped = (value) =>
	typeof value === "number" ? value.toLocaleString("en-US").replace("-", "−") : (value ?? "–");

/** How many decimals show a number of this size well. @param {number} largest */
function places(largest) {
	const size = Math.abs(largest);
	return size > 0 && size < Infinity ? between(5 - Math.floor(Math.log10(size)), 2, 12) : 6;
}

/** How a layer's numbers are drawn: as maps, and the slices of volumes and the like above one another. */
class Form {
	/** @param {Axes} axes @param {number[]} shape */
	constructor({ maps, rows, columns }, shape) {
		this.shape = shape;
		this.axes = { maps, rows, columns };
		const slices = shape.map((_, axis) => axis).filter((axis) => axis !== maps && axis !== rows && axis !== columns);
		this.down = rows === null ? slices : [...slices, rows]; // the axes that run down
		this.maps = maps === null ? 1 : shape[maps];
		this.columns = columns === null ? 1 : shape[columns];
		this.rows = this.down.reduce((product, axis) => product * (shape[axis] || 1), 1);
		/** which axis , and . walk along */
		this.listed = maps ?? (rows === null ? columns : null);
	}

	/** @param {number[]} at */
	map(at) {
		return this.axes.maps === null ? 0 : at[this.axes.maps];
	}

	/** The row in which a position is drawn. @param {number[]} at */
	row(at) {
		return this.down.reduce((row, axis) => row * this.shape[axis] + at[axis], 0);
	}

	/** @param {number[]} at */
	column(at) {
		return this.axes.columns === null ? 0 : at[this.axes.columns];
	}

	/** @param {Spot} spot */
	position({ map, row, column }) {
		const { maps, columns } = this.axes;
		const at = origin(this.shape);
		for (const axis of [...this.down].reverse()) {
			at[axis] = row % this.shape[axis];
			row = Math.floor(row / this.shape[axis]);
		}
		if (columns !== null) at[columns] = column;
		if (maps !== null) at[maps] = map;
		return at;
	}

	/** @param {Patch} patch @param {number} map */
	plane({ data }, map) {
		const strides = stridesOf(this.shape);
		const step = this.axes.columns === null ? 0 : strides[this.axes.columns];
		const plane = new Float64Array(this.rows * this.columns);
		for (let row = 0, n = 0; row < this.rows; row++) {
			let from = this.position({ map, row, column: 0 }).reduce((sum, p, axis) => sum + p * strides[axis], 0);
			for (let column = 0; column < this.columns; column++, from += step) plane[n++] = data[from];
		}
		return plane;
	}

	/** @param {number} axis */
	word(axis) {
		const { maps, rows, columns } = this.axes;
		if (axis === maps) return "map";
		if (axis === rows) return "row";
		if (axis === columns) return rows !== null ? "column" : maps === null ? "unit" : "step";
		return "slice";
	}
}

/** What the host has told so far: layers, equations, numbers. */
class Network {
	/** @param {Link} link @param {Told} told */
	constructor(link, told) {
		this.link = link;
		this.told = told;
		this.run = told.run;
		/** @type {Map<string, Layer>} */
		this.layers = new Map();
		const input = { kind: "input", inputs: [], weights: {}, params: 0, macs: 0, receptive_field: null, equation: false };
		for (const one of told.inputs) this.layers.set(one.name, { ...input, ...one, input: true });
		for (const one of told.layers) this.layers.set(one.name, { ...one, input: false });
		this.names = [...this.layers.keys()];
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
		return { ask: "values", run: weight === null ? this.run?.id : null, layer, weight, box };
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

	/** @param {string} layer @param {number[]} maps @param {number} side @returns {Promise<Tiles>} */
	async tiles(layer, maps, side) {
		return { maps, ...(await this.ask({ ask: "tiles", run: this.run?.id, layer, maps, side })) };
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
		let best = 0;
		for (let n = 1; n < data.length; n++) if (data[n] > data[best]) best = n;
		return stridesOf(shape).map((stride, axis) => Math.floor(best / stride) % shape[axis]);
	}
}

// == Where we are ==

const SCREENS = { stack: "Stack", microscope: "Microscope", models: "Mental models", whatif: "What if", input: "Input" };
const MODELS = ["apart", "shared", "real", "depth"];
const COLOURS = { layer: "one scale for the layer", map: "a scale for each map", grey: "grey" };
const SORTS = { index: "index", energy: "energy", contribution: "contribution" };
const screens = /** @type {(keyof typeof SCREENS)[]} */ (Object.keys(SCREENS));

/** @typedef {{map: number, row: number, column: number}} Spot */
/** @typedef {{screen: keyof typeof SCREENS, layer: string, at: number[], model: string, colour: string, sort: string}} Place */

/** The one after in a list, or before; it goes round. @template T @param {T[]} list @param {T} one */
const after = (list, one, by = 1) => list[(list.indexOf(one) + by + list.length) % list.length];

/** @param {Form} form @returns {[string, number | null][]} */
const named = ({ listed, axes }) => [["o", listed], ["y", axes.rows], ["x", axes.columns]];

/** @param {string} text  after the # @param {Network} net @param {Place} before */
function parsePlace(text, net, before) {
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
	place.screen = /** @type {typeof place.screen} */ (among("s", SCREENS, place.screen));
	place.colour = among("c", COLOURS, place.colour);
	place.sort = among("sort", SORTS, place.sort);
	place.model = MODELS.find((model) => model === given.get("m")) ?? place.model;
	return place;
}

/** @param {Place} place @param {Network} net */
function placeText(place, net) {
	const parts = [`l=${encodeURIComponent(place.layer)}`];
	const form = net.form(place.layer);
	const axes = named(form).filter(([key, axis]) => axis !== null && !(key === "x" && axis === form.listed));
	if (axes.length === place.at.length) parts.push(...axes.map(([key, axis]) => `${key}=${place.at[Number(axis)]}`));
	else parts.push(`p=${place.at.join(",")}`);
	parts.push(`m=${place.model}`);
	if (place.screen !== "microscope") parts.push(`s=${place.screen}`);
	if (place.colour !== "layer") parts.push(`c=${place.colour}`);
	if (place.sort !== "index") parts.push(`sort=${place.sort}`);
	return parts.join("&");
}

// == Colours and maps ==

/** @typedef {"light" | "dark"} Scheme */
/** @typedef {{limit: number, grey: [number, number] | null}} Scale  the size that colours go up to, or a grey scale's range */

const RAMPS = {
	light: { low: [0x05, 0x50, 0xae], zero: [0xf6, 0xf6, 0xf4], high: [0xc4, 0x4e, 0x00], line: "#1f2328", under: "#fff" },
	dark: { low: [0x6c, 0xb6, 0xff], zero: [0x22, 0x27, 0x2e], high: [0xff, 0xa6, 0x57], line: "#f0f3f6", under: "#000" },
};

/** @param {number} value @param {number} limit */
const index = (value, limit) => 255 + Math.round(limit > 0 ? between(value / limit, -1, 1) * 255 || 0 : 0);

/** Colours of numbers from −1 to 1, as 32-bit pixels and for CSS. */
class Ramp {
	/** @param {Scheme} scheme */
	constructor(scheme) {
		const { low, zero, high, line, under } = RAMPS[scheme];
		this.scheme = scheme;
		this.line = line; // what is drawn on the colours, and beside them
		this.under = under;
		const pixel = (/** @type {number[]} */ [r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
		const colours = range(511, -255).map((n) =>
			zero.map((from, c) => Math.round(from + ((n < 0 ? low : high)[c] - from) * (Math.abs(n) / 255))));
		this.pixels = Uint32Array.from(colours, pixel);
		this.css = colours.map((colour) => `rgb(${colour.join(" ")})`);
		this.inks = colours.map((colour) => { // of text on each: black or white, of which one is always legible
			const [r, g, b] = colour.map((v) => (v > 10 ? ((v / 255 + 0.055) / 1.055) ** 2.4 : v / 3294.6));
			return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
		});
		this.grey = Uint32Array.from(range(256), (n) => pixel([n, n, n]));
		this.hatch = scheme === "light" ? 0xff7c7f80 : 0xff969391; // in the padding
		this.nothing = scheme === "light" ? 0xffb0a0b0 : 0xff705070; // not a number
	}

	/** @param {number} value */
	of(value, limit = 1) {
		return this.css[index(value, limit)];
	}

	/** Paint a square cell into pixels; what lies in the padding is hatched, what is faint is seen through. @param {Uint32Array} pixels @param {number} width @param {number} left @param {number} top @param {number} side @param {number} value @param {number} limit @param {boolean} hatched @param {boolean} faint */
	square(pixels, width, left, top, side, value, limit, hatched, faint) {
		const alpha = faint ? 0x40ffffff : 0xffffffff;
		const colour = this.pixels[index(value, limit)] & alpha;
		for (let y = top; y < top + side; y++) {
			const start = y * width + left;
			pixels.fill(colour, start, start + side);
			if (hatched) for (let x = left; x < left + side; x++) if ((x + y) % 4 === 0) pixels[y * width + x] = this.hatch & alpha;
		}
	}

	/** @param {Uint32Array} pixels @param {Numbers} data @param {Scale} scale @param {number} [from] */
	paint(pixels, data, { limit, grey }, from = 0) {
		const [low, high] = grey ?? [-limit, limit];
		const colours = grey ? this.grey : this.pixels;
		const last = colours.length - 1;
		const scale = high > low ? last / (high - low) : 0;
		const shift = scale || grey ? 0 : 255; // all zero
		for (let n = 0; n < pixels.length; n++) {
			const level = (data[from + n] - low) * scale + shift;
			pixels[n] = level === level ? colours[Math.round(between(level, 0, last))] : this.nothing;
		}
	}
}

/** @typedef {{tiles: Tiles, across: number, scale: number, gap: number, each: boolean} & Scale} Sheet  each: a scale for each map */

/** @param {HTMLCanvasElement} canvas @param {Sheet} sheet @param {Ramp} ramp */
function drawSheet(canvas, sheet, ramp) {
	const { tiles, across, scale, gap } = sheet;
	const [rows, columns] = tiles.tile;
	const [tall, wide] = [rows * scale + gap, columns * scale + gap];
	const width = Math.max(1, across * wide - gap);
	const height = Math.max(1, Math.max(1, Math.ceil(tiles.maps.length / across)) * tall - gap);
	const size = rows * columns;
	const pixels = new Uint32Array(size);
	pixelled(canvas, width, height, (out) => tiles.maps.forEach((_, n) => {
		const limit = sheet.each ? largestOf(tiles.data.subarray(n * size, (n + 1) * size)) : sheet.limit;
		ramp.paint(pixels, tiles.data, { limit, grey: sheet.grey }, n * size);
		const corner = Math.floor(n / across) * tall * width + (n % across) * wide;
		for (let y = 0; y < rows; y++) {
			const start = corner + y * scale * width;
			for (let x = 0; x < columns; x++) out.fill(pixels[y * columns + x], start + x * scale, start + (x + 1) * scale);
			for (let s = 1; s < scale; s++) out.copyWithin(start + s * width, start, start + columns * scale);
		}
	}));
}

/** Numbers as bars around zero; of more than there is room for, the largest of those that share a bar. @param {Pen} pen @param {Numbers} data @param {number} width @param {number} height @param {Ramp} ramp @param {number} limit */
function drawBars(pen, data, width, height, ramp, limit) {
	const low = Array.prototype.some.call(data, (v) => v < 0);
	const zero = low ? height / 2 : height - 1;
	const room = zero - 1;
	const step = Math.max(1, Math.ceil(data.length / width));
	const wide = (width * step) / data.length;
	for (let n = 0, x = 0; n < data.length; n += step, x += wide) {
		let value = 0;
		for (let m = n; m < Math.min(n + step, data.length); m++) if (Math.abs(data[m]) > Math.abs(value)) value = data[m];
		const tall = limit > 0 ? (value / limit) * room : 0;
		pen.fillStyle = ramp.of(value < 0 ? -1 : 1);
		pen.fillRect(x, Math.min(zero, zero - tall), Math.max(wide - (wide > 4 ? 2 : 0), 0.75), Math.max(Math.abs(tall), 0.5));
	}
	pen.fillStyle = ramp.line;
	pen.globalAlpha = 0.4;
	pen.fillRect(0, zero, width, 1);
	pen.globalAlpha = 1;
}

// == The page's frame ==

/** @typedef {{element: HTMLElement, show: () => void, hide?: () => void}} Screen  show is called after every move */

const KEYS = {
	"← ↑ → ↓": "move the pixel; with Shift by 8",
	", .": "the map before, the next one",
	"[ ]": "the layer before, the next one",
	m: "the next mental model",
	c: "the next colour scale",
	"/": "find a layer",
	Enter: "open what has the focus: go down to it",
	Esc: "go up again: to where you came from",
	"?": "this help",
};

/** Everything that is on the page. */
class App {
	/** @param {Model} model @param {HTMLElement} root @param {Link} link @param {Network} net @param {Place} place */
	constructor(model, root, link, net, place) {
		this.root = root;
		this.link = link;
		this.net = net;
		this.place = this.first = place; // first: where an address without a # leads
		this.alone = Boolean(model.get("page")); // whether the page is ours: its address, its keys, its title
		this.closing = new AbortController();
		this.mark = `cs${Math.random().toString(36).slice(2, 8)}`; // ids differ from other explorers' on the page
		/** @type {Place[]} where Esc goes back to */
		this.trail = [];
		this.dark = window.matchMedia("(prefers-color-scheme: dark)");
		/** @type {Scheme | null} chosen by hand */
		this.scheme = null;
		this.ramp = new Ramp(this.dark.matches ? "dark" : "light");
		this.telling = 0;
		this.status = h("p.cs-live", { "aria-live": "polite" });
		this.banner = h("div.cs-banner", { role: "status", hidden: true });
		this.source = h("span.cs-source");
		this.main = h("div.cs-screen", { role: "tabpanel", id: `${this.mark}-screen`, tabindex: -1 });
		this.tabs = new Map(screens.map((screen) => [screen, h("button.cs-tab", {
			role: "tab", id: `${this.mark}-tab-${screen}`, "aria-controls": this.main.id, onclick: () => this.go({ screen }),
		}, SCREENS[screen])]));
		this.ribbon = ribbon(this);
		this.microscope = new Microscope(this);
		/** @type {Record<keyof typeof SCREENS, Screen>} */
		this.screens = {
			stack: stack(this), microscope: this.microscope, models: mentalModels(this), whatif: whatIf(this), input: input(this),
		};
		/** @type {Screen | null} */
		this.shown = null;
		this.help = dialog("Keys", h("table.cs-keys", h("tbody", Object.entries(KEYS).map(([keys, what]) =>
			h("tr", h("th", { scope: "row" }, h("kbd", keys)), h("td", what))))));
		this.finder = finder(this);
		const { warnings } = net.told;
		const other = () => (this.ramp.scheme === "light" ? "dark" : "light");
		fill(root,
			h("header.cs-head",
				h("h1", h("span.cs-brand", "convscope"), " ", h("span.cs-net", net.told.name), this.source),
				h("div.cs-tabs", { role: "tablist", "aria-label": "Screens" }, [...this.tabs.values()]),
				h("div.cs-tools", tool("⌕", "Find a layer (/)", () => this.finder.open()),
					tool("?", "Help: keys (?)", () => this.help.showModal()),
					tool("◐", "Light or dark", () => this.setScheme(other())))),
			this.banner,
			warnings.length > 0 && h("details.cs-warnings", h("summary", `${warnings.length} remarks on the file`),
				h("ul", warnings.map((warning) => h("li", warning)))),
			this.ribbon.element, this.main, this.status, this.help, this.finder.element);
		const { signal } = this.closing;
		this.dark.addEventListener("change", () => this.setScheme(this.scheme), { signal });
		if (this.alone) {
			document.title = `${net.told.name} · convscope`;
			window.addEventListener("hashchange", () => this.addressed(), { signal });
		}
		const keys = this.alone ? document : root;
		keys.addEventListener("keydown", (event) => keyed(this, /** @type {KeyboardEvent} */ (event)), { signal });
		const watching = new ResizeObserver(inFrame(() => this.refresh()));
		watching.observe(root);
		signal.addEventListener("abort", () => watching.disconnect());
		this.setScheme(null);
	}

	get layer() {
		return this.net.layer(this.place.layer);
	}

	get form() {
		return this.net.form(this.place.layer);
	}

	get look() {
		return [this.net.run?.id, this.place.layer, this.ramp.scheme, this.place.colour];
	}

	close() {
		this.closing.abort();
		this.link.close();
		this.root.remove();
	}

	/** Go somewhere else; `down`: Esc comes back here. @param {Partial<Place>} change */
	go(change, down = false) {
		if (down) this.trail.push(this.place);
		this.place = { ...this.place, ...change };
		const address = `#${placeText(this.place, this.net)}`;
		if (this.alone && address !== location.hash) {
			if (change.screen || change.layer) history.pushState(null, "", address);
			else history.replaceState(null, "", address);
		}
		this.refresh();
	}

	/** @param {number} axis @param {number} to */
	move(axis, to) {
		const at = [...this.place.at];
		at[axis] = between(to, 0, this.form.shape[axis] - 1);
		if (at[axis] !== this.place.at[axis]) this.go({ at });
	}

	/** @param {string} layer @param {Partial<Place>} [change] @param {boolean} [down] */
	async open(layer, change, down) {
		this.go({ layer, at: await this.net.liveliest(layer), ...change }, down);
	}

	/** @param {string} name */
	visit(name) {
		const { screen } = this.place;
		return this.open(name, { screen: screen === "input" ? "microscope" : screen });
	}

	addressed() {
		const text = location.hash.slice(1);
		/** @type {Partial<Place>} what an address does not say */
		const unsaid = { screen: "microscope", colour: "layer", sort: "index" };
		this.place = parsePlace(text, this.net, text ? { ...this.place, ...unsaid } : this.first);
		this.refresh();
	}

	up() {
		const before = this.trail.pop();
		if (before) this.go(before);
		else if (this.place.screen !== "stack") this.go({ screen: "stack" });
	}

	refresh() {
		const { net, place } = this;
		for (const [screen, tab] of this.tabs) {
			attributes(tab, { "aria-selected": screen === place.screen, tabindex: screen === place.screen ? 0 : -1 });
		}
		this.main.setAttribute("aria-labelledby", `${this.mark}-tab-${place.screen}`);
		say(this.source, net.run ? net.run.source : "no image yet");
		const screen = this.screens[place.screen];
		if (this.shown !== screen) {
			this.shown?.hide?.();
			fill(this.main, screen.element);
			this.shown = screen;
		}
		screen.show(); // before the ribbon: what it asks for is looked at first
		this.ribbon.show();
	}

	/** Tell people who listen rather than look, once the pointer rests. @param {string} sentence */
	tell(sentence) {
		clearTimeout(this.telling);
		if (this.microscope.hover) this.telling = setTimeout(() => say(this.status, sentence), 150);
		else say(this.status, sentence);
	}

	/** @param {Scheme | null} scheme */
	setScheme(scheme) {
		this.scheme = scheme;
		const now = scheme ?? (this.dark.matches ? "dark" : "light");
		this.root.dataset.scheme = now;
		if (this.ramp.scheme !== now) this.ramp = new Ramp(now);
		this.refresh();
	}

	/** @param {Run} run */
	ran(run) {
		this.net.run = run;
		const shape = this.net.shape(this.place.layer);
		this.go({ at: this.place.at.map((p, axis) => Math.min(p, Math.max(0, shape[axis] - 1))) });
	}

	/** @param {string} status @param {string} text */
	hostIs(status, text) {
		const lost = status !== "back";
		say(this.banner, lost ? text || "The server does not answer. This page goes on when it is back." : "The server is back.");
		this.banner.hidden = false;
		this.banner.classList.toggle("cs-lost", lost);
		if (lost) return;
		setTimeout(() => (this.banner.hidden = true), 2500);
		this.refresh();
	}
}

/** @param {string} sign @param {string} label @param {() => void} onclick */
const tool = (sign, label, onclick) => h("button.cs-tool", { "aria-label": label, title: label, onclick }, sign);

/** @param {string} title @param {...Child} children */
function dialog(title, ...children) {
	/** @type {HTMLDialogElement} */
	const made = h("dialog.cs-dialog", { "aria-label": title, onclick: (event) => event.target === made && made.close() },
		h("header", h("h2", title), tool("×", "Close", () => made.close())), ...children);
	return made;
}

/** Finding a layer by a part of its name or kind. @param {App} app */
function finder(app) {
	const list = h("ul.cs-found");
	const input = h("input", {
		type: "search", placeholder: "a part of a layer's name or kind", "aria-label": "Find a layer", oninput: () => find(),
	});
	const element = dialog("Find a layer", input, list);

	function open() {
		input.value = "";
		find();
		element.showModal();
		input.focus();
	}

	function find() {
		const { net } = app;
		const found = net.find(input.value);
		const onclick = (/** @type {string} */ name) => () => {
			element.close();
			app.visit(name);
		};
		fill(list,
			found.slice(0, 50).map((name) => h("li", h("button", { onclick: onclick(name) },
				name, " ", dim(`${net.layer(name).kind} ${times(net.shape(name))}`)))),
			found.length > 50 && h("li.cs-dim", `and ${found.length - 50} more`),
			!found.length && h("li.cs-dim", "no layer of this network has that in its name"));
	}

	return { element, open };
}

// == The ribbon: the whole network, from left to right ==

const CARD = { width: 92, height: 84, across: 116, down: 98, left: 12, top: 14, thumb: 40 };

/** @typedef {{button: HTMLButtonElement, canvas: HTMLCanvasElement, shape: HTMLElement, drawn: string}} Card */

/** Every layer a card, branches beside one another; only the cards in view are made. @param {App} app */
function ribbon(app) {
	const order = [...app.net.layers.values()].sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
	const width = (Math.max(...order.map(({ place }) => place[0])) + 1) * CARD.across;
	const height = (Math.max(...order.map(({ place }) => place[1])) + 1) * CARD.down + CARD.top;
	const lines = svg("svg", { class: "cs-lines", width, height, "aria-hidden": "true" });
	const cards = h("div.cs-cards", { style: { width: `${width}px`, height: `${height}px` } }, lines);
	const element = h("nav.cs-ribbon", {
		"aria-label": "Layers, from input to output", tabindex: 0, onscroll: inFrame(() => draw()),
	}, cards);
	/** @type {Map<string, Card>} */
	const made = new Map();
	let current = "";

	function show() {
		const { layer } = app;
		if (layer.name !== current) {
			current = layer.name;
			const left = layer.place[0] * CARD.across - (element.clientWidth - CARD.width) / 2;
			if (Math.abs(element.scrollLeft - left) >= element.clientWidth / 2 - CARD.width) element.scrollLeft = left;
			element.scrollTop = layer.place[1] * CARD.down - (element.clientHeight - CARD.down) / 2;
		}
		draw();
	}

	function draw() {
		const { net, place } = app;
		const { scrollLeft, clientWidth } = element;
		const first = Math.floor(scrollLeft / CARD.across) - 2;
		const last = Math.ceil((scrollLeft + clientWidth) / CARD.across) + 2;
		const inView = new Set();
		lines.replaceChildren();
		for (const layer of order) {
			const [column] = layer.place;
			const feeds = layer.inputs.map((name) => net.layer(name)).filter(Boolean);
			const starts = Math.min(column, ...feeds.map((feed) => feed.place[0]));
			if (starts > last && column > last + 1) break;
			if (starts > last || column < first) continue;
			for (const feed of feeds) {
				lines.append(wire(feed.place, layer.place, feed.name === place.layer || layer.name === place.layer));
			}
			if (column > last) continue;
			inView.add(layer.name);
			const card = made.get(layer.name) ?? make(layer);
			attributes(card.button, { "aria-current": layer.name === place.layer || null });
			thumb(layer, card);
		}
		for (const [name, { button }] of made) {
			if (inView.has(name) || button === document.activeElement) continue;
			button.remove();
			made.delete(name);
		}
	}

	/** @param {Layer} layer */
	function make({ name, kind, place }) {
		const size = times(app.net.shape(name));
		const canvas = h("canvas", { "aria-hidden": "true" });
		const shape = h("span.cs-card-shape", size);
		const button = h("button.cs-card", {
			title: `${name} (${kind})`, "aria-label": `${name}, ${kind}, ${size}`, onclick: () => app.visit(name),
			style: { left: `${place[0] * CARD.across + CARD.left}px`, top: `${place[1] * CARD.down + CARD.top}px` },
		}, h("span.cs-card-name", name.length > 13 ? `…${name.slice(-11)}` : name), shape, h("span.cs-thumb", canvas));
		const card = { button, canvas, shape, drawn: "" };
		made.set(name, card);
		cards.append(button);
		return card;
	}

	/** @param {Layer} layer @param {Card} card */
	async function thumb({ name }, card) {
		const { net, ramp } = app;
		const key = `${net.run?.id} ${ramp.scheme}`;
		if (card.drawn === key || !net.has(name)) return;
		card.drawn = key;
		say(card.shape, times(net.shape(name)));
		const form = net.form(name);
		const row = form.rows === 1;
		const across = row || form.maps < 4 ? 1 : form.maps < 9 ? 2 : 3;
		const side = row ? 1024 : Math.max(4, Math.floor((CARD.thumb * 2) / across));
		const tiles = await net.tiles(name, range(Math.min(form.maps, across * across)), side).catch(() => null);
		if (!tiles) return;
		if (row) return drawBars(sized(card.canvas, 84, CARD.thumb), tiles.data, 84, CARD.thumb, ramp, net.limit(name));
		const scale = Math.max(1, Math.floor(side / Math.max(form.rows, form.columns)));
		drawSheet(card.canvas, { tiles, across, scale, gap: 2, each: false, ...scaleOf(net, name, "layer") }, ramp);
	}

	return { element, show };
}

/** The colours of a layer's maps; an image is grey. @param {Network} net @param {string} name @param {string} colour @returns {Scale} */
function scaleOf(net, name, colour) {
	const ends = net.range(name);
	const grey = colour === "grey" || (net.layer(name).input && ends[0] >= 0);
	return { limit: net.limit(name), grey: grey ? ends : null };
}

/** A line from one card to another; one that passes over others bows. @param {[number, number]} from @param {[number, number]} to @param {boolean} lit */
function wire([column, lane], [toColumn, toLane], lit) {
	const x1 = column * CARD.across + CARD.left + CARD.width;
	const x2 = toColumn * CARD.across + CARD.left;
	const [y1, y2] = [lane, toLane].map((n) => n * CARD.down + CARD.top + CARD.height - CARD.thumb / 2 - 4);
	const top = lane * CARD.down + CARD.top - 10;
	const bend = Math.min(60, (x2 - x1) / 2);
	const d = toColumn - column > 1 && lane === toLane
		? `M${x1} ${y1} C${x1 + 14} ${y1} ${x1 + 4} ${top} ${x1 + 34} ${top} L${x2 - 34} ${top} C${x2 - 4} ${top} ${x2 - 14} ${y2} ${x2} ${y2}`
		: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
	return svg("path", { d, class: lit ? "cs-wire cs-lit" : "cs-wire" });
}

// == An atlas: the maps of one layer, beside one another ==

/** Maps on one canvas, in any order, a page at a time; says which pixel is under the pointer. */
class Atlas extends Part {
	/** @param {App} app @param {string} label @param {(spot: Spot) => void} picked @param {(spot: Spot | null) => void} over */
	constructor(app, label, picked, over) {
		super(app);
		this.canvas = h("canvas.cs-atlas", {
			role: "img", "aria-label": label, onpointermove: (event) => over(this.spot(event)), onpointerleave: () => over(null),
			onclick: (event) => {
				const spot = this.spot(event);
				if (spot) picked(spot);
			},
		});
		this.marker = h("span.cs-marker", { hidden: true });
		this.element = h("div.cs-sheet", this.canvas, this.marker);
		/** @type {Sheet | null} */
		this.sheet = null;
	}

	/** Draw maps of a layer in this width, as tiles of at most `side` and at least `least`. @param {string} name @param {number[]} maps @param {number} width @param {number} side */
	async draw(name, maps, width, side, least = 1) {
		const { net, place: { colour }, ramp } = this.app;
		const { rows, columns } = net.form(name);
		const tiles = await this.newest(net.tiles(name, maps, side));
		const largest = Math.max(...tiles.tile);
		const fitting = Math.max(rows, columns) > side ? 1 : Math.floor(side / largest);
		const scale = Math.max(1, fitting, Math.ceil(least / largest));
		const gap = largest * scale > 12 ? 3 : 2;
		const across = between(Math.floor((width + gap) / (tiles.tile[1] * scale + gap)), 1, maps.length);
		this.sheet = { tiles, across, scale, gap, each: colour === "map", ...scaleOf(net, name, colour) };
		drawSheet(this.canvas, this.sheet, ramp);
	}

	/** @param {MouseEvent} event @returns {Spot | null} */
	spot(event) {
		if (!this.sheet) return null;
		const { tiles: { maps, tile, of }, across, scale, gap } = this.sheet;
		const { width, height, clientWidth, clientHeight } = this.canvas;
		const [y, x] = [(event.offsetY * height) / (clientHeight || 1), (event.offsetX * width) / (clientWidth || 1)];
		const [tall, wide] = tile.map((size) => size * scale + gap);
		const n = Math.floor(y / tall) * across + Math.floor(x / wide);
		if (n < 0 || n >= maps.length || Math.floor(x / wide) >= across) return null;
		const [row, column] = [y % tall, x % wide].map((v, d) => between(Math.floor((v / scale) * (of[d] / tile[d])), 0, of[d] - 1));
		return { map: maps[n], row, column };
	}

	/** @param {Spot} spot */
	value({ map, row, column }) {
		if (!this.sheet) return null;
		const { maps, tile, of, data } = this.sheet.tiles;
		return String(of) === String(tile) ? data[(maps.indexOf(map) * tile[0] + row) * tile[1] + column] : null;
	}

	/** @param {number | undefined} map */
	mark(map) {
		const n = this.sheet && map !== undefined ? this.sheet.tiles.maps.indexOf(map) : -1;
		this.marker.hidden = n < 0;
		if (n < 0 || !this.sheet) return;
		const { tiles, across, scale, gap } = this.sheet;
		const [tall, wide] = tiles.tile.map((size) => size * scale);
		Object.assign(this.marker.style, {
			left: `${(n % across) * (wide + gap)}px`, top: `${Math.floor(n / across) * (tall + gap)}px`,
			width: `${wide}px`, height: `${tall}px`,
		});
	}
}

// == The stack ==

const FIRST_MAPS = 64; // how many maps of a layer are shown until more are asked for
const PAGE = 2048; // and then at once
/** @typedef {ReturnType<typeof stackRow>} Row */
const ROWS = 60; // layers that are listed at once

/** Every layer, one below the other, with its maps and its figures. @param {App} app */
function stack(app) {
	const filter = h("input", {
		type: "search", placeholder: "filter layers", "aria-label": "Filter layers by name or kind", oninput: () => list(),
	});
	const active = h("input", { type: "checkbox", onchange: () => redraw() });
	const sort = choice(SORTS, (sort) => app.go({ sort }), { "aria-label": "Sort maps by" });
	const colour = choice(COLOURS, (colour) => app.go({ colour }), { "aria-label": "Colours" });
	const note = h("p.cs-dim cs-note");
	const rows = h("div.cs-rows");
	const end = h("div.cs-end");
	const legend = h("canvas.cs-legend", { role: "img", "aria-label": "blue is negative, orange positive" });
	const element = h("section.cs-stack",
		h("div.cs-bar", filter, h("label", "maps by ", sort), h("label", "colours: ", colour),
			h("label", active, " only maps that are not all zero"), h("span.cs-scale", "− ", legend, " +")),
		note, rows, end);
	/** @type {Map<Element, Row>} */
	const made = new Map();
	const drawn = memo();
	let at = app.place.screen === "stack" && app.net.run ? "?" : ""; // the layer that was last brought into view
	const seen = new IntersectionObserver((entries) => {
		for (const { target, isIntersecting } of entries) made.get(target)?.see(isIntersecting);
	}, { rootMargin: "300px" });
	const more = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && extend());
	more.observe(end);
	/** @type {Map<string, Row>} */
	const byName = new Map();
	/** @type {string[]} */
	let names = [];
	let listed = 0;
	list();

	function show() {
		const { place, net, ramp } = app;
		sort.value = place.sort;
		colour.value = place.colour;
		const pen = sized(legend, 96, 10);
		for (let n = 0; n < 96; n++) {
			pen.fillStyle = ramp.of((n - 47.5) / 47.5);
			pen.fillRect(n, 0, 1, 10);
		}
		const shares = place.sort === "contribution";
		const feeds = app.layer.inputs.join(" and ") || "no layer";
		say(note, shares
			? `Contribution: how much each map of ${feeds} adds to ${place.layer} at (${place.at.join(", ")}), by size.` : "");
		const where = shares ? [place.layer, place.at] : 0;
		if (drawn(net.run?.id, place.sort, place.colour, ramp.scheme, where, rows.clientWidth)) redraw();
		if (place.layer !== at && at !== "") to(place.layer);
		at = place.layer;
	}

	/** @param {string} name */
	function to(name) {
		const shown = () => byName.get(name)?.element;
		while (!shown()?.isConnected && listed < names.length) extend();
		shown()?.scrollIntoView({ block: "start" });
	}

	function list() {
		names = app.net.find(filter.value);
		seen.disconnect();
		listed = 0;
		fill(rows, !names.length && h("p.cs-dim", "No layer of this network has that in its name or kind."));
		extend();
	}

	function extend() {
		for (const name of names.slice(listed, listed + ROWS)) {
			const row = byName.get(name) ?? stackRow({ app: app, active: active, rows: rows }, name);
			byName.set(name, row);
			made.set(row.element, row);
			rows.append(row.element);
			seen.observe(row.element);
		}
		listed = Math.min(listed + ROWS, names.length);
		if (listed < names.length) { // ask again while the end is still in view
			more.unobserve(end);
			more.observe(end);
		}
	}

	function redraw() {
		for (const row of byName.values()) row.again();
	}

	return { element, show };
}

/** One layer of the stack. @param {{app: App, active: HTMLInputElement, rows: HTMLElement}} stack @param {string} name */
function stackRow(stack, name) {
	const { app } = stack;
	let visible = false;
	let stale = true;
	let open = false;
	let page = 0;
	/** @type {number[]} */
	let listed = [];
	const picked = (/** @type {Spot} */ spot) =>
		app.go({ screen: "microscope", layer: name, at: app.net.form(name).position(spot) }, true);
	const atlas = new Atlas(app, `The maps of ${name}`, picked, (spot) => over(spot));
	const under = h("span.cs-under");
	const pager = h("div.cs-pager");
	const details = folded("The maps as a table", () => tabulate());
	const { kind, weights, params, macs, receptive_field } = app.net.layer(name);
	const output = h("dd", times(app.net.shape(name)));
	const fact = (/** @type {string} */ what, /** @type {any} */ text) => h("div", h("dt", what), h("dd", text));
	const element = h("article.cs-row", { "aria-label": name },
		h("header",
			h("h2", link(name, () => app.open(name, { screen: "microscope" }, true)), " ", dim(kind)),
			h("dl.cs-facts", h("div", h("dt", "output"), output),
				weightsText(weights) && [fact("weights", weightsText(weights)), fact("parameters", grouped(params))],
				macs !== null && macs > 0 && fact("MACs", grouped(macs)), receptive_field && fact("sees", fieldText(receptive_field)))),
		atlas.element, h("div.cs-row-foot", pager, under), details);

	/** @param {boolean} inView */
	function see(inView) {
		visible = inView;
		if (inView) draw();
	}

	function again() {
		stale = true;
		if (visible) draw();
	}

	async function draw() {
		const { app: { net }, rows } = stack;
		atlas.element.hidden = details.hidden = !net.has(name);
		if (!stale || !net.has(name)) return;
		stale = false;
		const form = net.form(name);
		say(output, times(form.shape));
		try {
			const order = await ordered(form.maps);
			const size = open ? PAGE : FIRST_MAPS;
			const last = Math.max(0, Math.ceil(order.length / size) - 1);
			page = open ? Math.min(page, last) : 0;
			const shown = order.slice(page * size, (page + 1) * size);
			const width = Math.max(200, rows.clientWidth - 2);
			const vector = form.rows === 1 && form.maps === 1;
			atlas.canvas.classList.toggle("cs-vector", vector); // a row of numbers, stretched
			const side = vector ? Math.min(1024, form.columns) : shown.length > 512 ? 28 : shown.length > 16 ? 56 : 112;
			if (shown.length) await atlas.draw(name, shown, width, side, vector ? 12 : 1);
			atlas.canvas.hidden = !shown.length;
			listed = shown;
			pages(order.length, last, form.maps - order.length);
			tabulate();
		} catch (error) {
			stale = true;
			say(under, message(error));
		}
	}

	/** @param {number} number */
	async function ordered(number) {
		const { app: { net, place }, active } = stack;
		let order = range(number);
		const by = (/** @type {(map: number) => number} */ size) => order.sort((a, b) => size(b) - size(a) || a - b);
		if (active.checked || place.sort === "energy") {
			const energy = await net.energy(name);
			if (active.checked) order = order.filter((n) => energy[n] > 0);
			if (place.sort === "energy") by((n) => energy[n]);
		}
		if (place.sort === "contribution") {
			const shares = await contributions(net, place, name);
			if (shares) by((n) => Math.abs(shares.get(n) ?? 0));
		}
		return order;
	}

	async function tabulate() {
		const { net } = stack.app;
		if (!details.open || !net.has(name)) return;
		const energy = await net.energy(name).catch(() => []);
		const order = listed.length ? listed : [...energy.keys()];
		unfold(details, table(["map", "energy (mean of its squares)"], order.slice(0, 256).map((n) => [n, exact(energy[n])])));
	}

	/** @param {number} number @param {number} last @param {number} zero */
	function pages(number, last, zero) {
		const turn = (/** @type {string} */ text, /** @type {() => void} */ change, /** @type {Props} */ props = {}) => small(text, () => {
			change();
			stale = true;
			draw();
		}, props);
		const from = page * PAGE;
		fill(pager,
			number > FIRST_MAPS && turn(open ? "fewer" : `all ${grouped(number)} maps`, () => (open = !open)),
			open && last > 0 && [
				turn("‹", () => page--, { "aria-label": "maps before", disabled: page === 0 }),
				` maps ${grouped(from)} … ${grouped(Math.min(number, from + PAGE) - 1)} of ${grouped(number)} `,
				turn("›", () => page++, { "aria-label": "more maps", disabled: page === last })],
			zero > 0 && dim(` ${grouped(zero)} maps are all zero here`));
	}

	/** @param {Spot | null} spot */
	function over(spot) {
		atlas.mark(spot?.map);
		if (!spot) return say(under, "");
		const value = atlas.value(spot);
		const at = stack.app.net.form(name).position(spot);
		say(under, `${name}(${at.join(", ")})${value === null ? "" : ` = ${decimal(value, places(value))}`}`);
	}

	return { element, see, again };
}

/** @param {Record<string, number[]>} weights */
const weightsText = (weights) => Object.entries(weights).map(([name, shape]) => `${name} ${times(shape)}`).join(", ");

/** @param {{size: number[], stride: (number | null)[]}} field */
const fieldText = ({ size, stride }) =>
	`${times(size)} pixels${stride.some((s) => s !== null && s !== 1) ? `, stride ${times(stride)}` : ""}`;

/** How much each map of a layer adds to the number at a place that it feeds; null if it does not feed it in a sum. @param {Network} net @param {Place} place @param {string} feed */
async function contributions(net, { layer, at }, feed) {
	if (!net.has(layer) || !net.layer(layer).inputs.includes(feed)) return null;
	const detail = await net.ask(net.detail(layer));
	if (!detail.equation) return null;
	const { groups } = ledger(detail.equation, at, await net.readsSoon(net.reads(detail, at)));
	if (!groups || detail.feeds[groups.tensor] !== feed) return null;
	return new Map(Array.from(groups.channels, (channel, n) => [channel, groups.partials[n]]));
}

// == The microscope ==

const MOST_ROWS = 64; // so many input maps are shown one by one; of more the largest, and the rest in one
const LENS_CELLS = 130; // windows of up to so many numbers are shown as numbers
const TILE = { width: 224, height: 46, thumb: 38, left: 5, cell: 7, gap: 6, sign: 14, text: 84, plain: 168 }; // plain: no window

/** One number's account: what is added up, rounded so that what is shown adds up to what is shown. @param {Ledger} led  with groups */
export function account({ groups, bias, reduction, preactivation }) {
	const { partials, channels, sizes } = /** @type {Groups} */ (groups);
	const all = range(partials.length);
	const bySize = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs(partials[b]) - Math.abs(partials[a]) || a - b;
	const listed = all.length > MOST_ROWS ? [...all].sort(bySize).slice(0, MOST_ROWS - 1).sort((a, b) => a - b) : all;
	const values = listed.map((n) => partials[n]);
	const one = sizes.length ? "map" : "input";
	const names = listed.map((n) => `${one} ${channels[n]}`);
	if (listed.length < all.length) {
		const shown = new Set(listed);
		values.push(all.reduce((sum, n) => (shown.has(n) ? sum : sum + partials[n]), 0));
		names.push(`the other ${grouped(all.length - listed.length)} ${one}s`);
	}
	const sums = values.length;
	if (bias !== null) {
		values.push(bias);
		names.push("bias");
	}
	const digits = places(Math.max(...values.map(Math.abs), Math.abs(preactivation)));
	const { texts, total } = reduction !== "max" && values.every(Number.isFinite)
		? addingUp(values, preactivation, digits)
		: { texts: values.map((v) => decimal(v, digits)), total: decimal(preactivation, digits) };
	return { listed, names, values, texts, sums, total, digits };
}

/**
 * What is on the screen: a number taken apart; of one that adds up many also these, as the window is drawn.
 * @typedef {{led: Ledger, detail: Detail, at: number[], digits: number}} Now
 * @typedef {ReturnType<typeof account> & Now & {groups: Groups, feed: string | undefined, source: string, tall: number,
 *   wide: number}} Sum  feed: the layer whose numbers are read; source: its name, or what else they are
 */

/** @param {Ledger} led @param {Detail} detail @param {number[]} at @returns {Sum | null} */
function sumOf(led, detail, at) {
	const { groups } = led;
	if (!groups) return null;
	const wide = groups.sizes.at(-1) ?? 1;
	const feed = detail.feeds[groups.tensor];
	const source = feed ?? groups.tensor;
	return { led, detail, at, groups, feed, source, wide, tall: product(groups.sizes) / wide, ...account(led) };
}

/** A number that `decimal` wrote. @param {string} text */
const readBack = (text) => Number(text.replace("−", "-").replace("∞", "Infinity"));

/** With its sign in front, also a plus. @param {string} text */
const signed = (text) => (/^[−-]|^NaN|^0\.?0*$/.test(text) ? text : `+${text}`);

/** One output number, taken apart. */
class Microscope extends Part {
	opened = "";
	shape = ""; // which of its forms is on the screen
	written = ""; // the equation on the screen
	spoken = "";
	/** @type {number | null} which tile or bar is lit */
	litTile = null;
	/** @type {string | null} which term of the equation */
	litTerm = null;
	/** @type {number[] | null} the position under the pointer */
	hover = null;
	/** @type {number | null} the group that the lens keeps */
	picked = null;
	/** @type {Now | null} */
	now = null;
	/** @type {Sum | null} */
	sum = null;
	lead = "";
	name = h("b");
	where = h("span");
	value = h("output");
	title = h("h2.cs-number");
	reads = h("p.cs-reads");
	equation = h("p.cs-equation", { "aria-label": "The layer's equation" });
	map = outputMap(this);
	board = board(this);
	fall = waterfall(this);
	lens = magnifier(this);
	total = h("p.cs-total");
	stepped = memo(); // which steps the total has
	engine = h("b");
	apart = h("span");
	beside = h("span.cs-engine", "ONNX Runtime ", this.engine, ", difference ", this.apart);
	table = folded("The same as a table", () => this.tabulate());
	listing = h("div.cs-listing");
	aside = h("div.cs-aside", this.map.element);
	right = h("div.cs-sum");
	problem = h("div");
	element = h("section.cs-micro", h("div.cs-micro-head", this.title, this.reads), this.problem,
		h("div.cs-micro-body", this.aside, this.right), this.equation);

	get at() {
		return this.hover ?? this.app.place.at;
	}

	hide() {
		this.hover = null;
		this.spoken = "";
	}

	show() {
		const { net, place } = this.app;
		const opened = `${net.run?.id} ${place.layer}`;
		if (opened !== this.opened) {
			this.opened = opened;
			this.hover = this.picked = this.now = this.sum = null;
			fill(this.problem);
		}
		this.map.show();
		this.draw();
	}

	draw() {
		const { net, layer: { name, kind, input, equation } } = this.app;
		this.newest();
		if (!net.run) return this.only("No image has gone through the network yet: choose one under Input.");
		if (!net.has(name)) return this.only(`${name} has no numbers in this run.`);
		if (input) return this.pixel();
		if (!equation) {
			return this.only(`${name} (${kind}) has no equation, so its numbers cannot be taken apart; what it gave is shown.`);
		}
		const { at } = this;
		const detail = net.now(net.detail(name));
		const values = detail && net.readsNow(net.reads(detail, at));
		if (values) return this.account(detail, values, at);
		const soon = async () => {
			const told = await net.ask(net.detail(name));
			return { told, fetched: await net.readsSoon(net.reads(told, at)) };
		};
		this.newest(soon()).then(({ told, fetched }) => this.account(told, fetched, at))
			.catch((error) => fill(this.problem, wrong(error)));
	}

	/** @param {string} sentence */
	only(sentence) {
		this.clear();
		fill(this.title, this.app.place.layer);
		say(this.reads, sentence);
		fill(this.right);
	}

	clear() {
		for (const element of [this.problem, this.equation]) fill(element);
		this.lens.element.remove();
		this.shape = this.lead = this.written = "";
		this.now = this.sum = null;
	}

	/** @param {string} lead @param {string} where @param {string} value */
	titled(lead, where, value) {
		if (this.lead !== lead) fill(this.title, (this.lead = lead), this.name, this.where, this.value);
		say(this.name, this.app.place.layer);
		say(this.where, `${where} = `);
		say(this.value, value);
	}

	pixel() {
		const { at, app: { net, place } } = this;
		this.clear();
		const value = this.map.value(at);
		this.titled("One number of the image: ", ` (${at.join(", ")})`, value === null ? "…" : exact(value));
		const pixel = value !== null && net.run?.steps.at(-1)?.step === "divide by 255" ? `It is ${Math.round(value * 255)} ÷ 255. ` : "";
		say(this.reads, `${pixel}Nothing else made this number: it is what goes in. Esc goes back up.`);
		fill(this.right, h("p.cs-caption", "the pixel and those around it"), this.map.around(), steps(net.run));
		this.speak(`${place.layer}(${at.join(", ")}) = ${value === null ? "" : exact(value)}`);
	}

	/** Tell the number once: that it is drawn again is no news. @param {string} sentence */
	speak(sentence) {
		if (sentence !== this.spoken) this.app.tell((this.spoken = sentence));
	}

	/** @param {Detail} detail @param {Values} values @param {number[]} at */
	account(detail, values, at) {
		const led = ledger(detail.equation, at, values);
		fill(this.problem);
		this.sum = sumOf(led, detail, at);
		this.now = this.sum ?? { led, detail, at, digits: places(led.value) };
		const single = this.sum?.groups.count === 1;
		const shape = !this.sum ? "readings" : single ? "single" : "many";
		if (this.shape !== shape) {
			this.shape = shape;
			this.element.classList.toggle("cs-single", single);
			this.lens.element.remove();
			if (shape === "many") this.aside.append(this.lens.element); // the map stays: taken out, it would lose the focus
			fill(this.right, this.total, {
				readings: [this.listing], single: [this.lens.element, this.table], many: [this.board.element, this.fall.element, this.table],
			}[shape]);
		}
		if (this.sum) this.lit(this.sum);
		else this.readings(this.now);
		this.totals(this.now);
		this.heading(this.now);
		this.equationText(detail.equation);
		this.tabulate();
		const { axes: { maps } } = this.app.form;
		const where = maps === null ? `(${at.join(", ")})` : `[${at[maps]}] at ${at.filter((_, axis) => axis !== maps).join(",")}`;
		this.speak(`${detail.name}${where} = ${decimal(led.value, 3)}`);
	}

	/** @param {Now} now */
	heading({ led, detail: { equation }, at, digits }) {
		const words = equation.axes.map((axis, n) => {
			const { word, name } = equation.index[axis];
			return `${word === "filter" || word === "channel" ? "map" : word || name} ${at[n]}`;
		});
		this.titled("One number of ", `: ${words.join(", ")}`, decimal(led.value, digits));
		say(this.reads, this.sum ? sentence(this.sum)
			: `It reads ${led.readings.length === 1 ? "one number" : `${led.readings.length} numbers`}: no sum of many, only what is listed.`);
	}

	/** @param {Sum} sum */
	lit(sum) {
		if (this.shape === "many") {
			this.board.draw(sum);
			this.fall.draw(sum);
		}
		this.lens.draw(sum, this.litTile !== null && this.litTile < sum.listed.length ? sum.listed[this.litTile] : this.lensGroup(sum));
	}

	/** Which group the lens shows: the picked one, or the one that weighs most. @param {Sum} sum */
	lensGroup({ listed, groups: { partials } }) {
		if (this.picked !== null && listed.includes(this.picked)) return this.picked;
		return listed.reduce((best, n) => (Math.abs(partials[n]) > Math.abs(partials[best]) ? n : best), listed[0]);
	}

	/** "32 partial sums … + bias … = pre-activation … → relu → output; the engine's value; the difference" @param {Now} now */
	totals({ led, detail, at, digits }) {
		/** @type {string[][]} a sign, or a name and its text */
		const steps = [];
		const { sum } = this;
		if (sum) {
			const { groups, texts, sums, total } = sum;
			const acts = led.whole ? [detail.activation ?? "activation"] : [...led.activation].reverse();
			if (led.reduction === "sum") {
				const many = groups.sizes.length ? "partial sum" : "product";
				const what = groups.count > 1 ? `${grouped(groups.count)} ${many}s` : `sum of ${grouped(led.terms)} products`;
				if (led.bias === null) steps.push([what, total]);
				else {
					steps.push([what, added(texts.slice(0, sums), digits)], ["+"], ["bias", texts[sums]]);
					if (acts.length) steps.push(["="], ["pre-activation", total]);
				}
			} else steps.push([`${led.reduction === "max" ? "largest" : "mean"} of ${grouped(led.terms)}`, total]);
			for (const act of acts) steps.push(["→"], [act]);
			steps.push([acts.length ? "→" : "="], ["output", decimal(led.value, digits)]);
		}
		if (this.stepped(steps.map(([name]) => name))) {
			fill(this.total, steps.map(([name, text]) => {
				if (text === undefined) return /\w/.test(name) ? h("span.cs-act", name) : name;
				return h(`span.cs-step ${name === "output" ? "cs-final" : ""}`, h("span.cs-step-name", name), h("span.cs-step-value"));
			}));
		}
		const shown = this.total.querySelectorAll(".cs-step-value");
		steps.filter((step) => step.length > 1).forEach(([, text], n) => say(shown[n], text));
		const engine = this.map.value(at);
		if (engine === null) return this.beside.remove();
		this.total.append(this.beside);
		say(this.engine, exact(engine));
		const off = Math.abs(led.value - engine);
		say(this.apart, led.value === engine ? "0" : Number.isFinite(off) ? scientific(off) : "not a number");
	}

	/** @param {Now} now */
	readings({ led, detail: { feeds } }) {
		const kinds = { input: "input", weight: "weight", local: "computed on the way" };
		fill(this.listing, table(["it reads", "which is", "value"], led.readings.map(({ name, index, role, value }) => {
			const feed = feeds[name];
			const text = `${feed ?? name}(${index.join(", ")})`;
			return [role === "input" && feed ? link(text, () => this.down(feed, index)) : text, kinds[role], exact(value)];
		}), ["it makes", "", exact(led.value)]));
	}

	tabulate() {
		if (!this.table.open || !this.sum) return;
		const { names, texts, total, digits, led } = this.sum;
		const most = led.reduction === "max";
		let running = 0;
		const rows = texts.map((text, n) => {
			running += readBack(text);
			return [names[n], signed(text), ...(most ? [] : [decimal(running, digits)])];
		});
		unfold(this.table, most ? table(["from", "largest"], rows, ["together", total])
			: table(["from", "partial sum", "so far"], rows, ["together", total, ""]));
	}

	/** @param {EquationJson} equation */
	equationText({ text, tensors, locals }) {
		if (this.written === text) return;
		this.written = text;
		const names = [...Object.keys(tensors), ...locals.map(({ name }) => name)].map((name) => name.replace(/[^\w]/g, "\\$&"));
		const pattern = new RegExp(`\\b(${names.join("|") || "\\0"})(\\[[^\\]]*\\])?`, "g");
		let from = 0;
		fill(this.equation, [...text.matchAll(pattern)].flatMap(({ 0: whole, 1: term, index }) => {
			const before = text.slice(from, index);
			from = index + whole.length;
			return [before, h("span.cs-term", { "data-term": term, ...this.lighting(term) }, whole)];
		}), text.slice(from));
	}

	/** @param {string} term @returns {Props} */
	lighting(term) {
		return { onpointerenter: () => this.lightTerm(term), onpointerleave: () => this.lightTerm(null) };
	}

	/** @param {string | null} term */
	lightTerm(term) {
		if (this.litTerm === term) return;
		this.litTerm = term;
		if (this.sum) this.lit(this.sum);
		for (const span of this.equation.querySelectorAll("span")) span.classList.toggle("cs-lit", span.dataset.term === term);
	}

	/** @param {number | null} n  its place in the list */
	light(n) {
		if (this.litTile === n || !this.sum) return;
		this.litTile = n;
		const term = n === null ? null : n >= this.sum.sums ? "bias" : this.sum.groups.tensor;
		if (term === this.litTerm) this.lit(this.sum);
		else this.lightTerm(term);
	}

	/** A tile was clicked: on its map, or again, go down to that pixel; else keep it in the lens. @param {number} n @param {MouseEvent} event */
	pick(n, event) {
		const { sum } = this;
		if (!sum || n >= sum.listed.length) return;
		const again = this.picked === sum.listed[n];
		this.picked = sum.listed[n];
		this.light(n);
		if (again || (event.detail > 0 && sum.groups.sizes.length && event.offsetX < TILE.thumb + 8)) this.enter(this.picked);
	}

	/** @param {number} group @param {number} [p] */
	enter(group, p) {
		if (!this.sum?.feed) return;
		const { groups: { places, rank }, feed, wide, tall } = this.sum;
		const term = group * wide * tall + (p ?? Math.floor((wide * tall) / 2));
		const shape = this.app.net.shape(feed); // what lies in the padding is moved into the tensor
		this.down(feed, shape.map((size, axis) => between(places[term * rank + axis], 0, size - 1)));
	}

	deeper() {
		if (this.sum) return this.enter(this.lensGroup(this.sum));
		const feeds = this.now?.detail.feeds ?? /** @type {Record<string, string>} */ ({});
		const read = this.now?.led.readings.find(({ name }) => feeds[name]);
		if (read) this.down(feeds[read.name], read.index);
	}

	/** @param {Patch} patch @param {string} name @param {number} map */
	thumb(patch, name, map) {
		const { net, ramp, place: { colour } } = this.app;
		const form = net.form(name);
		const plane = form.plane(patch, map);
		const scale = scaleOf(net, name, colour);
		if (colour === "map") scale.limit = largestOf(plane);
		return pixelled(h("canvas"), form.columns, form.rows, (pixels) => ramp.paint(pixels, plane, scale));
	}

	/** @param {string} layer @param {number[]} at */
	down(layer, at) {
		this.hover = null;
		this.app.go({ layer, at: [...at], screen: "microscope" }, true);
	}
}

/** @param {Sum} sum */
function sentence({ led: { terms, reduction }, groups: { sizes, count, products, inside, channels }, source }) {
	const total = grouped(terms);
	const makes = reduction === "max" ? "takes the largest of them as its" : reduction === "mean" ? "takes their mean as its"
		: products ? "adds up the products to" : "adds them up to";
	const padded = inside.reduce((sum, one) => sum + (one ? 0 : 1), 0);
	const outside = padded ? ` ${grouped(padded)} of them lie in the padding (hatched).` : "";
	const all = grouped(count);
	if (count > 1 && sizes.length) {
		return `It reads ${[...sizes, count].join(" × ")} = ${total} numbers: a ${times(sizes)} window of every one of the ${all} maps of ${source}. All ${all} go in; one number comes out.${outside}`;
	}
	if (count > 1) return `It reads ${total} numbers of ${source}, each with a weight of its own, and ${makes} one number.`;
	return `It reads ${sizes.length ? `${times(sizes)} = ` : ""}${total} number${terms === 1 ? "" : "s"}, all from map ${channels[0]} of ${source}, and ${makes} one number.${outside}`;
}

/** The sum of texts, as a text that they add up to. @param {string[]} texts @param {number} digits */
function added(texts, digits) {
	const unit = 10 ** digits;
	return decimal(texts.reduce((sum, text) => sum + Math.round(readBack(text) * unit), 0) / unit, digits);
}

/** @param {Microscope} micro  of which it shows the input maps as tiles: map, window × slice = products, partial sum */
function board(micro) {
	const { app } = micro;
	const tiles = h("div.cs-tiles", { role: "list" });
	const picture = h("canvas.cs-tiles-picture", { "aria-hidden": "true" });
	const element = h("div.cs-board", picture, tiles);
	const still = h("canvas"); // what stays while the pointer moves: the maps, and the signs between the windows
	const [laid, kept] = [memo(), memo()];
	/** @type {{button: HTMLElement, value: HTMLElement, name: HTMLElement}[]} */
	const cells = [];
	/** @type {ImageData | null} */
	let image = null;

	/** @param {number} n */
	const cell = (n) => {
		const [name, value] = [h("span.cs-tile-name"), h("span.cs-tile-value")];
		const light = () => micro.light(n);
		const onclick = (/** @type {MouseEvent} */ event) => micro.pick(n, event);
		const button = h("button.cs-tile", { onclick, onfocus: light, onpointerenter: light, onpointerleave: () => micro.light(null) }, name, value);
		return { name, value, button };
	};

	/** @param {Sum} sum */
	function draw(sum) {
		const { groups: { sizes, channels, windows, kernels }, sums, listed, names, texts } = sum;
		while (cells.length < sums) cells.push(cell(cells.length));
		const plain = !sizes.length;
		const wide = plain ? TILE.plain : TILE.width;
		const across = between(Math.floor(((element.clientWidth || wide) + TILE.gap) / (wide + TILE.gap)), 1, sums);
		const shown = cells.slice(0, sums);
		if (laid(across, sums, plain)) {
			fill(tiles, shown.map(({ button }) => h("div", { role: "listitem" }, button)));
			tiles.style.gridTemplateColumns = `repeat(${across}, ${wide}px)`;
			tiles.classList.toggle("cs-plain", plain);
			picture.hidden = plain;
		}
		const short = (/** @type {number} */ v) => decimal(v, Math.min(4, places(v)));
		shown.forEach(({ button, name, value }, n) => {
			const group = listed[n];
			say(name, plain && kernels && n < listed.length
				? `${channels[group]}: ${short(windows[group])} × ${short(kernels[group])}` : names[n]);
			say(value, signed(texts[n]));
			button.classList.toggle("cs-lit", n === micro.litTile);
		});
		if (!plain) paint(sum, across);
	}

	/** All cells go in as pixels, at once; then what stays; then the frames of the windows. @param {Sum} sum @param {number} across */
	function paint({ groups, listed, sums, feed, tall, wide, detail, at }, across) {
		const { net, ramp } = app;
		const { litTile, litTerm } = micro;
		const [pitch, drop] = [TILE.width + TILE.gap, TILE.height + TILE.gap];
		const [width, height] = [across * pitch - TILE.gap, Math.ceil(sums / across) * drop - TILE.gap];
		const pen = sized(picture, width, height);
		const ratio = picture.width / width;
		const patch = feed === undefined ? null : net.activation(feed);
		const form = patch && feed && net.layer(feed).axes.rows !== null ? net.form(feed) : null;
		const shrink = form ? TILE.thumb / Math.max(form.rows, form.columns) : 1;
		const start = TILE.left + (form ? TILE.thumb + 8 : 0);
		const room = Math.floor((TILE.width - TILE.thumb - 8 - 2 * TILE.sign - TILE.text) / 3);
		const cell = Math.max(0.5, Math.min(TILE.cell, room / wide, (TILE.height - 8) / tall));
		const side = Math.max(1, Math.round((cell - (cell > 5 ? 1 : 0)) * ratio));
		const step = wide * cell + TILE.sign;
		const grids = [groups.windows, groups.kernels, groups.products].filter((grid) => grid !== null);
		const limits = [feed === undefined ? 0 : net.limit(feed), largestOf(groups.kernels), largestOf(groups.products)];
		const bright = litTile !== null || litTerm === null ? -1 : litTerm === groups.tensor ? 0 : litTerm === "bias" ? 3 : 1;
		const faint = grids.map((_, p) => bright >= 0 && bright !== p);
		const corners = listed.map((_, n) => [(n % across) * pitch, Math.floor(n / across) * drop]);

		const { width: columns, height: rows } = picture;
		if (image?.width !== columns || image.height !== rows) image = pen.createImageData(columns, rows);
		const pixels = new Uint32Array(image.data.buffer).fill(0);
		corners.forEach(([left, top], n) => grids.forEach((grid, p) => {
			for (let d = 0, term = listed[n] * tall * wide; d < tall * wide; d++, term++) {
				const x = Math.round((left + start + p * step + (d % wide) * cell) * ratio);
				const y = Math.round((top + (TILE.height - tall * cell) / 2 + Math.floor(d / wide) * cell) * ratio);
				ramp.square(pixels, columns, x, y, side, grid[term], limits[p], p === 0 && !groups.inside[term], faint[p]);
			}
		}));
		pen.putImageData(image, 0, 0);

		if (kept(app.look, columns, rows, cell, listed, faint)) {
			const pen = sized(still, width, height);
			Object.assign(pen, { fillStyle: ramp.line, font: "12px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
			corners.forEach(([left, top], n) => {
				const middle = top + TILE.height / 2;
				if (patch && feed && form) {
					const [w, t] = [form.columns * shrink, form.rows * shrink];
					pen.drawImage(micro.thumb(patch, feed, groups.channels[listed[n]]), left + TILE.left, middle - t / 2, w, t);
				}
				for (let p = 1; p < grids.length; p++) {
					pen.globalAlpha = faint[p] ? 0.25 : 1;
					pen.fillText("×="[p - 1], left + start + p * step - TILE.sign / 2, middle);
				}
				pen.globalAlpha = 1;
			});
		}
		pen.drawImage(still, 0, 0, width, height);

		const box = form?.axes.columns != null && needs(detail.equation, at)[groups.tensor];
		if (!form || !box) return;
		const [top, bottom] = [0, 1].map((end) => form.row(box.map((ends) => ends[end])));
		const [first, last] = box[Number(form.axes.columns)];
		Object.assign(pen, { strokeStyle: ramp.line, lineWidth: 1.5 });
		pen.beginPath();
		for (const [left, y] of corners) {
			pen.rect(left + TILE.left + first * shrink - 0.75, y + (TILE.height - form.rows * shrink) / 2 + top * shrink - 0.75,
				(last - first + 1) * shrink + 1.5, (bottom - top + 1) * shrink + 1.5);
		}
		pen.stroke();
	}

	return { element, draw };
}

/** @param {Microscope} micro  of which it is the map that the number is in: to point at, to walk over, to choose other maps */
function outputMap(micro) {
	const { app } = micro;
	const newest = latest();
	const canvas = h("canvas.cs-map", {
		"aria-hidden": "true", onpointermove: (event) => over(under(event) ?? micro.hover), onpointerleave: () => over(null),
		onclick: (event) => {
			const at = under(event);
			if (!at) return;
			micro.hover = null;
			app.go({ at });
			cell.focus({ preventScroll: true });
		},
	});
	const cell = h("span.cs-cell", { role: "gridcell", tabindex: 0 });
	const grid = h("div.cs-map-grid", { role: "grid", "aria-label": "The output map" }, canvas, h("div", { role: "row" }, cell));
	const caption = h("p.cs-caption");
	const steppers = h("div.cs-steppers");
	const picker = new Atlas(app, "All maps of this layer", ({ map }) => app.move(Number(app.form.axes.maps), map),
		(spot) => picker.mark(spot?.map ?? app.form.map(micro.at)));
	const note = h("p.cs-dim cs-note");
	const strip = h("div.cs-picker", scrolled("All maps of this layer"), picker.element);
	const numbers = folded("The numbers around it", () => tabulate());
	const element = h("div.cs-output", caption, grid, steppers, strip, note, numbers);
	const [picked, stepped, pictured] = [memo(), memo(), memo()];
	const later = inFrame(() => {
		draw();
		micro.draw();
	});
	let scale = 1;
	/** @type {HTMLInputElement[]} */
	let inputs = [];
	/** @type {HTMLCanvasElement | null} */
	let picture = null;

	/** The engine's number, if it is at hand. @param {number[]} at @returns {number | null} */
	function value(at) {
		const patch = app.net.now(app.net.around(app.place.layer, at));
		return patch && numberAt(patch, at);
	}

	async function show() {
		const { net, place } = app;
		element.hidden = !net.has(place.layer);
		if (element.hidden) return;
		step();
		const question = net.around(place.layer, place.at);
		const known = net.now(question);
		if (known) newest();
		else await newest(net.ask(question).catch(() => null));
		draw();
		if (!known) micro.draw();
		await pick();
	}

	/** All maps of the layer, small, to choose from. */
	async function pick() {
		const { place, form, look } = app;
		strip.hidden = form.maps === 1;
		const from = Math.floor(form.map(micro.at) / 512) * 512;
		if (form.maps > 1 && picked(look, from)) {
			const maps = range(Math.min(512, form.maps - from), from);
			await picker.draw(place.layer, maps, 250, form.maps > 64 ? 18 : 26).catch(() => picked());
			say(note, form.maps > 512 ? `maps ${from} … ${from + maps.length - 1} of ${grouped(form.maps)}` : "");
		}
		picker.mark(app.form.map(micro.at));
	}

	function step() {
		const { place, form } = app;
		if (stepped(place.layer, form.shape)) {
			inputs = form.shape.map((size, axis) => h("input", {
				type: "number", min: 0, max: size - 1, "aria-label": form.word(axis), onchange: ({ target }) => {
					app.move(axis, Math.round(Number(target.value)) || 0);
					step();
				},
			}));
			fill(steppers, form.shape.map((size, axis) =>
				h("label", h("span", form.word(axis), dim(` of ${grouped(size)}`)), inputs[axis])));
		}
		inputs.forEach((box, axis) => {
			if (box.value !== String(place.at[axis])) box.value = String(place.at[axis]);
		});
	}

	function draw() {
		const { net, place, ramp, form, look } = app;
		const { at } = micro;
		const { rows, columns, axes } = form;
		const map = form.map(place.at);
		say(caption, axes.maps === null ? `${place.layer}: ${times(form.shape)}` : `map ${map} of ${place.layer}, ${rows}×${columns}`);
		const patch = net.activation(place.layer);
		const bars = rows === 1 && columns > 1;
		scale = 250 / (bars ? columns : Math.max(rows, columns));
		const [width, height] = [columns * scale, bars ? 100 : rows * scale];
		if (pictured(look, map, !patch)) picture = patch && micro.thumb(patch, place.layer, map);
		const pen = sized(canvas, width, height);
		if (bars && patch) drawBars(pen, form.plane(patch, map), width, height, ramp, net.limit(place.layer));
		else if (picture) pen.drawImage(picture, 0, 0, width, height);
		const [row, column] = [form.row(at), form.column(at)];
		const [x, y] = [Math.max(1, column * scale - 1), bars ? 1 : Math.max(1, row * scale - 1)];
		for (const [strokeStyle, lineWidth] of [[ramp.under, 4], [ramp.line, 2]]) {
			Object.assign(pen, { strokeStyle, lineWidth });
			pen.strokeRect(x, y, Math.min(scale + 2, width - 2), Math.min((bars ? height : scale) + 2, height - 2));
		}
		attributes(grid, { "aria-rowcount": rows, "aria-colcount": columns });
		attributes(cell, { "aria-rowindex": row + 1, "aria-colindex": column + 1 });
		const number = value(at);
		say(cell, `${at.join(", ")}: ${number === null ? "" : decimal(number, places(number))}`);
		tabulate();
	}

	function tabulate() {
		if (numbers.open) unfold(numbers, around());
	}

	/** The pixel and those around it, as a table. */
	function around() {
		const { axes: { rows, columns }, shape } = app.form;
		const { at } = micro;
		const near = (/** @type {number | null} */ axis) =>
			axis === null ? [0] : range(5, at[axis] - 2).filter((p) => p >= 0 && p < shape[axis]);
		return h("div.cs-scroll cs-pixels", scrolled("The numbers around it"), table(["row", ...near(columns).map(String)], near(rows).map((y) => [rows === null ? "" : y,
			...near(columns).map((x) => {
				const there = at.map((p, axis) => (axis === rows ? y : axis === columns ? x : p));
				const number = value(there);
				return h(`td.cs-figure${String(there) === String(at) ? " cs-here" : ""}`, number === null ? "" : decimal(number, 4));
			})])));
	}

	/** @param {MouseEvent} event */
	function under({ offsetX, offsetY }) {
		const { form, place } = app;
		const column = Math.floor(offsetX / scale);
		const row = form.rows === 1 && form.columns > 1 ? 0 : Math.floor(offsetY / scale);
		if (row < 0 || column < 0 || row >= form.rows || column >= form.columns) return null;
		return form.position({ map: form.map(place.at), row, column });
	}

	/** @param {number[] | null} at */
	function over(at) {
		if (String(at) === String(micro.hover)) return;
		micro.hover = at;
		later();
	}

	return { element, value, show, around };
}

/** @param {Microscope} micro  of which it shows how each partial sum starts where the last ended, and where they end */
function waterfall(micro) {
	const canvas = h("canvas.cs-fall", {
		role: "img", onpointerleave: () => micro.light(null), onpointermove: ({ offsetX }) => {
			const n = Math.floor(offsetX / step);
			micro.light(n >= 0 && n < bars ? n : null);
		},
	});
	const element = h("div.cs-waterfall", h("p.cs-caption", "Each partial sum starts where the last one ended"), canvas);
	let step = 1;
	let bars = 0;

	/** @param {Sum} sum */
	function draw({ led, groups, listed, values, sums, total }) {
		element.hidden = led.reduction === "max" || !values.every(Number.isFinite);
		if (element.hidden) return;
		const { app: { ramp }, litTile, litTerm } = micro;
		const width = Math.max(120, micro.board.element.clientWidth || 600);
		const height = 132;
		const pen = sized(canvas, width, height);
		const ends = [0];
		for (const value of values) ends.push(ends[ends.length - 1] + value);
		const after = /** @type {[string, number][]} */ ([["sum", led.preactivation]]);
		if (!led.whole && led.activation.length) after.push(["out", led.value]);
		const all = [...ends, ...after.map(([, value]) => value)];
		const [low, high] = [Math.min(...all), Math.max(...all)];
		const y = (/** @type {number} */ v) => 14 + (height - 32) * (high > low ? (high - v) / (high - low) : 1);
		bars = values.length;
		step = Math.min(44, width / (bars + after.length * 1.6));
		const wide = Math.max(1, step - (step > 6 ? 3 : 1));
		const every = Math.ceil(15 / step);
		const lit = litTile ?? (litTerm === "bias" ? sums : null);
		/** @type {(colour: string, alpha: number, x: number, y: number, width: number, height: number) => void} */
		const block = (colour, alpha, ...place) => {
			pen.fillStyle = colour;
			pen.globalAlpha = alpha;
			pen.fillRect(...place);
		};
		const label = (/** @type {any} */ text, /** @type {number} */ x) => {
			Object.assign(pen, { fillStyle: ramp.line, globalAlpha: 0.85 });
			pen.fillText(text, Math.min(x, width - 12), height - 5);
		};
		Object.assign(pen, { font: "10px system-ui, sans-serif", textAlign: "center" });
		block(ramp.line, 0.5, 0, y(0), width, 1);
		values.forEach((value, n) => {
			const [from, to, x] = [y(ends[n]), y(ends[n + 1]), n * step];
			const [top, middle] = [Math.min(from, to), x + wide / 2];
			block(ramp.of(value < 0 ? -1 : 1), lit === null || lit === n ? 1 : 0.45, x, top, wide, Math.max(1, Math.abs(to - from)));
			if (n + 1 < bars) block(ramp.line, 0.35, x, to, step + wide, 0.75);
			if (step >= 11) block(ramp.line, 0.85, middle - 2.5, top - 5.5, 5, 1);
			if (step >= 11 && value >= 0) block(ramp.line, 0.85, middle - 0.5, top - 7.5, 1, 5);
			if (n >= sums) label("bias", middle);
			else if (n % every === 0) label(n < listed.length ? groups.channels[listed[n]] : "rest", middle);
		});
		after.forEach(([name, value], n) => {
			const x = (bars + 0.3 + n * 1.5) * step;
			block(ramp.line, 1, x, Math.min(y(0), y(value)), wide * 1.2, Math.max(1.5, Math.abs(y(value) - y(0))));
			pen.fillText(name, x + wide * 0.6, height - 5);
		});
		canvas.setAttribute("aria-label", `A waterfall of ${bars} numbers that end at ${total}; the table below has each`);
	}

	return { element, draw };
}

/** @param {Microscope} micro  of which it shows one input map's part, number by number: window × slice = products */
function magnifier(micro) {
	const element = h("div.cs-lens");
	const heading = h("p.cs-caption");
	const end = h("p.cs-lens-end");
	const built = memo();
	let group = 0;
	/** @type {HTMLElement[][]} */
	let figures = [];

	/** @param {Sum} sum @param {number} which */
	function draw({ led, groups, listed, texts, digits, source, wide, tall }, which) {
		const { kernels, products, sizes, channels } = groups;
		const per = wide * tall;
		group = which;
		if (built(micro.opened, sizes, !products)) build(groups, wide, per);
		say(heading, `${sizes.length ? "map" : "number"} ${channels[group]} of ${source}${sizes.length ? ", number by number" : ""}`);
		const part = (/** @type {Numbers} */ data) => Array.from({ length: per }, (_, p) => data[group * per + p]);
		const short = (/** @type {number[]} */ values) => values.map((v) => decimal(v, Math.min(places(largestOf(values)), 5)));
		const partial = texts[listed.indexOf(group)];
		const adds = led.reduction === "sum";
		if (per <= LENS_CELLS) {
			const windows = part(groups.windows);
			write(0, windows, short(windows), part(groups.inside), led.reduction === "max" ? Math.max(...windows) : NaN);
			if (kernels && products) {
				const [slice, terms] = [part(kernels), part(products)];
				write(1, slice, short(slice));
				write(2, terms, adds && terms.every(Number.isFinite)
					? addingUp(terms, readBack(partial), digits).texts : terms.map((v) => decimal(v, digits)));
			}
		}
		say(end, adds ? `${per > 1 ? "add up to" : "="} ${signed(partial)}`
			: led.reduction === "max" ? `largest ${partial}` : `${per > 1 ? "average to " : ""}${partial}`);
	}

	/** @param {Groups} groups @param {number} wide @param {number} per */
	function build({ tensor, products }, wide, per) {
		const enter = (/** @type {number} */ p) => micro.sum?.groups.inside[group * per + p] && micro.enter(group, p);
		const window = range(per).map((p) => h("button.cs-figure-cell", {
			title: "go down to this number", onclick: () => enter(p), ...micro.lighting(tensor),
		}));
		const cells = () => range(per).map(() => h("span.cs-figure-cell"));
		figures = products ? [window, cells(), cells()] : [window];
		const style = { gridTemplateColumns: `repeat(${wide}, minmax(3.6em, auto))` };
		fill(element, heading, per > LENS_CELLS
			? h("p.cs-dim", `Its window has ${grouped(per)} numbers; the picture shows them all.`)
			: h("div.cs-lens-grids", figures.map((cells, n) => h("div.cs-lens-part",
				h("span.cs-lens-name", ["window", "× weights", "= products"][n]), h("div.cs-figures", { style }, cells)))), end);
	}

	/** @param {number} grid @param {number[]} values @param {string[]} texts @param {number[]} [inside] @param {number} [most] */
	function write(grid, values, texts, inside, most) {
		const { ramp } = micro.app;
		const limit = largestOf(values);
		figures[grid].forEach((cell, p) => {
			const outside = inside !== undefined && !inside[p];
			say(cell, !outside ? texts[p] : Number.isFinite(values[p]) ? `[${texts[p]}]` : "[−∞]");
			cell.style.backgroundColor = ramp.of(values[p], limit);
			cell.style.color = ramp.inks[index(values[p], limit)];
			cell.classList.toggle("cs-outside", outside);
			cell.classList.toggle("cs-most", values[p] === most);
		});
	}

	return { element, draw };
}

/** @param {Run | null} run */
const steps = (run) => run !== null && run.steps.length > 0 && h("ol.cs-steps", run.steps.map(({ step, words, before, after }) =>
	h("li", h("b", step), words ? `: ${words}` : "", before && after && dim(` ${times(before)} → ${times(after)}`))));

// == Mental models ==

/** The pictures that people have of a convolution, side by side at the same pixel. @param {App} app */
function mentalModels(app) {
	const newest = latest();
	const title = h("h2.cs-number");
	const lead = h("p.cs-reads");
	const cards = h("div.cs-models", { role: "radiogroup", "aria-label": "Mental models" });
	const compared = h("div.cs-compare", scrolled("The mental models, compared"));
	const element = h("section.cs-models-screen", title, lead, cards, compared);

	async function show() {
		const { net, place: { layer, at }, layer: { kind, input, equation } } = app;
		newest();
		if (!net.run) return none("No image has gone through the network yet: choose one under Input.");
		if (input || !equation) return none("The mental models are about convolutions.");
		try {
			const detail = await newest(net.ask(net.detail(layer)));
			if (!detail.pictures.length) return none(`${layer} (${kind}) is not a convolution with filters over channels.`);
			const values = await newest(net.readsSoon(net.reads(detail, at)));
			draw(detail, values, numberAt(await newest(net.ask(net.around(layer, at))), at));
		} catch (error) {
			fill(cards, wrong(error));
		}
	}

	/** @param {string} why */
	function none(why) {
		const { net, place } = app;
		const kernel = (/** @type {string} */ name) => net.layer(name).weights.kernel ?? net.layer(name).weights.W ?? [];
		const others = net.names.filter((name) => kernel(name).length > 2).slice(0, 8);
		say(title, place.layer);
		fill(lead, why, " ", others.length > 0 && [
			"Try ", ...others.flatMap((name, n) => [n ? ", " : "", link(name, () => app.visit(name))]), "."]);
		fill(cards);
		fill(compared);
	}

	/** @param {Detail} detail @param {Values} values @param {number} engine */
	function draw({ pictures, feeds, equation }, values, engine) {
		const { net, place: { layer, at, model }, form: { shape, axes } } = app;
		const where = `(${at.join(", ")})`;
		const feed = feeds.in ?? app.layer.inputs[0];
		const channels = net.shape(feed)[net.layer(feed).axes.maps ?? 0];
		fill(title, `${pictures.length} pictures of `, h("b", layer), `, tested at ${where}`);
		say(lead, `The same ${times(net.shape(feed))} input, the same weights; only the equation differs. Which one did the network compute?`);
		// how far float32 may be off: a rounding of the size of all terms for each of √terms, as in notation/ledger.py
		const { groups, bias, terms } = ledger(equation, at, values);
		const size = (groups?.products ?? new Float64Array(0)).reduce((sum, term) => sum + Math.abs(term), Math.abs(bias ?? 0));
		const room = Math.min(terms + 1, 8 * Math.sqrt(terms) + 1) * size * 2 ** -24;
		const models = pictures.map((picture, n) => {
			const value = evaluate(picture.equation, at.map((p, axis) => p % picture.shape[axis]), values);
			const shaped = String(picture.shape) === String(shape);
			const close = Math.abs(value - engine) <= room;
			return { ...picture, value, shaped, close, agrees: shaped && close, id: MODELS[n] ?? String(n) };
		});
		const digits = places(Math.max(...[engine, ...models.map(({ value }) => value)].map(Math.abs)));
		const colour = (/** @type {boolean} */ right) => (right ? "cs-good" : "cs-bad");
		fill(cards, models.map((m) => h("button.cs-model", {
			role: "radio", "aria-checked": String(m.id === model), onclick: () => app.go({ model: m.id }),
		}, h("span.cs-model-name", m.name), sketch(m.id, channels, m.shape[axes.maps ?? 0]), h("span.cs-model-claim", m.claim),
		h("code", m.equation.text), h(`span.${colour(m.agrees)}`, m.agrees && m.real ? "✓ This is what the network computes."
			: m.agrees ? "≈ Here it cannot be told from what the network computes: try another pixel, or a layer with more input maps."
			: !m.shaped ? `✗ Not so: the output would be ${times(m.shape)}, and it is ${times(shape)}.`
				: `✗ Not so: the number would be off by ${decimal(Math.abs(m.value - engine), digits)}.`))));
		const row = (/** @type {string} */ name, /** @type {(model: any) => Child} */ cell) => [name, ...models.map((m) => h("td", [cell(m)]))];
		const right = (/** @type {boolean} */ is, /** @type {string} */ text) => h("span", { class: is ? "" : "cs-bad" }, text);
		fill(compared, table(["", ...models.map(({ name }) => name)], [
			row("output", (m) => right(m.shaped, times(m.shape))),
			row("kernel", (m) => times(m.kernel)),
			row("parameters", (m) => grouped(m.params)),
			row("MACs", (m) => grouped(m.macs)),
			row(`value at ${where}`, (m) => right(m.close, decimal(m.value, digits))),
			row("the next layer would need", ({ next }) => (!next ? "–" : `${next.layer}: ${next.impossible ? "impossible"
				: `${weightsText(next.weights)} = ${grouped(next.params)} parameters`}`)),
			row("the engine agrees", (m) => h(`b.${colour(m.agrees)}`, m.agrees ? "yes" : "no")),
		], ["ONNX Runtime", h("td", { colspan: models.length }, `${times(shape)}, and ${exact(engine)} at ${where}`)]));
		const chosen = models.find(({ id }) => id === model) ?? models[0];
		app.tell(`${chosen.name}: ${times(chosen.shape)}, ${decimal(chosen.value, digits)}; the engine ${chosen.agrees ? "agrees" : "does not agree"}`);
	}

	return { element, show, hide: () => void newest() }; // a screen that was left says nothing more
}

/** @param {string} model @param {number} channels @param {number} out */
function sketch(model, channels, out) {
	const added = model === "real" || model === "shared";
	const rows = [22, 42, 62];
	const slices = model === "shared" ? [42] : rows;
	/** @type {(x: number, y: number, kind: string) => Node} */
	const box = (x, y, kind) => svg("rect", { x, y, width: 15, height: 15, rx: 2, class: `cs-sketch-${kind}` });
	/** @type {(x1: number, y1: number, x2: number, y2: number) => Node} */
	const line = (x1, y1, x2, y2) => svg("path", { d: `M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`, class: "cs-wire" });
	/** @type {(x: number, y: number, anchor: string, words: string) => Node} */
	const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
	const maps = (/** @type {number} */ n) => `${grouped(n)} map${n === 1 ? "" : "s"}`;
	const words = { apart: "nothing added up", depth: "a slice a map", shared: "one slice for all", real: "a slice a map, added up" };
	const outs = model === "apart" ? [150, 168] : [162];
	return svg("svg", { viewBox: "0 0 200 96", class: "cs-sketch", role: "img", "aria-label": `${channels} maps in, ${out} maps out` },
		...rows.map((y) => box(8, y, "in")), text(2, 90, "start", maps(channels)), text(198, 90, "end", maps(out)),
		text(100, 14, "middle", words[/** @type {keyof typeof words} */ (model)] ?? ""),
		...rows.map((y) => line(23, y + 7.5, 84, (model === "shared" ? 42 : y) + 7.5)),
		...slices.flatMap((y) => [added ? line(99, y + 7.5, 126, 49.5) : line(99, y + 7.5, outs[0], y + 7.5), box(84, y, "slice")]),
		...(added ? [text(134, 53.5, "middle", "Σ"), line(142, 49.5, 162, 49.5), box(162, 42, "out")]
			: rows.flatMap((y) => outs.map((x) => box(x, y, "out")))));
}

// == What if ==

const WAIT = 150; // milliseconds after the last keystroke until the host is asked

/** Settings changed: what becomes of every layer after them, old beside new. @param {App} app */
function whatIf(app) {
	const newest = latest();
	/** @type {Map<string, Map<string, any>>} layer → setting → new value */
	const changes = new Map();
	let timer = 0;
	let shown = "";
	const title = h("h2.cs-number");
	const form = h("form.cs-form", { onsubmit: (event) => event.preventDefault() });
	const list = h("p.cs-edits");
	const result = h("div.cs-result", { "aria-live": "polite" });
	const element = h("section.cs-whatif", title, form, list, result);

	async function show() {
		const { net, layer: { name, kind, input } } = app;
		fill(title, "What if ", h("b", name), " were different?");
		if (shown === name) return;
		shown = name;
		const none = (/** @type {string} */ why) => fill(form, h("p.cs-dim", why));
		if (input) return none("An input has no settings: choose a layer above.");
		try {
			const { settings, why } = await net.ask({ ask: "settings", layer: name });
			if (shown !== name) return;
			const fields = Object.entries(settings).map(([setting, told]) => field(name, setting, told));
			if (fields.length) fill(form, fields);
			else none(why ?? `${kind} has no settings to change.`);
		} catch (error) {
			fill(form, wrong(error));
		}
		if (!result.childElementCount) ask();
	}

	/** @param {string} layer @param {string} name @param {Setting} setting */
	function field(layer, name, { kind, value: old, none, choices, count }) {
		const edited = changes.get(layer);
		const value = edited?.has(name) ? edited.get(name) : old;
		const set = (/** @type {any} */ to) => change(layer, name, to, old);
		const label = name.replaceAll("_", " ");
		const box = (/** @type {Props} */ props) => h("input", { type: "number", step: 1, ...props });
		const labelled = (/** @type {HTMLElement} */ one) => h("label.cs-field", h("span", label), one);
		if (kind === "choice") {
			const texts = Object.fromEntries([...(none ? [["", "none"]] : []), ...choices.map((text) => [text, text])]);
			const select = choice(texts, (to) => set(to === "" ? null : to));
			select.value = value ?? "";
			return labelled(select);
		}
		if (kind === "bool") {
			const tick = box({ type: "checkbox", step: null, checked: Boolean(value), onchange: () => set(tick.checked) });
			return labelled(tick);
		}
		if (kind === "sizes") {
			const boxes = range(count).map((n) => box({
				value: value?.[n], "aria-label": `${label} ${n + 1}`,
				oninput: () => boxes.every((one) => one.value !== "") && set(boxes.map((one) => Number(one.value))),
			}));
			return h("fieldset.cs-field", h("legend", label), boxes.flatMap((one, n) => (n ? ["×", one] : [one])));
		}
		if (kind === "int" || kind === "number") {
			const one = box({
				step: kind === "int" ? 1 : "any", value,
				oninput: () => (one.value !== "" || none) && set(one.value === "" ? null : Number(one.value)),
			});
			return labelled(one);
		}
		const text = box({ type: "text", step: null, value: JSON.stringify(value), onchange: () => {
			try {
				set(JSON.parse(text.value));
			} catch {
				fill(result, wrong(`${label} is a list such as [[0, 1], [2, 3]], not ${text.value}`));
			}
		} });
		return labelled(text);
	}

	/** @param {string} layer @param {string} name @param {any} value @param {any} old */
	function change(layer, name, value, old) {
		const edits = changes.get(layer) ?? new Map();
		if (JSON.stringify(value) === JSON.stringify(old)) edits.delete(name);
		else edits.set(name, value);
		changes.set(layer, edits);
		clearTimeout(timer);
		timer = setTimeout(() => ask(), WAIT);
	}

	function reset() {
		changes.clear();
		shown = "";
		fill(result);
		show();
		ask();
	}

	async function ask() {
		const edits = [...changes].flatMap(([layer, settings]) => [...settings].map(([name, value]) => [layer, name, value]));
		fill(list, edits.map(([layer, name, value]) => h("code", `${layer}.${name}=${value}`)), edits.length
			? small("undo all", () => reset()) : dim("Change a setting: the figures of every layer after it follow at once."));
		try {
			draw((await newest(app.link.ask({ ask: "whatif", edits }))).facts);
		} catch (error) {
			fill(result, wrong(error));
		}
	}

	/** @param {Change} change */
	function draw({ layers, totals, edits, notes }) {
		const cell = (/** @type {any} */ { old, new: now }, /** @type {(row: any) => string | null} */ text) => {
			const [before, after] = [old, now].map((row) => (row && text(row)) || "–");
			return before === after ? h("td", after) : h("td.cs-changed", h("s", before), " ", h("b", after));
		};
		const costs = (/** @type {any} */ of) => [cell(of, ({ params }) => grouped(params)), cell(of, ({ macs }) => grouped(macs))];
		const most = 400;
		fill(result,
			h("div.cs-scroll", scrolled("The layers, old and new"),
				table(["layer", "output", "weights", "parameters", "MACs", "sees"], layers.slice(0, most).map((l) => [
					[l.name, l.weights_redrawn.length > 0
						&& h("span.cs-badge", { title: `drawn anew: ${l.weights_redrawn.join(", ")}` }, "weights drawn anew")],
					cell(l, ({ output_shape }) => (output_shape ? times(output_shape.slice(1)) : "?")),
					cell(l, ({ weights }) => weightsText(weights)), ...costs(l),
					cell(l, ({ receptive_field }) => receptive_field && fieldText(receptive_field))]),
				["total", "", "", ...costs(totals), ""])),
			layers.length > most && h("p.cs-dim", `and ${layers.length - most} more layers`),
			layers.flatMap(({ name, dropped }) => (dropped ?? []).map((/** @type {Dropped} */ one) => strides(name, one, app.ramp))),
			edits.length > 0 && notes.map((note) => h("p", note)));
		if (element.isConnected) app.tell(`${layers.filter(({ changed }) => changed).length} layers changed`);
	}

	return { element, show };
}

/** @param {string} layer @param {Dropped} dropped @param {Ramp} ramp */
function strides(layer, { size, stride, positions, kept, unread, word }, ramp) {
	if (positions > 80) return h("p", `${layer}: stride ${stride} keeps ${kept} of ${positions} ${word}s.`);
	const cell = Math.min(14, 560 / positions);
	const canvas = h("canvas", { role: "img", "aria-label": `${layer}: stride ${stride} keeps ${kept} of the ${positions} ${word}s that stride 1 would give` });
	const pen = sized(canvas, positions * cell + 1, 16);
	for (let n = 0; n < positions; n++) {
		const on = n % stride === 0 && n / stride < kept;
		pen.fillStyle = on ? ramp.of(1) : "#8c959f77";
		pen.fillRect(n * cell, on ? 1 : 5, cell - 1.5, on ? 14 : 6);
	}
	const idle = unread ? `; ${unread} of ${size} input ${word}s are read by no window` : "";
	return h("figure.cs-strides", canvas, h("figcaption",
		`${layer}, ${word}s: stride ${stride} keeps ${kept} of the ${positions} positions that stride 1 would give (tall), and drops ${positions - kept}${idle}.`));
}

// == Input ==

const PAD = 280;
const LARGEST = 32 * 2 ** 20; // bytes of an image
/** @type {Record<string, string>} */
const STEPS = {
	grey: "make it grey: 0.299·R + 0.587·G + 0.114·B", rgb: "make it RGB: the same grey three times", resize: "resize it",
	"crop-and-resize": "cut out the middle and resize that", "background:white": "put it on white", "background:black": "put it on black",
};

/** The image: those that come along, one's own, or one drawn by hand; and what is done to it. @param {App} app */
function input(app) {
	const newest = latest();
	const { samples, inputs } = app.net.told;
	const busy = h("p.cs-dim", { "aria-live": "polite" });
	const answer = h("div.cs-offer");
	const current = h("div.cs-current");
	const invert = h("input", { type: "checkbox" });
	const drawn = memo();
	let visible = false;
	const way = (/** @type {string} */ title, /** @type {Child[]} */ ...how) => h("div", h("h2", title), ...how);
	const pad = drawingPad((picture) => sendPad(picture));
	const element = h("section.cs-input",
		h("div.cs-input-ways",
			samples.length > 0 && way("Images that come along",
				h("div.cs-samples", samples.map((name) => small(name, () => send({ ask: "sample", name }))))),
			inputs.length === 1 && inputs[0].shape?.length === 3
				? [way("Your own", dropping(), h("label", invert, " invert it (white strokes on black become black on white, and back)")),
					way("Draw one", pad.canvas, h("div", small("clear", () => pad.clear()), " ", dim("white on black; it goes in when you lift the pen")))]
				: h("p.cs-dim", `This network takes ${inputs.map(({ name, shape }) => `${name} ${times(shape)}`).join(" and ")}, which is no picture: give it an array on the command line, --image x.npy.`)),
		busy, answer, current);

	function hide() {
		visible = false;
	}

	function show() {
		visible = true;
		const { net, net: { run }, ramp } = app;
		if (!run) return fill(current, h("p", "No image has gone through the network yet."));
		if (!drawn(run.id, ramp.scheme)) return;
		const limit = net.limit(run.output);
		const output = run.largest.map(({ position, value }) => {
			const width = `${limit > 0 ? Math.max(0, Number(value) / limit) * 120 : 0}px`;
			return [`${run.output}(${position.join(", ")})`, decimal(Number(value), 4), h("span.cs-meter", { style: { width } })];
		});
		fill(current,
			h("h2", `What goes in: ${run.source}`),
			h("div.cs-current-body", h("div.cs-pictures", net.told.inputs.map(({ name }) => figure(name))),
				h("div", steps(run) || h("p.cs-dim", "Taken as it is."), h("h3", "What comes out"), table(null, output))));
	}

	/** @param {string} name */
	function figure(name) {
		const { net, ramp } = app;
		const text = times(net.shape(name));
		const canvas = h("canvas.cs-picture", { role: "img", "aria-label": `${name}, ${text}` });
		const coloured = net.form(name).maps === 3;
		net.tiles(name, coloured ? [0, 1, 2] : [0], 256).then(({ tile: [rows, columns], data }) => {
			canvas.style.width = `${columns * Math.max(1, Math.floor(224 / Math.max(rows, columns)))}px`;
			pixelled(canvas, columns, rows, (pixels) => {
				if (!coloured) return ramp.paint(pixels, data, scaleOf(net, name, "layer"));
				const [low, high] = net.range(name);
				const level = (/** @type {number} */ v) => between(Math.round(((v - low) / (high - low || 1)) * 255), 0, 255);
				const channel = pixels.length;
				for (let n = 0; n < channel; n++) pixels[n] = [2, 1, 0].reduce((pixel, c) => (pixel << 8) | level(data[c * channel + n]), 255);
			});
		}, () => {});
		return h("figure", canvas, h("figcaption", `${name}: ${text}`));
	}

	function dropping() {
		const take = (/** @type {FileList | null | undefined} */ files) => files?.[0] && takeFile(files[0]);
		const file = h("input", {
			type: "file", accept: "image/png,image/jpeg,image/webp,image/bmp,image/gif", "aria-label": "Choose an image file",
			onchange: async () => {
				await take(file.files);
				file.value = "";
			},
		});
		const over = (/** @type {boolean} */ on) => (/** @type {DragEvent} */ event) => {
			event.preventDefault();
			drop.classList.toggle("cs-over", on);
			if (event.type === "drop") take(event.dataTransfer?.files);
		};
		const drop = h("div.cs-drop", { ondragover: over(true), ondragleave: over(false), ondrop: over(false) },
			h("p", "Drop an image here, paste one, or choose a file: PNG, JPEG, WebP, BMP or GIF."), file);
		const { signal } = app.closing;
		const paste = (/** @type {any} */ event) => visible && take(event.clipboardData?.files);
		(app.alone ? document : app.root).addEventListener("paste", paste, { signal }); // in a notebook the rest is others'

		return drop;
	}

	/** @param {File} file */
	async function takeFile(file) {
		if (file.size > LARGEST) {
			return fill(answer, wrong(`${file.name} has ${grouped(file.size)} bytes; an image may have at most ${grouped(LARGEST)}`));
		}
		await send({ ask: "image", name: file.name, steps: inverted() }, await file.arrayBuffer());
	}

	function inverted() {
		return invert.checked ? ["invert"] : [];
	}

	/** @param {Blob} picture */
	async function sendPad(picture) {
		const { maps } = app.net.form(app.net.told.inputs[0].name);
		const steps = [maps === 3 ? "rgb" : "grey", "crop-and-resize", ...inverted()];
		await send({ ask: "image", name: "your drawing", steps }, await picture.arrayBuffer());
	}

	/** @param {Question} question @param {ArrayBuffer} [bytes] */
	async function send(question, bytes) {
		fill(answer);
		say(busy, "It goes through the network …");
		try {
			const { facts } = await newest(app.link.ask(question, bytes));
			say(busy, "");
			if (facts.offer) propose(facts, question, bytes);
			else app.ran(facts.run);
		} catch (error) {
			say(busy, "");
			fill(answer, wrong(error));
		}
	}

	/** Steps that the image needs before the network can take it. @param {{shape: number[], offer: {step: string, or: string[], why: string}[]}} facts @param {Question} question @param {ArrayBuffer} [bytes] */
	function propose({ shape, offer }, question, bytes) {
		const chosen = offer.map(({ step }) => step);
		const words = (/** @type {string} */ step) => STEPS[step] ?? step;
		const again = () => send({ ...question, steps: [...question.steps, ...chosen] }, bytes);
		fill(answer,
			h("p", `The picture is not yet what the network takes (${times(shape)}). What is missing:`),
			h("ul", offer.map(({ step, or, why }, n) => {
				const texts = Object.fromEntries([step, ...or].map((one) => [one, words(one)]));
				return h("li", `${why}: `, or.length ? choice(texts, (to) => (chosen[n] = to), { "aria-label": why }) : h("b", words(step)));
			})), h("button.cs-primary", { onclick: again }, "Do this, and let it go in"));
	}

	return { element, show, hide };
}

/** A pad to draw on, with the pointer or the arrow keys; what is drawn goes off when the pen is lifted. @param {(picture: Blob) => void} drawn */
function drawingPad(drawn) {
	let at = [PAD / 2, PAD / 2];
	let down = false;
	let inked = false;
	/** @type {HTMLCanvasElement} */
	const canvas = h("canvas.cs-pad", {
		width: PAD, height: PAD, tabindex: 0, role: "img",
		"aria-label": "Drawing pad: draw with the pointer, or with the arrow keys while holding the space bar",
		onpointerup: lift, onpointercancel: lift, onkeyup: ({ key }) => key === " " && lift(), onkeydown: (event) => keyed(event),
		onpointerdown: (event) => {
			canvas.setPointerCapture(event.pointerId);
			at = under(event);
			down = true;
			draw([at[0], at[1] + 0.01]);
		},
		onpointermove: (event) => down && draw(under(event)),
	});
	const pen = penOf(canvas);
	Object.assign(pen, { strokeStyle: "#fff", lineWidth: PAD / 13, lineCap: "round", lineJoin: "round" });
	clear();

	function clear() {
		pen.fillRect(0, 0, PAD, PAD);
		inked = false;
	}

	/** @param {number[]} to */
	function draw(to) {
		pen.beginPath();
		for (const [x, y] of [at, to]) pen.lineTo(x, y);
		pen.stroke();
		at = to;
		inked = true;
	}

	/** @param {MouseEvent} event */
	function under({ offsetX, offsetY }) {
		return [offsetX, offsetY].map((v) => v * (PAD / (canvas.clientWidth || PAD)));
	}

	function lift() {
		if (down && inked) canvas.toBlob((picture) => picture && drawn(picture), "image/png");
		down = false;
	}

	/** @param {KeyboardEvent} event */
	function keyed(event) {
		const by = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
		if (event.key === " ") down = true;
		else if (!by) return;
		event.preventDefault();
		event.stopPropagation();
		if (!by) return;
		const to = at.map((v, d) => between(v + by[d], 0, PAD));
		if (down) draw(to);
		else at = to;
	}

	return { canvas, clear };
}

// == Keys ==

/** @param {App} app @param {KeyboardEvent} event */
function keyed(app, event) {
	const target = /** @type {HTMLElement} */ (event.target);
	if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
	if (target.closest?.("dialog[open]") || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName ?? "")) return;
	const { net, place } = app;
	const { axes: { maps, rows, columns } } = app.form;
	const role = target.getAttribute?.("role");
	const onMap = place.screen === "microscope" || place.screen === "models";
	const walk = (/** @type {number | null} */ axis, /** @type {number} */ by) => axis !== null && (app.move(axis, place.at[axis] + by), true);
	const arrow = (/** @type {number | null} */ axis, /** @type {number} */ by) => onMap && walk(axis, event.shiftKey ? 8 * by : by);
	const across = (/** @type {number} */ by) => {
		if (role !== "tab") return arrow(columns, by);
		const screen = after(screens, place.screen, by);
		app.go({ screen });
		app.tabs.get(screen)?.focus();
	};
	const beside = (/** @type {number} */ by) => {
		const name = net.names[net.names.indexOf(place.layer) + by];
		if (name) app.visit(name);
	};
	/** @type {Record<string, () => any>} */
	const keys = {
		ArrowLeft: () => across(-1), ArrowRight: () => across(1), ArrowUp: () => arrow(rows, -1), ArrowDown: () => arrow(rows, 1),
		",": () => walk(maps ?? columns, -1), ".": () => walk(maps ?? columns, 1),
		"[": () => beside(-1), "]": () => beside(1),
		m: () => app.go({ model: after(MODELS, place.model), screen: "models" }),
		c: () => {
			const colour = after(Object.keys(COLOURS), place.colour);
			app.go({ colour });
			app.tell(`colours: ${COLOURS[/** @type {keyof typeof COLOURS} */ (colour)]}`);
		},
		"/": () => app.finder.open(),
		"?": () => app.help.showModal(),
		Escape: () => app.up(),
		Enter: () => role === "gridcell" && app.microscope.deeper(),
	};
	const act = keys[event.key];
	if (act && act() !== false) event.preventDefault();
}

// == Render ==

/** The first layer whose filters read several maps, or else the first with an equation. @param {Network} net */
function firstLayer(net) {
	const layers = [...net.layers.values()].filter(({ input }) => !input);
	const deep = layers.find(({ equation, macs, axes, inputs: [feed] }) =>
		equation && macs && axes.rows !== null && net.layers.has(feed) && net.form(feed).maps > 3);
	return (deep ?? layers.find(({ equation }) => equation) ?? layers[0] ?? net.layer(net.names[0])).name;
}

export default {
	/** @param {{model: Model, el: HTMLElement}} given */
	async render({ model, el }) {
		// JupyterLab would take our keys for commands on the cell
		const root = h("div.convscope", { "data-lm-suppress-shortcuts": "true" }, h("p.cs-wait", "Reading the network …"));
		el.append(root);
		const link = new Link(model);
		/** @type {App | null} */
		let app = null;
		link.heard = (status, text) => (app ? app.hostIs(status, text) : fill(root, h("p.cs-wait", text)));
		try {
			const net = new Network(link, (await link.ask({ ask: "network" })).facts);
			const layer = firstLayer(net);
			/** @type {Place} */
			const place = {
				screen: net.run ? "microscope" : "stack", layer, at: await net.liveliest(layer), model: "real", colour: "layer", sort: "index",
			};
			const address = model.get("page") ? location.hash.slice(1) : "";
			app = new App(model, root, link, net, parsePlace(address, net, place));
		} catch (error) {
			fill(root, wrong(error));
			throw error;
		}
		return () => app?.close();
	},
};
