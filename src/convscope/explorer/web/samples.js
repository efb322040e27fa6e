// The images that come along, as small pictures to choose from.

import { attributes, h, penOf } from "./elements.js";

/** @import {App} from "./frame.js" */

const SIDE = 40; // pixels of a small picture

/** Buttons with the images that come along; `show` marks the one that is shown. @param {App} app @param {(name: string) => void} chosen */
export function samples(app, chosen) {
	const buttons = app.net.told.samples.map((name) => h("button.cs-small cs-sample", { type: "button", "data-name": name, onclick: () => chosen(name) }, picture(app, name), name));

	function show() {
		const shown = app.net.run?.source.replace(/\.\w+$/, "");
		for (const one of buttons) attributes(one, { "aria-pressed": one.dataset.name === shown });
	}

	return { buttons, show };
}

/** @param {App} app @param {string} name */
function picture(app, name) {
	const canvas = h("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
	const draw = async () => {
		const { body } = await app.link.ask({ ask: "picture", name });
		const bitmap = await createImageBitmap(new Blob(body ? [/** @type {DataView<ArrayBuffer>} */ (body)] : []));
		const scale = Math.min(SIDE / bitmap.width, SIDE / bitmap.height);
		const [wide, tall] = [bitmap.width * scale, bitmap.height * scale];
		penOf(canvas).drawImage(bitmap, (SIDE - wide) / 2, (SIDE - tall) / 2, wide, tall);
	};
	draw().catch(() => canvas.remove()); // the name stands there in any case
	return canvas;
}
