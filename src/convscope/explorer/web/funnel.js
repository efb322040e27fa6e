// The funnel: from each input map's tile a curve into one sum; played, they arrive one by one.

import { between, largestOf } from "./arrays.js";
import { h, inFrame, penOf, say, sized, small } from "./elements.js";
import { player } from "./player.js";

/** @import {Sum} from "./account.js" */
/** @import {Microscope} from "./microscope.js" */

const PIECES = 28; // of which a curve is drawn, straight ones

/** @typedef {{x: number, y: number}} Point */

/** @param {Microscope} micro  of which it draws how all parts of the sum come together, and adds them one by one */
export function funnel(micro) {
	const { app, board, fall, lens, total } = micro;
	const canvas = h("canvas.cs-curves", {
		"aria-hidden": "true", onpointerleave: () => micro.light(null), onpointermove: (event) => micro.light(nearest(event)),
		onclick: (event) => {
			const n = nearest(event);
			if (n !== null) micro.pick(n);
		},
	});
	const sign = h("span");
	const sigma = h("div.cs-sigma", { "aria-hidden": "true" }, sign);
	const bySize = small("largest first", () => micro.arrange(micro.unfolded, !micro.sorted), { "aria-pressed": "false" });
	const unfold = small("", () => micro.arrange(!micro.unfolded, micro.sorted), { "aria-pressed": "false" });
	const words = {
		label: "Adding up", title: "Add up", play: "Add up, one by one", step: "Add one more", all: "Show the whole sum",
		speeds: { 1: "slow", 3: "quick", 12: "fast" }, speed: 3,
	};
	const film = player(words, { go: (steps) => to((micro.added ?? 0) + steps), step: () => {
		to(micro.added === null ? 1 : Math.floor(micro.added) + 1);
		speak();
	}, rest: () => micro.added !== null && to(Math.round(micro.added)), stop: () => to(null) });
	const bar = h("div.cs-board-bar", film.element, bySize, unfold);
	const chain = h("div.cs-chain", sigma, total);
	const pane = h("div.cs-pane", lens.element, chain, fall.element);
	const element = h("div.cs-funnel", board.element, canvas, pane);
	/** @type {Point[][]} each curve's points */
	let curves = [];
	let laid = 0; // of so many curves we know where they lie
	let of = "";
	const moved = inFrame(() => {
		laid = 0;
		if (element.isConnected && micro.sum) paint(micro.sum);
	});
	const watching = new ResizeObserver(moved);
	for (const one of [element, pane, total, lens.element]) watching.observe(one);
	window.addEventListener("scroll", moved, { signal: app.closing.signal, passive: true, capture: true });

	/** Add up so much: the first parts whole, of the next one a piece of its way. @param {number | null} q */
	function to(q) {
		const { sum } = micro;
		if (!sum) return;
		const whole = sum.texts.length + 1; // and then what comes out
		micro.added = q !== null && q < whole ? q : null;
		if (micro.added === null) film.halt();
		film.end.hidden = micro.added === null;
		const now = micro.added === null ? null : Math.min(film.playing() ? Math.floor(micro.added) : Math.ceil(micro.added) - 1, sum.texts.length - 1);
		micro.litTile = now;
		micro.draw();
	}

	/** What was added last, for those who listen. */
	function speak() {
		const { sum, added } = micro;
		if (!sum) return;
		if (added === null) return app.tell(`it comes out as ${micro.value.textContent}`);
		app.tell(`${sum.names[added - 1]}: ${sum.texts[added - 1]}${added > sum.sums ? "" : `, so far ${micro.soFar(sum)}`}`);
	}

	/** Another number: what was half added is none of it. */
	function show() {
		const now = `${app.net.run?.id} ${app.place.layer} ${app.place.at}`;
		if (now === of) return;
		of = now;
		film.halt();
		film.end.hidden = true;
		micro.added = null;
	}

	/** @param {Sum} sum */
	function draw(sum) {
		const { groups: { count, sizes }, led: { reduction } } = sum;
		say(sign, reduction === "sum" ? "Σ" : reduction === "max" ? "max" : "mean");
		bar.hidden = count < 2;
		element.classList.toggle("cs-long", sum.sums > micro.few);
		bySize.setAttribute("aria-pressed", String(micro.sorted));
		unfold.setAttribute("aria-pressed", String(micro.unfolded));
		const one = sizes.length ? "map" : "input";
		say(unfold, count > 64 ? `${one}s: 63 and the rest` : `all ${count} ${one}s`);
		unfold.hidden = count <= micro.few;
		paint(sum);
	}

	/** Where the curves begin and end, as the page is laid out. @param {number} count */
	function lay(count) {
		const [home, goal] = [element, sigma].map((one) => one.getBoundingClientRect());
		const { width: wide, pitch, height } = board.measure();
		const down = board.element.getBoundingClientRect().top - home.top;
		const beside = goal.top < home.top + down + pitch * count - 30 || goal.left > home.left + wide + 40; // not below the tiles
		const aim = { x: beside ? goal.left - home.left - wide : goal.left + goal.width / 2 - home.left - wide, y: (beside ? goal.top + goal.height / 2 : goal.top) - home.top };
		const tall = Math.max(aim.y + 8, down + pitch * count);
		const pen = sized(canvas, Math.max(1, beside ? aim.x : home.width - wide), tall);
		canvas.style.left = `${wide}px`;
		curves = Array.from({ length: count }, (_, n) => {
			const from = { x: 0, y: down + n * pitch + height / 2 };
			const bends = beside ? [{ x: aim.x * 0.55, y: from.y }, { x: aim.x * 0.45, y: aim.y }]
				: [{ x: aim.x * 1.05, y: from.y }, { x: aim.x, y: from.y + Math.min(60, (aim.y - from.y) / 2) }];
			return Array.from({ length: PIECES + 1 }, (_, k) => along(from, bends[0], bends[1], aim, k / PIECES));
		});
		return pen;
	}

	function cleared() {
		const pen = penOf(canvas);
		pen.clearRect(0, 0, canvas.width, canvas.height);
		return pen;
	}

	/** @param {Sum} sum */
	function paint({ sums, values, led }) {
		const { ramp } = app;
		const { litTile, litTerm, added } = micro;
		const pen = laid === sums ? cleared() : lay(sums);
		laid = sums;
		const most = Math.max(largestOf(values), Math.abs(led.preactivation) / 4 || 0);
		const lit = litTile !== null && litTile < sums ? litTile : null;
		const dull = lit !== null || litTerm === "bias";
		Object.assign(pen, { lineCap: "round", lineJoin: "round" });
		const order = curves.map((_, n) => n).sort((a, b) => Number(a === lit) - Number(b === lit)); // the lit one above
		for (const n of order) {
			const value = values[n];
			const come = added === null ? 1 : between(added - n, 0, 1);
			/** @type {(points: Point[], alpha: number) => void} */
			const line = (points, globalAlpha) => {
				pen.beginPath();
				for (const { x, y } of points) pen.lineTo(x, y);
				Object.assign(pen, {
					globalAlpha, lineWidth: Number.isFinite(value) ? 1 + 9 * (most > 0 ? Math.abs(value) / most : 0) : 2,
					strokeStyle: Number.isFinite(value) ? (value === 0 ? ramp.line : ramp.of(value < 0 ? -1 : 1)) : ramp.line,
				});
				pen.setLineDash(Number.isFinite(value) ? (value === 0 ? [1, 5] : []) : [6, 5]);
				pen.stroke();
			};
			const strength = n === lit ? 1 : dull && added === null ? 0.22 : 0.72;
			if (come < 1) line(curves[n], 0.1);
			if (come > 0) line(curves[n].slice(0, Math.max(2, Math.round(come * PIECES) + 1)), strength);
			if (come <= 0 || come >= 1) continue;
			const { x, y } = curves[n][Math.round(come * PIECES)];
			Object.assign(pen, { fillStyle: ramp.line, globalAlpha: 1 });
			pen.beginPath();
			pen.arc(x, y, 5, 0, 7);
			pen.fill();
		}
		pen.globalAlpha = 1;
		pen.setLineDash([]);
	}

	/** The curve under the pointer. @param {MouseEvent} event */
	function nearest({ offsetX, offsetY }) {
		let [best, least] = [/** @type {number | null} */ (null), 9];
		curves.forEach((points, n) => {
			for (const { x, y } of points) {
				const off = Math.hypot(x - offsetX, y - offsetY);
				if (off < least) [best, least] = [n, off];
			}
		});
		return best;
	}

	return { element, bar, chain, show, draw, toggle: film.toggle, pause: film.halt };
}

/** A point of a cubic curve. @param {Point} a @param {Point} b @param {Point} c @param {Point} d @param {number} t */
function along(a, b, c, d, t) {
	const s = 1 - t;
	const weigh = (/** @type {"x" | "y"} */ k) => s * s * s * a[k] + 3 * s * s * t * b[k] + 3 * s * t * t * c[k] + t * t * t * d[k];
	return { x: weigh("x"), y: weigh("y") };
}
