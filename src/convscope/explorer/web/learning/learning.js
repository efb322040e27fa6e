// The screen Learning: a network learns, and every step can be looked at and taken apart.

import { between } from "../arrays.js";
import { choice, dim, fill, h, inFrame, latest, memo, message, say, scrolled, small, table } from "../elements.js";
import { decimal, exact, grouped, times } from "../texts.js";
import { apart, fact } from "./apart.js";
import { plot } from "./curves.js";
import { beside, kernelPicture, laidOut } from "./kernel.js";
import { addressed, fromAddress, settings } from "./settings.js";

/** @import {App, Screen} from "../frame.js" */
/** @import {Path, Settings, State, Which} from "./types" */

const KINDS = { weight: "weights before the step", gradient: "gradients", update: "by how much they moved" };
const AGAIN = 350; // milliseconds between looks at a training that goes on
const PACE = 350; // and between the frames of a film
const STILL = 450; // so long nothing moves before a step is taken apart

/** @param {App} app @returns {Screen} */
function learning(app) {
	/** @type {State | null} */
	let told = null;
	/** @type {Record<string, number[]>} where each weight is looked at first */
	const lively = {};
	/** @type {(number | null)[]} */
	const losses = [];
	/** @type {(number | null)[]} */
	const accuracies = [];
	let kind = "weight";
	let visible = false;
	let playing = 0;
	let looking = 0;
	let resting = 0;
	let follows = true; // whether the newest step is the one that is looked at
	const newest = latest();
	const pathed = latest();
	const changed = memo();

	const state = h("p.cs-learning-state", { role: "status" });
	const problem = h("p.cs-error", { role: "alert", hidden: true });
	const run = h("button.cs-primary", { type: "button", onclick: () => tell(told?.state === "running" ? "pause" : "start") }, "▶ Train");
	const one = small("one step", () => tell("step"));
	const controls = h("div.cs-learning-controls", run, one);
	const form = settings((wanted) => tell("anew", wanted));
	const playback = h("p.cs-note", { hidden: true }, "This is a film of a training that has been made: it plays, and its steps are taken apart; nothing learns here. To let a network learn: convscope explore, or convscope train.");
	const lossPlot = plot("loss of each batch", (step) => toStep(step));
	const accuracyPlot = plot("accuracy: of the epoch so far, ■ of images held out", (step) => toStep(step));
	const which = choice({}, (of) => go({ of }), { "aria-label": "Which weights" });
	const kinds = choice(KINDS, (to) => go({ kind: to }), { "aria-label": "What of them" });
	const slider = h("input.cs-learning-slider", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Step of the film", oninput: () => toFrame(Number(slider.value)) });
	const play = small("▶ play", () => toggle());
	const frameText = h("span.cs-learning-frame");
	const kernel = kernelPicture((at) => go({ at }));
	const layout = h("p.cs-note.cs-dim");
	const stage = h("div.cs-learning-stage cs-scroll", scrolled("The film"), kernel.canvas);
	const number = h("div");
	const pathPlot = plot("its path", (step) => toStep(step));
	const weight = h("section.cs-learning-weight", number, pathPlot.element);
	const taken = apart(app, (image) => go({ image }), (of, at) => go({ of, at }));
	const asTable = h("details.cs-table", { ontoggle: () => tabled() }, h("summary", "The same as a table"));
	const film = h("section.cs-learning-film",
		h("div.cs-learning-bar", h("label", "Film of ", which), kinds, play, slider, frameText), layout, stage);
	const element = h("section.cs-learning-screen", form.element, controls, playback, state, problem,
		h("div.cs-learning-curves", lossPlot.element, accuracyPlot.element), asTable, film, weight, taken.element);

	// -- where we are: in the address -----------------------------------------------------------------

	/** @returns {Which & {step: number, image: number | null} | null} */
	function here() {
		if (!told?.frames.length) return null;
		const { more = {} } = app.place;
		const [named, listed] = (more.of ?? "").split(":");
		const of = Object.hasOwn(told.weights, named) ? named : first();
		const shape = told.weights[of];
		const numbers = named === of && listed ? listed.split(",") : [];
		lively[of] ??= told.apart.find(([name]) => name === of)?.[1] ?? told.lively[of] ?? [];
		const at = shape.map((size, n) => between(/^\d{1,9}$/.test(numbers[n] ?? "") ? Number(numbers[n]) : (lively[of][n] ?? 0), 0, size - 1));
		const wanted = Number(more.step);
		const steps = told.frames.map(({ step }) => step);
		const step = !follows && more.step && wanted > 0 ? nearest(steps, wanted) : steps[steps.length - 1];
		return { of, at, step, image: /^\d{1,6}$/.test(more.n ?? "") ? Number(more.n) : null };
	}

	/** The weight of the layer that the page is at, or of the last one that is a filter. */
	function first() {
		const weights = /** @type {State} */ (told).weights;
		const names = Object.keys(weights);
		return names.find((name) => name.startsWith(`${app.place.layer}.`)) ?? names.filter((name) => weights[name].length > 2).pop() ?? names[0];
	}

	/** @param {{of?: string, at?: number[], step?: number, kind?: string, image?: number | null}} change */
	function go(change) {
		const now = here();
		if (!now || !told) return;
		if (change.kind) kind = change.kind;
		if (change.step !== undefined) follows = change.step === told.frames[told.frames.length - 1].step && told.live;
		const of = change.of ?? now.of;
		const at = change.of && !change.at ? null : (change.at ?? now.at);
		const step = change.step ?? now.step;
		const image = change.image === undefined ? now.image : change.image;
		app.go({ more: { ...addressed(told), of: at ? `${of}:${at.join(",")}` : of, step: String(step), ...(kind === "weight" ? {} : { k: kind }), ...(image === null ? {} : { n: String(image) }) } });
	}

	/** @param {number} n */
	const toFrame = (n) => told && go({ step: told.frames[between(n, 0, told.frames.length - 1)].step });
	/** @param {number} step */
	const toStep = (step) => told?.frames.length && go({ step: nearest(told.frames.map((frame) => frame.step), step) });

	// -- the training ---------------------------------------------------------------------------------

	/** Return whether it could be done. @param {string} what  start, pause, step, anew @param {Settings} [wanted]  what to begin anew with @returns {Promise<boolean>} */
	async function tell(what, wanted) {
		follows = true;
		try {
			if (told?.state === "ready" && !wanted && form.differs() && !(form.valid() && (await tell("anew", form.chosen())))) return false;
			await asked({ ask: "learning", what: "do", do: what, ...(wanted && { settings: wanted }) });
			if (wanted) app.go({ more: addressed(told) });
			problem.hidden = true;
			return true;
		} catch (error) {
			say(problem, message(error));
			problem.hidden = false;
			refresh();
			return false;
		}
	}

	/** @param {Record<string, any>} question */
	async function asked(question) {
		const { facts } = await newest(app.link.ask({ ...question, ...(told?.live ? { since: losses.length } : {}) }));
		const now = /** @type {State} */ (facts);
		if (now.begun !== told?.begun) {
			losses.length = accuracies.length = 0;
			for (const name of Object.keys(lively)) delete lively[name];
		}
		if (now.losses.length + losses.length === now.step || !now.live) {
			losses.push(...now.losses);
			accuracies.push(...now.accuracies);
		}
		const more = app.place.more?.step;
		if (!told && more) follows = false;
		if (!told && Object.hasOwn(KINDS, app.place.more?.k ?? "")) kind = String(app.place.more?.k);
		const first = !told;
		told = now;
		if (first && now.state === "ready") {
			const wanted = fromAddress(app.place.more ?? {}, now);
			if (wanted) return void (await tell("anew", wanted));
		}
		refresh();
		clearTimeout(looking);
		if (visible && told.state === "running") looking = setTimeout(() => look(), AGAIN);
	}

	async function look() {
		try {
			await asked({ ask: "learning", what: "state" });
		} catch (error) {
			say(problem, message(error));
			problem.hidden = false;
		}
	}

	// -- what is shown --------------------------------------------------------------------------------

	function refresh() {
		if (!told) return;
		const { live, state: how, step, steps, frames, words, optimizer, loss } = told;
		controls.hidden = !live;
		playback.hidden = live;
		form.show(told);
		say(run, how === "running" ? "❚❚ Pause" : step ? "▶ Go on" : "▶ Train");
		run.disabled = one.disabled = how === "done" || how === "failed";
		one.disabled ||= how === "running";
		const says = { ready: "has not learned yet", running: "learns", paused: "waits", done: "has learned", failed: `stopped: ${told.why}` }[how];
		say(state, `${told.network} ${says}: step ${grouped(step)} of ${grouped(steps)} · ${optimizer} · ${loss} · ${words}`);
		film.hidden = weight.hidden = !frames.length;
		const now = here();
		const { ramp } = app;
		const at = now?.step ?? null;
		const [batches, right] = losses.length ? [losses, accuracies] : [null, []];
		lossPlot.draw([{ points: batches ? batches.map((v, n) => [n + 1, v]) : frames.map((frame) => [frame.step, frame.loss]), dots: !batches }], steps, at, ramp);
		accuracyPlot.element.hidden = !right.some((v) => v !== null) && !frames.some(({ judged }) => "accuracy" in judged);
		accuracyPlot.draw([{ points: right.map((v, n) => [n + 1, v]) }, { points: frames.map((frame) => [frame.step, frame.judged.accuracy ?? null]), dots: true }], steps, at, ramp);
		if (asTable.open) tabled();
		if (now) return drawFilm(now);
		clearTimeout(resting);
		taken.clear();
	}

	function tabled() {
		if (!told) return;
		fill(asTable, asTable.querySelector("summary"), h("div.cs-scroll", scrolled("Steps that were kept"), table(["step", "loss of the batch", "held-out loss", "held-out accuracy"],
			told.frames.map(({ step, loss, judged }) => [grouped(step), exact(loss), ...["loss", "accuracy"].map((name) => (name in judged ? decimal(judged[name], 4) : "–"))]))));
	}

	/** @param {Which & {step: number, image: number | null}} now */
	function drawFilm(now) {
		const state = /** @type {State} */ (told);
		const { frames, weights, begun, state: how } = state;
		const { of, at, step, image } = now;
		if (which.childElementCount !== Object.keys(weights).length) {
			fill(which, Object.entries(weights).map(([name, shape]) => h("option", { value: name }, `${name} ${times(shape)}`)));
		}
		which.value = of;
		kinds.value = kind;
		const n = frames.findIndex((frame) => frame.step === step);
		slider.max = String(frames.length - 1);
		slider.value = String(n);
		slider.setAttribute("aria-valuetext", `step ${step}`);
		say(frameText, `step ${grouped(step)}`);
		say(play, playing ? "❚❚ stop" : "▶ play");
		say(layout, `${laidOut(weights[of])}. A click, or the arrows, choose a number.`);
		const room = Math.max(200, (stage.clientWidth || 640) - 2);
		if (!changed(of, at, step, kind, begun, app.ramp.scheme, room, frames.length, image, how === "running")) return;
		app.net.ask({ ask: "learning", what: "frame", step, kind, of, begun }).then(({ data }) => {
			const current = here();
			if (!current || current.step !== step || current.of !== of) return;
			stage.hidden = false;
			const limit = kernel.draw(weights[of], data, at, app.ramp, room);
			kernel.canvas.setAttribute("aria-label", `${of} ${times(weights[of])} at step ${step}, ${KINDS[/** @type {keyof typeof KINDS} */ (kind)]}; the largest is ${exact(limit)}`);
		}, () => (stage.hidden = true)); // the path says why
		path({ of, at }).then((found) => drawPath(now, found), (error) => fill(number, h("p.cs-error", message(error))));
		clearTimeout(resting);
		if (how === "running" || playing) return taken.clear("When nothing moves, the step is taken apart here.");
		resting = setTimeout(() => visible && taken.show({ of, at, step }, image, state), STILL);
	}

	/** A number through all steps: told, or in a file read from the film's frames. @param {Which} number @returns {Promise<Path>} */
	async function path({ of, at }) {
		const { frames, begun, weights } = /** @type {State} */ (told);
		try {
			return await pathed(app.net.ask({ ask: "learning", what: "path", of, at, begun, many: frames.length }));
		} catch {
			const shape = weights[of];
			const place = shape.reduce((sum, size, n) => sum * size + at[n], 0);
			const [values, gradients, updates] = await Promise.all(Object.keys(KINDS).map((one) => Promise.all(frames.map(async ({ step }) =>
				Number((await app.net.ask({ ask: "learning", what: "frame", step, kind: one, of, begun })).data[place])))));
			return { steps: frames.map(({ step }) => step), values, gradients, updates };
		}
	}

	/** @param {Which & {step: number}} now @param {Path} found */
	function drawPath({ of, at, step }, { steps, values, gradients, updates }) {
		const n = steps.indexOf(step);
		if (n < 0 || !told) return;
		fill(number, h("h2", `${of}(${at.join(", ")})`),
			h("p", fact("before the step", values[n]), " · ", fact("gradient", gradients[n]), " · ", fact("moved by", updates[n]), " · ", dim(`at step ${grouped(steps[0])} it was ${exact(values[0])}: it has moved by ${exact(values[n] + updates[n] - values[0])} in all`)));
		/** @type {[number, number | null][]} */
		const points = steps.map((one, place) => [one, values[place]]);
		pathPlot.draw([{ points, dots: true }], told.steps, step, app.ramp);
	}

	// -- playing --------------------------------------------------------------------------------------

	function toggle() {
		if (playing) {
			clearTimeout(playing);
			playing = 0;
			return refreshed();
		}
		if (!told?.frames.length) return;
		const frames = told.frames.length;
		let n = Number(slider.value) >= frames - 1 ? 0 : Number(slider.value) + 1;
		const turn = () => {
			playing = setTimeout(turn, PACE);
			if (n >= frames - 1) {
				clearTimeout(playing);
				playing = 0;
			}
			toFrame(n++);
		};
		turn();
	}

	const refreshed = inFrame(() => refresh());

	/** @param {KeyboardEvent} event */
	function key({ key: name, shiftKey }) {
		const now = here();
		if (!now || !told) return name === "p" && told ? (tell(told.state === "running" ? "pause" : "start"), true) : false;
		const n = told.frames.findIndex(({ step }) => step === now.step);
		const by = shiftKey ? 8 : 1;
		const along = (/** @type {"across" | "down"} */ way, /** @type {number} */ step) => go({ at: beside(/** @type {State} */ (told).weights[now.of], now.at, way, step) });
		/** @type {Record<string, () => any>} */
		const keys = {
			ArrowLeft: () => along("across", -by), ArrowRight: () => along("across", by), ArrowUp: () => along("down", -by), ArrowDown: () => along("down", by),
			",": () => toFrame(n - 1), ".": () => toFrame(n + 1), p: () => toggle(),
		};
		const act = document.activeElement?.getAttribute("role") === "tab" && name.startsWith("Arrow") ? undefined : keys[name];
		act?.();
		return Boolean(act);
	}

	return {
		element, key,
		show() {
			visible = true;
			if (told) refresh();
			if (!told || told.state === "running") look();
		},
		hide() {
			visible = false;
			clearTimeout(looking);
			clearTimeout(playing);
			playing = 0;
		},
		up() {
			if (here()?.image === null || !here()) return false;
			go({ image: null });
			return true;
		},
	};
}

/** @param {number[]} steps @param {number} wanted */
const nearest = (steps, wanted) => steps.reduce((best, step) => (Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best), steps[0]);

export default learning;
