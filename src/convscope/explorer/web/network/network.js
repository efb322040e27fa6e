// The whole network at a glance: its layers and the blocks that repeat, and how they are wired.

import { product } from "../arrays.js";
import { grouped, times } from "../texts.js";
import { attributes, breakable, dim, fill, h, inFrame, link, memo, small, svg } from "../elements.js";
import { columns } from "./columns.js";
import { mark } from "../marks.js";
import { samples } from "../samples.js";
import { thumbnail } from "../thumbs.js";

/** @import {Entry} from "../types" */
/** @import {App} from "../frame.js" */

const NODE = { wide: 150, tall: 146, gap: 34, thumb: 64, lane: 18, row: 34, left: 14 };
const TRACK = 6; // so far apart are lines that run above a row
const ZOOMS = [0.6, 0.75, 1, 1.25, 1.6];
const COLUMNS = 14; // a chain of so many layers is drawn map by map,
const NUMBERS = 1 << 22; // if all that they give is not more than this

/** @typedef {{name: string, layers: string[], times: number, place: [number, number], feeds: number[], entry: Entry | null}} Node  layers: of it, the last first */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{from: Node, to: Node, row: number, far: boolean, down: boolean, bowed: boolean, track: number, span: number[]}} Wire  row: which it leads to; far: it skips layers; track: which of those above its row */

