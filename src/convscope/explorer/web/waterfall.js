// The waterfall: each partial sum starts where the last one ended.

import { h, sized } from "./elements.js";

/** @import {Sum} from "./account.js" */
/** @import {Microscope} from "./microscope.js" */

/** @param {Microscope} micro  of which it shows how each partial sum starts where the last ended, and where they end */
export function waterfall(micro) {
	const canvas = h("canvas.cs-fall", {
		role: "img", onpointerleave: () => micro.light(null), onpointermove: ({ offsetX }) => {
			const n = Math.floor(offsetX / step);
			micro.light(n >= 0 && n < bars ? n : null);
		},
	});
	const element = h("div.cs-waterfall", h("p.cs-caption", "Each partial sum starts where the last one ended"), canvas);
	let step = 1;
	let bars = 0;

	/** @param {Sum} sum */
	function draw({ led, groups, listed, values, texts, sums, total }) {
		element.hidden = led.reduction === "max" || !values.every(Number.isFinite) || values.length < 2;
		if (element.hidden) return;
		const { app: { ramp }, litTile, litTerm, added } = micro;
		const come = added === null ? Infinity : Math.floor(added);
		const width = Math.max(120, element.clientWidth || 600);
		const height = 132;
		const pen = sized(canvas, width, height);
		const ends = [0];
		for (const value of values) ends.push(ends[ends.length - 1] + value);
		const after = /** @type {[string, number][]} */ ([["sum", led.preactivation]]);
		if (!led.whole && led.activation.length) after.push(["out", led.value]);
		const all = [...ends, ...after.map(([, value]) => value)];
		const [low, high] = [Math.min(...all), Math.max(...all)];
		const y = (/** @type {number} */ v) => 14 + (height - 32) * (high > low ? (high - v) / (high - low) : 1);
		bars = values.length;
		step = Math.min(64, width / (bars + after.length * 1.6));
		const wide = Math.max(1, step - (step > 6 ? 3 : 1));
		const every = Math.ceil(15 / step);
		const lit = added !== null ? null : (litTile ?? (litTerm === "bias" ? sums : null));
		const figure = (/** @type {number} */ n) => step >= 11 && /[1-9]/.test(texts[n]); // has a sign
		/** @type {(colour: string, alpha: number, x: number, y: number, width: number, height: number) => void} */
		const block = (colour, alpha, ...place) => {
			pen.fillStyle = colour;
			pen.globalAlpha = alpha;
			pen.fillRect(...place);
		};
		let free = Infinity; // where the label to the right begins: the last ones matter most
		const label = (/** @type {any} */ text, /** @type {number} */ x) => {
			const half = pen.measureText(String(text)).width / 2 + 2;
			const at = Math.min(x, width - half);
			if (at + half > free) return;
			free = at - half;
			Object.assign(pen, { fillStyle: ramp.line, globalAlpha: 0.85 });
			pen.fillText(text, at, height - 5);
		};
		Object.assign(pen, { font: "10px system-ui, sans-serif", textAlign: "center" });
		block(ramp.line, 0.5, 0, y(0), width, 1);
		values.slice(0, come).forEach((value, n) => {
			const [from, to, x] = [y(ends[n]), y(ends[n + 1]), n * step];
			const [top, middle] = [Math.min(from, to), x + wide / 2];
			block(ramp.of(value < 0 ? -1 : 1), lit === null || lit === n ? 1 : 0.45, x, top, wide, Math.max(1, Math.abs(to - from)));
			if (n + 1 < bars) block(ramp.line, 0.35, x, to, step + wide, 0.75);
			if (figure(n)) block(ramp.line, 0.85, middle - 2.5, top - 5.5, 5, 1);
			if (figure(n) && value >= 0) block(ramp.line, 0.85, middle - 0.5, top - 7.5, 1, 5);
		});
		after.forEach(([, value], n) => {
			if (come < bars) return;
			const x = (bars + 0.3 + n * 1.5) * step;
			block(ramp.line, 1, x, Math.min(y(0), y(value)), wide * 1.2, Math.max(1.5, Math.abs(y(value) - y(0))));
		});
		for (let n = after.length - 1; n >= 0; n--) label(after[n][0], (bars + 0.3 + n * 1.5) * step + wide * 0.6);
		for (let n = bars - 1; n >= 0; n--) {
			if (n >= sums || n % every === 0) {
				label(n >= sums ? "bias" : n < listed.length ? groups.channels[listed[n]] : "rest", n * step + wide / 2);
			}
		}
		canvas.setAttribute("aria-label", `A waterfall of ${bars} numbers that end at ${total}; the table below has each`);
	}

	return { element, draw };
}
