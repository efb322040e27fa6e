// Asking the host.

/** @import {Answer, Model, Question} from "./types" */

/** Questions to the host, each with its answer. */
export class Link {
	/** @param {Model} model */
	constructor(model) {
		this.model = model;
		this.last = 0;
		this.mark = Math.random().toString(36).slice(2, 10); // a notebook's model tells all its views every answer
		/** @type {Map<string, {done: (answer: Answer) => void, failed: (error: Error) => void}>} */
		this.open = new Map();
		/** @type {(status: string, text: string) => void} told when the host is lost, or back */
		this.heard = () => {};
		this.listen = this.listen.bind(this);
		model.on("msg:custom", this.listen);
	}

	close() {
		this.model.off("msg:custom", this.listen);
	}

	/** @param {Question} question @param {ArrayBuffer} [upload]  a picture's bytes @returns {Promise<Answer>} */
	ask(question, upload) {
		return new Promise((done, failed) => {
			const id = `${this.mark}-${++this.last}`;
			this.open.set(id, { done, failed });
			this.model.send({ id, question: { ...question, page: this.mark } }, undefined, upload ? [upload] : []);
		});
	}

	/** A late room's text as a module: as the host brings modules, or from what it answers. @param {string} name @returns {Promise<{default: (core: any) => (app: any) => any, style: string}>} */
	async room(name) {
		const brings = this.model.get("room");
		if (brings) return brings(name);
		const { facts } = await this.ask({ ask: "room", name });
		const address = URL.createObjectURL(new Blob([facts.script], { type: "text/javascript" }));
		try {
			return await import(address);
		} finally {
			URL.revokeObjectURL(address);
		}
	}

	/** @param {any} message @param {DataView[]} [buffers] */
	listen({ id, status, text, error, facts }, buffers) {
		if (status) return this.heard(status, text ?? "");
		const asked = this.open.get(id);
		this.open.delete(id);
		if (error) asked?.failed(new Error(error.text));
		else asked?.done({ facts, body: buffers?.[0] ?? null });
	}
}