/** @param {App} app */
function overview(app) {
	const { overview: entries } = app.net.told;
	const chain = entries.length <= COLUMNS && entries.every(({ blocks, place: [, lane], feeds }) => blocks.flat().length === 1 && !lane && feeds.length < 2);
	const prefix = shared([...app.net.layers.values()].filter(({ input }) => !input).map(({ name }) => name)).length;
	const maps = columns(app);
	let zoom = 2;
	/** @type {Entry | null} the block that is looked into */
	let within = null;
	const zooms = [small("−", () => rescale(-1), { "aria-label": "Smaller" }), small("+", () => rescale(1), { "aria-label": "Larger" })];
	const head = h("div.cs-board-bar");
	const body = h("div.cs-graph");
	const along = samples(app, (sample) => {
		app.go({ sample });
		app.imaged();
	});
	const element = h("section.cs-overview", along.buttons.length > 0 && h("div.cs-samples", { role: "group", "aria-label": "Images that come along" },
		along.buttons, h("button.cs-small cs-sample", { type: "button", onclick: () => app.go({ screen: "input" }) }, h("span.cs-own", { "aria-hidden": "true" }, "+"), "your own")), head, body);
	const drawn = memo();
	const [all, inside] = [entries.map(nodeOf), new Map(entries.map((entry) => [entry, entry.blocks.map((block) => nodesOf(entry, block))]))];
	/** @type {Map<string, {button: HTMLElement, canvas: HTMLCanvasElement, name: string, done: string}>} */
	let cards = new Map();
	const seen = new IntersectionObserver((found) => {
		for (const { target, isIntersecting } of found) if (isIntersecting) picture(/** @type {HTMLElement} */ (target).dataset.key ?? "");
	}, { rootMargin: "200px" });
	const watching = new ResizeObserver(inFrame(() => element.isConnected && show()));
	watching.observe(body);
	app.closing.signal.addEventListener("abort", () => watching.disconnect());

	/** @param {number} by */
	function rescale(by) {
		zoom = Math.max(0, Math.min(ZOOMS.length - 1, zoom + by));
		show();
	}

	function show() {
		const { net } = app;
		along.show();
		if (chain && net.run && net.names.reduce((sum, name) => sum + product(net.shape(name)), 0) <= NUMBERS) {
			if (drawn("columns")) {
				fill(head);
				fill(body, maps.element);
			}
			return maps.show();
		}
		if (drawn(body.clientWidth, zoom, within?.name, entries.indexOf(/** @type {Entry} */ (within)), app.net.run?.shapes)) build();
		for (const { button } of cards.values()) {
			const held = /** @type {string} */ (button.dataset.layers).split("\n").includes(app.place.layer);
			attributes(button, { "aria-current": held || null });
			mark(app, button, /** @type {string} */ (button.dataset.layers).split("\n"), button.dataset.label ?? "");
		}
		for (const key of cards.keys()) if (cards.get(key)?.done) picture(key); // another image, or other colours
	}

	function build() {
		seen.disconnect();
		cards = new Map();
		zooms.forEach((button, n) => attributes(button, { disabled: zoom === (n ? ZOOMS.length - 1 : 0) || null }));
		if (!within) {
			const folded = all.filter(({ times: many }) => many > 1).length;
			fill(head, ...zooms, dim(`${grouped(app.net.layers.size)} layers${folded ? "; blocks that repeat are folded, and open with a click" : ""}`));
			return fill(body, graph(all, "the whole network"));
		}
		const blocks = inside.get(within) ?? [];
		fill(head, link("the whole network", () => enter(null)), " › ", h("b", within.name), ...zooms);
		fill(body, blocks.flatMap((nodes, n) => [blocks.length > 1 && h("h3", `block ${n + 1} of ${blocks.length}`), graph(nodes, `block ${n + 1}`)]));
	}

	/** @param {Entry | null} entry */
	function enter(entry) {
		within = entry;
		show();
		body.querySelector("button")?.focus();
	}

	/** Nodes in their places, in as many rows as the width asks for. @param {Node[]} nodes @param {string} label */
	function graph(nodes, label) {
		const scale = ZOOMS[zoom];
		const [wide, tall, least] = [NODE.wide * scale, NODE.tall * scale, NODE.gap * scale];
		const room = (body.clientWidth || 900) - 2 * NODE.left;
		const most = Math.max(...nodes.map(({ place }) => place[0]));
		const per = Math.max(1, Math.floor((room + least) / (wide + least)));
		const gap = most < per ? least : Math.min(64, (room - per * wide) / Math.max(1, per - 1));
		const rowOf = (/** @type {Node} */ { place }) => Math.floor(place[0] / per);
		/** @type {number[]} how many lanes each row has */
		const lanes = [];
		for (const node of nodes) lanes[rowOf(node)] = Math.max(lanes[rowOf(node)] ?? 1, node.place[1] + 1);
		const left = (/** @type {Node} */ node) => NODE.left + (node.place[0] % per) * (wide + gap);
		const wires = nodes.flatMap((to) => to.feeds.map((feed) => wire(nodes[feed], to)));
		// what skips layers runs above the row that it leads to, each with a height of its own where two would meet
		const above = tracks(wires.filter(({ far, bowed, down }) => far && (bowed || down)));
		const tops = [NODE.row / 2 + TRACK * (above.get(0) ?? 0)];
		lanes.forEach((many, row) => tops.push(tops[row] + (many ?? 1) * (tall + NODE.lane) + NODE.row + TRACK * (above.get(row + 1) ?? 0)));
		const corner = (/** @type {Node} */ node) => ({ x: left(node), y: tops[rowOf(node)] + node.place[1] * (tall + NODE.lane) });
		const [width, height] = [2 * NODE.left + Math.min(per, most + 1) * (wide + gap) - gap, tops[lanes.length] - NODE.row / 2];
		const lines = svg("svg", { class: "cs-lines", width, height, "aria-hidden": "true" });
		for (const one of wires) {
			const row = one.row;
			const first = tops[row] - NODE.row + 11 - TRACK * (above.get(row) ?? 0); // just below the row before
			lines.append(edge(one, corner(one.from), corner(one.to), one.far ? tops[row] - 9 - TRACK * one.track : first, wide, tall, gap));
		}

		/** @param {Node} from @param {Node} to @returns {Wire} */
		function wire(from, to) {
			const [row, before] = [rowOf(to), rowOf(from)];
			const [a, b] = [left(from) + wide, left(to)];
			const far = to.place[0] - from.place[0] > 1;
			return { from, to, row, far, down: row > before, bowed: far && row === before && !from.place[1] && !to.place[1], track: 0, span: [Math.min(a, b) - gap, Math.max(a, b) + gap] };
		}

		return h("div.cs-graph-rows", { role: "group", "aria-label": label, style: { width: `${width}px`, height: `${height}px`, fontSize: `${13 * scale}px` } },
			lines, nodes.map((node) => card(node, corner(node), wide, tall)));
	}

	/** A name without what all names of the network begin with. @param {string} name */
	const own = (name) => (app.net.layer(name)?.input ? name : name.slice(prefix) || name);

	/** @param {Node} node @param {Point} at @param {number} wide @param {number} tall */
	function card({ name, layers, times: many, entry }, { x, y }, wide, tall) {
		const { net } = app;
		const [last] = layers;
		const size = times(net.shape(last));
		const key = `${cards.size}`;
		const canvas = h("canvas", { "aria-hidden": "true" });
		const one = layers.length === 1;
		const kind = one ? net.layer(name).kind : `${layers.length} layers`;
		const low = name.length - prefix > 18 || kind.length + size.length > 40; // little room is left below
		const button = h(`button.cs-node ${many > 1 ? "cs-many" : ""} ${low ? "cs-low" : ""}`, {
			"data-key": key, "data-layers": layers.join("\n"), title: one ? `${name} (${kind})` : `${layers[layers.length - 1]} … ${last}`,
			"data-label": `${name}${many > 1 ? `, ${many} times` : ""}, ${kind}, ${size}`, onclick: () => (one ? app.visit(name) : enter(entry)),
			style: { left: `${x}px`, top: `${y}px`, width: `${wide}px`, height: `${tall}px` },
		}, h(`span.cs-node-name ${name.length - prefix > 24 ? "cs-long-name" : ""}`, breakable(own(name)), many > 1 && h("b", ` × ${many}`)), h("span.cs-node-what", `${kind} · ${size}`), h("span.cs-thumb", canvas));
		cards.set(key, { button, canvas, name: last, done: "" });
		seen.observe(button);
		return button;
	}

	/** @param {string} key */
	async function picture(key) {
		const held = cards.get(key);
		const now = `${app.net.run?.id} ${app.ramp.scheme}`;
		if (!held || held.done === now || !app.net.has(held.name)) return;
		held.done = now;
		const scale = ZOOMS[zoom];
		const still = () => held.done === now;
		if (!(await thumbnail(app, held.name, held.canvas, { wide: 100 * scale, tall: NODE.thumb * scale }, still)) && still()) held.done = "";
	}

	/** Out of the blocks that are looked into; says whether there were any. */
	function up() {
		if (!within) return false;
		enter(null);
		return true;
	}

	return { element, show, up };
}

