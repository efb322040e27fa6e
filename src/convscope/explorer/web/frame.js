// The page's frame: what is on the screen, where we are, what moves where.

import { between } from "./arrays.js";
import { attributes, fill, h, inFrame, message, say } from "./elements.js";
import { MODELS, parsePlace, placeText } from "./address.js";
import { Ramp } from "./colours.js";
import { dialog, finder, tool } from "./finder.js";
import { ribbon } from "./ribbon.js";
import { stack } from "./stack.js";
import { Microscope } from "./microscope.js";
import { HINTS } from "./hints.js";
import { KEYS, keyed } from "./keys.js";
import { late } from "./late.js";
import { lookFor } from "./marks.js";
import { sharing } from "./share.js";
import { tour } from "./tour.js";

/** @import {Model, Run} from "./types" */
/** @import {Place} from "./address.js" */
/** @import {Scheme} from "./colours.js" */
/** @import {Link} from "./link.js" */
/** @import {Network} from "./network.js" */

/** @typedef {{element: HTMLElement, show: () => void, hide?: () => void, up?: () => boolean, key?: (event: KeyboardEvent) => any}} Screen  show is called after every move; up: whether it went up in itself; key: whether a key was its own */

const CALM = 500; // milliseconds without another image until it is looked whether check finds something

/** Everything that is on the page. */
export class App {
	/** @param {Model} model @param {HTMLElement} root @param {Link} link @param {Network} net @param {Place} place */
	constructor(model, root, link, net, place) {
		this.root = root;
		this.link = link;
		this.net = net;
		this.place = this.first = place; // first: where an address without a # leads
		this.alone = Boolean(model.get("page")); // whether the page is ours: its address, its keys, its title
		/** @type {string | undefined} which of the images that come along went through, if it was chosen here */
		this.sample = undefined;
		/** @type {string | undefined} and which was asked for last */
		this.wanted = undefined;
		this.closing = new AbortController();
		this.mark = `cs${Math.random().toString(36).slice(2, 8)}`; // ids differ from other explorers' on the page
		/** @type {Place[]} where Esc goes back to */
		this.trail = [];
		this.pictures = MODELS.slice(0, 4); // which mental models the layer has that was last compared
		this.dark = window.matchMedia("(prefers-color-scheme: dark)");
		/** @type {Scheme | null} chosen by hand */
		this.scheme = null;
		this.ramp = new Ramp(this.dark.matches ? "dark" : "light", net.told.colours);
		this.telling = 0;
		this.looking = 0;
		/** @type {Map<string, [number, number]>} how many facts, and other findings, check has of each layer */
		this.marks = new Map();
		this.status = h("p.cs-live", { "aria-live": "polite" });
		this.banner = h("div.cs-banner", { role: "status", hidden: true });
		this.source = h("span.cs-source");
		this.main = h("div.cs-screen", { role: "tabpanel", id: `${this.mark}-screen`, tabindex: -1 });
		this.tabs = new Map(Object.entries(net.screens).map(([screen, title]) => [screen, h("button.cs-tab", {
			role: "tab", id: `${this.mark}-tab-${screen}`, "aria-controls": this.main.id, onclick: () => this.go({ screen }),
		}, title)]));
		this.ribbon = ribbon(this);
		this.microscope = new Microscope(this);
		/** @type {Record<string, Screen>} */
		this.screens = { stack: stack(this), microscope: this.microscope };
		for (const name of this.tabs.keys()) this.screens[name] ??= late(this, name);
		/** @type {Screen | null} */
		this.shown = null;
		this.tour = tour(this);
		this.help = dialog("Keys and words", this.tour.list, h("table.cs-keys", h("tbody", Object.entries(KEYS).map(([keys, what]) =>
			h("tr", h("th", { scope: "row" }, h("kbd", keys)), h("td", what))))),
			h("h3", "Words"), h("dl.cs-words", Object.entries(HINTS).filter(([word]) => word !== "sees").flatMap(([word, what]) => [h("dt", word), h("dd", what)])));
		this.finder = finder(this);
		this.share = sharing(this);
		const { warnings } = net.told;
		const other = () => (this.ramp.scheme === "light" ? "dark" : "light");
		fill(root,
			h("header.cs-head",
				h("h1", h("span.cs-brand", "convscope"), " ", h("span.cs-net", net.told.name), this.source),
				h("div.cs-tabs", { role: "tablist", "aria-label": "Screens" }, [...this.tabs.values()]),
				h("div.cs-tools", tool("⌕", "Find a layer (/)", () => this.finder.open()),
					this.alone && tool("↗", "Share this place: a link, or to embed it", () => this.share.open()),
					tool("?", "Help: lessons, keys, words (?)", () => this.help.showModal()),
					tool("◐", "Light or dark", () => this.setScheme(other())))),
			this.banner,
			warnings.length > 0 && h("details.cs-warnings", h("summary", `${warnings.length} remarks on the file`),
				h("ul", warnings.map((warning) => h("li", warning)))),
			this.ribbon.element, this.main, this.status, this.help, this.finder.element, this.share.element, this.tour.element);
		const { signal } = this.closing;
		this.dark.addEventListener("change", () => this.setScheme(this.scheme), { signal });
		if (this.alone) {
			document.title = `${net.told.name} · convscope`;
			window.addEventListener("hashchange", () => this.addressed(), { signal });
		}
		const keys = this.alone ? document : root;
		keys.addEventListener("keydown", (event) => keyed(this, /** @type {KeyboardEvent} */ (event)), { signal });
		const watching = new ResizeObserver(inFrame(() => this.refresh()));
		watching.observe(root);
		signal.addEventListener("abort", () => watching.disconnect());
		this.setScheme(null);
		this.imaged();
		lookFor(this);
	}

