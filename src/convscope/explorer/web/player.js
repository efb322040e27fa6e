// What moves by itself: play, pause, one step by hand, and how quickly.

import { choice, h, small } from "./elements.js";

/**
 * Buttons that move something on. Whoever asked for no motion gets a step where others get a film.
 * @param {{label: string, title: string, play: string, step: string, all: string, speeds: Record<number, string>, speed: number}} words
 *   what they are called; steps a second, in words; and at first
 * @param {{go: (steps: number) => void, step: () => void, rest: () => void, stop: () => void}} moves  go: on by so many
 *   steps or a part of one; rest: the film has paused; stop: all of it is to be seen again
 */
export function player({ label, title, play: playing, step: stepping, all, speeds, speed: usual }, { go, step, rest, stop }) {
	const still = window.matchMedia("(prefers-reduced-motion: reduce)");
	let frame = 0;
	let last = 0;
	const play = small(`▶ ${title}`, () => (frame ? pause() : start()), { "aria-label": playing });
	const once = small("step", () => {
		pause();
		step();
	}, { "aria-label": stepping });
	const end = small("all", () => {
		pause();
		stop();
	}, { "aria-label": all, hidden: true });
	const speed = choice(speeds, () => {}, { "aria-label": `${label}: how quickly` });
	speed.value = String(usual);
	const element = h("div.cs-slider", { role: "group", "aria-label": label }, play, once, speed, end);

	function start() {
		if (still.matches) return step();
		play.textContent = "❚❚ pause";
		last = 0;
		frame = requestAnimationFrame(tick);
	}

	/** @param {number} now */
	function tick(now) {
		frame = requestAnimationFrame(tick);
		const passed = last ? Math.min(now - last, 170) : 1000 / 60; // a page in the background stands still
		last = now;
		go((passed * Number(speed.value)) / 1000);
	}

	function pause() {
		if (!frame) return;
		halt();
		rest();
	}

	/** At once, and without a word. */
	function halt() {
		cancelAnimationFrame(frame);
		frame = 0;
		play.textContent = `▶ ${title}`;
	}

	return { element, end, pause, halt, toggle: () => play.click(), playing: () => frame !== 0 };
}
