// The microscope: one number, taken apart.

import { between, largestOf } from "./arrays.js";
import { ledger } from "./evaluator.js";
import { added, called, decimal, exact, grouped, places, readBack, scientific, signed } from "./texts.js";
import { Part, fill, folded, h, link, memo, pixelled, say, table, unfold, wrong } from "./elements.js";
import { scaleOf } from "./colours.js";
import { steps } from "./facts.js";
import { hinted } from "./hints.js";
import { FEW_ROWS, sentence, sumOf } from "./account.js";
import { board } from "./board.js";
import { funnel } from "./funnel.js";
import { outputMap } from "./map.js";
import { inners } from "./inner.js";
import { pictured } from "./image.js";
import { heat } from "./heat.js";
import { waterfall } from "./waterfall.js";
import { magnifier } from "./lens.js";
import { curve, drawCurves, thread } from "./thread.js";

/** @import {Props} from "./elements.js" */
/** @import {Detail, EquationJson, Patch, Values} from "./types" */
/** @import {Now, Sum} from "./account.js" */

const THUMBS = 256; // so many small pictures of maps are kept

/** One output number, taken apart. */
export class Microscope extends Part {
	opened = "";
	shape = ""; // which of its forms is on the screen
	written = ""; // the equation on the screen
	spoken = "";
	/** @type {number | null} which tile or bar is lit */
	litTile = null;
	/** @type {string | null} which term of the equation */
	litTerm = null;
	/** @type {number[] | null} the position under the pointer */
	hover = null;
	/** @type {number | null} how much of the sum has been added, whole parts and a piece of the next; null: all of it */
	added = null;
	few = FEW_ROWS;
	/** @type {Map<string, HTMLCanvasElement>} */
	thumbs = new Map();
	unfolded = false; // whether the small ones stand one by one too
	sorted = false; // whether the largest come first
	/** @type {number | null} the group that the lens keeps */
	picked = null;
	/** @type {Now | null} */
	now = null;
	/** @type {Sum | null} */
	sum = null;
	lead = "";
	name = h("b");
	where = h("span");
	value = h("output");
	title = h("h2.cs-number");
	reads = h("p.cs-reads");
	equation = h("p.cs-equation", { "aria-label": "The layer's equation" });
	map = outputMap(this);
	board = board(this);
	fall = waterfall(this);
	lens = magnifier(this);
	total = h("p.cs-total");
	funnel = funnel(this);
	inners = inners(this);
	heat = heat(this);
	image = pictured(this);
	stepped = memo(); // which steps the total has
	engine = h("b");
	apart = h("span");
	engineName = h("span");
	beside = h("span.cs-engine", this.engineName, " ", this.engine, ", difference ", this.apart);
	table = folded("The same as a table", () => this.tabulate());
	listing = h("div.cs-listing");
	aside = h("div.cs-aside", this.map.element);
	right = h("div.cs-sum");
	thread = thread(this);
	problem = h("div");
	crumbs = h("nav.cs-crumbs", { "aria-label": "The way down", hidden: true });
	element = h("section.cs-micro", this.image.element, this.crumbs, h("div.cs-micro-head", this.title, this.reads), this.problem,
		h("div.cs-micro-body", this.aside, this.right, this.thread.element), this.equation);

	get at() {
		return this.hover ?? this.app.place.at;
	}

	hide() {
		this.map.pause();
		this.funnel.pause();
		this.hover = this.added = null;
		this.spoken = "";
	}

	show() {
		const { net, place } = this.app;
		const opened = `${net.run?.id} ${place.layer}`;
		if (opened !== this.opened) {
			this.opened = opened;
			this.hover = this.picked = this.now = this.sum = null;
			fill(this.problem);
		}
		this.funnel.show();
		this.map.show();
		this.image.show();
		this.draw();
		this.wayDown();
	}

	/** From where the way has led down to here, each with a way back. */
	wayDown() {
		const { trail, place } = this.app;
		const way = trail.map((before, n) => ({ before, n })).filter(({ before }) => before.said !== undefined);
		this.crumbs.hidden = !way.length;
		fill(this.crumbs, way.flatMap(({ before, n }) => [link(`${called(before.layer)}(${before.at.join(", ")}) = ${before.said}`, () => this.app.back(n)), " ← "]),
			h("b", `${called(place.layer)}(${place.at.join(", ")})`));
	}

