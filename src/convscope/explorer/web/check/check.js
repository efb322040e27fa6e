// The screen Check: what convscope check has found, a card each, and what it did not find.

import { dim, fill, h, link, memo, small, wrong } from "../elements.js";
import { called, grouped } from "../texts.js";

/** @import {App, Screen} from "../frame.js" */
/** @import {Found, Told} from "./types" */

const AGAIN = 700; // milliseconds until a host that still looks is asked again
const WRITTEN = 6; // so many findings of one rule are cards until more are asked for
const WORDS = { fact: "facts", predicted: "predicted", advice: "pieces of advice" };

/** @param {App} app @returns {Screen} */
function checking(app) {
	/** @type {Told | null} */
	let told = null;
	let asking = false;
	let of = -1; // the run that was asked about
	/** @type {Set<string>} the rules whose findings are all shown */
	const open = new Set();
	const changed = memo();
	const state = h("p.cs-check-state", { role: "status" });
	const body = h("div.cs-check-cards");
	const element = h("section.cs-check-screen", state, body);

	async function ask() {
		asking = true;
		of = app.net.run?.id ?? 0;
		try {
			const { facts } = await app.link.ask({ ask: "check" });
			if (facts.running) {
				fill(state, "Looking at the network with every rule …");
				setTimeout(ask, AGAIN);
				return;
			}
			told = facts;
			app.marked(facts.marks);
		} catch (error) {
			fill(state, wrong(error));
		}
		asking = false;
		draw();
	}

	function show() {
		if (!asking && (!told || of !== (app.net.run?.id ?? 0))) ask();
		else if (told) draw();
	}

	function draw() {
		if (!told || !changed(of, app.place.layer, [...open], told.findings.length)) return;
		const { findings } = told;
		const counts = Object.keys(WORDS).map((name) => [name, findings.filter((one) => one.class === name).length]).filter(([, many]) => many);
		const seen = [told.image && `the numbers of ${told.image}`, told.surveyed && `what the survey counted over ${grouped(told.surveyed)} images`].filter(Boolean);
		const image = seen.length ? `, with ${seen.join(" and ")}` : "; without an image";
		fill(state, findings.length ? `${counts.map(([name, many]) => `${grouped(Number(many))} ${many === 1 ? name : WORDS[/** @type {"fact"} */ (name)]}`).join(", ")} in ${grouped(Object.keys(told.marks).length)} layer${Object.keys(told.marks).length > 1 ? "s" : ""}${image}.` : `Nothing was found${image}.`);
		const here = findings.filter((one) => one.layer === app.place.layer);
		/** @type {Map<string, Found[]>} */
		const rules = new Map();
		for (const one of findings) if (one.layer !== app.place.layer) rules.set(one.rule, [...(rules.get(one.rule) ?? []), one]);
		fill(body,
			here.length > 0 && group(`Of ${called(app.place.layer)}, where you are`, null, here, true),
			[...rules].map(([rule, some]) => group(some[0].title, some[0], some, open.has(rule))),
			h("div.cs-check-rest", h("h3", "The rest"), ...rest(told).map((text) => h("p.cs-dim", text))));
	}

	/** @param {string} title @param {Found | null} rule @param {Found[]} some @param {boolean} all */
	function group(title, rule, some, all) {
		const shown = all ? some : some.slice(0, WRITTEN);
		return h("section.cs-check-group",
			h("h3", title, " ", rule && dim(`${rule.class}: ${rule.rule}`)),
			h("div.cs-check-list", shown.map(card)),
			some.length > shown.length && small(`all ${grouped(some.length)}`, () => {
				open.add(some[0].rule);
				draw();
				body.querySelector("button")?.focus();
			}),
			rule && h("p.cs-note cs-dim", rule.source));
	}

	/** @param {Found} found */
	function card(found) {
		const { layer, words, proof, repair } = found;
		const edits = (repair?.edits ?? []).filter(([name]) => app.net.layers.has(name));
		const numbers = Object.entries(found.numbers).map(([name, value]) => `${name.replaceAll("_", " ")}: ${short(value)}`);
		return h(`article.cs-check-card cs-check-${found.class}`, { "aria-label": `${found.title}: ${layer}` },
			h("h4", app.net.layers.has(layer) ? link(layer, () => app.open(layer, { screen: "microscope" }, true)) : layer, " ", dim(found.rule)),
			h("p", `${words}.`),
			numbers.length > 0 && h("p.cs-note cs-dim", numbers.join(" · ")),
			proof && h("p.cs-note", dim("Proof: "), `${proof}.`),
			repair && h("p.cs-note", dim("Repair: "), `${repair.words}. `,
				edits.length > 0 && small("try it in What if", () => app.go({ screen: "whatif", layer: edits[0][0], at: app.net.shape(edits[0][0]).map(() => 0), edits: repair.edits }, true))));
	}

	return { element, show };
}

/** @param {any} value */
function short(value) {
	if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
	const text = typeof value === "object" ? JSON.stringify(value) : String(value);
	return text.length > 60 ? `${text.slice(0, 57)} …` : text;
}

/** What was looked for and not found, and what was not looked for. @param {Told} told */
function rest({ quiet, not_run: left, ignored, not_judged: opaque }) {
	const said = quiet.length ? [`Looked for and not found: ${quiet.join(", ")}.`] : [];
	/** @type {Record<string, string[]>} */
	const reasons = {};
	for (const [rule, why] of Object.entries(left)) (reasons[why] ??= []).push(rule);
	for (const [why, rules] of Object.entries(reasons)) said.push(`Not looked for, ${why}: ${rules.join(", ")}.`);
	for (const [rule, many] of Object.entries(ignored)) said.push(`Left out, as asked: ${rule} (${many}).`);
	if (opaque.length) said.push(`No rule can judge layers without an equation: ${opaque.join(", ")}.`);
	return said;
}

export default checking;
