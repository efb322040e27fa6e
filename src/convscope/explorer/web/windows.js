// Windows: which numbers an equation reads, and the sizes of what it runs over.

import { clipped, modulo } from "./arrays.js";

/** @import {Box, EquationJson, ExpressionJson, IndexJson, Position, ReadJson, Size} from "./types" */

/**
 * Return which box of each tensor the number at one position is made from. Inputs' boxes are clipped to the tensor;
 * a tensor of which nothing is read is absent.
 * @param {EquationJson} equation @param {Position} position @returns {Record<string, Box>}
 */
export function needs(equation, position) {
	placed(equation, position);
	return reached(equation, Array.from(position, (place) => [place, place]));
}

/**
 * The same for all numbers of a box together. What is read of a tensor without a shape is not clipped.
 * @param {EquationJson} equation @param {Box} wanted @returns {Record<string, Box>}
 */
export function reached(equation, wanted) {
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
			const { along } = node;
			const [low, high] = typeof along === "number" ? ranges[along] : bounds(along, ranges);
			node.pieces.forEach((piece, n) => {
				const first = n ? Math.max(low, known(node.ends[n - 1])) : low;
				const last = Math.min(high, known(node.ends[n]) - 1);
				if (first > last) return;
				visit(piece, typeof along === "number" ? moved(ranges, [along], [[first, last]]) : ranges);
			});
		}
	};

	/** @type {(node: ReadJson, box: Box, ranges: Box) => void} */
	const read = (node, box, ranges) => {
		const local = locals.get(node.read);
		if (local) {
			if (node.padding) {
				const sizes = local.axes.map((axis) => sizeOf(equation, axis));
				box = box.map(([first, last], d) => [clipped(first, sizes[d]), clipped(last, sizes[d])]);
			}
			const key = JSON.stringify([node.read, box]);
			if (!followed.has(key)) visit(local.expression, moved(ranges, local.axes, box));
			followed.add(key);
			return;
		}
		if (box.some(([first, last]) => last < first)) return; // no division comes out whole
		const { role, shape } = equation.tensors[node.read];
		if (role !== "weight" && shape) {
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

	visit(equation.expression, moved([], equation.axes, wanted));
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
export function bounds(index, ranges) {
	let first = known(index.const);
	let last = first;
	for (const [atom, size] of index.terms) {
		const factor = known(size);
		let [a, b] = typeof atom === "number" ? ranges[atom] : bounds(atom.of, ranges);
		if (typeof atom !== "number" && "table" in atom) {
			const met = atom.table.slice(Math.max(a, 0), b + 1);
			[a, b] = met.length ? [Math.min(...met), Math.max(...met)] : [0, -1];
		} else if (typeof atom !== "number") {
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
export function placed(equation, position) {
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
export function known(size) {
	if (typeof size === "number") return size;
	throw new RangeError(`this cannot be computed before ${size === null ? "a size" : size} is a number`);
}

/** @param {EquationJson} equation @param {number} axis */
export const sizeOf = (equation, axis) => known(equation.index[axis].size);

/** @param {ExpressionJson} node @returns {ExpressionJson[]} */
export const factorsOf = (node) => ("op" in node && node.op === "*" ? node.args.flatMap(factorsOf) : [node]);

/** @param {ExpressionJson} node @returns {ReadJson[]} */
export function readsIn(node) {
	if ("read" in node) return [node];
	if ("body" in node) return readsIn(node.body);
	return "args" in node ? node.args.flatMap(readsIn) : "pieces" in node ? node.pieces.flatMap(readsIn) : [];
}