	draw() {
		const { net, layer: { name, kind, input, equation } } = this.app;
		this.image.draw();
		this.newest();
		if (!net.run) return this.only("No image has gone through the network yet: choose one under Input.");
		if (!net.has(name)) return this.only(`${name} has no numbers in this run.`);
		if (input) return this.pixel();
		if (!equation) {
			return this.only(`${name} (${kind}) has no equation, so its numbers cannot be taken apart; what it gave is shown.`);
		}
		const { at } = this;
		const detail = net.now(net.detail(name));
		const values = detail && net.readsNow(net.reads(detail, at));
		if (values) return this.account(detail, values, at);
		// what stood there until now is another layer's: it does not wait under this one's name
		clearTimeout(this.waiting); // of what was asked before, which nobody waits for any more
		this.waiting = this.now ? 0 : setTimeout(() => this.app.place.layer === name && !this.now && this.only("…"), 150);
		const soon = async () => {
			const told = await net.ask(net.detail(name));
			return { told, fetched: await net.readsSoon(net.reads(told, at)) };
		};
		this.newest(soon()).then(({ told, fetched }) => this.account(told, fetched, at))
			.catch((error) => {
				clearTimeout(this.waiting);
				this.only("");
				fill(this.problem, wrong(error));
			});
	}

	/** @param {string} sentence */
	only(sentence) {
		this.clear();
		fill(this.title, this.app.place.layer);
		say(this.reads, sentence);
		fill(this.right);
	}

	clear() {
		for (const element of [this.problem, this.equation]) fill(element);
		this.shape = this.lead = this.written = "";
		this.now = this.sum = null;
	}

	/** @param {string} lead @param {string} where @param {string} value */
	titled(lead, where, value) {
		if (this.lead !== lead) fill(this.title, (this.lead = lead), this.name, this.where, this.value);
		say(this.name, called(this.app.place.layer));
		say(this.where, `${where} = `);
		say(this.value, value);
	}

	pixel() {
		const { at, app: { net, place } } = this;
		this.clear();
		const value = this.map.value(at);
		this.titled("One number of the image: ", ` (${at.join(", ")})`, value === null ? "…" : exact(value));
		const pixel = value !== null && net.run?.steps.at(-1)?.step === "divide by 255" ? `It is ${Math.round(value * 255)} ÷ 255. ` : "";
		say(this.reads, `${pixel}Nothing else made this number: it is what goes in. Esc goes back up.`);
		fill(this.right, h("p.cs-caption", "the pixel and those around it"), this.map.around(), steps(net.run));
		this.speak(`${called(place.layer)}(${at.join(", ")}) = ${value === null ? "" : exact(value)}`);
	}

	/** Tell the number once: that it is drawn again is no news. @param {string} sentence */
	speak(sentence) {
		if (sentence !== this.spoken) this.app.tell((this.spoken = sentence));
	}

	/** @param {Detail} detail @param {Values} values @param {number[]} at */
	account(detail, values, at) {
		const led = ledger(detail.equation, at, values);
		fill(this.problem);
		this.sum = sumOf(led, detail, at, this.unfolded ? undefined : this.few, this.sorted);
		this.now = this.sum ?? { led, detail, at, digits: places(led.value) };
		const shape = this.sum ? "sum" : "readings";
		if (this.shape !== shape) {
			this.shape = shape;
			if (this.sum) {
				this.funnel.chain.append(this.total);
				fill(this.right, this.funnel.bar, this.heat.element, this.funnel.element, this.inners.element, this.table);
			} else fill(this.right, this.total, this.listing, this.inners.element);
		}
		if (this.sum) this.lit(this.sum);
		else this.readings(this.now);
		const more = this.inners.draw(this.now, values);
		this.heat.draw(this.sum);
		this.totals(this.now);
		this.thread.draw();
		this.heading(this.now, more);
		this.equationText(detail.equation);
		this.tabulate();
		const { axes: { maps } } = this.app.form;
		const where = maps === null ? `(${at.join(", ")})` : `[${at[maps]}] at ${at.filter((_, axis) => axis !== maps).join(",")}`;
		this.speak(`${called(detail.name)}${where} = ${led.value && Math.abs(led.value) < 0.01 ? scientific(led.value) : decimal(led.value, 3)}`);
	}

	/** @param {Now} now @param {boolean} more  whether there are sums on the way */
	heading({ led, detail: { equation }, at, digits }, more) {
		const words = equation.axes.map((axis, n) => {
			const { word, name } = equation.index[axis];
			return `${word === "filter" || word === "channel" ? "map" : word || name} ${at[n]}`;
		});
		const { run, told: { labels } } = this.app.net;
		const label = this.app.place.layer === run?.output && at.length === 1 ? labels[at[0]] : undefined;
		this.titled("One number of ", `: ${words.join(", ")}${label === undefined ? "" : ` (${label})`}`, decimal(led.value, digits));
		say(this.reads, this.sum ? sentence(this.sum)
			: more ? `It is made from the ${led.readings.length} numbers that are listed; the sums on the way stand below, with all that they add up.`
			: `It reads ${led.readings.length === 1 ? "one number" : `${led.readings.length} numbers`}: no sum of many, only what is listed.`);
	}

