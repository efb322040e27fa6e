// The functions that equations name: primitives, and formulas made of them.


/** @import {EquationJson, FormulaJson} from "./types" */
/** @import {Numeric} from "./evaluator.js" */

export const OPERATORS = { "+": "add", "-": "sub", "*": "mul", "/": "div" };

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
	at_least: (x, a) => (x >= a ? 1 : 0),
	pow: (x, a) => (x === 1 ? 1 : Math.pow(x, a)),
	round: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
	sign: Math.sign,
	floor: Math.floor,
	ceil: Math.ceil,
	sin: Math.sin,
	cos: Math.cos,
	tan: Math.tan,
	asin: Math.asin,
	acos: Math.acos,
	atan: Math.atan,
	sinh: Math.sinh,
	cosh: Math.cosh,
	asinh: Math.asinh,
	acosh: Math.acosh,
	atanh: Math.atanh,
};

/** @param {string} name @param {Numeric[]} args @returns {Numeric} */
export function primitive(name, [x, a, b]) {
	const f = PRIMITIVES[name];
	if (!f) throw new RangeError(`there is no function ${name}`);
	if (b) return () => f(x(), a(), b());
	return a ? () => f(x(), a(), 0) : () => f(x(), 0, 0);
}

/** @param {FormulaJson} node @param {Record<string, number>} given the parameters' values @returns {Numeric} */
export function formula(node, given) {
	if (typeof node === "number") return () => node;
	if (typeof node === "string") return () => given[node];
	const [name, ...rest] = node;
	return primitive(name, rest.map((/** @type {FormulaJson} */ part) => formula(part, given)));
}

/** A function of an equation that takes one number, to be called; null for any other. @param {EquationJson} equation @param {string} name @returns {((x: number) => number) | null} */
export function alone({ functions }, name) {
	const own = functions[name];
	if (own ? own.parameters.length !== 1 : !(name in PRIMITIVES)) return null;
	/** @type {Record<string, number>} */
	const given = { x: 0 };
	const body = own ? formula(own.formula, given) : primitive(name, [() => given.x]);
	return (x) => {
		given[own ? own.parameters[0] : "x"] = x;
		return body();
	};
}

/**
 * erf: below 2 by its series of positive terms, 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)); above by the
 * continued fraction of 1 − erf, which is then so small that its own error does not show.
 * @param {number} x
 */
export function errorFunction(x) {
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
