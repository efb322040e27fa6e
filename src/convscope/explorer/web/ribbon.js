// The ribbon: the whole network, from left to right.

import { times } from "./texts.js";
import { attributes, h, inFrame, say, svg } from "./elements.js";
import { mark } from "./marks.js";
import { thumbnail } from "./thumbs.js";

/** @import {Layer} from "./types" */
/** @import {App} from "./frame.js" */

const CARD = { width: 92, height: 84, across: 116, down: 98, left: 12, top: 14, thumb: 40, flat: 40, below: 50 };

/** How far down a lane's cards begin: those beside the first are flat, without maps. @param {number} lane */
const topOf = (lane) => CARD.top + (lane ? CARD.down + (lane - 1) * CARD.below : 0);

/** @param {number} lane */
const middleOf = (lane) => topOf(lane) + (lane ? CARD.flat / 2 : CARD.height - CARD.thumb / 2 - 4);

/** @typedef {{button: HTMLButtonElement, canvas: HTMLCanvasElement, shape: HTMLElement, label: string, drawn: string}} Card */

/** Every layer a card, branches beside one another; only the cards in view are made. @param {App} app */
export function ribbon(app) {
	const order = [...app.net.layers.values()].sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
	const width = (Math.max(...order.map(({ place }) => place[0])) + 1) * CARD.across;
	const height = topOf(Math.max(...order.map(({ place }) => place[1])) + 1);
	const lines = svg("svg", { class: "cs-lines", width, height, "aria-hidden": "true" });
	const cards = h("div.cs-cards", { style: { width: `${width}px` } }, lines);
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
			element.scrollTop = topOf(layer.place[1]) - (element.clientHeight - CARD.down) / 2;
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
			mark(app, card.button, [layer.name], card.label);
			thumb(layer, card);
		}
		const lanes = Math.max(0, ...order.filter(({ name }) => inView.has(name)).map(({ place }) => place[1]));
		cards.style.height = `${topOf(lanes + 1)}px`; // as tall as what is in view
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
		const button = h(place[1] ? "button.cs-card cs-flat" : "button.cs-card", {
			title: `${name} (${kind})`, onclick: () => app.visit(name),
			style: { left: `${place[0] * CARD.across + CARD.left}px`, top: `${topOf(place[1])}px` },
		}, h("span.cs-card-name", name.length > 11 ? `…${name.slice(-10).replace(/^[\W_]+/, "")}` : name), shape, h("span.cs-thumb", canvas));
		const card = { button, canvas, shape, label: `${name}, ${kind}, ${size}`, drawn: "" };
		made.set(name, card);
		cards.append(button);
		return card;
	}

	/** @param {Layer} layer @param {Card} card */
	async function thumb({ name }, card) {
		if (card.button.classList.contains("cs-flat")) return;
		const { net, ramp } = app;
		const key = `${net.run?.id} ${ramp.scheme}`;
		if (card.drawn === key || !net.has(name)) return;
		card.drawn = key;
		say(card.shape, times(net.shape(name)));
		const still = () => card.drawn === key;
		if (!(await thumbnail(app, name, card.canvas, { wide: 84, tall: CARD.thumb }, still)) && still()) card.drawn = "";
	}

	return { element, show };
}

/** A line from one card to another; one that passes over others bows. @param {[number, number]} from @param {[number, number]} to @param {boolean} lit */
function wire([column, lane], [toColumn, toLane], lit) {
	const x1 = column * CARD.across + CARD.left + CARD.width;
	const x2 = toColumn * CARD.across + CARD.left;
	const [y1, y2] = [lane, toLane].map(middleOf);
	const top = topOf(lane) - (lane ? 6 : 10);
	const bend = Math.min(60, (x2 - x1) / 2);
	const d = toColumn - column > 1 && lane === toLane
		? `M${x1} ${y1} C${x1 + 14} ${y1} ${x1 + 4} ${top} ${x1 + 34} ${top} L${x2 - 34} ${top} C${x2 - 4} ${top} ${x2 - 14} ${y2} ${x2} ${y2}`
		: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
	return svg("path", { d, class: lit ? "cs-wire cs-lit" : "cs-wire" });
}
