// Cards of layers: a few maps of each, small; and the lines between them.

import { range } from "./arrays.js";
import { sized } from "./elements.js";
import { Form } from "./form.js";
import { drawBars, drawSheet, scaleOf } from "./colours.js";

/** @import {Run, Tiles} from "./types" */
/** @import {App} from "./frame.js" */

/**
 * Draw a few of a layer's maps; false where the host has not told them, or others have been asked for meanwhile.
 * @param {App} app @param {string} name @param {HTMLCanvasElement} canvas @param {{wide: number, tall: number}} room @param {() => boolean} wanted
 * @param {Run | null} [run]  the one that is shown, or another; colours go as far as the larger of both
 */
export async function thumbnail({ net, ramp }, name, canvas, { wide, tall }, wanted, run = net.run) {
	const form = new Form(net.layer(name).axes, run?.shapes[name] ?? []);
	const limit = Math.max(net.limit(name), ...(run?.ranges[name] ?? []).map(Math.abs));
	const row = form.rows === 1;
	const across = row || form.maps < 4 ? 1 : form.maps < 9 ? 2 : 3;
	const side = row ? 1024 : Math.max(4, Math.floor((tall * 2) / across));
	const maps = range(Math.min(form.maps, across * across));
	const tiles = await net.tiles(name, maps, side * form.planes, run).then((all) => middle(all, form.planes)).catch(() => null);
	if (!wanted()) return false;
	if (!tiles) { // another run's maps are not this one's; it is asked again when the host is back
		sized(canvas, 1, 1);
		return false;
	}
	if (row) drawBars(sized(canvas, wide, tall), tiles.data, wide, tall, ramp, limit);
	else {
		const scale = Math.max(1, Math.floor(side / Math.max(form.tall, form.columns)));
		drawSheet(canvas, { tiles, across, scale, high: scale, gap: 2, each: false, ...scaleOf(net, name, "layer"), limit }, ramp);
	}
	return true;
}

/** Of volumes the plane in the middle. @param {Tiles} tiles @param {number} planes @returns {Tiles} */
function middle(tiles, planes) {
	if (planes < 2) return tiles;
	const { tile: [rows, columns], maps, data } = tiles;
	const tall = Math.max(1, Math.round(rows / planes));
	const from = Math.min(rows - tall, Math.floor(planes / 2) * tall);
	const found = new Float32Array(maps.length * tall * columns);
	maps.forEach((_, n) => found.set(data.subarray((n * rows + from) * columns, (n * rows + from + tall) * columns), n * tall * columns));
	return { ...tiles, tile: [tall, columns], data: found };
}
