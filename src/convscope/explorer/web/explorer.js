/**
 * The explorer: one ES module for a page, a notebook and a file on its own.
 *
 * `render({ model, el })` is anywidget's contract. The module draws a network, asks its host for numbers
 * through `model` (see link.js), and works out the arithmetic of any number itself, from the layer's equation.
 *
 * This folder holds its rooms, a file each; explorer/joining.py makes one text of them.
 */

import { fill, h, wrong } from "./elements.js";
import { Link } from "./link.js";
import { Network } from "./network.js";
import { parsePlace } from "./address.js";
import { App } from "./frame.js";

/** @import {Model} from "./types" */
/** @import {Place} from "./address.js" */

export { evaluate, ledger } from "./evaluator.js";
export { needs } from "./windows.js";
export { addingUp, decimal, exact, scientific } from "./texts.js";
export { account } from "./account.js";

const LOOKED = 24; // at so many layers it is looked whether they teach

/**
 * The first layer whose numbers each sum windows of several maps, or else numbers of several maps, or else the first
 * with an equation. @param {Network} net
 */
async function firstLayer(net) {
	const layers = [...net.layers.values()].filter(({ input }) => !input);
	const deep = layers.filter(({ equation, macs, axes, inputs: [feed] }) =>
		equation && macs && axes.rows !== null && net.layers.has(feed) && net.form(feed).maps > 3);
	/** @type {string | null} */
	let mixes = null;
	for (const { name } of deep.slice(0, LOOKED)) {
		const { equation } = await net.ask(net.detail(name)).catch(() => ({ equation: null })); // a file may have left it out
		if (!equation) continue;
		const { index, ledger: { main } } = equation;
		if (!main || main.over === null || Number(index[main.over].size) < 4) continue; // each map by itself
		if (main.window.some((/** @type {number} */ axis) => Number(index[axis].size) > 1)) return name;
		mixes ??= name;
	}
	return mixes ?? (deep[0] ?? layers.find(({ equation }) => equation) ?? layers[0] ?? net.layer(net.names[0])).name;
}

export default {
	/** @param {{model: Model, el: HTMLElement}} given */
	async render({ model, el }) {
		// JupyterLab would take our keys for commands on the cell
		const root = h("div.convscope", { "data-lm-suppress-shortcuts": "true" }, h("p.cs-wait", "Reading the network …"));
		el.append(root);
		const link = new Link(model);
		/** @type {App | null} */
		let app = null;
		link.heard = (status, text) => (app ? app.hostIs(status, text) : fill(root, h("p.cs-wait", text)));
		try {
			const net = new Network(link, (await link.ask({ ask: "network" })).facts);
			const layer = await firstLayer(net);
			/** @type {Place} */
			const place = {
				screen: net.run ? "microscope" : "stack", layer, at: await net.liveliest(layer), model: "real", colour: "layer", sort: "index", edits: [], tour: "",
			};
			const address = model.get("page") ? location.hash.slice(1) : "";
			app = new App(model, root, link, net, parsePlace(address || net.told.place, net, place));
			if (net.told.running) app.waitFor(address || net.told.place ? {} : { screen: "microscope" });
			else app.tour.begin();
		} catch (error) {
			fill(root, wrong(error));
			throw error;
		}
		return () => app?.close();
	},
};
