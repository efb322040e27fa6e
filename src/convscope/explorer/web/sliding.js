// The sliding window: it goes over all input maps in step, while the output fills number by number.

import { choice, h, small } from "./elements.js";

/** @import {Microscope} from "./microscope.js" */

/** Positions a second. */
const SPEEDS = { 4: "slow", 24: "quick", 240: "fast" };

/**
 * @param {Microscope} micro  whose window it moves, over the map that it is at
 * @param {{over: (at: number[]) => void, veil: () => void}} given  over: shows a position; veil: draws the map anew
 */
export function sliding(micro, { over, veil }) {
	const { app } = micro;
	const still = window.matchMedia("(prefers-reduced-motion: reduce)");
	/** @type {number | null} how far the window has come, counted over the map's rows; null: all of it is there */
	let place = null;
	let frame = 0;
	let last = 0;
	let of = "";
	const play = small("▶", () => (frame ? pause() : start()), { "aria-label": "Slide the window over the maps" });
	const step = small("step", () => {
		pause();
		to(place === null ? 0 : place + 1);
		commit();
	}, { "aria-label": "Slide the window by one number" });
	const end = small("all", () => stop(), { "aria-label": "Show the whole map", hidden: true });
	const speed = choice(SPEEDS, () => {}, { "aria-label": "How quickly the window slides" });
	speed.value = "24";
	const element = h("div.cs-slider", { role: "group", "aria-label": "The sliding window" }, play, step, speed, end);

	/** @param {number} n */
	function to(n) {
		const { form } = app;
		const count = form.rows * form.columns;
		place = Math.min(n, count - 1);
		end.hidden = false;
		over(form.position({ map: form.map(app.place.at), row: Math.floor(place / form.columns), column: place % form.columns }));
		if (n >= count) stop();
	}

	function start() {
		if (still.matches) return step.click();
		play.textContent = "❚❚";
		last = 0;
		frame = requestAnimationFrame(tick);
	}

	/** @param {number} now */
	function tick(now) {
		frame = requestAnimationFrame(tick);
		const each = 1000 / Number(speed.value);
		if (!last) last = now - each;
		const steps = Math.floor((now - last) / each);
		if (!steps) return;
		last += steps * each;
		to((place ?? -1) + Math.min(steps, 40));
	}

	function pause() {
		cancelAnimationFrame(frame);
		if (frame) commit();
		frame = 0;
		play.textContent = "▶";
	}

	/** Where the window has come to is where we are. */
	function commit() {
		const at = micro.hover;
		micro.hover = null;
		if (at) app.go({ at });
	}

	function stop() {
		pause();
		place = null;
		end.hidden = true;
		veil();
	}

	/** Another layer, map or image: begin anew. */
	function show() {
		const { form, place: { layer, at } } = app;
		const now = `${app.net.run?.id} ${layer} ${form.map(at)}`;
		if (of !== now && (place !== null || frame)) {
			cancelAnimationFrame(frame);
			frame = 0;
			play.textContent = "▶";
			place = null;
			end.hidden = true;
		}
		of = now;
		const input = app.layer.input || !app.layer.equation;
		element.hidden = input || form.rows * form.columns < 2;
	}

	return { element, show, playing: () => frame !== 0, left: () => (place === null ? null : place + 1) };
}
