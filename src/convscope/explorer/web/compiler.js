// The compiler: all numbers of a layer at once, from the same equation that the evaluator takes apart.
//
// An equation's JSON becomes the text of a function over typed arrays: a loop for each axis, and what does not depend
// on a loop stands outside of it. It knows the language of equations and no layer. The text is run in a worker that
// is made from it (see worker.js); sums are in float64, results in float32 as in the engine.

import { bounds, factorsOf, known, readsIn, sizeOf } from "./windows.js";
import { OPERATORS } from "./functions.js";

/** @import {Box, EquationJson, ExpressionJson, FormulaJson, IndexJson, LocalJson, ReadJson, ReductionJson} from "./types" */

/** A block of statements, in which some axes have a value; what it has computed already, by its text. */
class Block {
	/** @type {string[]} */
	lines = [];
	/** @type {Map<string, string>} */
	named = new Map();

	/** @param {Block | null} outer @param {number | null} axis */
	constructor(outer, axis) {
		this.outer = outer;
		this.axis = axis;
	}

	/** @param {Set<number>} axes @returns {Block} the outermost block in which they all have a value */
	home(axes) {
		return this.outer && !(this.axis !== null && axes.has(this.axis)) ? this.outer.home(axes) : this;
	}

	/** @param {Block} other */
	within(other) {
		/** @type {Block | null} */
		let block = this;
		while (block && block !== other) block = block.outer;
		return block !== null;
	}
}

/**
 * Return the text of a function that takes the tensors of `tensors`, in their order, as typed arrays, and gives the
 * numbers of the equation's output, in C order; `shapes` are those of the weights.
 * @param {EquationJson} equation @param {Record<string, number[]>} shapes @returns {{text: string, tensors: string[], shape: number[], steps: number}}
 *   steps: how many terms are added up or read, about how long it takes
 */
export function compiled(equation, shapes) {
	return new Compiler(equation, shapes).function();
}

class Compiler {
	/** @type {string[]} what is computed before: the locals */
	before = [];
	/** @type {Map<string, {origin: number[], sizes: number[], name: string}>} */
	held = new Map();
	/** @type {Map<string, string>} */
	tables = new Map();
	steps = 0;
	count = 0;

	/** @param {EquationJson} equation @param {Record<string, number[]>} shapes */
	constructor(equation, shapes) {
		this.equation = equation;
		this.shapes = shapes;
		this.names = Object.keys(equation.tensors);
		this.locals = new Map(equation.locals.map((item) => [item.name, item]));
	}

	function() {
		const { equation, names } = this;
		const shape = equation.axes.map((axis) => sizeOf(equation, axis));
		const body = this.filled("out", equation.axes, shape, shape.map(() => 0), equation.expression);
		const text = `(${names.map((_, n) => `t${n}`).join(", ")}) => {\n${this.before.join("\n")}\n`
			+ `const out = new Float32Array(${total(shape)});\n${body}\nreturn out;\n}`;
		return { text, tensors: names, shape, steps: this.steps };
	}

	/** Loops that fill an array. @param {string} array @param {number[]} axes @param {number[]} sizes @param {number[]} from @param {ExpressionJson} expression */
	filled(array, axes, sizes, from, expression) {
		const outermost = new Block(null, null);
		const index = this.fresh();
		let block = outermost;
		for (const axis of axes) block = new Block(block, axis);
		const value = this.expression(expression, block, total(sizes));
		block.lines.push(`${array}[${index}++] = ${value};`);
		const loops = looped(block, axes.map((_, n) => [from[n], from[n] + sizes[n]]));
		return [`let ${index} = 0;`, ...outermost.lines, loops].join("\n");
	}

	fresh() {
		return `v${this.count++}`;
	}

	/** A value's name, where it is computed once. @param {string} text @param {Block} block */
	named(text, block) {
		if (/^(\w+|-?[\d.e]+)$/.test(text)) return text;
		const found = block.named.get(text) ?? this.fresh();
		if (!block.named.has(text)) block.lines.push(`const ${found} = ${text};`);
		block.named.set(text, found);
		return found;
	}