	/** @param {Sum} sum */
	lit(sum) {
		this.board.draw(sum);
		this.fall.draw(sum);
		this.funnel.draw(sum);
		this.lens.draw(sum, this.litTile !== null && this.litTile < sum.listed.length ? sum.listed[this.litTile] : this.lensGroup(sum));
	}

	/** One by one or the small ones folded, by size or as they come. @param {boolean} unfolded @param {boolean} sorted */
	arrange(unfolded, sorted) {
		Object.assign(this, { unfolded, sorted, litTile: null });
		this.draw();
	}

	/** What the parts that have been added come to, without the bias. @param {Sum} sum */
	soFar({ texts, sums, digits, led: { reduction } }) {
		const come = texts.slice(0, Math.min(sums, Math.floor(this.added ?? sums)));
		return reduction === "max" ? decimal(Math.max(...come.map(readBack)), digits) : added(come, digits);
	}

	/** Which group the lens shows: the picked one, or the one that weighs most. @param {Sum} sum */
	lensGroup({ listed, groups: { partials } }) {
		if (this.picked !== null && listed.includes(this.picked)) return this.picked;
		return listed.reduce((best, n) => (Math.abs(partials[n]) > Math.abs(partials[best]) ? n : best), listed[0]);
	}

	/** "32 partial sums … + bias … = pre-activation … → relu → output; the engine's value; the difference" @param {Now} now */
	totals({ led, detail, at, digits }) {
		/** @type {string[][]} a sign, or a name and its text */
		const steps = [];
		const { sum } = this;
		if (sum) {
			const { groups, texts, sums, total } = sum;
			const come = this.added ?? Infinity; // so much of it
			const acts = led.whole ? [detail.activation ?? "activation"] : [...led.activation].reverse();
			if (led.reduction === "sum") {
				const many = groups.sizes.length ? "partial sum" : "product";
				const what = groups.count > 1 ? `${grouped(groups.count)} ${many}s` : `sum of ${grouped(led.terms)} products`;
				if (led.bias === null) steps.push([what, come > sums ? total : this.soFar(sum)]);
				else {
					steps.push([what, this.soFar(sum)], ["+"], ["bias", come > sums ? texts[sums] : "…"]);
					if (acts.length) steps.push(["="], ["pre-activation", come > sums ? total : "…"]);
				}
			} else steps.push([`${led.reduction === "max" ? "largest" : "mean"} of ${grouped(led.terms)}`, come > sums ? total : this.soFar(sum)]);
			for (const act of acts) steps.push(["→"], [act]);
			steps.push([acts.length ? "→" : "="], ["output", this.added !== null ? "…" : decimal(led.value, digits)]);
		}
		if (this.stepped(this.app.place.layer, steps.map(([name]) => name))) {
			fill(this.total, steps.map(([name, text]) => {
				if (text === undefined) return /\w/.test(name) ? h("span.cs-act", name, !led.whole && curve(detail.equation, name)) : name;
				return h(`span.cs-step ${name === "output" ? "cs-final" : ""}`, h("span.cs-step-name", hinted(name, true)), h("span.cs-step-value"));
			}));
		}
		const shown = this.total.querySelectorAll(".cs-step-value");
		if (sum && !led.whole) drawCurves(this, this.total, detail.equation, [...led.activation].reverse(), led.preactivation);
		steps.filter((step) => step.length > 1).forEach(([, text], n) => say(shown[n], text));
		const engine = this.map.value(at);
		if (engine === null) return this.beside.remove();
		this.total.append(this.beside);
		say(this.engineName, this.app.net.run?.engine ?? "");
		say(this.engine, exact(engine));
		const off = Math.abs(led.value - engine);
		say(this.apart, led.value === engine ? "0" : Number.isFinite(off) ? scientific(off) : "not a number");
	}

	/** @param {Now} now */
	readings({ led, detail: { feeds } }) {
		const { words } = this.app.net.told;
		fill(this.listing, table(["it reads", "which is", "value"], led.readings.map(({ name, index, role, value }) => {
			const feed = feeds[name];
			const text = `${feed ?? name}(${index.join(", ")})`;
			return [role === "input" && feed ? link(text, () => this.down(feed, index)) : text, words[role], exact(value)];
		}), ["it makes", "", exact(led.value)]));
	}

