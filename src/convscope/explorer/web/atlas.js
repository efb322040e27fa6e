// An atlas: the maps of one layer, beside one another.

import { between } from "./arrays.js";
import { Part, h, penOf } from "./elements.js";
import { drawSheet, scaleOf } from "./colours.js";

/** @import {Spot} from "./address.js" */
/** @import {Tiles} from "./types" */
/** @import {Sheet} from "./colours.js" */
/** @import {App} from "./frame.js" */

const VOLUME_ROWS = 1024; // a volume of no more rows, all planes together,
const VOLUME_NUMBERS = 1 << 22; // and of no more numbers is drawn plane by plane

/** Volumes with so many planes beside one another, instead of all above one another. @param {Tiles} tiles @param {number} beside @param {number} tall @returns {Tiles} */
function spread({ maps, tile: [rows, columns], data }, beside, tall) {
	const wide = beside * columns;
	const found = new Float32Array(data.length);
	for (let from = 0, line = 0; from < data.length; from += columns, line++) {
		const [map, row] = [Math.floor(line / rows), line % rows];
		const plane = Math.floor(row / tall);
		const down = Math.floor(plane / beside) * tall + (row % tall);
		found.set(data.subarray(from, from + columns), map * rows * columns + down * wide + (plane % beside) * columns);
	}
	/** @type {[number, number]} */
	const tile = [rows / beside, wide];
	return { maps, tile, of: tile, data: found };
}

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
		/** @type {Tiles | null} the maps as the host told them */
		this.told = null;
		this.volume = { beside: 1, tall: 1, columns: 1 };
		this.of = ""; // whose maps are drawn
	}

	/** Draw maps of a layer in this width, as tiles of at most `side` and at least `least`. @param {string} name @param {number[]} maps @param {number} width @param {number} side */
	async draw(name, maps, width, side, least = 1) {
		const { net, place: { colour }, ramp } = this.app;
		const form = net.form(name);
		const { rows, columns, planes, tall } = form;
		// a volume whole, its planes beside one another: above one another they would be a hair
		const whole = planes > 1 && rows <= VOLUME_ROWS && maps.length * rows * columns <= VOLUME_NUMBERS;
		const beside = whole ? form.beside((n) => planes % n === 0) : 1;
		const of = `${net.run?.id} ${name}`;
		if (this.of !== of) this.clear(); // what others have left
		this.of = of;
		const told = await this.newest(net.tiles(name, maps, whole ? Math.max(rows, columns) : side)).catch((error) => {
			this.clear();
			throw error;
		});
		const tiles = beside > 1 ? spread(told, beside, tall) : told;
		const largest = Math.max(...tiles.tile);
		const fitting = whole ? Math.floor((2 * side) / largest) : Math.max(rows, columns) > side ? 1 : Math.floor(side / largest);
		const scale = Math.max(1, fitting, Math.ceil(least / largest));
		const gap = largest * scale > 12 ? 3 : 2;
		const across = between(Math.floor((width + gap) / (tiles.tile[1] * scale + gap)), 1, maps.length);
		const high = rows === 1 && columns > 1 ? Math.max(scale, 14) : scale; // a row of numbers is no hairline
		this.told = told;
		this.volume = { beside, tall, columns };
		this.sheet = { tiles, across, scale, high, gap, each: colour === "map", ...scaleOf(net, name, colour) };
		drawSheet(this.canvas, this.sheet, ramp);
	}

	clear() {
		this.sheet = this.told = null;
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
		const { beside, tall: each, columns } = this.volume;
		if (beside < 2) return { map: maps[n], row, column };
		return { map: maps[n], row: (Math.floor(row / each) * beside + Math.floor(column / columns)) * each + (row % each), column: column % columns };
	}

	/** @param {Spot} spot */
	value({ map, row, column }) {
		if (!this.told) return null;
		const { maps, tile, of, data } = this.told;
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
