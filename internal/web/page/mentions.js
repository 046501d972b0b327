// Which messages of a room mention the reader, and were not read.
import { mentionsName } from "./text.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

export class Mentions {
	/** @type {Set<number>} unread messages */
	#unread = new Set();
	/** @type {Set<number>} messages that mention the reader since they were edited, after they were read */
	#edits = new Set();

	/** @param {RoomState} roomState */
	constructor(roomState) {
		this.roomState = roomState;
	}

	/** How many messages are unread although newer ones were read. */
	get edits() {
		return this.#edits.size;
	}

	get count() {
		return this.#unread.size + this.#edits.size;
	}

	/** Whether a message mentions the reader, or replies to a message of the reader. @param {Message} m */
	isToMe(m) {
		const { model: { client: { by, name } }, room } = this.roomState;
		if (m.gone || m.by === by) return false;
		return mentionsName(m.text, name) || (by !== "" && m.re !== undefined && room.replica.get(m.re)?.by === by);
	}

	/** A message arrived. @param {Message} m */
	add(m) {
		const { roomState } = this;
		const { model, room, read } = roomState;
		if (m.n <= read.n || model.hidden.has(m)) return;
		if (this.isToMe(m)) {
			this.#unread.add(m.n);
			model.emit("mention", roomState, m);
		} else if (m.re && !m.gone && m.by !== model.client.by && !room.replica.get(m.re)) {
			roomState.quotes.load(m.re).then(() => {
				const now = roomState.currentForm(m);
				if (!this.#unread.has(m.n) && this.isToMe(now)) this.add(now);
				model.changed();
			});
		}
	}

	/** A message was edited or deleted. @param {Message} before @param {Message} after */
	replace(before, after) {
		const { model, read } = this.roomState;
		const toMe = this.isToMe(after);
		if (!toMe) for (const numbers of [this.#unread, this.#edits]) numbers.delete(after.n);
		if (!toMe || this.isToMe(before) || model.hidden.has(after)) return;
		(after.n > read.n ? this.#unread : this.#edits).add(after.n);
		model.emit("mention", this.roomState, after);
	}

	/** Everything up to n was read. @param {number} n */
	read(n) {
		for (const m of this.#unread) if (m <= n) this.#unread.delete(m);
	}

	/** Messages were in view: they were read, also if they had been edited. @param {number} first @param {number} last */
	seen(first, last) {
		for (const n of this.#edits) if (first <= n && n <= last) this.#edits.delete(n);
	}

	clear() {
		this.#unread.clear();
		this.#edits.clear();
	}
}
