// The sliding window: it goes over all input maps in step, while the output fills number by number.

import { player } from "./player.js";

/** @import {Microscope} from "./microscope.js" */

/**
 * @param {Microscope} micro  whose window it moves, over the map that it is at
 * @param {{over: (at: number[]) => void, veil: () => void}} given  over: shows a position; veil: draws the map anew
 */
export function sliding(micro, { over, veil }) {
	const { app } = micro;
	/** @type {number | null} how far the window has come, counted over the map's rows; null: all of it is there */
	let place = null;
	let part = 0; // of the next step
	let of = "";
	const words = {
		label: "The sliding window", title: "Slide", play: "Slide the window over the maps", step: "Slide the window by one number", all: "Show the whole map",
		speeds: { 4: "slow", 24: "quick", 240: "fast" }, speed: 24,
	};
	const film = player(words, { go, rest: commit, stop, step: () => {
		to(place === null ? 0 : place + 1);
		commit();
	} });

	/** @param {number} steps */
	function go(steps) {
		part += place === null ? 1 : steps;
		const whole = Math.floor(part);
		part -= whole;
		if (whole) to((place ?? -1) + whole);
	}

	/** @param {number} n */
	function to(n) {
		const { form } = app;
		const count = form.rows * form.columns;
		place = Math.min(n, count - 1);
		film.end.hidden = false;
		over(form.position({ map: form.map(app.place.at), row: Math.floor(place / form.columns), column: place % form.columns }));
		if (n < count) return;
		film.pause();
		stop();
	}

	/** Where the window has come to is where we are. */
	function commit() {
		const at = micro.hover;
		micro.hover = null;
		if (at) app.go({ at });
	}

	function stop() {
		place = null;
		film.end.hidden = true;
		veil();
	}

	/** Another layer, map or image: begin anew. */
	function show() {
		const { form, place: { layer, at } } = app;
		const now = `${app.net.run?.id} ${layer} ${form.map(at)}`;
		if (of !== now && (place !== null || film.playing())) {
			film.halt();
			place = null;
			film.end.hidden = true;
		}
		of = now;
		const input = app.layer.input || !app.layer.equation;
		film.element.hidden = input || form.rows * form.columns < 2;
	}

	return { element: film.element, show, playing: film.playing, pause: film.pause, left: () => (place === null ? null : place + 1) };
}
