// The lens: one input map's part, number by number.

import { largestOf, range } from "./arrays.js";
import { addingUp, decimal, grouped, places, readBack, scientific, signed } from "./texts.js";
import { fill, h, memo, say } from "./elements.js";
import { index } from "./colours.js";

/** @import {Groups} from "./types" */
/** @import {Sum} from "./account.js" */
/** @import {Numbers} from "./elements.js" */
/** @import {Microscope} from "./microscope.js" */

const LENS_CELLS = 130; // windows of up to so many numbers are shown as numbers

/** @param {Microscope} micro  of which it shows one input map's part, number by number: window × slice = products */
export function magnifier(micro) {
	const element = h("div.cs-lens");
	const heading = h("p.cs-caption");
	const end = h("p.cs-lens-end");
	const built = memo();
	let group = 0;
	/** @type {HTMLElement[][]} */
	let figures = [];

	/** @param {Sum} sum @param {number} which */
	function draw({ led, groups, listed, texts, digits, source, wide, tall }, which) {
		const { kernels, products, sizes, channels } = groups;
		const per = wide * tall;
		group = which;
		if (built(micro.opened, sizes, !products)) build(groups, wide, per);
		say(heading, `${sizes.length ? "map" : "number"} ${channels[group]} of ${source}${sizes.length ? ", number by number" : ""}`);
		const part = (/** @type {Numbers} */ data) => Array.from({ length: per }, (_, p) => data[group * per + p]);
		const short = (/** @type {number[]} */ values) => {
			const most = largestOf(values);
			return values.map((v) => (most > 0 && most < 1e-4 ? scientific(v) : decimal(v, Math.min(places(most), 5)))); // tiny ones would all be 0
		};
		const partial = texts[listed.indexOf(group)];
		const adds = led.reduction === "sum";
		if (per <= LENS_CELLS) {
			const windows = part(groups.windows);
			write(0, windows, short(windows), part(groups.inside), led.reduction === "max" ? Math.max(...windows) : NaN);
			if (kernels && products) {
				const [slice, terms] = [part(kernels), part(products)];
				write(1, slice, short(slice));
				write(2, terms, adds && terms.every(Number.isFinite)
					? addingUp(terms, readBack(partial), digits).texts : terms.map((v) => decimal(v, digits)));
			}
		}
		say(end, adds ? `${per > 1 ? "add up to" : "="} ${signed(partial)}`
			: led.reduction === "max" ? `largest ${partial}` : `${per > 1 ? "average to " : ""}${partial}`);
	}

	/** @param {Groups} groups @param {number} wide @param {number} per */
	function build({ tensor, products, sizes }, wide, per) {
		const rows = sizes.length > 2 ? sizes[sizes.length - 2] : per; // of each plane: a volume's stand apart
		const apart = (/** @type {number} */ p) => ({ marginTop: p >= wide && Math.floor(p / wide) % rows === 0 ? "9px" : "" });
		const enter = (/** @type {number} */ p) => micro.sum?.groups.inside[group * per + p] && micro.enter(group, p);
		const window = range(per).map((p) => h("button.cs-figure-cell", {
			title: "go down to this number", style: apart(p), onclick: () => enter(p), ...micro.lighting(tensor),
		}));
		const cells = () => range(per).map((p) => h("span.cs-figure-cell", { style: apart(p) }));
		figures = products ? [window, cells(), cells()] : [window];
		const style = { gridTemplateColumns: `repeat(${wide}, minmax(61px, auto))` };
		fill(element, heading, per > LENS_CELLS
			? h("p.cs-dim", `Its window has ${grouped(per)} numbers; the picture shows them all.`)
			: h("div.cs-lens-grids", figures.map((cells, n) => h("div.cs-lens-part",
				h("span.cs-lens-name", ["window", "× weights", "= products"][n]), h("div.cs-figures", { style }, cells)))), end);
	}

	/** @param {number} grid @param {number[]} values @param {string[]} texts @param {number[]} [inside] @param {number} [most] */
	function write(grid, values, texts, inside, most) {
		const { ramp } = micro.app;
		const limit = largestOf(values);
		figures[grid].forEach((cell, p) => {
			const outside = inside !== undefined && !inside[p];
			say(cell, !outside ? texts[p] : Number.isFinite(values[p]) ? `[${texts[p]}]` : "[−∞]");
			cell.style.backgroundColor = ramp.of(values[p], limit);
			cell.style.color = ramp.inks[index(values[p], limit)];
			cell.classList.toggle("cs-outside", outside);
			cell.classList.toggle("cs-most", values[p] === most);
		});
	}

	return { element, draw };
}
