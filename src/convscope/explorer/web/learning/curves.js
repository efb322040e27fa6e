// Numbers over steps, as lines.

import { between } from "../arrays.js";
import { h, sized } from "../elements.js";
import { decimal, grouped, places } from "../texts.js";

/** @import {Ramp} from "../colours.js" */

const TALL = 120;
const LEFT = 58;
const BELOW = 18;
const ABOVE = 8;

/** @typedef {{points: [number, number | null][], dots?: boolean}} Line  (step, value) each; colours are in turn */

/**
 * A plot over steps that a click or a key goes along.
 * @param {string} title @param {(step: number) => void} chosen
 */
export function plot(title, chosen) {
	let last = 1;
	let wide = 300;
	const canvas = h("canvas.cs-learning-plot", { role: "img", onclick: (/** @type {MouseEvent} */ { offsetX }) =>
		chosen(Math.round(between((offsetX - LEFT) / (wide - LEFT - 6), 0, 1) * last)) });
	const element = h("figure", h("figcaption", title), canvas);

	/** @param {Line[]} lines @param {number} steps @param {number | null} at  the step that is looked at @param {Ramp} ramp */
	function draw(lines, steps, at, ramp) {
		last = Math.max(steps, 1);
		wide = Math.max(160, Math.min(element.clientWidth || 420, 620));
		const pen = sized(canvas, wide, TALL);
		const all = lines.flatMap(({ points }) => points.map(([, v]) => v)).filter((v) => v !== null);
		const [low, high] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
		const x = (/** @type {number} */ step) => LEFT + (wide - LEFT - 6) * (step / last);
		const y = (/** @type {number} */ v) => ABOVE + (TALL - ABOVE - BELOW) * (high > low ? (high - v) / (high - low) : 0.5);
		Object.assign(pen, { font: "11px system-ui, sans-serif", fillStyle: ramp.line, textBaseline: "middle", textAlign: "right" });
		if (all.length) for (const v of high > low ? [low, high] : [low]) pen.fillText(decimal(v, Math.min(4, places(high - low || high))), LEFT - 6, y(v));
		pen.globalAlpha = 0.5;
		pen.fillRect(LEFT, TALL - BELOW, wide - LEFT - 6, 1);
		pen.globalAlpha = 1;
		pen.textBaseline = "alphabetic";
		pen.fillText(`step ${grouped(last)}`, wide - 6, TALL - 4);
		pen.textAlign = "left";
		pen.fillText("0", LEFT, TALL - 4);
		lines.forEach(({ points, dots }, n) => {
			pen.strokeStyle = pen.fillStyle = ramp.of(n ? -1 : 1);
			pen.lineWidth = 1.5;
			pen.beginPath();
			for (const [step, v] of points) if (v !== null) pen.lineTo(x(step), y(v));
			pen.stroke();
			if (dots) for (const [step, v] of points) if (v !== null) pen.fillRect(x(step) - 2.5, y(v) - 2.5, 5, 5);
		});
		if (at !== null) {
			pen.fillStyle = ramp.line;
			pen.fillRect(x(at), ABOVE, 1, TALL - ABOVE - BELOW);
		}
		const first = lines[0]?.points.filter(([, v]) => v !== null) ?? [];
		canvas.setAttribute("aria-label", first.length
			? `${title}: ${first.length} points, from ${decimal(Number(first[0][1]), 4)} to ${decimal(Number(first[first.length - 1][1]), 4)}` : `${title}: nothing yet`);
	}

	return { element, draw };
}
