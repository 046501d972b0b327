// Messages until they are on the server's disk, in order, over any number of connections.
import { NOT_PLAIN, randomToken, Refusal } from "./protocol.js";

/**
 * @typedef {import("./protocol.js").Value} Value
 *
 * What is stored of a Sent. ofId is the id of the message that it changes, if that has no number yet.
 * @typedef {{id: string, room: string, text: string, since?: number, re?: number, of?: number, ofId?: string, deletes?: boolean, as?: string, options?: string[], key?: string, value?: Value, until?: string, address_of?: number}} Pending
 *
 * What a Sent is, besides its text: a message, which may reply to the message re and be a question or a poll with options; a change of
 * the message of, which may be a Sent without a number; or a new value of the setting key, which ends at until if that is not empty.
 * With the key address, it is about the address of the message address_of.
 * @typedef {{re?: number, of?: number|Sent, deletes?: boolean, as?: string, options?: string[], key?: string, value?: Value, until?: string, address_of?: number}} Kind
 *
 * How the current connection sends.
 * @typedef {object} Sender
 * @property {number} window how many messages may be unanswered
 * @property {(sent: Sent) => boolean} send false: the connection cannot send now
 * @property {boolean} [plain] the protocol has texts only
 */

const RETRY_FOR = 6 * 86_400_000; // ms after the first attempt. The server remembers ids for a week; a later retry might post twice.

/** A message, a change of one, or a setting, and its state. */
export class Sent {
	/** held: it waits for a moderator of the room @type {"waiting"|"sending"|"held"|"saved"|"failed"} */
	state = "waiting";
	/** @type {Refusal|null} why it failed */
	why = null;
	n = 0; // its number, once saved
	at = "";
	tried = false; // it may be on the server's disk
	since = 0; // the first attempt, by Date.now()

	/** @param {string} id @param {string} room @param {string} text @param {Kind} [kind] */
	constructor(id, room, text, { re = 0, of = 0, deletes = false, as = "", options, key = "", value = null, until = "", address_of = 0 } = {}) {
		this.id = id;
		this.room = room;
		this.text = text;
		this.re = re; // the message that it replies to; 0: none
		this.of = typeof of === "number" ? of : of.n; // the message that it changes; 0: none, or its number is not known yet
		/** @type {Sent|null} the message that it changes, until that has a number */
		this.target = typeof of === "number" || of.n ? null : of;
		this.deletes = deletes; // it deletes that message
		this.as = as; // question, poll or notice; empty: a message like most
		this.options = options; // of a poll
		this.key = key; // of a setting; empty: it is none
		this.value = value;
		this.until = until; // when the setting ends; empty: it has no end
		this.addressOf = address_of; // with the key address: the message whose address is meant
		/** Resolves with this once it is saved; rejects with a Refusal. @type {Promise<Sent>} */
		this.saved = new Promise((resolve, reject) => {
			this.resolve = resolve;
			this.reject = reject;
		});
		this.saved.catch(() => {}); // no unhandled rejection for callers that do not use the promise
	}

	/** Whether it is a change of a message. */
	get isChange() {
		return this.of > 0 || this.target !== null;
	}

	/** Whether it is a message, and neither a change nor a setting. */
	get isMessage() {
		return !this.isChange && !this.key;
	}

	/** The frame to send. An older server's error has the ref alone. */
	get frame() {
		const { room, id, of, text } = this;
		if (this.key) return { type: "set", room, id, ...this.setting, ref: id };
		if (this.isChange) return { type: "change", room, id, of, text: this.deletes ? null : text, ref: id };
		return { type: "say", room, id, ...this.body };
	}

	/** What a setting is, besides its room and its id. */
	get setting() {
		const { key, value, until, addressOf } = this;
		return { key, value, ...(until && { until }), ...(addressOf && { address_of: addressOf }) };
	}

