// One room as the page shows it: which messages it has, what is unread, what is being loaded. The position in the room and
// its bounds belong to the Room of ramai.js; how far someone has read belongs to the ReadMark.
import { FloodSampler } from "./flood.js";
import { ReadMark } from "./readmark.js";
import { shared } from "./storage.js";
import { mentionsName } from "./text.js";
import { KEPT, Timeline } from "./timeline.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./ramai/room.js").Room} Room
 */

const PAGE = 100; // messages per request

export class RoomState {
	timeline = new Timeline();
	sampler = new FloodSampler();
	read;
	/** @type {Message[]} arrived since the last frame */
	incoming = [];
	/** @type {Sent[]} sent from here, until they appear in the timeline */
	sent = [];
	draft = "";
	mentioned = 0; // unread mentions
	unreadDivider = -1; // stands before the first message after this number; -1: there is none
	loading = false;
	/** @type {unknown} why the last request failed; null: it did not */
	error = null;
	wasReset = false;
	paused = 0; // messages that arrived while paused
	atEnd = true; // the end of the log is on screen
	visible = { from: 0, to: 0 }; // the numbers on screen, unless the end is
	/** @type {{n: number, top: number}|null} where the reader was when another room was opened; null: at the end */
	place = null;
	/** @type {import("./search.js").SearchState} */
	search = { q: "", scope: "room", person: "", since: "", until: "", found: null };
	/** @type {"all"|"mentions"|"nothing"} what to notify about; nothing: the room is muted */
	notify = "mentions";
	/** @type {Set<number>} the first message of each group that is shown although its sender is hidden */
	revealed = new Set();
	jumpTarget = 0; // the message that the log is about to scroll to; 0: none
	/** @type {Promise<boolean>} the last request */
	#loaded = Promise.resolve(true);
	#backlog = 0; // messages up to this number arrived while nobody looked, and are read once they were in view
	#replayTo = 0; // up to this number, messages are replayed and no flood; 0: there is no replay

	/** @param {Model} model @param {Room} room */
	constructor(model, room) {
		this.model = model;
		this.room = room;
		this.replica = room.replica;
		this.name = room.name;
		this.read = new ReadMark(room);
		this.draft = shared.get(`draft.${this.name}`, "");
		this.notify = shared.get(`notify.${this.name}`, "mentions");
		let first = true;
		room.on("joined", ({ n, reset }) => {
			if (reset) this.#reset();
			else if (first) this.#restoreRead();
			first = false;
			if (n > room.n) this.#replayTo = this.#backlog = n;
			model.changed();
		});
		room.on("message", (m) => {
			this.incoming.push(m);
			if (m.by !== model.client.by && m.n > this.read.n && !model.hidden.has(m) && mentionsName(m.text, model.client.name)) {
				this.mentioned++;
				model.emit("mention", this, m);
			}
			model.changed();
		});
		room.on("gap", ({ from, to }) => {
			this.timeline.markGone(from, to);
			model.changed();
		});
		room.on("skipped", ({ from, to }) => {
			this.timeline.others.add(from, to);
			model.changed();
		});
		for (const event of ["presence", "typing"]) room.on(event, () => model.changed());
	}

