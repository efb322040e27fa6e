// Input: the image, and what is done to it before it goes in.

import { decimal, grouped, times } from "../texts.js";
import { choice, dim, fill, h, latest, memo, say, small, table, wrong } from "../elements.js";
import { outcome, steps } from "../facts.js";
import { portrait } from "../image.js";
import { samples } from "../samples.js";
import { drawingPad } from "./pad.js";

/** @import {Question} from "../types" */
/** @import {Child} from "../elements.js" */
/** @import {App} from "../frame.js" */

const LARGEST = 32 * 2 ** 20; // bytes of an image
/** @type {Record<string, string>} */
const STEPS = {
	grey: "make it grey: 0.299·R + 0.587·G + 0.114·B", rgb: "make it RGB: the same grey three times", resize: "resize it",
	"crop-and-resize": "cut out the middle and resize that", "background:white": "put it on white", "background:black": "put it on black",
};

/** The image: those that come along, one's own, or one drawn by hand; and what is done to it. @param {App} app */
function input(app) {
	const newest = latest();
	const { inputs, pixels: { name: usual, why, choices } } = app.net.told;
	const picture = inputs.length === 1 && inputs[0].shape?.length === 3;
	let pixels = app.net.run?.pixels ?? usual;
	/** @type {{question: Question, bytes?: ArrayBuffer} | null} what went in last */
	let last = null;
	const short = Object.fromEntries(Object.entries(choices).map(([name, words]) => [name, words.split(":")[0]])); // the steps below have the formula
	const scales = choice(short, (name) => {
		pixels = name;
		if (last) send({ ...last.question }, last.bytes);
	}, { "aria-label": "How pixels go in" });
	scales.value = pixels;
	const busy = h("p.cs-dim", { "aria-live": "polite" });
	const answer = h("div.cs-offer");
	const current = h("div.cs-current");
	const invert = h("input", { type: "checkbox" });
	const drawn = memo();
	let visible = false;
	const way = (/** @type {string} */ title, /** @type {Child[]} */ ...how) => h("div", h("h2", title), ...how);
	const along = samples(app, (name) => send({ ask: "sample", name }));
	const pad = drawingPad((picture) => sendPad(picture));
	const element = h("section.cs-input",
		h("div.cs-input-ways",
			along.buttons.length > 0 && way("Images that come along", h("div.cs-samples", along.buttons)),
			picture
				? [way("Your own", dropping(), h("label", invert, " invert it (white strokes on black become black on white, and back)")),
					way("Draw one", pad.canvas, h("div", small("clear", () => pad.clear()), " ", dim("white on black; it goes in while you draw")))]
				: h("p.cs-dim", `This network takes ${inputs.map(({ name, shape }) => `${name} ${times(shape)}`).join(" and ")}, which is no picture: give it an array on the command line, --image x.npy.`)),
		picture && h("p.cs-pixels-in", h("label", "How pixels go in: ", scales), " ", dim(`by default ${short[usual]}: ${why}`)),
		busy, answer, current);

	function hide() {
		visible = false;
	}

	function show() {
		visible = true;
		const { net, net: { run }, ramp } = app;
		along.show();
		if (!run) return fill(current, h("p", "No image has gone through the network yet."));
		if (!drawn(run.id, ramp.scheme)) return;
		const limit = net.limit(run.output);
		const output = outcome(net, run).map(({ where, label, value }) => [
			label === undefined ? where : [h("b", label), " ", dim(where)], decimal(value, 4),
			h("span.cs-meter", { style: { width: `${limit > 0 ? Math.max(0, value / limit) * 120 : 0}px` } }),
		]);
		fill(current,
			h("h2", `What goes in: ${run.source}`),
			h("div.cs-current-body", h("div.cs-pictures", net.told.inputs.map(({ name }) => figure(name))),
				h("div", steps(run) || h("p.cs-dim", "Taken as it is."), h("h3", "What comes out"), table(null, output))));
	}

	/** @param {string} name */
	function figure(name) {
		const { net } = app;
		const text = times(net.shape(name));
		const canvas = h("canvas.cs-picture", { role: "img", "aria-label": `${name}, ${text}` });
		portrait(app, name, canvas, 256).then(({ width, height }) => {
			canvas.style.width = `${width * Math.max(1, Math.floor(224 / Math.max(height, width)))}px`;
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

	/** @param {ArrayBuffer} picture */
	async function sendPad(picture) {
		const { maps } = app.net.form(app.net.told.inputs[0].name);
		const steps = [maps === 3 ? "rgb" : "grey", "crop-and-resize", ...inverted()];
		await send({ ask: "image", name: "your drawing", steps }, picture);
	}

	/** @param {Question} question @param {ArrayBuffer} [bytes] */
	async function send(question, bytes) {
		fill(answer);
		say(busy, "It goes through the network …");
		last = { question, bytes };
		try {
			const { facts } = await newest(app.link.ask({ ...question, pixels }, bytes));
			say(busy, "");
			if (facts.offer) propose(facts, question, bytes);
			else app.ran(facts.run, question.ask === "sample" ? question.name : undefined);
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

export default input;