	/** @param {ExpressionJson} node @param {Block} block @param {number} times  how often it is evaluated @returns {string} */
	expression(node, block, times) {
		if ("number" in node) return literal(Number(String(node.number).replace("inf", "Infinity")));
		if ("read" in node) return this.read(node, block, times, null);
		if ("reduce" in node) return node.reduce === "first" ? this.first(node, block, times) : this.reduction(node, block, times);
		if ("place" in node) return this.index(node.place, block, [], block);
		if ("inside" in node) {
			/** @type {[string, Block][]} */
			const tests = [];
			node.inside.forEach((index, n) => {
				const where = block.home(axesOf(index));
				const place = this.named(this.index(index, where, tests, block), where);
				tests.push([`${place} >= 0 && ${place} < ${known(node.sizes[n])}`, where]);
			});
			return `(${tests.map(([test, where]) => this.named(test, where)).join(" && ")} ? 1 : 0)`;
		}
		if ("pieces" in node) {
			const found = this.fresh();
			const { along } = node;
			const place = typeof along === "number" ? `a${along}` : this.named(this.index(along, block.home(axesOf(along)), [], block), block.home(axesOf(along)));
			block.lines.push(`let ${found};`);
			const chain = node.pieces.map((piece, n) => {
				const inner = new Block(block, -1); // in which nothing is computed for what stands outside
				const value = this.expression(piece, inner, times);
				const last = n === node.pieces.length - 1;
				return `${n ? "else " : ""}${last ? "" : `if (${place} < ${known(node.ends[n])}) `}{ ${inner.lines.join("\n")}\n${found} = ${value}; }`;
			});
			block.lines.push(chain.join("\n"));
			return found;
		}
		const args = node.args.map((part) => this.expression(part, block, times));
		if ("op" in node) return primitiveText(OPERATORS[node.op], args);
		const own = this.equation.functions[node.call];
		if (!own) return primitiveText(node.call, args);
		/** @type {Record<string, string>} */
		const given = {};
		own.parameters.forEach((name, n) => (given[name] = this.value(args[n], block)));
		return formulaText(own.formula, given);
	}

	/** A value that is used more than once. @param {string} text @param {Block} block */
	value(text, block) {
		if (/^\w+$/.test(text)) return text;
		const found = this.fresh();
		block.lines.push(`const ${found} = ${text};`);
		return found;
	}

