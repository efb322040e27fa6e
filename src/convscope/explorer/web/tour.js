// Lessons: a card below the page that leads from place to place, and asks. What it says, the host has worked out
// from the network (explorer/teaching.py); only what changes with the image and the position is filled in here.

import { exact } from "./texts.js";
import { fill, h, link, say, small } from "./elements.js";
import { numberAt } from "./arrays.js";
import { parsePlace } from "./address.js";

/** @import {Lesson, LessonStep} from "./types" */
/** @import {App} from "./frame.js" */

/** What a step can mean, and where that is on the page. */
const PARTS = {
	image: ".cs-image", map: ".cs-output", tiles: ".cs-board", play: ".cs-board-bar", total: ".cs-total", equation: ".cs-equation",
	models: ".cs-models", compared: ".cs-compare", form: ".cs-form", table: ".cs-result",
};
const SEEN = "convscope-lessons"; // what a browser keeps that has seen the invitation

/** @param {App} app */
export function tour(app) {
	const given = app.alone ? location.hash : ""; // where the page was opened
	const heading = h("h2", { tabindex: -1 });
	const where = h("span.cs-dim");
	const text = h("p", { "aria-live": "polite" });
	const asking = h("div.cs-guess");
	const [back, next] = [small("Back", () => step(-1)), h("button.cs-primary", { type: "button", onclick: () => step(1) })];
	const element = h("section.cs-tour", { role: "region", "aria-label": "Lesson", hidden: true },
		h("header", heading, where, h("button.cs-tool", { "aria-label": "Leave the lesson", title: "Leave the lesson", onclick: leave }, "×")),
		text, asking, h("div.cs-tour-ways", back, next));
	const list = h("div.cs-lessons");
	/** @type {Lesson[]} */
	let lessons = [];
	let told = false;
	let shown = "";
	/** @type {Map<string, number>} what was guessed, by step */
	const guesses = new Map();

	/** The lesson and the step that the address names. */
	function now() {
		const [, name, n] = /^([\w-]+)\.(\d{1,3})$/.exec(app.place.tour) ?? [];
		const lesson = lessons.find((one) => one.name === name);
		const step = lesson?.steps[Number(n) - 1];
		return lesson && step ? { lesson, step, n: Number(n) } : null;
	}

	/** Ask which lessons there are; go on with the one that the address names, or offer the first. */
	async function begin() {
		const { facts } = await app.link.ask({ ask: "lessons" });
		lessons = facts.lessons;
		told = true;
		fill(list, lessons.length > 0 && [h("h3", "Lessons"), h("ul", lessons.map((lesson) => h("li", link(lesson.title, () => {
			app.help.close();
			open(lesson, 1);
		}), ` in ${lesson.steps.length} steps`)))]);
		const asked = now();
		const start = lessons.find(({ name }) => name === facts.start);
		if (asked) return /(^#|&)l=/.test(given) ? app.refresh() : open(asked.lesson, asked.n);
		if (given.length > 1) return;
		if (start) return open(start, 1);
		if (app.alone && app.net.run && lessons.length && !kept()) invite(lessons[0]);
	}

	/** Offer a lesson, once. @param {Lesson} lesson */
	function invite(lesson) {
		keep();
		shown = "";
		say(heading, "New here?");
		say(where, `${lesson.steps.length} steps on this page`);
		say(text, `${lesson.title} ${lesson.about}`);
		fill(asking);
		back.hidden = false;
		say(back, "Not now");
		say(next, "Show me");
		invited = lesson;
		element.hidden = false;
	}
	/** @type {Lesson | null} */
	let invited = null;

	/** @param {Lesson} lesson @param {number} n */
	async function open(lesson, n) {
		const { place, net } = app;
		const { place: there } = lesson.steps[n - 1];
		invited = null;
		keep();
		const found = parsePlace(there, net, { ...place, at: [], screen: "microscope", colour: "layer", sort: "index", edits: [], layer: "" });
		if (!/(^|&)[oyxp]=/.test(there)) found.at = await net.liveliest(found.layer);
		app.go({ ...found, tour: `${lesson.name}.${n}` });
		heading.focus({ preventScroll: true });
	}

	/** @param {number} by */
	function step(by) {
		const at = now();
		if (invited && by > 0) open(invited, 1);
		else if (at?.lesson.steps[at.n - 1 + by]) open(at.lesson, at.n + by);
		else leave();
	}

	function leave() {
		invited = null;
		app.go({ tour: "" });
		app.main.focus({ preventScroll: true });
	}

	function show() {
		const at = told ? now() : null;
		if (!at) {
			shown = "";
			mark(null);
			hide(false);
			element.hidden = !invited;
			return;
		}
		const { lesson, step: { title, text: said, guess, part }, n } = at;
		element.hidden = false;
		fillIn(said);
		mark(part);
		if (shown === app.place.tour) return;
		shown = app.place.tour;
		say(heading, title);
		say(where, `${lesson.title} ${n} of ${lesson.steps.length}`);
		back.hidden = n === 1;
		say(back, "Back");
		say(next, n === lesson.steps.length ? "Done" : "Next");
		ask(guess);
	}

	/** The sentence, with what changes as one moves. @param {string} said */
	async function fillIn(said) {
		const { net, place: { layer, at } } = app;
		const put = (/** @type {string} */ value) => say(text, said.replaceAll("{value}", value).replaceAll("{where}", `(${at.join(", ")})`));
		if (!said.includes("{value}")) return put("");
		if (!net.has(layer)) return put("… (no image has gone through yet)");
		const before = app.place;
		const patch = await net.ask(net.around(layer, at)).catch(() => null);
		if (app.place === before) put(patch ? exact(numberAt(patch, at)) : "…");
	}

	/** @param {LessonStep["guess"]} guess */
	function ask(guess) {
		hide(guess !== undefined && !guesses.has(app.place.tour));
		if (!guess) return fill(asking);
		const key = app.place.tour;
		const field = h("input", { type: "number", step: 1, min: 0, "aria-label": guess.ask });
		const answer = h("p", { "aria-live": "polite" });
		const judge = () => {
			const guessed = guesses.get(key);
			if (guessed === undefined) return;
			hide(false);
			const right = guessed === guess.answer;
			answer.className = right ? "cs-good" : "cs-bad";
			say(answer, `${right ? "✓" : "✗"} ${(right ? guess.right : guess.wrong).replaceAll("{guess}", String(guessed))}`);
		};
		const check = (/** @type {Event} */ event) => {
			event.preventDefault();
			if (field.value === "") return;
			guesses.set(key, Number(field.value));
			judge();
		};
		fill(asking, h("form", { onsubmit: check }, h("label", guess.ask, " ", field), " ", h("button.cs-small", "Check")), answer);
		judge();
	}

	/** What would say what is to be guessed. @param {boolean} guessing */
	const hide = (guessing) => app.root.classList.toggle("cs-guessing", guessing);

	/** Frame what is meant. @param {string | null} part */
	function mark(part) {
		const selector = part && PARTS[/** @type {keyof typeof PARTS} */ (part)];
		for (const one of app.root.querySelectorAll(".cs-meant")) one.classList.remove("cs-meant");
		if (selector) app.main.querySelector(selector)?.classList.add("cs-meant");
	}

	return { element, list, begin, show };
}

/** Whether this browser was invited before; one that keeps nothing was. */
function kept() {
	try {
		return localStorage.getItem(SEEN) !== null;
	} catch {
		return true;
	}
}

function keep() {
	try {
		localStorage.setItem(SEEN, "seen");
	} catch {
		// it keeps nothing
	}
}
