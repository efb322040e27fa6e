// From a number to its place: the curve of its activation, and a thread to the pixel that it becomes.

import { attributes, h, inFrame, penOf, sized, svg } from "./elements.js";
import { alone } from "./functions.js";

/** @import {EquationJson} from "./types" */
/** @import {Microscope} from "./microscope.js" */

const CURVE = { wide: 52, tall: 34 };

/** A function of one number as a picture, with the point where this number lies on it; null for any other function. @param {EquationJson} equation @param {string} name */
export function curve(equation, name) {
	return alone(equation, name) && h("canvas.cs-curve", { role: "img", "aria-label": `${name} as a curve` });
}

/** Draw all curves that stand in an element, each with what goes into it. @param {Microscope} micro @param {Element} total @param {EquationJson} equation @param {string[]} names @param {number} x */
export function drawCurves({ app: { ramp } }, total, equation, names, x) {
	const { wide, tall } = CURVE;
	const drawn = names.map((name) => alone(equation, name)).filter((f) => f !== null);
	total.querySelectorAll("canvas").forEach((canvas, n) => {
		const f = drawn[n];
		const pen = canvas.style.width ? penOf(canvas) : sized(canvas, wide, tall);
		pen.clearRect(0, 0, wide, tall);
		const reach = Number.isFinite(x) ? Math.max(3, Math.abs(x) * 1.25) : 3;
		const points = Array.from({ length: wide + 1 }, (_, k) => f((2 * k / wide - 1) * reach));
		const [low, high] = [Math.min(0, ...points.filter(Number.isFinite)), Math.max(1, ...points.filter(Number.isFinite))];
		const down = (/** @type {number} */ y) => 3 + (tall - 6) * (high - y) / (high - low);
		const line = (/** @type {number[]} */ ends, /** @type {number} */ alpha) => {
			Object.assign(pen, { strokeStyle: ramp.line, globalAlpha: alpha, lineWidth: 1 });
			pen.beginPath();
			pen.moveTo(ends[0], ends[1]);
			pen.lineTo(ends[2], ends[3]);
			pen.stroke();
		};
		line([0, down(0), wide, down(0)], 0.35);
		line([wide / 2, 0, wide / 2, tall], 0.35);
		Object.assign(pen, { strokeStyle: ramp.of(1), globalAlpha: 1, lineWidth: 2, lineJoin: "round" });
		pen.beginPath();
		points.forEach((y, k) => Number.isFinite(y) && pen.lineTo(k, down(y)));
		pen.stroke();
		const y = f(x);
		if (Number.isFinite(y)) {
			pen.fillStyle = ramp.line;
			pen.beginPath();
			pen.arc((x / reach + 1) * wide / 2, down(y), 3.5, 0, 7);
			pen.fill();
		}
		x = y;
	});
}

/** @param {Microscope} micro  of which it leads from what comes out to the pixel of the map that it is */
export function thread(micro) {
	const path = svg("path", {});
	const element = svg("svg", { class: "cs-thread", "aria-hidden": "true" }, path);
	/** @type {{from: {x: number, y: number}, map: {x: number, y: number}} | null} where its ends lie, as the page is laid out */
	let laid = null;
	const moved = inFrame(() => {
		laid = null;
		draw();
	});
	const watching = new ResizeObserver(moved);
	for (const one of [micro.right, micro.total, micro.lens.element, micro.aside]) watching.observe(one);
	window.addEventListener("scroll", moved, { signal: micro.app.closing.signal, passive: true, capture: true });
	micro.app.closing.signal.addEventListener("abort", () => watching.disconnect());

	function lay() {
		const end = micro.total.querySelector(".cs-final")?.getBoundingClientRect();
		const home = element.parentElement?.getBoundingClientRect();
		const map = micro.map.place();
		if (!end || !home || map.left < end.right + 8) return null; // nothing comes out, or the map lies below
		return { from: { x: end.right - home.left, y: end.top + end.height / 2 - home.top }, map: { x: map.left - home.left, y: map.top - home.top } };
	}

	function draw() {
		if (!element.isConnected) return;
		if (micro.sum && micro.added === null) laid ??= lay();
		const shown = micro.sum && micro.added === null && laid;
		attributes(element, { visibility: shown ? null : "hidden" });
		if (!shown) return;
		const { from, map } = shown;
		const [x, y] = micro.map.spot();
		const to = { x: map.x + x, y: map.y + y };
		// up or down between the sum and the map, where nothing stands
		const gap = map.x - 14;
		const round = Math.min(14, Math.abs(to.y - from.y) / 2) * Math.sign(to.y - from.y);
		attributes(path, { d: `M${from.x} ${from.y} H${gap - 14} Q${gap} ${from.y} ${gap} ${from.y + round} V${to.y - round} Q${gap} ${to.y} ${gap + 14} ${to.y} H${to.x}` });
	}

	return { element, draw, stale: () => (laid = null) };
}