	get layer() {
		return this.net.layer(this.place.layer);
	}

	get form() {
		return this.net.form(this.place.layer);
	}

	get look() {
		return [this.net.run?.id, this.place.layer, this.ramp.scheme, this.place.colour];
	}

	close() {
		this.closing.abort();
		this.link.close();
		this.root.remove();
	}

	/** Go somewhere else; `down`: Esc comes back here. @param {Partial<Place>} change */
	go(change, down = false) {
		if (down) this.trail.push(this.place);
		this.place = { ...this.place, said: undefined, ...change };
		const address = `#${placeText(this.place, this.net)}`;
		if (this.alone && address !== location.hash) {
			if (change.screen || change.layer) history.pushState(null, "", address);
			else history.replaceState(null, "", address);
		}
		this.refresh();
	}

	/** @param {number} axis @param {number} to */
	move(axis, to) {
		const at = [...this.place.at];
		at[axis] = between(to, 0, this.form.shape[axis] - 1);
		if (at[axis] !== this.place.at[axis]) this.go({ at });
	}

	/** @param {string} layer @param {Partial<Place>} [change] @param {boolean} [down] */
	async open(layer, change, down) {
		this.go({ layer, at: await this.net.liveliest(layer), ...change }, down);
	}

	/** @param {string} name */
	visit(name) {
		const { screen } = this.place;
		return this.open(name, { screen: screen === "input" || screen === "network" ? "microscope" : screen }, screen === "network");
	}

	/** Let the image go through that the address names. */
	async imaged() {
		const { sample } = this.place;
		if (sample === undefined || sample === this.sample) return;
		this.sample = this.wanted = sample; // it is asked for once
		try {
			const { facts } = await this.link.ask({ ask: "sample", name: sample });
			if (this.wanted === sample) this.ran(facts.run, sample); // unless another was chosen meanwhile
		} catch (error) {
			if (this.sample === sample) this.sample = undefined; // it may be asked for again
			say(this.banner, message(error));
			this.banner.hidden = false;
		}
	}

