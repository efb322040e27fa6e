// An atlas: the maps of one layer, beside one another.

import { between } from "./arrays.js";
import { Part, h, penOf } from "./elements.js";
import { drawSheet, scaleOf } from "./colours.js";

/** @import {Spot} from "./address.js" */
/** @import {Sheet} from "./colours.js" */
/** @import {App} from "./frame.js" */

/** Maps on one canvas, in any order, a page at a time; says which pixel is under the pointer. */
export class Atlas extends Part {
	/** @param {App} app @param {string} label @param {(spot: Spot) => void} picked @param {(spot: Spot | null) => void} over */
	constructor(app, label, picked, over) {
		super(app);
		this.canvas = h("canvas.cs-atlas", {
			role: "img", "aria-label": label, onpointermove: (event) => over(this.spot(event)), onpointerleave: () => over(null),
			onclick: (event) => {
				const spot = this.spot(event);
				if (spot) picked(spot);
			},
		});
		this.marker = h("span.cs-marker", { hidden: true });
		this.element = h("div.cs-sheet", this.canvas, this.marker);
		/** @type {Sheet | null} */
		this.sheet = null;
		this.of = ""; // whose maps are drawn
	}

	/** Draw maps of a layer in this width, as tiles of at most `side` and at least `least`. @param {string} name @param {number[]} maps @param {number} width @param {number} side */
	async draw(name, maps, width, side, least = 1) {
		const { net, place: { colour }, ramp } = this.app;
		const { rows, columns } = net.form(name);
		const of = `${net.run?.id} ${name}`;
		if (this.of !== of) this.clear(); // what others have left
		this.of = of;
		const tiles = await this.newest(net.tiles(name, maps, side)).catch((error) => {
			this.clear();
			throw error;
		});
		const largest = Math.max(...tiles.tile);
		const fitting = Math.max(rows, columns) > side ? 1 : Math.floor(side / largest);
		const scale = Math.max(1, fitting, Math.ceil(least / largest));
		const gap = largest * scale > 12 ? 3 : 2;
		const across = between(Math.floor((width + gap) / (tiles.tile[1] * scale + gap)), 1, maps.length);
		const high = rows === 1 && columns > 1 ? Math.max(scale, 14) : scale; // a row of numbers is no hairline
		this.sheet = { tiles, across, scale, high, gap, each: colour === "map", ...scaleOf(net, name, colour) };
		drawSheet(this.canvas, this.sheet, ramp);
	}

	clear() {
		this.sheet = null;
		this.marker.hidden = true;
		penOf(this.canvas).clearRect(0, 0, this.canvas.width, this.canvas.height);
	}

	/** @param {MouseEvent} event @returns {Spot | null} */
	spot(event) {
		if (!this.sheet) return null;
		const { tiles: { maps, tile, of }, across, scale, high, gap } = this.sheet;
		const { width, height, clientWidth, clientHeight } = this.canvas;
		const [y, x] = [(event.offsetY * height) / (clientHeight || 1), (event.offsetX * width) / (clientWidth || 1)];
		const [tall, wide] = [tile[0] * high + gap, tile[1] * scale + gap];
		const n = Math.floor(y / tall) * across + Math.floor(x / wide);
		if (n < 0 || n >= maps.length || Math.floor(x / wide) >= across) return null;
		const [row, column] = [y % tall, x % wide].map((v, d) => between(Math.floor((v / [high, scale][d]) * (of[d] / tile[d])), 0, of[d] - 1));
		return { map: maps[n], row, column };
	}

	/** @param {Spot} spot */
	value({ map, row, column }) {
		if (!this.sheet) return null;
		const { maps, tile, of, data } = this.sheet.tiles;
		return String(of) === String(tile) ? data[(maps.indexOf(map) * tile[0] + row) * tile[1] + column] : null;
	}

	/** @param {number | undefined} map */
	mark(map) {
		const n = this.sheet && map !== undefined ? this.sheet.tiles.maps.indexOf(map) : -1;
		this.marker.hidden = n < 0;
		if (n < 0 || !this.sheet) return;
		const { tiles, across, scale, high, gap } = this.sheet;
		const [tall, wide] = [tiles.tile[0] * high, tiles.tile[1] * scale];
		Object.assign(this.marker.style, {
			left: `${(n % across) * (wide + gap)}px`, top: `${Math.floor(n / across) * (tall + gap)}px`,
			width: `${wide}px`, height: `${tall}px`,
		});
	}
}
