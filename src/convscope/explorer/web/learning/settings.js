// How a training goes: its optimizer, learning rate, batches and epochs, chosen on the page and kept in the address.

import { choice, fill, h, memo, say, small } from "../elements.js";
import { grouped } from "../texts.js";

/** @import {Settings, State} from "./types" */

const LETTERS = { optimizer: "opt", learning_rate: "rate", batch_size: "batch", epochs: "ep" }; // in the address
const MOST_EPOCHS = 1000;
const NAMES = /** @type {(keyof Settings)[]} */ (Object.keys(LETTERS));

/**
 * The form. What is chosen holds from the next beginning on.
 * @param {(settings: Settings) => void} begin  begin anew with these
 */
export function settings(begin) {
	/** @type {State | null} */
	let told = null;
	const changed = memo();
	const optimizer = choice({}, () => {
		if (told?.optimizers) rate.value = String(told.optimizers[optimizer.value].learning_rate);
		refresh();
	});
	const oninput = () => refresh();
	const rate = h("input", { type: "number", min: Number.MIN_VALUE, step: "any", required: true, oninput });
	const batch = h("input", { type: "number", min: 1, step: 1, required: true, oninput });
	const epochs = h("input", { type: "number", min: 1, max: MOST_EPOCHS, step: 1, required: true, oninput });
	const anew = small("begin anew", () => form.requestSubmit());
	const note = h("p.cs-note.cs-dim");
	const form = h("form.cs-learning-settings", {
		onsubmit: (/** @type {Event} */ event) => {
			event.preventDefault();
			begin(chosen());
		},
	}, h("label", "optimizer ", optimizer), h("label", "learning rate ", rate), h("label", "images a step ", batch), h("label", "epochs ", epochs), anew, note);

	/** @returns {Settings} */
	const chosen = () => ({ optimizer: optimizer.value, learning_rate: Number(rate.value), batch_size: Number(batch.value), epochs: Number(epochs.value) });

	function refresh() {
		if (!told?.settings) return;
		const wanted = chosen();
		const now = told.settings;
		const other = NAMES.some((name) => wanted[name] !== now[name]);
		const each = Math.ceil((told.images ?? 0) / wanted.batch_size);
		say(anew, other ? "begin anew with these" : "begin anew");
		say(note, form.checkValidity() ? `${grouped(each)} steps an epoch, ${grouped(each * wanted.epochs)} in all${other && told.step ? "; what runs now goes on as it was set until it begins anew" : ""}.` : "");
	}

	/** Show what a training is set to. @param {State} state */
	function show(state) {
		told = state;
		form.hidden = !state.live;
		if (!state.settings || !state.optimizers) return;
		if (!changed(state.begun)) return refresh();
		fill(optimizer, Object.entries(state.optimizers).map(([name, { title }]) => h("option", { value: name }, title)));
		batch.max = String(state.images);
		put(state.settings);
	}

	/** @param {Settings} given */
	function put(given) {
		optimizer.value = given.optimizer;
		rate.value = String(given.learning_rate);
		batch.value = String(given.batch_size);
		epochs.value = String(given.epochs);
		refresh();
	}

	/** Whether what is chosen is not what the training is set to. */
	const differs = () => Boolean(told?.settings && NAMES.some((name) => chosen()[name] !== told?.settings?.[name]));

	return { element: form, show, chosen, differs, valid: () => form.reportValidity() };
}

/** What of them stands in an address: in what they differ from the network's own. @param {State | null} state @returns {Record<string, string>} */
export function addressed(state) {
	const { settings: now, usual } = state ?? {};
	if (!now || !usual) return {};
	const other = (/** @type {keyof Settings} */ name) => now[name] !== usual[name];
	return Object.fromEntries(NAMES.filter((name) => other(name) || (name === "learning_rate" && other("optimizer"))).map((name) => [LETTERS[name], String(now[name])]));
}

/** What an address says of them, where it says what there is. @param {Record<string, string>} more @param {State} state @returns {Settings | null} */
export function fromAddress(more, { usual, optimizers, images = 1 }) {
	if (!usual || !optimizers) return null;
	const said = { ...usual };
	const [optimizer, rate, batch, epochs] = NAMES.map((name) => more[LETTERS[name]]);
	const whole = (/** @type {string} */ text, /** @type {number} */ most) => /^[1-9]\d{0,8}$/.test(text) && Number(text) <= most;
	if (Object.hasOwn(optimizers, optimizer)) Object.assign(said, { optimizer, learning_rate: optimizers[optimizer].learning_rate });
	if (Number(rate) > 0 && Number.isFinite(Number(rate))) said.learning_rate = Number(rate);
	if (whole(batch, images)) said.batch_size = Number(batch);
	if (whole(epochs, MOST_EPOCHS)) said.epochs = Number(epochs);
	return NAMES.some((name) => said[name] !== usual[name]) ? said : null;
}
