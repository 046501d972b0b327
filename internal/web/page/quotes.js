// The messages that replies refer to. Those that are not here are loaded, one after the other.

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const WAITING = 50; // requests; of more, the oldest are dropped, and made when the reply is drawn again

export class Quotes {
	/** @type {Map<number, Promise<void>>} */
	#asked = new Map();
	/** @type {{n: number, done: () => void}[]} */
	#queue = [];
	#loading = false;
	#roomState;

	/** @param {RoomState} roomState */
	constructor(roomState) {
		this.#roomState = roomState;
	}

	/** The message with a number; null: the server no longer has it; undefined: it is being loaded. @param {number} n @returns {Message|null|undefined} */
	get(n) {
		const { room, timeline } = this.#roomState;
		const m = room.replica.get(n) ?? timeline.messages[timeline.at(n)];
		if (m?.n === n) return m;
		if (n < room.first || room.replica.possible(n, n).length === 0) return null;
		this.load(n);
		return undefined;
	}

	/** Loads a message. Resolves in any case. @param {number} n */
	load(n) {
		const asked = this.#asked.get(n) ?? new Promise((/** @type {(_: void) => void} */ done) => this.#queue.push({ n, done }));
		this.#asked.set(n, asked);
		for (const { n: dropped, done } of this.#queue.splice(0, Math.max(0, this.#queue.length - WAITING))) {
			this.#asked.delete(dropped);
			done();
		}
		this.#run();
		return asked;
	}

	/** The room has another history. */
	clear() {
		for (const { done } of this.#queue.splice(0)) done();
		this.#asked.clear();
	}

	async #run() {
		if (this.#loading) return;
		this.#loading = true;
		const { room, model } = this.#roomState;
		for (let next = this.#queue.pop(); next; next = this.#queue.pop()) { // the newest is probably on screen
			const { n, done } = next;
			try {
				if (!room.replica.get(n)) await room.client.withRetry(() => room.load({ before: n + 1, limit: 1 }));
				if (!room.replica.get(n)) this.#asked.delete(n);
			} catch {
				setTimeout(() => this.#asked.delete(n), 5000); // then it is asked for again if it is drawn
			}
			done();
			model.changed();
		}
		this.#loading = false;
	}
}
