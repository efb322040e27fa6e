// The stack: every layer with its maps and its figures.

import { range } from "./arrays.js";
import { called, decimal, exact, grouped, places, times } from "./texts.js";
import { choice, dim, fill, folded, h, latest, link, memo, message, say, sized, small, table, unfold } from "./elements.js";
import { COLOURS, SORTS } from "./address.js";
import { Atlas } from "./atlas.js";
import { hinted } from "./hints.js";
import { mark } from "./marks.js";
import { contributions, fieldText, weightsText } from "./facts.js";

/** @import {Props} from "./elements.js" */
/** @import {Spot} from "./address.js" */
/** @import {App} from "./frame.js" */

const FIRST_MAPS = 64; // how many maps of a layer are shown until more are asked for
const PAGE = 2048; // and then at once
/** @typedef {ReturnType<typeof stackRow>} Row */
const ROWS = 60; // layers that are listed at once

/** Every layer, one below the other, with its maps and its figures. @param {App} app */
export function stack(app) {
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
		const feeds = app.layer.inputs.map(called).join(" and ") || "no layer";
		say(note, shares
			? `Contribution: how much each map of ${feeds} adds to ${called(place.layer)} at (${place.at.join(", ")}), by size.` : "");
		const where = shares ? [place.layer, place.at] : 0;
		for (const row of byName.values()) row.marked();
		if (drawn(net.run?.id, place.sort, place.colour, ramp.scheme, where, rows.clientWidth)) redraw();
		if (place.layer !== at && at !== "") to(place.layer);
		at = place.layer;
	}

	/** @param {string} name */
	function to(name) {
		const shown = () => byName.get(name)?.element;
		while (!shown()?.isConnected && listed < names.length) extend();
		shown()?.scrollIntoView({ block: "start" });
		held = name;
	}

	// rows above grow when they are drawn: the layer stays in its place until somebody moves
	/** @type {string | null} */
	let held = null;
	const growing = new ResizeObserver(() => held !== null && byName.get(held)?.element.scrollIntoView({ block: "start" }));
	growing.observe(rows);
	const { signal } = app.closing;
	signal.addEventListener("abort", () => growing.disconnect());
	for (const moved of ["wheel", "touchmove", "pointerdown", "keydown"]) {
		window.addEventListener(moved, () => (held = null), { signal, capture: true, passive: true });
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
	const newest = latest();
	let visible = false;
	let stale = true;
	let open = false;
	let page = 0;
	/** @type {number[]} */
	let listed = [];
	const picked = (/** @type {Spot} */ spot) =>
		app.go({ screen: "microscope", layer: name, at: app.net.form(name).position(spot) }, true);
	const atlas = new Atlas(app, `The maps of ${called(name)}`, picked, (spot) => over(spot));
	const under = h("span.cs-under");
	const pager = h("div.cs-pager");
	const details = folded("The maps as a table", () => tabulate());
	const { kind, weights, params, macs, receptive_field } = app.net.layer(name);
	const output = h("dd", times(app.net.shape(name)));
	const found = h("button.cs-link cs-marked", { onclick: () => app.open(name, { screen: "check" }, true) });
	const fact = (/** @type {string} */ what, /** @type {any} */ text) => h("div", h("dt", hinted(what)), h("dd", text));
	const element = h("article.cs-row", { "aria-label": name },
		h("header",
			h("h2", link(name, () => app.open(name, { screen: "microscope" }, true)), " ", dim(kind), " ", found),
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
			const order = await newest(ordered(form.maps));
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
		const buttons = () => [...pager.querySelectorAll("button")];
		const focused = buttons().findIndex((button) => button.matches(":focus"));
		fill(pager,
			number > FIRST_MAPS && turn(open ? "fewer" : `all ${grouped(number)} maps`, () => (open = !open)),
			open && last > 0 && [
				turn("‹", () => page--, { "aria-label": "maps before", disabled: page === 0 }),
				` maps ${grouped(from)} … ${grouped(Math.min(number, from + PAGE) - 1)} of ${grouped(number)} `,
				turn("›", () => page++, { "aria-label": "more maps", disabled: page === last })],
			zero > 0 && dim(` ${grouped(zero)} maps are all zero here`));
		const now = buttons();
		if (focused >= 0) (now[focused]?.disabled ? now[0] : now[focused])?.focus({ preventScroll: true });
	}

	/** @param {Spot | null} spot */
	function over(spot) {
		atlas.mark(spot?.map);
		if (!spot) return say(under, "");
		const value = atlas.value(spot);
		const at = stack.app.net.form(name).position(spot);
		say(under, `${name}(${at.join(", ")})${value === null ? "" : ` = ${decimal(value, places(value))}`}`);
	}

	function marked() {
		mark(app, found, [name], name);
		found.hidden = !found.dataset.found;
	}

	marked();
	return { element, see, again, marked };
}
