// Keys.

import { COLOURS, after } from "./address.js";

/** @import {App} from "./frame.js" */

export const KEYS = {
	"← ↑ → ↓": "move the pixel; with Shift by 8",
	", .": "the map before, the next one",
	"[ ]": "the layer before, the next one",
	p: "play: add the maps one by one, and pause",
	m: "the next mental model",
	c: "the next colour scale",
	"/": "find a layer",
	Enter: "open what has the focus: go down to it",
	Esc: "go up again: to where you came from",
	"?": "this help",
};

/** @param {App} app @param {KeyboardEvent} event */
export function keyed(app, event) {
	const target = /** @type {HTMLElement} */ (event.target);
	if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
	if (target.closest?.("dialog[open]") || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName ?? "")) return;
	if (app.shown?.key?.(event)) return event.preventDefault();
	const { net, place } = app;
	const { axes: { maps, rows, columns } } = app.form;
	const role = target.getAttribute?.("role");
	const onMap = place.screen === "microscope" || place.screen === "models";
	const walk = (/** @type {number | null} */ axis, /** @type {number} */ by) => axis !== null && (app.move(axis, place.at[axis] + by), true);
	const arrow = (/** @type {number | null} */ axis, /** @type {number} */ by) => onMap && walk(axis, event.shiftKey ? 8 * by : by);
	const across = (/** @type {number} */ by) => {
		if (role !== "tab") return arrow(columns, by);
		const screen = after(Object.keys(net.screens), place.screen, by);
		app.go({ screen });
		app.tabs.get(screen)?.focus();
	};
	const beside = (/** @type {number} */ by) => {
		const name = net.names[net.names.indexOf(place.layer) + by];
		if (name) app.visit(name);
	};
	/** @type {Record<string, () => any>} */
	const keys = {
		ArrowLeft: () => across(-1), ArrowRight: () => across(1), ArrowUp: () => arrow(rows, -1), ArrowDown: () => arrow(rows, 1),
		",": () => walk(maps ?? columns, -1), ".": () => walk(maps ?? columns, 1),
		"[": () => beside(-1), "]": () => beside(1),
		p: () => place.screen === "microscope" && app.microscope.sum && app.microscope.funnel.toggle(),
		m: () => app.go({ model: after(app.pictures, place.model), screen: "models" }),
		c: () => {
			const colour = after(Object.keys(COLOURS), place.colour);
			app.go({ colour });
			app.tell(`colours: ${COLOURS[/** @type {keyof typeof COLOURS} */ (colour)]}`);
		},
		"/": () => app.finder.open(),
		"?": () => app.help.showModal(),
		Escape: () => app.up(),
		Enter: () => role === "gridcell" && app.microscope.deeper(),
	};
	const act = keys[event.key];
	if (act && act() !== false) event.preventDefault();
}
