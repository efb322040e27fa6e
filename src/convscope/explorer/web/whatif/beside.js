// Old and new, side by side: the maps of what was edited, and what comes out.

import { called, decimal, times } from "../texts.js";
import { dim, fill, h, latest, message, table } from "../elements.js";
import { outcome } from "../facts.js";
import { thumbnail } from "../thumbs.js";

/** @import {Change, Run} from "../types" */
/** @import {App} from "../frame.js" */

const PAIR = { wide: 180, tall: 132 };

/** The same image through the network as it is, and as it is edited. @param {App} app */
export function sideBySide(app) {
	const newest = latest();
	const element = h("div.cs-beside", { "aria-live": "polite" });
	let turn = 0;

	/** @param {any[]} edits @param {Change} change */
	async function show(edits, change) {
		const mine = ++turn;
		const { net, net: { run } } = app;
		if (!edits.length || !run) return fill(element);
		/** @type {Run} */
		let tried;
		try {
			tried = (await newest(net.ask({ ask: "try", edits, run: run.id }))).tried;
		} catch (error) {
			if (mine === turn) fill(element, h("p.cs-dim", `What comes out of it: ${message(error)}`));
			return;
		}
		if (mine !== turn) return; // cleared meanwhile
		const names = [...new Set(edits.map(([layer]) => layer))].slice(0, 3);
		const drawn = change.layers.some(({ weights_redrawn }) => weights_redrawn.length);
		const maps = (/** @type {string} */ name, /** @type {Run} */ one, /** @type {string} */ word) => {
			const canvas = h("canvas", { role: "img", "aria-label": `maps of ${called(name)}, ${word}` });
			thumbnail(app, name, canvas, PAIR, () => mine === turn, one);
			return h("figure", canvas, h("figcaption", `${word}: ${times(one.shapes[name])}`));
		};
		const outcomes = [outcome(net, run), outcome(net, tried)];
		const limit = Math.max(...outcomes.flat().map(({ value }) => Math.abs(value)).filter(Number.isFinite));
		const row = (/** @type {ReturnType<typeof outcome>[0]} */ { name, value }) => [name, decimal(value, 4),
			h("span.cs-meter", { style: { width: `${limit > 0 ? Math.max(0, value / limit) * 90 : 0}px` } })];
		fill(element,
			names.map((name) => h("section", h("h3", called(name)), h("div.cs-pair", maps(name, run, "as it is"), maps(name, tried, "edited")))),
			h("section", h("h3", "What comes out"), h("div.cs-pair", outcomes.map((rows, n) =>
				h("div", h("p.cs-caption", ["as it is", "edited"][n]), table(null, rows.map(row)))))),
			drawn && h("p", dim("What comes out of weights that were drawn anew means little: nobody trained them.")));
	}

	function clear() {
		turn++;
		fill(element);
	}

	return { element, show, clear };
}
