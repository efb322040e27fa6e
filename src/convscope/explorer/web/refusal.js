// What cannot be answered, and why.

/** An answer's place taken by the reason why there is none. */
export class Refusal extends Error {
	/** @param {string} kind as convscope calls such errors @param {string} text */
	constructor(kind, text) {
		super(text);
		this.kind = kind;
	}
}
