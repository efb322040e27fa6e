// Sizes with letters: what "(n + 1)//2" is when n is a number. They are spelled as in Python.

/** @typedef {Record<string, number>} Numbers  letter → number */

const LETTER = /\bsize_\w/;
const TOKEN = /\s*(\/\/|\*\*|\d+|\w+|[-+*%(),])/y;

/** Data with numbers where sizes had letters. @param {any} data @param {Numbers} numbers @returns {any} */
export function filled(data, numbers) {
	if (typeof data === "string") return LETTER.test(data) ? sizeOfText(data, numbers) : data;
	if (!data || typeof data !== "object") return data;
	if (Array.isArray(data)) return data.map((part) => filled(part, numbers));
	return Object.fromEntries(Object.entries(data).map(([key, part]) => [key, filled(part, numbers)]));
}

/** @param {string} text @param {Numbers} numbers @returns {number} */
function sizeOfText(text, numbers) {
	TOKEN.lastIndex = 0;
	/** @type {string[]} */
	const tokens = [];
	while (TOKEN.lastIndex < text.length) {
		const found = TOKEN.exec(text);
		if (!found) throw new RangeError(`${text} is no size`);
		tokens.push(found[1]);
	}
	let place = 0;
	const take = (/** @type {string[]} */ ...wanted) => (wanted.includes(tokens[place]) ? tokens[place++] : "");
	/** @returns {number} */
	const sum = () => {
		let value = product();
		for (let sign; (sign = take("+", "-")); ) value += sign === "+" ? product() : -product();
		return value;
	};
	const product = () => {
		let value = signed();
		for (let op; (op = take("*", "//", "%")); ) {
			const by = signed();
			value = op === "*" ? value * by : op === "//" ? Math.floor(value / by) : value - by * Math.floor(value / by);
		}
		return value;
	};
	/** @returns {number} */
	const signed = () => (take("-") ? -signed() : power());
	const power = () => {
		const base = atom();
		return take("**") ? base ** signed() : base;
	};
	const atom = () => {
		if (take("(")) {
			const value = sum();
			take(")");
			return value;
		}
		const word = tokens[place++];
		if (/^\d/.test(word)) return Number(word);
		if (word in numbers) return numbers[word];
		if ((word !== "max" && word !== "min") || !take("(")) throw new RangeError(`${text}: nobody knows ${word}`);
		const values = [sum()];
		while (take(",")) values.push(sum());
		take(")");
		return Math[word](...values);
	};
	const value = sum();
	if (place < tokens.length) throw new RangeError(`${text} is no size`);
	return value;
}
