// A pad to draw on.

import { between } from "../arrays.js";
import { h, penOf } from "../elements.js";

const PAD = 280;

/**
 * A pad to draw on, with the pointer or the arrow keys; what is drawn goes off while it is being drawn, the next
 * state of it as soon as the one before has been through.
 * @param {(picture: ArrayBuffer) => Promise<void>} drawn
 */
export function drawingPad(drawn) {
	let at = [PAD / 2, PAD / 2];
	let down = false;
	let inked = false;
	let sending = false;
	let changed = false;
	/** @type {HTMLCanvasElement} */
	const canvas = h("canvas.cs-pad", {
		width: PAD, height: PAD, tabindex: 0, role: "img",
		"aria-label": "Drawing pad: draw with the pointer, or with the arrow keys while holding the space bar",
		onpointerup: lift, onpointercancel: lift, onkeyup: ({ key }) => key === " " && lift(), onkeydown: (event) => keyed(event),
		onpointerdown: (event) => {
			canvas.setPointerCapture(event.pointerId);
			at = under(event);
			down = true;
			draw([at[0], at[1] + 0.01]);
		},
		onpointermove: (event) => down && draw(under(event)),
	});
	const pen = penOf(canvas);
	Object.assign(pen, { strokeStyle: "#fff", lineWidth: PAD / 13, lineCap: "round", lineJoin: "round" });
	clear();

	function clear() {
		pen.fillRect(0, 0, PAD, PAD);
		inked = false;
	}

	/** @param {number[]} to */
	function draw(to) {
		pen.beginPath();
		for (const [x, y] of [at, to]) pen.lineTo(x, y);
		pen.stroke();
		at = to;
		inked = changed = true;
		send();
	}

	/** At once, and not with `toBlob`, which waits until the page has nothing else to do. */
	async function send() {
		if (sending || !changed) return;
		sending = true;
		await new Promise((done) => requestAnimationFrame(done)); // the strokes of a frame go together
		changed = false;
		const text = atob(canvas.toDataURL("image/png").split(",")[1]);
		await drawn(Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer);
		sending = false;
		send();
	}

	/** @param {MouseEvent} event */
	function under({ offsetX, offsetY }) {
		return [offsetX, offsetY].map((v) => v * (PAD / (canvas.clientWidth || PAD)));
	}

	function lift() {
		down = false;
		if (inked) send();
	}

	/** @param {KeyboardEvent} event */
	function keyed(event) {
		const by = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
		if (event.key === " ") down = true;
		else if (!by) return;
		event.preventDefault();
		event.stopPropagation();
		if (!by) return;
		const to = at.map((v, d) => between(v + by[d], 0, PAD));
		if (down) draw(to);
		else at = to;
	}

	return { canvas, clear };
}
