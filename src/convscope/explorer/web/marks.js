// Marks: in which layers convscope check has found something.

import { attributes } from "./elements.js";

/** @import {App} from "./frame.js" */

const AGAIN = 1500; // milliseconds until a host that still looks is asked again

/** Ask what was found, where that costs little or somebody has looked; every screen then marks its layers. @param {App} app */
export async function lookFor(app) {
	if (!app.net.screens.check || app.closing.signal.aborted) return;
	const { facts } = await app.link.ask({ ask: "check", gently: true }).catch(() => ({ facts: {} }));
	if (facts.running) setTimeout(() => lookFor(app), AGAIN);
	else if (facts.marks) app.marked(facts.marks);
}

/** Mark what stands for layers by how many findings they have, facts apart. @param {App} app @param {Element} element @param {string[]} layers @param {string | null} label  what it is called */
export function mark({ marks }, element, layers, label) {
	let [facts, found] = [0, 0];
	for (const name of layers) {
		const [sure, other] = marks.get(name) ?? [0, 0];
		facts += sure;
		found += sure + other;
	}
	attributes(element, { "data-found": found || null, "data-sure": facts ? "" : null, "aria-label": found ? `${label}, ${found} found by check` : label });
}