	/** The room has another history. */
	#reset() {
		this.timeline.reset();
		this.sampler = new FloodSampler();
		this.incoming = [];
		this.wasReset = true;
		this.read.toHead();
		this.updateDivider();
	}

	async #restoreRead() {
		if (!this.read.restore()) this.wasReset = true;
		this.updateDivider();
		if (await this.read.verify()) return;
		this.wasReset = true;
		this.updateDivider();
		this.model.changed();
	}

	/** The newest number that is drawn: messages that arrived since the last frame follow it. */
	get head() {
		const { head } = this.room;
		return this.incoming.length > 0 ? Math.min(head, this.incoming[0].n - 1) : head;
	}

	/** What the log shows, from top to bottom. */
	rows() {
		return this.timeline.rows({ first: this.room.first, head: this.head, unreadDivider: this.unreadDivider });
	}

	/** The number of unread messages of others. */
	get unread() {
		const { log, head, first } = this.room;
		const from = Math.max(this.read.n, first - 1);
		if (!log || head <= from) return 0;
		const { messages } = this.timeline;
		let own = 0;
		for (let i = messages.length - 1; i >= 0 && messages[i].n > from; i--) if (messages[i].by === this.model.client.by) own++;
		return head - from - own - this.timeline.others.count(from + 1, head);
	}

	/** @param {Message} m */
	#important = (m) => m.by === this.model.client.by || (mentionsName(m.text, this.model.client.name) && !this.model.hidden.has(m));

	/** Adds what arrived since the last frame. @param {number} now ms */
	update(now) {
		const incoming = this.incoming;
		this.incoming = [];
		const replayed = this.#replayTo > 0;
		if (this.room.n >= this.#replayTo) this.#replayTo = 0;
		const { shown, sampled } = replayed && !this.sampler.paused ? { shown: incoming, sampled: false } : this.sampler.sample(now, incoming, this.#important);
		if (this.sampler.paused) this.paused += incoming.length - shown.length;
		this.timeline.add(shown);
		if (sampled) for (const m of shown) this.timeline.sampled.add(m.n);
		if (this.sampler.paused && !this.sampler.flooded) this.resume(); // a pause ends with its flood
		if (this.jumpTarget) this.timeline.trim(this.jumpTarget);
		else this.timeline.trim(this.visible.from, this.visible.to);
		this.#forget();
		this.timeline.follow(this.replica);
		this.sent = this.sent.filter((s) => s.state !== "saved" || (!this.timeline.has(s.n) && s.n > this.room.n));
		const fromOthers = incoming.filter((m) => m.by !== this.model.client.by && m.n > this.read.n && !this.model.hidden.has(m));
		if (fromOthers.length > 0) this.model.emit("arrived", this, fromOthers);
		if (!this.seen) this.#backlog = this.room.head;
		else if (this.atEnd && this.#caughtUp) this.#markRead(this.room.head);
	}

	/** Forgets what the timeline has dropped, and keeps the newest messages for the end of a pause. */
	#forget() {
		const { messages } = this.replica;
		if (messages.length <= 4 * KEPT) return;
		for (const m of messages.slice(0, -KEPT)) if (!this.timeline.has(m.n)) this.replica.forget(m.n, m.n);
	}

	pause() {
		if (this.sampler.paused) return;
		this.sampler.paused = true;
		this.paused = 0;
		this.model.changed();
	}

	resume() {
		if (!this.sampler.paused) return;
		this.timeline.add(this.sampler.resume());
		this.timeline.follow(this.replica);
		this.paused = 0;
		this.model.changed();
	}

	/** Whether someone is looking at it. */
	get seen() {
		return this === this.model.current && document.visibilityState === "visible" && document.hasFocus() && !this.sampler.paused;
	}

	/** Whether everything was read that arrived while nobody looked. */
	get #caughtUp() {
		return this.read.n >= this.#backlog;
	}

	/** Whether messages of the last visit have arrived, and it is known which are unread. */
	get restored() {
		return this.room.log !== "" && this.#replayTo === 0 && this.incoming.length === 0;
	}

	/**
	 * Marks the messages in view as read, if someone is looking and has not skipped any before them.
	 * @param {number} first @param {number} last
	 */
	markInView(first, last) {
		if (!this.seen || first === 0) return;
		const next = Math.max(this.read.n + 1, this.room.first);
		if (this.#caughtUp) this.markRead(this.atEnd && this.incoming.length === 0 ? this.head : last);
		else if (first <= next || this.timeline.isGone(next, first - 1)) this.markRead(last);
	}

	/** Marks everything as read, whether it was in view or not. */
	markAllRead() {
		this.markRead(this.room.n);
	}

	/** The reader looks elsewhere: the divider stands where reading stopped, once more messages arrive. */
	leaveOff() {
		if (this.room.log) this.unreadDivider = this.read.n;
	}

	/** Marks everything up to n as read. @param {number} n */
	markRead(n) {
		if (this.#markRead(n)) this.model.changed();
	}

	/** @param {number} n */
	#markRead(n) {
		if (!this.read.moveTo(n)) return false;
		if (this.read.n >= this.room.head) this.mentioned = 0;
		return true;
	}

	/** Puts the divider where reading stopped, or removes it if nothing is unread. */
	updateDivider() {
		this.unreadDivider = this.unread > 0 ? this.read.n : -1;
	}

	/** Shows a group of messages although their sender is hidden. @param {number} n of the first of them */
	reveal(n) {
		this.revealed.add(n);
		this.model.changed();
	}

	/** @param {RoomState["notify"]} notify */
	setNotify(notify) {
		this.notify = notify;
		shared.set(`notify.${this.name}`, notify);
		this.model.changed();
	}

	/** @param {string} draft */
	setDraft(draft) {
		this.draft = draft;
		shared.set(`draft.${this.name}`, draft);
	}

	/**
	 * Loads messages: before a number, after one, or the newest. Resolves with false if that failed.
	 * @param {{before?: number, after?: number, limit?: number}} params
	 */
	load(params) {
		if (!this.loading) this.#loaded = this.#load(params);
		return this.#loaded;
	}

	/** @param {{before?: number, after?: number, limit?: number}} params */
	async #load(params) {
		this.loading = true;
		this.error = null;
		this.model.changed();
		try {
			const page = await this.room.load({ limit: PAGE, ...params });
			if (page.log !== this.room.log) return false;
			this.timeline.addPage(page.messages, params.after !== undefined ? params.after + 1 : this.room.first, page.first, page.skipped);
			this.timeline.follow(this.replica);
			return true;
		} catch (error) {
			this.error = error;
			return false;
		} finally {
			this.loading = false;
			this.model.changed();
		}
	}

	/** Loads a message and those around it, unless they are here. @param {number} n */
	async loadAround(n) {
		await this.#loaded;
		if (!this.timeline.has(n)) await this.load({ before: n + 1, limit: PAGE / 2 }); // two requests, because each side may end early
		if (n < this.head && !this.timeline.has(n + 1)) await this.load({ after: n, limit: PAGE / 2 });
		return this.timeline.has(n);
	}

	/** The names of who spoke last, the newest first. @param {number} limit */
	speakers(limit) {
		/** @type {Set<string>} */
		const names = new Set();
		const { messages } = this.timeline;
		for (let i = messages.length - 1; i >= 0 && names.size < limit; i--) if (messages[i].from) names.add(messages[i].from);
		return [...names];
	}

	/**
	 * Loads the messages around a time.
	 * @param {number} time ms @returns {Promise<number>} the first message at that time or later; 0: there is none
	 */
	async find(time) {
		const page = await this.room.client.withRetry(() => this.room.load({ at: new Date(time).toISOString(), limit: PAGE }));
		if (page.log !== this.room.log || !page.target) return 0;
		this.jumpTarget = page.target; // or they would be dropped again, far from those on screen
		this.timeline.addPage(page.messages, page.messages[0]?.n ?? 0, page.first, page.skipped);
		this.timeline.follow(this.replica);
		return page.target;
	}
}
