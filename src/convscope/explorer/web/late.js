// Late rooms: screens whose text comes when they are first opened.

import { SCREENS } from "./address.js";
import { fill, h, wrong } from "./elements.js";

/** @import {App, Screen} from "./frame.js" */

/** What the rooms of this text lend to late rooms, by name: joining.py writes it at the end of the text. @type {Record<string, unknown>} */
export const CORE = {};

/** A screen that is fetched, with its style sheet, when it is shown for the first time; its text when nothing else is to do. @param {App} app @param {string} name @returns {Screen} */
export function late(app, name) {
	const element = h("div");
	/** @type {Screen | null} */
	let screen = null;
	let coming = false;
	/** @type {ReturnType<typeof app.link.room> | null} */
	let text = null;
	const told = () => (text ??= app.link.room(name));
	// then it is there at once, and also when the server has gone
	if (app.alone && Object.hasOwn(SCREENS, name)) window.requestIdleCallback?.(() => told().catch(() => (text = null)));

	async function fetched() {
		coming = true;
		fill(element, h("p.cs-wait", "…"));
		try {
			const { default: room, style } = await told();
			const sheet = new CSSStyleSheet();
			sheet.replaceSync(style);
			const root = /** @type {Document | ShadowRoot} */ (app.root.getRootNode());
			root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
			screen = /** @type {Screen} */ (room(CORE)(app));
			fill(element, screen.element);
			if (element.isConnected) app.refresh();
		} catch (error) {
			text = null; // it is asked for again
			fill(element, wrong(error));
		}
		coming = false;
	}

	return {
		element, hide: () => screen?.hide?.(), up: () => Boolean(screen?.up?.()), key: (event) => screen?.key?.(event),
		show: () => (screen ? screen.show() : coming || fetched()),
	};
}