	addressed() {
		const text = location.hash.slice(1);
		/** @type {Partial<Place>} what an address does not say */
		const unsaid = { screen: "microscope", colour: "layer", sort: "index", edits: [], tour: "" };
		this.place = parsePlace(text, this.net, text ? { ...this.place, ...unsaid } : this.first);
		this.refresh();
		this.imaged();
	}

	up() {
		if (this.shown?.up?.()) return;
		const before = this.trail.pop();
		if (before) this.go(before);
		else if (this.place.screen !== "stack") this.go({ screen: "stack" });
	}

	/** Back to where the way down has led through. @param {number} n  its place on the trail */
	back(n) {
		const before = this.trail[n];
		this.trail.length = n;
		if (before) this.go(before);
	}

	refresh() {
		const { net, place } = this;
		for (const [screen, tab] of this.tabs) {
			attributes(tab, { "aria-selected": screen === place.screen, tabindex: screen === place.screen ? 0 : -1 });
		}
		this.main.setAttribute("aria-labelledby", `${this.mark}-tab-${place.screen}`);
		say(this.source, net.run ? net.run.source : net.told.running ? "the image goes through …" : "no image yet");
		const screen = this.screens[place.screen];
		if (this.shown !== screen) {
			this.shown?.hide?.();
			fill(this.main, screen.element);
			this.shown = screen;
		}
		this.ribbon.element.hidden = place.screen === "network"; // which is the same, larger
		screen.show(); // before the ribbon: what it asks for is looked at first
		if (!this.ribbon.element.hidden) this.ribbon.show();
		this.tour.show();
	}

	/** Tell people who listen rather than look, once the pointer rests. @param {string} sentence */
	tell(sentence) {
		clearTimeout(this.telling);
		if (this.microscope.hover) this.telling = setTimeout(() => say(this.status, sentence), 150);
		else say(this.status, sentence);
	}

	/** @param {Scheme | null} scheme */
	setScheme(scheme) {
		this.scheme = scheme;
		const now = scheme ?? (this.dark.matches ? "dark" : "light");
		this.root.dataset.scheme = now;
		if (this.ramp.scheme !== now) this.ramp = new Ramp(now, this.net.told.colours);
		this.refresh();
	}

	/** The image that the page was opened for goes through; then, unless somebody has moved, go there. @param {Partial<Place>} then */
	async waitFor(then) {
		const { net, place } = this;
		try {
			for (;;) {
				const { facts } = await this.link.ask({ ask: "first" });
				if (facts.running) continue;
				net.told.running = false;
				net.run = facts.run;
				this.first = { ...this.first, at: await net.liveliest(this.first.layer), screen: /** @type {const} */ ("microscope") };
				const at = this.place === place && then.screen ? this.first.at : this.place.at;
				this.ran(facts.run);
				if (this.place.layer === place.layer && then.screen && this.place.screen === place.screen) this.go({ at, ...then });
				break;
			}
		} catch (error) {
			net.told.running = false;
			say(this.banner, message(error));
			this.banner.hidden = false;
			this.refresh();
		}
		this.tour.begin();
	}

	/** @param {Run} run @param {string} [sample]  if it is one of those that come along */
	ran(run, sample) {
		this.net.run = run;
		this.place.sample = this.sample = sample;
		const shape = this.net.shape(this.place.layer);
		this.go({ at: this.place.at.map((p, axis) => Math.min(p, Math.max(0, shape[axis] - 1))) });
		clearTimeout(this.looking); // while somebody draws, every rule would look at every stroke
		this.looking = setTimeout(() => lookFor(this), CALM);
	}

	/** @param {Record<string, [number, number]>} marks */
	marked(marks) {
		this.marks = new Map(Object.entries(marks));
		this.refresh();
	}

	/** @param {string} status @param {string} text */
	hostIs(status, text) {
		const lost = status !== "back";
		say(this.banner, lost ? text || "The server does not answer. This page goes on when it is back." : "The server is back.");
		this.banner.hidden = false;
		this.banner.classList.toggle("cs-lost", lost);
		if (lost) return;
		setTimeout(() => (this.banner.hidden = true), 2500);
		this.refresh();
	}
}
