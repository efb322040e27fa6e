// The board: every input map as a tile with its window, slice, products and partial sum.

import { between, largestOf } from "./arrays.js";
import { needs } from "./windows.js";
import { FEW_ROWS } from "./account.js";
import { decimal, places, signed } from "./texts.js";
import { fill, h, memo, say, sized } from "./elements.js";

/** @import {Sum} from "./account.js" */
/** @import {Microscope} from "./microscope.js" */

export const TILE = { width: 224, height: 42, low: 30, left: 5, cell: 7, gap: 4, sign: 14, text: 84, plain: 168 }; // plain: no window

/** @param {Microscope} micro  of which it shows the input maps as tiles: map, window × slice = products, partial sum */
export function board(micro) {
	const { app } = micro;
	const tiles = h("div.cs-tiles", { role: "list" });
	const picture = h("canvas.cs-tiles-picture", { "aria-hidden": "true" });
	const element = h("div.cs-board", picture, tiles);
	const still = h("canvas"); // what stays while the pointer moves: the maps, and the signs between the windows
	const [laid, kept] = [memo(), memo()];
	/** @type {{button: HTMLElement, value: HTMLElement, name: HTMLElement}[]} */
	const cells = [];
	/** @type {ImageData | null} */
	let image = null;

	let height = TILE.height;
	let wide = TILE.width;

	/** @param {number} n */
	const cell = (n) => {
		const [name, value] = [h("span.cs-tile-name"), h("span.cs-tile-value")];
		const light = () => micro.light(n);
		const onclick = (/** @type {MouseEvent} */ event) => micro.pick(n, event.detail > 0 && event.offsetX < height);
		const button = h("button.cs-tile", { onclick, onfocus: light, onpointerenter: light, onpointerleave: () => micro.light(null) }, name, value);
		return { name, value, button };
	};

	/** @param {Sum} sum */
	function draw(sum) {
		const { groups: { sizes, channels, windows, kernels }, sums, listed, names, texts } = sum;
		while (cells.length < sums) cells.push(cell(cells.length));
		const plain = !sizes.length;
		wide = plain ? TILE.plain : TILE.width;
		height = sums > FEW_ROWS ? TILE.low : TILE.height;
		const shown = cells.slice(0, sums);
		if (laid(sums, plain)) {
			fill(tiles, shown.map(({ button }) => h("div", { role: "listitem" }, button)));
			tiles.classList.toggle("cs-plain", plain);
			tiles.classList.toggle("cs-low", height === TILE.low);
			picture.hidden = plain;
		}
		const short = (/** @type {number} */ v) => decimal(v, Math.min(4, places(v)));
		shown.forEach(({ button, name, value }, n) => {
			const group = listed[n];
			say(name, plain && kernels && n < listed.length
				? `${channels[group]}: ${short(windows[group])} × ${short(kernels[group])}` : names[n]);
			say(value, signed(texts[n]));
			button.classList.toggle("cs-rest", n >= listed.length);
			button.classList.toggle("cs-lit", n === micro.litTile);
			button.classList.toggle("cs-later", micro.added !== null && n >= micro.added);
		});
		if (!plain) paint(sum);
	}

	/** All cells go in as pixels, at once; then what stays; then the frames of the windows. @param {Sum} sum */
	function paint({ groups, listed, texts, sums, feed, tall, wide, detail, at }) {
		const { net, ramp } = app;
		const { litTile, litTerm } = micro;
		const drop = height + TILE.gap;
		const pen = sized(picture, TILE.width, sums * drop - TILE.gap);
		const ratio = picture.width / TILE.width;
		const side = height - 8; // of a map
		const patch = feed === undefined ? null : net.activation(feed);
		const form = patch && feed && net.layer(feed).axes.rows !== null ? net.form(feed) : null;
		const shrink = form ? side / Math.max(form.tall, form.columns) : 1;
		const box = form?.axes.columns != null && needs(detail.equation, at)[groups.tensor];
		// of a volume the plane in the middle of the window
		const plane = form && box ? between(Math.floor(form.row(box.map(([first, last]) => (first + last) >> 1)) / form.tall), 0, form.planes - 1) : 0;
		const start = TILE.left + (form ? side + 8 : 0);
		const text = Math.max(TILE.text, 7.6 * Math.max(...texts.map(({ length }) => length)) + 22); // so that no digit lies over a product
		const room = (TILE.width - (form ? side + 8 : 0) - TILE.left - 2 * TILE.sign - text) / 3;
		const cell = Math.max(0.5, Math.min(TILE.cell, room / wide, side / tall));
		const square = Math.max(1, Math.round((cell - (cell > 5 ? 1 : 0)) * ratio));
		const step = wide * cell + TILE.sign;
		const grids = [groups.windows, groups.kernels, groups.products].filter((grid) => grid !== null);
		const limits = [feed === undefined ? 0 : net.limit(feed), largestOf(groups.kernels), largestOf(groups.products)];
		const bright = litTile !== null || litTerm === null ? -1 : litTerm === groups.tensor ? 0 : litTerm === "bias" ? 3 : 1;
		const faint = grids.map((_, p) => bright >= 0 && bright !== p);
		const tops = listed.map((_, n) => n * drop);

		const { width: columns, height: rows } = picture;
		if (image?.width !== columns || image.height !== rows) image = pen.createImageData(columns, rows);
		const pixels = new Uint32Array(image.data.buffer).fill(0);
		tops.forEach((top, n) => grids.forEach((grid, p) => {
			for (let d = 0, term = listed[n] * tall * wide; d < tall * wide; d++, term++) {
				const x = Math.round((start + p * step + (d % wide) * cell) * ratio);
				const y = Math.round((top + (height - tall * cell) / 2 + Math.floor(d / wide) * cell) * ratio);
				ramp.square(pixels, columns, x, y, square, grid[term], limits[p], p === 0 && !groups.inside[term], faint[p]);
			}
		}));
		pen.putImageData(image, 0, 0);

		if (kept(app.look, columns, rows, cell, listed, faint, plane)) {
			const pen = sized(still, TILE.width, sums * drop - TILE.gap);
			Object.assign(pen, { fillStyle: ramp.line, font: "12px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
			tops.forEach((top, n) => {
				const middle = top + height / 2;
				if (patch && feed && form) {
					const [w, t] = [form.columns * shrink, form.tall * shrink];
					pen.drawImage(micro.thumb(patch, feed, groups.channels[listed[n]]), 0, plane * form.tall, form.columns, form.tall, TILE.left, middle - t / 2, w, t);
				}
				for (let p = 1; p < grids.length; p++) {
					pen.globalAlpha = faint[p] ? 0.25 : 1;
					pen.fillText("×="[p - 1], start + p * step - TILE.sign / 2, middle);
				}
				pen.globalAlpha = 1;
			});
		}
		pen.drawImage(still, 0, 0, TILE.width, sums * drop - TILE.gap);

		if (!form || !box) return;
		const [first, last] = box[Number(form.axes.rows)];
		const [left, right] = box[Number(form.axes.columns)];
		Object.assign(pen, { strokeStyle: ramp.line, lineWidth: 1.5 });
		pen.beginPath();
		for (const top of tops) {
			pen.rect(TILE.left + left * shrink - 0.75, top + (height - form.tall * shrink) / 2 + first * shrink - 0.75,
				(right - left + 1) * shrink + 1.5, (last - first + 1) * shrink + 1.5);
		}
		pen.stroke();
	}

	/** How its tiles lie, one below the other. */
	const measure = () => ({ width: wide, height, pitch: height + TILE.gap });

	return { element, draw, measure };
}
