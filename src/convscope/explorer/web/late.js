// Late rooms: screens whose text comes when they are first opened.

import { fill, h, wrong } from "./elements.js";

/** @import {App, Screen} from "./frame.js" */

/** What the rooms of this text lend to late rooms, by name: joining.py writes it at the end of the text. @type {Record<string, unknown>} */
export const CORE = {};

/** A screen that is fetched, with its style sheet, when it is shown for the first time. @param {App} app @param {string} name @returns {Screen} */
export function late(app, name) {
	const element = h("div");
	/** @type {Screen | null} */
	let screen = null;
	let coming = false;

	async function fetched() {
		coming = true;
		fill(element, h("p.cs-wait", "…"));
		try {
			const { default: room, style } = await app.link.room(name);
			const sheet = new CSSStyleSheet();
			sheet.replaceSync(style);
			const root = /** @type {Document | ShadowRoot} */ (app.root.getRootNode());
			root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
			screen = /** @type {Screen} */ (room(CORE)(app));
			fill(element, screen.element);
			if (element.isConnected) app.refresh();
		} catch (error) {
			fill(element, wrong(error));
		}
		coming = false;
	}

	return {
		element, hide: () => screen?.hide?.(), up: () => Boolean(screen?.up?.()), key: (event) => screen?.key?.(event),
		show: () => (screen ? screen.show() : coming || fetched()),
	};
}
