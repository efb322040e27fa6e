// Why a weight moved: what each image of the batch adds to its gradient, and what the optimizer makes of that.

import { range } from "../arrays.js";
import { dim, fill, h, latest, link, message, scrolled, sized, small, table, wrong } from "../elements.js";
import { addingUp, decimal, exact, grouped, places, scientific } from "../texts.js";

/** @import {App} from "../frame.js" */
/** @import {Back, Factor, Products, State, Taken, Term, Which} from "./types" */

const ROWS = 12;
const FALL = 120;

/** Numbers in figures that add up to the total that is shown. @param {number[]} values @param {number} total */
const summed = (values, total) => addingUp(values, total, places(Math.max(...values.map(Math.abs), Math.abs(total))));

/**
 * What stands under the film: a step taken apart for one number of a weight.
 * @param {App} app @param {(image: number | null) => void} chosen  an image whose products are wanted
 * @param {(of: string, at: number[]) => void} to  another number
 */
export function apart(app, chosen, to) {
	const newest = latest();
	const inner = latest();
	const sum = h("div");
	const deeper = h("div.cs-learning-deeper", { "aria-live": "polite" });
	const element = h("section.cs-learning-apart", sum, deeper);
	let key = "";
	/** @type {Taken | null} */
	let taken = null;
	let asked = "";

	/** @param {Which & {step: number}} which @param {number | null} image @param {State} state */
	async function show(which, image, { labels, begun, apart: known }) {
		const now = JSON.stringify([which, begun, app.ramp.scheme]);
		if (now !== key) {
			key = now;
			asked = "";
			taken = null;
			fill(deeper);
			fill(sum, h("p.cs-dim", "The step is made again, and taken apart …"));
			try {
				taken = /** @type {Taken} */ ((await newest(app.net.ask({ ask: "learning", what: "taken", ...which, begun }))));
			} catch (error) {
				const same = known.filter(([of]) => of === which.of);
				return fill(sum, known.length ? h("p", `This file takes apart the movements of the numbers that moved most; of ${which.of} `,
					same.length ? same.flatMap(([of, at], n) => [n ? ", " : "these: ", link(`(${at.join(", ")})`, () => to(of, at))]) : "none",
					". With convscope, every number's: convscope film.") : wrong(error));
			}
			drawSum(which, labels, taken);
		}
		if (taken) drawImage(which, image, labels, begun);
	}

	function clear(text = "") {
		key = "";
		fill(deeper);
		fill(sum, text && h("p.cs-dim", text));
	}

	/** @param {number} image @param {string[]} labels @param {number[]} targets */
	const called = (image, labels, targets) => `image ${image}${targets.length ? `, a ${labels[targets[image]] ?? targets[image]}` : ""}`;

	/** @param {Which & {step: number}} which @param {string[]} labels @param {Taken} told */
	function drawSum({ of, at }, labels, told) {
		const { images, targets, penalty, gradient, engine_gradient: engine, rounding, lines, step } = told;
		const order = [...images].sort((a, b) => Math.abs(b.partial_sum) - Math.abs(a.partial_sum));
		const shown = order.length > ROWS ? order.slice(0, ROWS - 1) : order;
		const rest = order.slice(shown.length);
		const values = shown.map(({ partial_sum: value }) => value);
		/** @type {(Node | string)[]} */
		const names = shown.map(({ image }) => link(called(image, labels, targets), () => chosen(image)));
		const many = (/** @type {number | null} */ terms) => (terms === null ? "" : grouped(terms));
		const counts = shown.map(({ terms }) => many(terms));
		if (rest.length) {
			values.push(rest.reduce((total, { partial_sum: value }) => total + value, 0));
			names.push(`the other ${rest.length} images`);
			counts.push(told.terms === null ? "" : grouped(rest.reduce((total, { terms }) => total + Number(terms), 0)));
		}
		if (penalty) {
			values.push(penalty);
			names.push("the penalty for its size");
			counts.push("");
		}
		const { texts, total } = summed(values, gradient);
		const where = `${of}(${at.join(", ")})`;
		fill(sum,
			h("h2", `Step ${grouped(step)}: why ${where} moved by ${exact(told.after - told.before)}`),
			h("p", `It went from ${exact(told.before)} to ${exact(told.after)}. Its gradient is ${told.terms === null ? "a sum of" : grouped(told.terms)} products: of each image all places that used the weight, the number it met × what the output there does to the loss.`),
			told.equation.map((line) => h("pre.cs-learning-equation", scrolled("The gradient's equation"), line)),
			told.corners.map((line) => h("p.cs-note", line)),
			told.silent && h("p", told.silent),
			h("div.cs-learning-two",
				h("div", h("p.cs-caption", "Each image's share starts where the last one ended"), fall(values, gradient, shown.map(({ image }) => String(image)).concat(rest.length ? ["rest"] : [], penalty ? ["size"] : [])),
					h("div.cs-scroll", scrolled("What each image adds"), table(["from", "products", "adds"], names.map((name, n) => [name, counts[n], texts[n]]), ["gradient", many(told.terms), h("b", total)]))),
				h("div", h("p.cs-caption", `How ${told.optimizer} makes a movement of it`),
					h("div.cs-scroll", scrolled("What the optimizer does"), table(["then", "is", "value"],
						[["gradient", "", exact(gradient)], ...lines.slice(0, -1).map(({ name, formula, value }) => [name, formula, exact(value)])],
						[lines[lines.length - 1].name, lines[lines.length - 1].formula, h("b", exact(lines[lines.length - 1].value))])),
					h("p.cs-note.cs-dim", `The engine, in float32, has the gradient ${exact(engine)}: a difference of ${scientific(engine - gradient)}${rounding === null ? "" : `; rounding allows ${scientific(rounding)}`}.`),
					rounding !== null && !(Math.abs(engine - gradient) <= rounding) && h("p.cs-note.cs-bad", "That is more than rounding explains: do not trust this step before you know why."),
					!told.constraint && told.after - told.before !== told.value && h("p.cs-note.cs-dim", `In float32 all of this is rounded, last the weight itself: it moved by ${exact(told.after - told.before)}, ${scientific(Math.abs(told.after - told.before - told.value))} off.`),
					told.constraint && h("p.cs-note", `Afterwards ${told.constraint} put the whole weight where it may be.`))));
		app.tell(`${where} moved by ${exact(told.after - told.before)} in step ${step}; its gradient is ${total}`);
	}

	/** A waterfall. @param {number[]} values @param {number} total @param {string[]} names */
	function fall(values, total, names) {
		const canvas = h("canvas.cs-learning-fall", { role: "img", "aria-label": `A waterfall of ${values.length} shares that end at ${exact(total)}; the table has each` });
		const { ramp } = app;
		const wide = Math.max(220, Math.min(560, (element.clientWidth || 560) - 8));
		const pen = sized(canvas, wide, FALL);
		const ends = [0];
		for (const value of values) ends.push(ends[ends.length - 1] + value);
		const [low, high] = [Math.min(...ends, total), Math.max(...ends, total)];
		const y = (/** @type {number} */ v) => 6 + (FALL - 26) * (high > low ? (high - v) / (high - low) : 1);
		const each = wide / (values.length + 1);
		Object.assign(pen, { font: "10px system-ui, sans-serif", textAlign: "center" });
		const bar = (/** @type {number} */ n, /** @type {number} */ from, /** @type {number} */ to, /** @type {string} */ colour, /** @type {string} */ name) => {
			pen.fillStyle = colour;
			pen.fillRect(n * each + 1, Math.min(y(from), y(to)), Math.max(2, each - 3), Math.max(1, Math.abs(y(to) - y(from))));
			pen.fillStyle = ramp.line;
			if (pen.measureText(name).width < each) pen.fillText(name, (n + 0.5) * each, FALL - 6);
		};
		values.forEach((value, n) => bar(n, ends[n], ends[n + 1], ramp.of(value < 0 ? -1 : 1), names[n]));
		bar(values.length, 0, total, ramp.line, "all");
		pen.globalAlpha = 0.5;
		pen.fillRect(0, y(0), wide, 1);
		return canvas;
	}

	/** @param {Which & {step: number}} which @param {number | null} image @param {string[]} labels @param {number} begun */
	async function drawImage(which, image, labels, begun) {
		const now = String(image);
		if (now === asked) return;
		asked = now;
		if (image === null || !taken || image >= (taken.targets.length || taken.images.length)) return fill(deeper);
		const { targets } = taken;
		const share = taken.images.find((one) => one.image === image);
		const canvas = h("canvas.cs-learning-image", { role: "img", "aria-label": called(image, labels, targets) });
		fill(deeper, h("p.cs-dim", "…"));
		try {
			const [pictures, products] = await inner(Promise.all([
				app.net.ask({ ask: "learning", what: "picture", step: which.step, begun }),
				app.net.ask({ ask: "learning", what: "products", ...which, image, begun }).catch((error) => error),
			]));
			picture(canvas, pictures, image);
			const value = share?.partial_sum ?? 0;
			fill(deeper,
				h("h3", `What ${called(image, labels, targets)} adds`, " ", small("close", () => chosen(null))),
				h("div.cs-learning-two", h("figure", canvas, h("figcaption", called(image, labels, targets))),
					products instanceof Error ? h("p.cs-dim", message(products)) : h("div", listed(products, value, which.step, image, begun))));
		} catch (error) {
			fill(deeper, wrong(error));
		}
	}

	/** @param {HTMLCanvasElement} canvas @param {{shape: number[], data: Float32Array}} pictures @param {number} image */
	function picture(canvas, { shape, data }, image) {
		const [, a, b, c] = shape;
		const first = app.net.told.inputs[0]?.axes.maps === 0; // maps first
		const [rows, columns] = shape.length < 3 ? [1, a ?? 1] : first ? [b, c ?? 1] : [a, b];
		const size = data.length / shape[0];
		const step = shape.length < 4 || first ? 1 : c;
		const part = Float32Array.from(range(rows * columns), (n) => data[image * size + n * step]);
		const pen = sized(canvas, columns, rows);
		const high = part.reduce((most, v) => Math.max(most, v), -Infinity);
		const low = part.reduce((least, v) => Math.min(least, v), Infinity);
		const grey = new Uint32Array(rows * columns);
		app.ramp.paint(grey, part, { limit: 1, grey: [low, high] });
		canvas.width = columns;
		canvas.height = rows;
		pen.putImageData(new ImageData(new Uint8ClampedArray(grey.buffer), columns, rows), 0, 0);
		Object.assign(canvas.style, { width: "140px", height: `${(140 * rows) / columns}px` });
	}

	/** The largest products, and the others as one. @param {Products} told @param {number} value @param {number} step @param {number} image @param {number} begun */
	function listed({ terms, rest, others, count }, value, step, image, begun) {
		if (!count) return h("p.cs-dim", "No place of this image used the weight.");
		if (!rest && terms.every((term) => !term.value)) return h("p", `All ${grouped(count)} products of this image are 0: where the weight was used it met a 0, or what came out had no part in the loss (relu gave 0, or the maximum was another).`);
		const values = [...terms.map((term) => term.value), ...(others ? [rest] : [])];
		const { texts, total } = summed(values, value);
		return [
			h("p.cs-note", `${grouped(count)} products, the largest first. A number that was read opens in the microscope, as the network was at that step; a derivative opens to what it came from.`),
			h("div.cs-scroll", scrolled("Products"), table(["the number it met", "× what it does to the loss", "adds"],
				[...terms.map((term, n) => [...factors(term, step, image, begun), texts[n]]), ...(others ? [[`the other ${grouped(others)}`, "", texts[terms.length]]] : [])],
				["together", "", h("b", total)])),
		];
	}

	/** @param {Term} term @param {number} step @param {number} image @param {number} begun */
	function factors(term, step, image, begun) {
		const named = (/** @type {Factor[]} */ all) => (all.length ? all.flatMap((factor, n) => [n ? " · " : "", factorLink(factor, step, image, begun)]) : dim("1"));
		return [named(term.factors.filter(({ role }) => role !== "gradient")), named(term.factors.filter(({ role }) => role === "gradient"))];
	}

	/** @param {Factor} factor @param {number} step @param {number} image @param {number} begun */
	function factorLink({ of, at, layer, value, role, index }, step, image, begun) {
		const text = `${of}(${(layer ? at : index).join(", ")}) = ${exact(value)}`;
		if (layer === null) return text;
		if (role === "gradient") return link(text, () => back(layer, at, step, image, begun));
		return link(text, () => open(layer, at, step, image));
	}

	/** Go to the number in the microscope, as it was in that step. @param {string} layer @param {number[]} at @param {number} step @param {number} image */
	async function open(layer, at, step, image) {
		try {
			const { facts } = await app.link.ask({ ask: "learning", what: "open", step, image });
			app.trail.push(app.place);
			app.net.run = facts.run;
			app.go({ screen: "microscope", layer, at, sample: undefined });
		} catch (error) {
			fill(deeper, wrong(error));
		}
	}

	/** What a derivative came from. @param {string} layer @param {number[]} at @param {number} step @param {number} image @param {number} begun */
	async function back(layer, at, step, image, begun) {
		const box = h("div.cs-learning-back", h("p.cs-dim", "…"));
		deeper.append(box);
		try {
			const told = /** @type {Back} */ (await app.net.ask({ ask: "learning", what: "back", layer, at, step, image, begun }));
			const values = [...(told.own ? [told.own] : []), ...told.terms.map(({ value }) => value), ...(told.others ? [told.rest] : [])];
			const { texts, total } = summed(values, told.value);
			const rows = [
				...(told.own ? [["the loss itself, of this output", ""]] : []),
				...told.terms.map((term) => factors(term, step, image, begun)),
				...(told.others ? [[`the other ${grouped(told.others)}`, ""]] : [])];
			fill(box,
				h("h3", `What ${layer}(${at.join(", ")}) does to the loss of image ${image}: ${exact(told.value)}`, " ", small("close", () => box.remove())),
				h("p.cs-note", told.rows > 1 ? `In the step it counts 1/${told.rows}, as each of the ${told.rows} images does: ${exact(told.value / told.rows)}.` : ""),
				told.corners.map((line) => h("p.cs-note", line)),
				told.equation.map((line) => h("pre.cs-learning-equation", scrolled("The derivative's equation"), line)),
				h("div.cs-scroll", scrolled("What it came from"), table(["multiplied", "× what that does to the loss", "adds"],
					rows.map((row, n) => [...row, texts[n]]), ["together", "", h("b", total)])));
			box.scrollIntoView({ block: "nearest" });
		} catch (error) {
			fill(box, wrong(error));
		}
	}

	return { element, show, clear };
}

/** How a number of a weight stands at a step. @param {string} text @param {number} value */
export const fact = (text, value) => [dim(`${text} `), decimal(value, Math.max(6, places(value)))];
