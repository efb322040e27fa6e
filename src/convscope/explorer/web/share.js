// Sharing a place: its link, and the lines that embed it in another page.

import { fill, h, small } from "./elements.js";
import { placeText } from "./address.js";
import { dialog } from "./finder.js";

/** @import {App} from "./frame.js" */

/** @param {App} app */
export function sharing(app) {
	const body = h("div.cs-share");
	const element = dialog("Share this place", body);

	function open() {
		const hash = `#${placeText(app.place, app.net)}`;
		const page = location.href.split("#")[0];
		const alone = location.protocol === "file:" || !/^(127\.0\.0\.1|localhost|\[::1\])$/.test(location.hostname);
		const { name } = app.net.told;
		const file = alone ? page : `${name.replace(/[^\w.-]+/g, "-") || "network"}.html`;
		const frame = `<iframe src="${file}${hash}" title="${name.replace(/[&"<>]/g, "")} in convscope" width="100%" height="900" loading="lazy"></iframe>`;
		fill(body,
			field("The link to this place", page + hash),
			field("To embed it in a page", frame),
			h("p.cs-dim cs-note", alone ? "The page is one file that needs no server: put it where your page is."
				: `${file} is this network as one file that needs no server: convscope export MODEL ${file} --image IMAGE writes it. The link opens where this server runs.`));
		element.showModal();
	}

	/** @param {string} label @param {string} text */
	function field(label, text) {
		const input = h("input", { type: "text", readonly: true, value: text, "aria-label": label, onfocus: () => input.select() });
		const copy = small("copy", async () => {
			input.select();
			try {
				await navigator.clipboard.writeText(text);
				copy.textContent = "copied";
			} catch {
				copy.textContent = "press Ctrl+C";
			}
		}, { "aria-label": `Copy: ${label}` });
		return h("div.cs-share-field", h("span", label), h("div", input, copy));
	}

	return { element, open };
}
