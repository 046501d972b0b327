// How far someone has read in a room, from one visit to the next.
import { formatPosition } from "./ramai/protocol.js";
import { shared } from "./storage.js";

/**
 * @typedef {import("./ramai/protocol.js").Position} Position
 * @typedef {import("./ramai/room.js").Room} Room
 */

export class ReadMark {
	n = 0; // the highest number that was on screen
	#room;
	#key;
	#epoch = ""; // the server's when n was read; empty: an older version stored it without one
	#stored = ""; // the position that was stored last
	/** @type {Position|null} the mark of the last visit, if it is of this history */
	#restored = null;

	/** @param {Room} room */
	constructor(room) {
		this.#room = room;
		this.#key = `read.${room.name}`;
	}

	/**
	 * Restores the mark of the last visit, for a room that was joined just now. Returns false if it belongs to another
	 * history: then everything counts as read.
	 */
	restore() {
		const was = shared.get(this.#key);
		if (was?.log !== this.#room.log) {
			this.toHead();
			return !was?.log;
		}
		this.#restored = was;
		[this.n, this.#epoch] = [Math.min(was.n, this.#room.head), was.epoch ?? ""];
		return true;
	}

	/**
	 * Asks the server whether a restored mark of an earlier epoch still holds. Resolves with false if not: the server was set back to
	 * an older state, and other messages have those numbers. The mark keeps its epoch until it moves, because an earlier one
	 * is known to more of the states that the server may be set back to.
	 */
	async verify() {
		const was = this.#restored;
		if (!was?.epoch || was.epoch === this.#room.currentEpoch) return true;
		const after = formatPosition(was);
		const page = await this.#room.client.withRetry(() => this.#room.history({ after, limit: 1 })).catch(() => null);
		if (!page?.reset) return true; // without an answer, the next visit asks again
		this.toHead();
		return false;
	}

	/** Marks everything as read. */
	toHead() {
		[this.n, this.#epoch] = [this.#room.head, this.#room.currentEpoch];
	}

	/** Marks everything up to n as read. Returns false if it was read already. @param {number} n */
	moveTo(n) {
		n = Math.min(n, this.#room.n); // what has not arrived cannot have been read
		if (n <= this.n) return false;
		[this.n, this.#epoch] = [n, this.#room.currentEpoch];
		return true;
	}

	/** Stores the mark for the next visit. To be called now and then, not for each message. */
	store() {
		const position = this.#position;
		if (!position.log || formatPosition(position) === this.#stored) return;
		this.#stored = formatPosition(position);
		const other = shared.get(this.#key); // another tab may have read further
		if (other?.log === position.log && other.epoch === position.epoch && other.n >= position.n) return;
		shared.set(this.#key, position);
	}

	/** @returns {Position} */
	get #position() {
		return { log: this.#room.log, epoch: this.#epoch, n: this.n };
	}
}