	/** What a message is, besides its room and its id. */
	get body() {
		const { text, re, as, options } = this;
		return { text, ...(re && { re }), ...(as && { as }), ...(options && { options }) };
	}

	/** What to store of it. @returns {Pending} */
	get stored() {
		const { id, room, since, of, target, deletes, key, setting, body } = this;
		return { id, room, ...body, since, ...(of && { of }), ...(target && { ofId: target.id }), ...(deletes && { deletes }), ...(key && setting) };
	}
}

export class Outbox {
	/** @type {Sent[]} what is not saved or withdrawn, in order */
	list = [];
	#next = 0; // index of the first message not sent over this connection
	#notBefore = 0; // the server asked to send nothing before this time
	#fence = ""; // id of a refused message; the server refuses everything behind it until it arrives again
	/** @type {Sender|null} */
	#sender = null;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#timer;
	#changed;

	/** @param {(sent: Sent) => void} changed called when a message is new, changes state, or is withdrawn */
	constructor(changed) {
		this.#changed = changed;
	}

	/** What to store for the next connect. @returns {Pending[]} */
	get pending() {
		return this.list.filter((s) => s.state !== "saved").map((s) => s.stored);
	}

	/** Adds what an earlier page has stored. @param {Pending[]} pending */
	restore(pending) {
		for (const p of pending) {
			const of = p.ofId ? this.find(p.ofId) : p.of;
			if (p.ofId && !of) continue; // the message was withdrawn
			const sent = new Sent(p.id, p.room, p.text, { ...p, of });
			sent.tried = true;
			sent.since = p.since || Date.now();
			this.list.push(sent);
		}
	}

	/** @param {string} room @param {string} text @param {Kind} [kind] */
	add(room, text, kind) {
		const sent = new Sent(randomToken(9), room, text, kind);
		this.list.push(sent);
		this.#changed(sent);
		this.flush();
		return sent;
	}

	/** Sends everything again over a new connection. @param {Sender} sender */
	start(sender) {
		this.#sender = sender;
		this.#next = 0;
		this.#fence = "";
		this.#notBefore = 0;
		for (const sent of this.list) if (sent.state === "sending") sent.state = "waiting";
		this.flush();
	}

