// @ts-check
// The explorer in a page of its own: gives the module /explorer.js the `model` that it would get from a
// notebook, and carries its questions over HTTP. Nothing here knows what is asked.

/**
 * @typedef {{ kind: string, text: string }} Fault
 * @typedef {{ id: unknown, question: Record<string, unknown> }} Asked
 * @typedef {{ asked: Asked, buffers: (ArrayBuffer | ArrayBufferView)[], busy: number, lost: number }} Waiting
 * @typedef {(...given: any[]) => void} Listener
 */

/** As many questions as the server answers at once. */
const AT_ONCE = 2;
/** Milliseconds: after these a server that says nothing counts as lost; it gives up on a job before. */
const SILENCE = 150_000;
const LONGEST_PAUSE = 10_000;
/** How often a question that the server was lost over is asked: it may be what it is lost over. */
const TRIES = 3;
/** Milliseconds for which a question is asked again while others (a second page) keep the server busy. */
const PATIENCE = 60_000;

const LOST = "The server does not answer: convscope was stopped, or is busy. This page goes on when it is back.";
const LOCKED = "convscope was started anew. Open the address that it printed; this page goes on then.";

/** First bytes of the kinds of pictures that are taken. @type {[string, number, number[]][]} */
const KINDS = [
	["image/png", 0, [0x89, 0x50, 0x4e, 0x47]],
	["image/jpeg", 0, [0xff, 0xd8, 0xff]],
	["image/gif", 0, [0x47, 0x49, 0x46, 0x38]],
	["image/bmp", 0, [0x42, 0x4d]],
	["image/webp", 8, [0x57, 0x45, 0x42, 0x50]],
];

/**
 * The content type to declare for a picture. What is none of them goes as PNG: the host looks for
 * itself, and says with which bytes it starts.
 * @param {ArrayBuffer | ArrayBufferView} picture
 */
function kindOf(picture) {
	const bytes = ArrayBuffer.isView(picture)
		? new Uint8Array(picture.buffer, picture.byteOffset, picture.byteLength)
		: new Uint8Array(picture);
	const found = KINDS.find(([, at, start]) => start.every((byte, i) => bytes[at + i] === byte));
	return found ? found[0] : "image/png";
}

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * The `model` of anywidget, over HTTP. Beside the answers it says to "msg:custom" how the server is:
 * { status: "lost" | "locked" | "back", text }. Questions that are open then are asked again.
 */
class Model {
	constructor() {
		/** @type {Map<string, Set<Listener>>} */
		this.listeners = new Map();
		/** @type {Map<string, unknown>} */
		this.values = new Map();
		/** @type {Waiting[]} */
		this.waiting = [];
		this.underWay = 0;
		/** @type {string | null} which server has answered */
		this.server = null;
		/** @type {"back" | "lost" | "locked"} */
		this.status = "back";
	}

	/** @param {string} name */
	get(name) {
		return this.values.get(name);
	}

	/** @param {string} name @param {unknown} value */
	set(name, value) {
		this.values.set(name, value);
		this.emit(`change:${name}`, value);
		this.emit("change");
	}

	/** The host keeps nothing: what a page is to find again stands in its address. */
	save_changes() {}

	/** @param {string} event @param {Listener} listener */
	on(event, listener) {
		const known = this.listeners.get(event) ?? new Set();
		this.listeners.set(event, known.add(listener));
	}

	/** @param {string | null} [event] @param {Listener | null} [listener] all of them without one */
	off(event, listener) {
		for (const name of event ? [event] : [...this.listeners.keys()]) {
			if (listener) this.listeners.get(name)?.delete(listener);
			else this.listeners.delete(name);
		}
	}

	/**
	 * @param {Asked} asked
	 * @param {unknown} [_callbacks]
	 * @param {(ArrayBuffer | ArrayBufferView)[]} [buffers] the bytes of a picture
	 */
	send(asked, _callbacks, buffers = []) {
		this.waiting.push({ asked, buffers, busy: 0, lost: 0 });
		this.next();
	}

	/** @param {string} event @param {any[]} given */
	emit(event, ...given) {
		for (const listener of [...(this.listeners.get(event) ?? [])]) {
			try {
				listener(...given);
			} catch (fault) {
				reportError(fault); // one listener's fault is not the others'
			}
		}
	}

