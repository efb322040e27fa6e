// Elements, tables, canvases: what everything on the page is made of.

/** @import {App} from "./frame.js" */

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
export function h(what, props, ...children) {
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
export function fill(element, ...children) {
	element.replaceChildren();
	return put(element, ...children);
}

/** Set a text where it has changed, so that nothing is laid out for nothing. @param {Element} element @param {string} text */
export function say(element, text) {
	const { firstChild } = element;
	if (firstChild instanceof Text && !firstChild.nextSibling) {
		if (firstChild.data !== text) firstChild.data = text;
	} else if (firstChild || text) element.textContent = text;
}

/** @param {Child[]} children */
export const dim = (...children) => h("span.cs-dim", children);

/** A name that may be broken where it is joined. @param {string} name */
export const breakable = (name) => name.split(/(?<=[_/.×])/).flatMap((part) => [part, h("wbr")]);

/** What scrolls, for the keyboard too. @param {string} label */
export const scrolled = (label) => ({ tabindex: 0, role: "region", "aria-label": label });

/** @param {string} text @param {() => void} onclick */
export const link = (text, onclick) => h("button.cs-link", { onclick }, text);

/** @param {string} text @param {() => void} onclick @param {Props} [props] */
export const small = (text, onclick, props) => h("button.cs-small", { ...props, type: "button", onclick }, text);

/** @param {unknown} error */
export const message = (error) => (error instanceof Error ? error.message : String(error));

/** @param {unknown} error */
export const wrong = (error) => h("p.cs-error", { role: "alert" }, message(error));

/** What opens to a table, which is made when it is looked at. @param {string} title @param {() => void} ontoggle */
export const folded = (title, ontoggle) => h("details.cs-table", { ontoggle }, h("summary", title));

/** @param {HTMLDetailsElement} details @param {Child} content */
export const unfold = (details, content) => fill(details, details.querySelector("summary"), content);

/** Says whether what something is made from has changed since it was last asked. */
export function memo() {
	let before = "";
	return (/** @type {any[]} */ ...parts) => before !== (before = JSON.stringify(parts));
}

/** @param {Record<string, string>} texts  by value @param {(value: string) => void} chosen @param {Props} [props] */
export function choice(texts, chosen, props) {
	const options = Object.entries(texts).map(([value, text]) => h("option", { value }, text));
	const made = h("select", { ...props, onchange: () => chosen(made.value) }, options);
	return made;
}

/**
 * A table; the first cell of a row names it, and those that are given as text stand to the right if they are numbers.
 * @param {Child[] | null} head @param {(Child | Child[])[][]} rows @param {(Child | Child[])[] | null} [foot]
 */
export function table(head, rows, foot) {
	const row = (/** @type {(Child | Child[])[]} */ cells) => h("tr", cells.map((cell, n) => {
		if (cell instanceof HTMLTableCellElement) return cell;
		if (!n) return h("th", { scope: "row" }, cell);
		return h(typeof cell === "string" && /^(NaN$|[+\[−\d]?[\d.,∞]+)/.test(cell) ? "td.cs-figure" : "td", null, cell);
	}));
	return h("table.cs-data",
		head && h("thead", h("tr", head.map((cell) => (cell ? h("th", { scope: "col" }, cell) : h("td"))))),
		h("tbody", rows.map(row)), foot && h("tfoot", row(foot)));
}

/** A function that gives what a promise comes to; nothing at all, if it was called again meanwhile. */
export function latest() {
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
export class Part {
	newest = latest();

	/** @param {App} app */
	constructor(app) {
		this.app = app;
	}
}

/** A function that runs `work` in the next frame, once. @param {() => void} work */
export function inFrame(work) {
	let frame = 0;
	return () => {
		cancelAnimationFrame(frame);
		frame = requestAnimationFrame(work);
	};
}

/** @param {Element} element @param {Record<string, any>} values  null: without it */
export function attributes(element, values) {
	for (const [name, value] of Object.entries(values)) {
		if (value === null) element.removeAttribute(name);
		else element.setAttribute(name, value);
	}
}

/** @param {string} tag @param {Record<string, string | number>} values @param {...(Node | string)} children */
export function svg(tag, values, ...children) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	attributes(element, values);
	element.append(...children);
	return element;
}

/** @typedef {CanvasRenderingContext2D} Pen */
/** @typedef {ArrayLike<number>} Numbers */

/** @type {WeakMap<HTMLCanvasElement, Pen>} */
const PENS = new WeakMap();

/** @param {HTMLCanvasElement} canvas */
export function penOf(canvas) {
	const pen = PENS.get(canvas) ?? /** @type {Pen} */ (canvas.getContext("2d"));
	PENS.set(canvas, pen);
	return pen;
}

/** Empty, sharp on any screen; in CSS pixels. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
export function sized(canvas, width, height) {
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
export function pixelled(canvas, width, height, paint) {
	Object.assign(canvas, { width, height });
	const pen = penOf(canvas);
	const image = pen.createImageData(width, height);
	paint(new Uint32Array(image.data.buffer));
	pen.putImageData(image, 0, 0);
	return canvas;
}