/** What all names begin with, up to where they are joined. @param {string[]} names */
function shared(names) {
	let [first = ""] = names;
	for (const name of names) while (!name.startsWith(first)) first = first.slice(0, -1);
	return names.length > 1 ? first.slice(0, first.search(/[^/]*$/)) : "";
}

/** @param {Entry} entry @returns {Node} */
function nodeOf(entry) {
	const { name, place, feeds, blocks } = entry;
	return { name, place, feeds, entry, times: blocks.length, layers: blocks.flat().map(([layer]) => layer).reverse() };
}

/** The layers of one block. @param {Entry} entry @param {Entry["blocks"][0]} block @returns {Node[]} */
function nodesOf(entry, block) {
	const names = block.map(([name]) => name);
	return block.map(([name, place, inputs]) => ({
		name, place, layers: [name], times: 1, entry, feeds: inputs.map((feed) => names.indexOf(feed)).filter((n) => n >= 0),
	}));
}

/** Give each wire a track of its own among those above its row that it would meet, short ones the lowest; how many each row has. @param {Wire[]} wires */
function tracks(wires) {
	/** @type {Map<number, Wire[][]>} */
	const rows = new Map();
	for (const one of [...wires].sort((a, b) => a.span[1] - a.span[0] - (b.span[1] - b.span[0]))) {
		const held = rows.get(one.row) ?? [];
		rows.set(one.row, held);
		const free = held.findIndex((track) => track.every(({ from, span }) => from === one.from || span[1] < one.span[0] || span[0] > one.span[1]));
		one.track = free < 0 ? held.length : free;
		(held[one.track] ??= []).push(one);
	}
	return new Map([...rows].map(([row, held]) => [row, held.length]));
}

/** A line from one card to another: straight, in a bow over what lies between, or down to another row. @param {Wire} wire @param {Point} from @param {Point} to @param {number} over  the height at which it runs above its row @param {number} wide @param {number} tall @param {number} gap */
function edge({ far, down, track, bowed }, { x, y }, { x: toX, y: toY }, over, wide, tall, gap) {
	const [x1, y1, x2, y2] = [x + wide, y + tall / 2, toX, toY + tall / 2];
	let d = `M${x1} ${y1} C${x1 + gap / 2} ${y1} ${x2 - gap / 2} ${y2} ${x2} ${y2}`;
	if (down) { // what skips layers keeps apart from what goes on
		const apart = far ? Math.min(6 + 3 * track, gap * 0.5) : 0;
		const [out, into] = [x1 + Math.min(12, gap * 0.4) + apart, x2 - 10 + (far ? Math.min(3 + 2 * track, 8) : 0)];
		d = `M${x1} ${y1} L${out} ${y1} L${out} ${over} L${into} ${over} L${into} ${y2} L${x2} ${y2}`;
	} else if (far && y === toY) {
		const top = bowed ? over : y - 9;
		d = `M${x1} ${y1} C${x1 + gap * 0.7} ${y1} ${x1 + gap * 0.1} ${top} ${x1 + gap} ${top} L${x2 - gap} ${top} C${x2 - gap * 0.1} ${top} ${x2 - gap * 0.7} ${y2} ${x2} ${y2}`;
	}
	return svg("path", { d, class: far ? "cs-wire cs-skip" : "cs-wire", "stroke-linejoin": "round" });
}

export default overview;