	next() {
		while (this.status === "back" && this.underWay < AT_ONCE) {
			const one = this.waiting.shift();
			if (!one) return;
			this.underWay += 1;
			this.ask(one).finally(() => {
				this.underWay -= 1;
				this.next();
			});
		}
	}

	/** @param {Waiting} one */
	async ask(one) {
		const { id, question } = one.asked;
		for (;;) {
			const answer = await this.post(question, one.buffers[0]);
			if (answer === null || answer.error?.kind === "Locked") {
				if (answer === null) one.lost += 1;
				if (one.lost < TRIES) this.waiting.unshift(one);
				else this.emit("msg:custom", { id, error: { kind: "Lost", text: LOST } }, []);
				this.lose(answer === null ? "lost" : "locked");
			} else if (answer.error?.kind === "Busy" && one.busy < PATIENCE) {
				const wait = Math.min(50 + one.busy, 1000);
				one.busy += wait;
				await pause(wait);
				continue;
			} else if (answer.error) {
				this.emit("msg:custom", { id, error: answer.error }, []);
			} else {
				this.emit("msg:custom", { id, facts: answer.facts }, [answer.body]);
			}
			return;
		}
	}

	/**
	 * One request. null: nobody answered.
	 * @param {Record<string, unknown>} question
	 * @param {ArrayBuffer | ArrayBufferView} [picture]
	 * @returns {Promise<{ error?: Fault, facts?: any, body?: DataView } | null>}
	 */
	async post(question, picture) {
		const text = JSON.stringify(question);
		try {
			// no `mode`: with another than fetch's own the browser would send Origin: null
			const response = await fetch(picture ? `/image?question=${encodeURIComponent(text)}` : "/ask", {
				method: "POST",
				headers: {
					"Content-Type": picture ? kindOf(picture) : "application/json",
					"X-Convscope": "1",
				},
				body: picture ? /** @type {BodyInit} */ (picture) : text,
				signal: AbortSignal.timeout(SILENCE),
			});
			const content = await response.arrayBuffer();
			const server = response.headers.get("X-Convscope");
			if (response.ok) {
				// another server, perhaps of another network: begin anew; the state is in the address
				if (this.status === "locked" || (this.server ?? server) !== server) {
					location.reload();
					return await new Promise(() => {});
				}
				this.server = server;
				const size = new DataView(content).getUint32(0, true);
				const facts = new TextDecoder().decode(new Uint8Array(content, 4, size));
				return { facts: JSON.parse(facts), body: new DataView(content, 4 + size) };
			}
			return JSON.parse(new TextDecoder().decode(content));
		} catch {
			return null;
		}
	}

	/** Say that the server is lost (or closed to this page) and ask until it is back. @param {"lost" | "locked"} how */
	async lose(how) {
		if (this.status !== "back") return;
		this.say(how);
		for (let wait = 1000; ; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
			await pause(wait);
			const answer = await this.post({ ask: "alive" });
			const now = answer === null ? "lost" : answer.error?.kind === "Locked" ? "locked" : "back";
			if (now !== this.status) this.say(now);
			if (now === "back") break;
		}
		this.next();
	}

	/** @param {"back" | "lost" | "locked"} status */
	say(status) {
		this.status = status;
		const text = { back: "", lost: LOST, locked: LOCKED }[status];
		this.emit("msg:custom", { status, text }, []);
	}
}

export {}; // a module, which may wait below

const el = /** @type {HTMLElement} */ (document.getElementById("explorer"));
const model = new Model();
model.set("page", true); // its address and its keys are ours
model.set("room", (/** @type {string} */ name) => import(`/${name}.js`).catch((fault) => { // what this page may load is files of its server
	if (!(fault instanceof TypeError)) throw fault;
	model.lose("lost"); // it is asked for again when the server is back
	throw new Error(LOST);
}));
try {
	const module = "/explorer.js";
	const { default: explorer } = await import(module);
	await explorer.render({ model, el });
} catch (fault) {
	el.textContent = `The page could not be drawn: ${fault}`;
	reportError(fault);
}