	/** @param {ReductionJson} node @param {Block} block @param {number} times */
	reduction({ reduce: kind, over, body, near = [] }, block, times) {
		const sizes = over.map((axis) => sizeOf(this.equation, axis));
		/** @type {(number | string)[][]} */
		const ranges = sizes.map((size) => [0, size]);
		for (const [axis, number, taps] of near) { // of which places next to a number alone count
			const [n, first] = [over.indexOf(axis), this.fresh()];
			block.lines.push(`const ${first} = Math.floor(${this.expression(number, block, times)} - ${taps / 2}) + 1;`); // of a NaN all are
			ranges[n] = [`Math.max(${first}, 0) || 0`, `Math.min(Number.isNaN(${first}) ? ${taps} : ${first} + ${taps}, ${sizes[n]})`];
			sizes[n] = Math.min(taps, sizes[n]);
		}
		const terms = total(sizes);
		const sum = this.fresh();
		let inner = block;
		for (const axis of over) inner = new Block(inner, axis);
		this.steps += times * terms;
		const factors = factorsOf(body);
		const skipping = kind === "mean" && inner !== block ? readsIn(body).filter(({ outside }) => outside === "skip") : [];
		const skips = skipping.length > 0;
		/** @type {(read: ReadJson) => boolean} whether a term in the border changes nothing */
		const idle = ({ outside = "zero" }) => (kind === "max" ? outside === "-inf" && factors.length === 1
			: kind === "sum" ? outside === "zero" || outside === "skip" : false);
		const parts = factors.map((part) => ("read" in part && idle(part) && inner !== block
			? this.read(part, inner, times * terms, block) : this.expression(part, inner, times * terms)));
		const term = parts.length > 1 ? parts.map((part) => `(${part})`).join(" * ") : parts[0];
		if (skips) block.lines.push(`let n${sum} = 0;`);
		block.lines.push(`let ${sum} = ${kind === "max" ? "-Infinity" : "0"};`);
		inner.lines.push(kind === "max" ? `{ const x = ${term}; if (x > ${sum} || x !== x) ${sum} = x; }` : `${sum} += ${term};`);
		if (skips) { // a term is counted where none of them lies in the border
			const inside = skipping.map((read) => /^\((.*) \? /.exec(this.read(read, inner, 0, null))?.[1] ?? "true");
			inner.lines.push(`if (${inside.join(" && ")}) n${sum}++;`);
		}
		if (inner !== block) block.lines.push(looped(inner, ranges));
		return kind === "mean" ? `(${sum} / ${skips ? `n${sum}` : terms})` : sum;
	}

	/** The first place, counted over all axes, at which a body is largest; NaN counts as larger than all. @param {ReductionJson} node @param {Block} block @param {number} times */
	first({ over, body }, block, times) {
		const sizes = over.map((axis) => sizeOf(this.equation, axis));
		const [best, found, n] = [this.fresh(), this.fresh(), this.fresh()];
		let inner = block;
		for (const axis of over) inner = new Block(inner, axis);
		this.steps += times * total(sizes);
		const term = this.expression(body, inner, times * total(sizes));
		block.lines.push(`let ${best} = NaN, ${found} = -1, ${n} = 0;`);
		inner.lines.push(`{ const x = ${term}; if (${found} < 0 || x > ${best} || (x !== x && ${best} === ${best})) { ${best} = x; ${found} = ${n}; } ${n}++; }`);
		if (inner !== block) block.lines.push(looped(inner, sizes.map((size) => [0, size])));
		return found;
	}

	/**
	 * A number of a tensor. Where `skipped` is a block, what lies in the border goes on with the next step of a loop
	 * inside of it.
	 * @param {ReadJson} node @param {Block} block @param {number} times @param {Block | null} skipped @returns {string}
	 */
	read({ read, at, padding = [], outside = "zero" }, block, times, skipped) {
		const local = this.locals.get(read);
		const held = local && this.local(local);
		const sizes = held ? held.sizes : (this.equation.tensors[read].shape ?? this.shapeOf(read)).map(known);
		const whole = local ? local.axes.map((axis) => sizeOf(this.equation, axis)) : sizes; // as far as it is no border
		const array = held ? held.name : `t${this.names.indexOf(read)}`;
		this.steps += times;
		/** @type {[string, Block][]} what has to hold, and where that is known */
		const tests = [];
		let offset = "0";
		let home = block.home(new Set());
		at.forEach((index, d) => {
			const axes = axesOf(index);
			const where = block.home(axes);
			let place = this.index(index, where, tests, block);
			const bordered = d in padding && padding[d].some((size) => size !== 0);
			if (bordered && outside === "edge") place = `Math.min(Math.max(${place}, 0), ${whole[d] - 1})`;
			else if (bordered) {
				place = this.named(place, where);
				tests.push([`${place} >= 0 && ${place} < ${whole[d]}`, where]);
			}
			if (held && held.origin[d]) place = `(${place} - ${held.origin[d]})`;
			// what is known further out is added up there
			home = where.within(home) ? where : home;
			offset = this.named(offset === "0" ? place : `${offset} * ${sizes[d]} + ${place}`, home);
		});
		const value = `${array}[${offset}]`;
		/** @type {string[]} */
		const conditions = [];
		for (const [test, where] of tests) {
			if (skipped && where !== skipped && where.within(skipped)) {
				if (!where.named.has(test)) where.lines.push(`if (!(${test})) continue;`);
				where.named.set(test, "true");
			} else conditions.push(this.named(test, where));
		}
		const fill = outside === "-inf" ? "-Infinity" : "0";
		return conditions.length ? `(${conditions.join(" && ")} ? ${value} : ${fill})` : value;
	}

	/** @param {string} name */
	shapeOf(name) {
		const found = this.shapes[name];
		if (!found) throw new RangeError(`the shape of ${name} is not known`);
		return found;
	}

	/** A place along one index; what its exact divisions ask for goes to `tests`. @param {IndexJson} index @param {Block} block @param {[string, Block][]} tests @param {Block} here @returns {string} */
	index(index, block, tests, here) {
		/** @type {string[]} */
		const parts = [];
		for (const [atom, size] of index.terms) {
			const factor = known(size);
			let text;
			if (typeof atom === "number") text = `a${atom}`;
			else {
				const where = here.home(axesOf(atom.of));
				const inner = this.named(this.index(atom.of, where, tests, here), where);
				const by = "table" in atom ? 1 : known(atom.by);
				if ("table" in atom) text = `${this.table(atom.table)}[${inner}]`;
				else if (atom.op === "mod") text = `(${inner} - ${by} * Math.floor(${inner} / ${by}))`;
				else text = `Math.floor(${inner} / ${by})`;
				if ("op" in atom && atom.op === "exact" && by !== 1) tests.push([`${inner} % ${by} === 0`, where]);
			}
			parts.push(factor === 1 ? text : `${factor} * ${text}`);
		}
		const constant = known(index.const);
		if (constant || !parts.length) parts.push(String(constant));
		return parts.length > 1 ? `(${parts.join(" + ")})` : parts[0];
	}

	/** What a table of places is called, written down once. @param {number[]} places */
	table(places) {
		const text = `[${places.join(",")}]`;
		const found = this.tables.get(text) ?? `p${this.tables.size}`;
		if (!this.tables.has(text)) this.before.push(`const ${found} = ${text};`);
		this.tables.set(text, found);
		return found;
	}

	/** Where a local's numbers are, computed before: as far as they are read. @param {LocalJson} item */
	local(item) {
		const found = this.held.get(item.name);
		if (found) return found;
		const box = this.reach(item);
		const origin = box.map(([first]) => first);
		const sizes = box.map(([first, last]) => last - first + 1);
		const held = { origin, sizes, name: `l${this.held.size}` };
		this.held.set(item.name, held);
		const body = this.filled(held.name, item.axes, sizes, origin, item.expression);
		this.before.push(`const ${held.name} = new Float64Array(${total(sizes)});\n${body}`);
		return held;
	}

	/** From where to where a local is read, by everything. @param {LocalJson} item @returns {Box} */
	reach({ name, axes }) {
		const { index } = this.equation;
		/** @type {Box} */
		const ranges = index.map(({ size }) => [0, Number(size) - 1]);
		let box = axes.map((axis) => ranges[axis]);
		const visit = (/** @type {any} */ node) => {
			if (!node || typeof node !== "object") return;
			if (node.read === name && !node.padding) {
				box = node.at.map((/** @type {IndexJson} */ at, /** @type {number} */ d) => {
					const [first, last] = bounds(at, ranges);
					return [Math.min(first, box[d][0]), Math.max(last, box[d][1])];
				});
			}
			for (const part of Object.values(node)) visit(part);
		};
		visit(this.equation.expression);
		for (const item of this.locals.values()) visit(item.expression);
		return box;
	}
}

/** Loops in one another, from the innermost out. @param {Block} inner @param {(number | string)[][]} ranges */
function looped(inner, ranges) {
	let text = "";
	let block = inner;
	for (let n = ranges.length - 1; n >= 0; n--) {
		const lines = text ? [...block.lines, text] : block.lines;
		const [from, to] = ranges[n];
		text = `for (let a${block.axis} = ${from}; a${block.axis} < ${to}; a${block.axis}++) {\n${lines.join("\n")}\n}`;
		block = /** @type {Block} */ (block.outer);
	}
	return text;
}

/** @param {number[]} sizes */
const total = (sizes) => sizes.reduce((a, b) => a * b, 1);

/** @param {number} value */
const literal = (value) => (Number.isFinite(value) && !Object.is(value, -0) && value >= 0 ? String(value) : `(${Object.is(value, -0) ? "-0" : value})`);

/** @param {IndexJson} index @returns {Set<number>} */
const axesOf = (index) => new Set(index.terms.flatMap(([atom]) => (typeof atom === "number" ? [atom] : [...axesOf(atom.of)])));

/** @param {string} name @param {string[]} args */
function primitiveText(name, [x, a, b]) {
	switch (name) {
		case "add": return `(${x} + ${a})`;
		case "sub": return `(${x} - ${a})`;
		case "mul": return `(${x} * ${a})`;
		case "div": return `(${x} / ${a})`;
		case "max": case "min": return `Math.${name}(${x}, ${a})`;
		case "select": return `(${x} > 0 ? ${a} : ${b})`;
		case "erf": return `errorFunction(${x})`;
		case "at_least": return `(${x} >= ${a} ? 1 : 0)`;
		case "pow": return `(${x} === 1 ? 1 : Math.pow(${x}, ${a}))`;
		case "round": return `(Math.abs(${x} % 1) === 0.5 ? 2 * Math.round(${x} / 2) : Math.round(${x}))`;
		case "exp": case "log": case "log1p": case "sqrt": case "abs": case "sign": case "floor": case "ceil":
		case "sin": case "cos": case "tan": case "asin": case "acos": case "atan":
		case "sinh": case "cosh": case "tanh": case "asinh": case "acosh": case "atanh": return `Math.${name}(${x})`;
	}
	throw new RangeError(`there is no function ${name}`);
}

/** @param {FormulaJson} node @param {Record<string, string>} given @returns {string} */
function formulaText(node, given) {
	if (typeof node === "number") return literal(node);
	if (typeof node === "string") return given[node];
	const [name, ...rest] = node;
	return primitiveText(name, rest.map((/** @type {FormulaJson} */ part) => formulaText(part, given)));
}
