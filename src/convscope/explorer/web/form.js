// How a layer's numbers are drawn: which axis is the map, which its rows and columns.

import { origin, range, stridesOf } from "./arrays.js";

/** @import {Axes, Patch} from "./types" */
/** @import {Spot} from "./address.js" */

/** How a layer's numbers are drawn: as maps, and the slices of volumes and the like above one another. */
export class Form {
	/** @param {Axes} axes @param {number[]} shape */
	constructor({ maps, rows, columns }, shape) {
		this.shape = shape;
		this.axes = { maps, rows, columns };
		const slices = shape.map((_, axis) => axis).filter((axis) => axis !== maps && axis !== rows && axis !== columns);
		this.down = rows === null ? slices : [...slices, rows]; // the axes that run down
		this.maps = maps === null ? 1 : shape[maps];
		this.columns = columns === null ? 1 : shape[columns];
		this.rows = this.down.reduce((product, axis) => product * (shape[axis] || 1), 1);
		/** which axis , and . walk along */
		this.listed = maps ?? (rows === null ? columns : null);
	}

	/** How many rows of a map each plane of a volume has; all of them where there are no planes. */
	get tall() {
		return this.axes.rows === null ? this.rows : this.shape[this.axes.rows];
	}

	get planes() {
		return this.rows / (this.tall || 1) || 1;
	}

	/** How many of a volume's planes stand beside one another, so that all are as square as can be. @param {(n: number) => boolean} [wanted]  which numbers would do */
	beside(wanted = () => true) {
		const { planes, tall, columns } = this;
		const larger = (/** @type {number} */ n) => Math.max(n * columns, Math.ceil(planes / n) * tall);
		return range(Math.min(planes, 64), 1).filter(wanted).reduce((best, n) => (larger(n) < larger(best) ? n : best), 1);
	}

	/** One map's size in words. */
	get size() {
		const { planes } = this;
		const one = `${this.tall}×${this.columns}`;
		return planes > 1 ? `${planes} planes of ${one}` : this.rows === 1 && this.axes.rows === null ? `${this.columns} numbers` : one;
	}

	/** @param {number[]} at */
	map(at) {
		return this.axes.maps === null ? 0 : at[this.axes.maps];
	}

	/** The row in which a position is drawn. @param {number[]} at */
	row(at) {
		return this.down.reduce((row, axis) => row * this.shape[axis] + at[axis], 0);
	}

	/** @param {number[]} at */
	column(at) {
		return this.axes.columns === null ? 0 : at[this.axes.columns];
	}

	/** @param {Spot} spot */
	position({ map, row, column }) {
		const { maps, columns } = this.axes;
		const at = origin(this.shape);
		for (const axis of [...this.down].reverse()) {
			at[axis] = row % this.shape[axis];
			row = Math.floor(row / this.shape[axis]);
		}
		if (columns !== null) at[columns] = column;
		if (maps !== null) at[maps] = map;
		return at;
	}

	/** @param {Patch} patch @param {number} map */
	plane({ data }, map) {
		const strides = stridesOf(this.shape);
		const step = this.axes.columns === null ? 0 : strides[this.axes.columns];
		const plane = new Float64Array(this.rows * this.columns);
		for (let row = 0, n = 0; row < this.rows; row++) {
			let from = this.position({ map, row, column: 0 }).reduce((sum, p, axis) => sum + p * strides[axis], 0);
			for (let column = 0; column < this.columns; column++, from += step) plane[n++] = data[from];
		}
		return plane;
	}

	/** @param {number} axis */
	word(axis) {
		const { maps, rows, columns } = this.axes;
		if (axis === maps) return "map";
		if (axis === rows) return "row";
		if (axis === columns) return rows !== null ? "column" : maps === null ? "unit" : "step";
		return "plane";
	}
}
