// Marks of this sender on their way to the server. client/marks.go is the same in Go.
import { isVote, NOT_PLAIN, randomToken, Refusal } from "./protocol.js";

/**
 * @typedef {import("./protocol.js").Mark} Mark
 *
 * A mark that the server has not answered. tried: it was sent, over this connection or an earlier one.
 * @typedef {Mark & {ref: string, tried: boolean, resolve: () => void, reject: (why: Refusal) => void}} WaitingMark
 */

const MAX_MARKS = 1000; // that may wait for an answer

/** They are sent one at a time, in order, so that the later one of two votes in a poll counts. */
export class Marks {
	/** @type {WaitingMark[]} */
	list = [];
	#sent = false; // the first one was sent over this connection
	/** @type {((mark: WaitingMark) => boolean)|null} */
	#send = null;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#timer;

	/**
	 * Adds a mark, instead of an earlier one with this key that was not sent. Votes stay, because each of them takes another one away.
	 * Settles with the server's answer. Rejects with a Refusal.
	 * @param {Mark} mark @returns {Promise<void>}
	 */
	add(mark) {
		const i = isVote(mark.key) ? -1 : this.#find(mark, this.#sent ? 1 : 0);
		const [replaced] = i < 0 ? [] : this.list.splice(i, 1);
		if (this.list.length >= MAX_MARKS) return Promise.reject(new Refusal("unavailable", "1,000 marks are waiting for the server"));
		replaced?.resolve();
		/** @type {Promise<void>} */
		const settled = new Promise((resolve, reject) => {
			this.list.push({ ...mark, ref: randomToken(9), tried: false, resolve, reject });
		});
		settled.catch(() => {}); // no unhandled rejection for callers that do not use the promise
		this.#flush();
		return settled;
	}

	/** @param {Mark} mark @param {number} from */
	#find({ room, of, key }, from) {
		return this.list.findIndex((m, i) => i >= from && m.room === room && m.of === of && m.key === key);
	}

	/** Sends them over a new connection. @param {(mark: WaitingMark) => boolean} send returns false if it cannot send now */
	start(send) {
		this.#send = send;
		this.#flush();
	}

	/** The connection is gone. */
	stop() {
		this.#send = null;
		this.#sent = false;
		clearTimeout(this.#timer);
	}

	#flush() {
		const [mark] = this.list;
		if (!mark || this.#sent || !this.#send?.(mark)) return;
		this.#sent = mark.tried = true;
	}

	/** The answer to a mark, or what another connection of this sender has marked. @param {Mark & {ref?: string}} f */
	marked(f) {
		const i = this.#find(f, 0);
		const mark = this.list[i];
		if (!mark) return;
		const inFlight = i === 0 && this.#sent;
		if (inFlight ? f.ref === mark.ref : mark.tried) this.#remove(i).resolve(); // the other connection's is later than what was sent before
	}

	/** An error that has a ref. Returns whether it is about a mark. @param {string} ref @param {Refusal} why */
	refused(ref, why) {
		if (!this.#sent || ref !== this.list[0].ref) return false;
		if (why.retryAfter) {
			this.#sent = false;
			const send = this.#send;
			this.#send = null;
			this.#timer = setTimeout(() => this.start(/** @type {any} */ (send)), why.retryAfter);
		} else this.#remove(0).reject(why);
		return true;
	}

	/** Fails them all: the plain protocol has none. */
	fail() {
		while (this.list.length > 0) this.#remove(0).reject(new Refusal("bad_request", NOT_PLAIN));
	}

	/** @param {number} i */
	#remove(i) {
		const [mark] = this.list.splice(i, 1);
		if (i === 0) this.#sent = false;
		this.#flush();
		return mark;
	}
}
