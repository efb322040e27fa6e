// Cards of layers: a few maps of each, small; and the lines between them.

import { range } from "./arrays.js";
import { sized } from "./elements.js";
import { drawBars, drawSheet, scaleOf } from "./colours.js";

/** @import {App} from "./frame.js" */

/**
 * Draw a few of a layer's maps; false where the host has not told them, or others have been asked for meanwhile.
 * @param {App} app @param {string} name @param {HTMLCanvasElement} canvas @param {{wide: number, tall: number}} room @param {() => boolean} wanted
 */
export async function thumbnail({ net, ramp }, name, canvas, { wide, tall }, wanted) {
	const form = net.form(name);
	const row = form.rows === 1;
	const across = row || form.maps < 4 ? 1 : form.maps < 9 ? 2 : 3;
	const side = row ? 1024 : Math.max(4, Math.floor((tall * 2) / across));
	const tiles = await net.tiles(name, range(Math.min(form.maps, across * across)), side).catch(() => null);
	if (!wanted()) return false;
	if (!tiles) { // another run's maps are not this one's; it is asked again when the host is back
		sized(canvas, 1, 1);
		return false;
	}
	if (row) drawBars(sized(canvas, wide, tall), tiles.data, wide, tall, ramp, net.limit(name));
	else {
		const scale = Math.max(1, Math.floor(side / Math.max(form.rows, form.columns)));
		drawSheet(canvas, { tiles, across, scale, high: scale, gap: 2, each: false, ...scaleOf(net, name, "layer") }, ramp);
	}
	return true;
}
