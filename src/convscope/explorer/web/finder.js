// Dialogs, and finding a layer.

import { times } from "./texts.js";
import { dim, fill, h } from "./elements.js";

/** @import {Child} from "./elements.js" */
/** @import {App} from "./frame.js" */

/** @param {string} sign @param {string} label @param {() => void} onclick */
export const tool = (sign, label, onclick) => h("button.cs-tool", { "aria-label": label, title: label, onclick }, sign);

/** @param {string} title @param {...Child} children */
export function dialog(title, ...children) {
	/** @type {HTMLDialogElement} */
	const made = h("dialog.cs-dialog", { "aria-label": title, onclick: (event) => event.target === made && made.close() },
		h("header", h("h2", title), tool("×", "Close", () => made.close())), ...children);
	return made;
}

/** Finding a layer by a part of its name or kind. @param {App} app */
export function finder(app) {
	const list = h("ul.cs-found");
	const input = h("input", {
		type: "search", placeholder: "a part of a layer's name or kind", "aria-label": "Find a layer", oninput: () => find(),
		onkeydown: (/** @type {KeyboardEvent} */ event) => {
			const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
			if (by) choose(chosen + by);
			else if (event.key === "Enter") buttons[chosen]?.click();
			else return;
			event.preventDefault();
		},
	});
	/** @type {HTMLButtonElement[]} what Enter opens, and the arrows choose */
	let buttons = [];
	let chosen = 0;
	const element = dialog("Find a layer", input, list);

	function open() {
		input.value = "";
		find();
		element.showModal();
		input.focus();
	}

	/** @param {number} n */
	function choose(n) {
		chosen = Math.max(0, Math.min(buttons.length - 1, n));
		buttons.forEach((button, place) => button.classList.toggle("cs-chosen", place === chosen));
		buttons[chosen]?.scrollIntoView({ block: "nearest" });
	}

	function find() {
		const { net } = app;
		const found = net.find(input.value);
		const onclick = (/** @type {string} */ name) => () => {
			element.close();
			app.visit(name);
		};
		buttons = found.slice(0, 50).map((name) => h("button", { onclick: onclick(name) },
			name, " ", dim(`${net.layer(name).kind} ${times(net.shape(name))}`)));
		fill(list,
			buttons.map((button) => h("li", button)),
			found.length > 50 && h("li.cs-dim", `and ${found.length - 50} more`),
			!found.length && h("li.cs-dim", "no layer of this network has that in its name"));
		choose(0);
	}

	return { element, open };
}