	tabulate() {
		if (!this.table.open || !this.sum) return;
		const { names, texts, total, digits, led } = this.sum;
		const most = led.reduction === "max";
		let running = 0;
		const rows = texts.map((text, n) => {
			running += readBack(text);
			return [names[n], signed(text), ...(most ? [] : [decimal(running, digits)])];
		});
		unfold(this.table, most ? table(["from", "largest"], rows, ["together", total])
			: table(["from", "partial sum", "so far"], rows, ["together", total, ""]));
	}

	/** @param {EquationJson} equation */
	equationText({ text, tensors, locals }) {
		if (this.written === text) return;
		this.written = text;
		const names = [...Object.keys(tensors), ...locals.map(({ name }) => name)].map((name) => name.replace(/[^\w]/g, "\\$&"));
		const pattern = new RegExp(`\\b(${names.join("|") || "\\0"})(\\[[^\\]]*\\])?`, "g");
		let from = 0;
		fill(this.equation, [...text.matchAll(pattern)].flatMap(({ 0: whole, 1: term, index }) => {
			const before = text.slice(from, index);
			from = index + whole.length;
			return [before, h("span.cs-term", { "data-term": term, ...this.lighting(term) }, whole)];
		}), text.slice(from));
	}

	/** @param {string} term @returns {Props} */
	lighting(term) {
		return { onpointerenter: () => this.lightTerm(term), onpointerleave: () => this.lightTerm(null) };
	}

	/** @param {string | null} term */
	lightTerm(term) {
		if (this.litTerm === term) return;
		this.litTerm = term;
		if (this.sum) this.lit(this.sum);
		for (const span of this.equation.querySelectorAll("span")) span.classList.toggle("cs-lit", span.dataset.term === term);
	}

	/** @param {number | null} n  its place in the list */
	light(n) {
		if (this.litTile === n || !this.sum) return;
		this.litTile = n;
		const term = n === null ? null : n >= this.sum.sums ? "bias" : this.sum.groups.tensor;
		if (term === this.litTerm) this.lit(this.sum);
		else this.lightTerm(term);
	}

	/** A tile was clicked: on its map, or again, go down to that pixel; else keep it in the lens. @param {number} n @param {boolean} [down] */
	pick(n, down) {
		const { sum } = this;
		if (!sum || n >= sum.listed.length) return;
		const again = this.picked === sum.listed[n];
		this.picked = sum.listed[n];
		this.light(n);
		if (again || (down && sum.groups.sizes.length)) this.enter(this.picked);
	}

	/** @param {number} group @param {number} [p] */
	enter(group, p) {
		if (!this.sum?.feed) return;
		const { groups: { places, rank }, feed, wide, tall } = this.sum;
		const term = group * wide * tall + (p ?? Math.floor((wide * tall) / 2));
		const shape = this.app.net.shape(feed); // what lies in the padding is moved into the tensor
		this.down(feed, shape.map((size, axis) => between(places[term * rank + axis], 0, size - 1)));
	}

	deeper() {
		if (this.sum) return this.enter(this.lensGroup(this.sum));
		const feeds = this.now?.detail.feeds ?? /** @type {Record<string, string>} */ ({});
		const read = this.now?.led.readings.find(({ name }) => feeds[name]);
		if (read) this.down(feeds[read.name], read.index);
	}

	/** One map in colours, drawn once. @param {Patch} patch @param {string} name @param {number} map */
	thumb(patch, name, map) {
		const { net, ramp, place: { colour } } = this.app;
		const key = `${net.run?.id} ${map} ${ramp.scheme} ${colour} ${name}`;
		const found = this.thumbs.get(key) ?? this.drawn(patch, name, map);
		this.thumbs.delete(key);
		this.thumbs.set(key, found); // the latest use last
		if (this.thumbs.size > THUMBS) this.thumbs.delete(/** @type {string} */ (this.thumbs.keys().next().value));
		return found;
	}

	/** @param {Patch} patch @param {string} name @param {number} map */
	drawn(patch, name, map) {
		const { net, ramp, place: { colour } } = this.app;
		const form = net.form(name);
		const plane = form.plane(patch, map);
		const scale = scaleOf(net, name, colour);
		if (colour === "map") scale.limit = largestOf(plane);
		return pixelled(h("canvas"), form.columns, form.rows, (pixels) => ramp.paint(pixels, plane, scale));
	}

	/** @param {string} layer @param {number[]} at */
	down(layer, at) {
		this.hover = null;
		this.app.place.said = this.value.textContent ?? "";
		this.app.go({ layer, at: [...at], screen: "microscope" }, true);
	}
}