	/** The connection is gone. */
	stop() {
		this.#sender = null;
		clearTimeout(this.#timer);
	}

	/** Sends what may be sent now. */
	flush() {
		if (!this.#sender) return;
		const wait = this.#notBefore - Date.now();
		if (wait > 0) {
			clearTimeout(this.#timer);
			this.#timer = setTimeout(() => this.flush(), wait);
			return;
		}
		while (this.#sender && this.#next < this.list.length) {
			const sent = this.list[this.#next];
			if (sent.state === "failed" || this.#expired(sent)) {
				this.#next++;
				continue;
			}
			if (this.#sender.plain && (!sent.isMessage || sent.re || sent.as)) {
				this.#next++;
				this.#fail(sent, new Refusal("bad_request", NOT_PLAIN));
				continue;
			}
			if (sent.target) return; // it has no number yet
			const unanswered = this.list.slice(0, this.#next).filter((s) => s.state === "sending").length;
			if (unanswered >= this.#sender.window || !this.#sender.send(sent)) return;
			if (this.#fence === sent.id) this.#fence = "";
			this.#next++;
			sent.tried = true;
			sent.since ||= Date.now();
			if (sent.state !== "held") sent.state = "sending"; // its id is repeated, to learn what was decided meanwhile
			this.#changed(sent);
		}
	}

	/** A message waits for a moderator. Whatever changes it fails. @param {string} id */
	held(id) {
		const sent = this.find(id);
		if (!sent) return;
		sent.state = "held";
		for (const change of this.#changesOf(sent)) this.#fail(change, new Refusal("held", "the message waits for a moderator"));
		this.#changed(sent);
		this.flush();
	}

	/** A message that waited for a moderator was taken back. @param {Sent} sent */
	dropHeld(sent) {
		if (!this.list.includes(sent)) return;
		this.#remove(sent);
		sent.reject?.(new Refusal("withdrawn", "the message was withdrawn"));
		this.#changed(sent);
	}

	/** @param {string} id */
	find(id) {
		return this.list.find((s) => s.id === id);
	}

	/** A message, a change or a setting is on the server's disk. @param {string} id @param {number} n @param {string} at */
	settle(id, n, at) {
		const sent = this.find(id);
		if (!sent) return;
		this.#remove(sent);
		[sent.state, sent.n, sent.at] = ["saved", n, at];
		for (const change of this.#changesOf(sent)) [change.of, change.target] = [n, null];
		sent.resolve?.(sent);
		this.#changed(sent);
		this.flush();
	}

	/** The server has refused a message. @param {string} id @param {Refusal} why @param {boolean} retry */
	refused(id, why, retry) {
		const sent = this.find(id);
		if (!sent) return;
		if (!retry) {
			if (sent.state === "held" && why.code === "gone") return this.dropHeld(sent); // withdrawn, perhaps on another page
			this.#fail(sent, why);
			this.flush();
			return;
		}
		const fence = this.list.findIndex((s) => s.id === this.#fence);
		if (fence >= 0 && fence <= this.list.indexOf(sent)) return; // refused only because the fence was
		this.#fence = sent.id;
		this.postpone(id, why.retryAfter);
	}

	/** Sends a message and all behind it again, in order, after a time. @param {string} id @param {number} after ms */
	postpone(id, after) {
		const sent = this.find(id);
		if (!sent) return;
		this.#next = this.list.indexOf(sent);
		for (const s of this.list.slice(this.#next)) if (s.state === "sending") s.state = "waiting";
		this.#notBefore = Date.now() + after;
		this.#changed(sent);
		this.flush();
	}

	/** Fails everything that may or may not be stored: the server does not remember ids. */
	failTried() {
		for (const sent of [...this.list]) {
			if (sent.tried && sent.state !== "failed") this.#fail(sent, new Refusal("unavailable", "the connection broke before the server confirmed this message; it may have been posted"));
		}
	}

	/** The changes of a message that has no number yet. @param {Sent} sent */
	#changesOf(sent) {
		return this.list.filter((s) => s.target === sent);
	}

	/** Whether the server waits for this message before it accepts any behind it. @param {Sent} sent */
	isFence(sent) {
		return this.#fence === sent.id;
	}

	/** Takes a message back if it is certainly not stored. Returns false if it may be. @param {Sent} sent */
	withdraw(sent) {
		if (!this.list.includes(sent) || (sent.state !== "failed" && sent.tried && !this.isFence(sent))) return false;
		const changes = this.#changesOf(sent);
		this.#remove(sent);
		sent.reject?.(new Refusal("withdrawn", "the message was withdrawn"));
		this.#changed(sent);
		for (const change of changes) this.withdraw(change);
		return true;
	}

	/** @param {Sent} sent */
	#remove(sent) {
		const i = this.list.indexOf(sent);
		this.list.splice(i, 1);
		if (i < this.#next) this.#next--;
		if (this.#fence === sent.id) this.#fence = "";
	}

	/** Fails a message that is too old to be sent again safely. @param {Sent} sent */
	#expired(sent) {
		if (!sent.tried || Date.now() - sent.since <= RETRY_FOR) return false;
		this.#fail(sent, new Refusal("unavailable", "the first attempt was more than 6 days ago; the message may have been posted"));
		return true;
	}

	/** @param {Sent} sent @param {Refusal} why */
	#fail(sent, why) {
		[sent.state, sent.why] = ["failed", why];
		sent.reject?.(why);
		this.#changed(sent);
		for (const change of this.#changesOf(sent)) if (change.state !== "failed") this.#fail(change, why);
	}
}
