// One room as the page shows it: which messages it has, what is unread, what is being loaded. The position in the room and
// its bounds belong to the Room of ramai.js; how far someone has read belongs to the ReadMark.
import { BoxState } from "./boxstate.js";
import { clock } from "./clock.js";
import { FloodSampler } from "./flood.js";
import { Mentions } from "./mentions.js";
import { Pages } from "./pages.js";
import { Quotes } from "./quotes.js";
import { ReadMark } from "./readmark.js";
import { shared } from "./storage.js";
import { Timeline } from "./timeline.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./ramai/replica.js").ShownMessage} ShownMessage
 * @typedef {import("./ramai/room.js").Room} Room
 */

const HELD = 1000; // messages in the replica, above which those that nothing shows are dropped

export class RoomState {
	timeline;
	sampler = new FloodSampler();
	read;
	/** @type {ShownMessage[]|null} the messages as they are shown in this frame; null: they are to be asked for */
	#shown = null;
	/** @type {Message[]} arrived since the last frame */
	incoming = [];
	/** @type {Sent[]} sent from here, until they appear in the timeline */
	sent = [];
	confirming = 0; // the message whose deletion the reader is asked to confirm; 0: none
	unreadDivider = -1; // stands before the first message after this number; -1: there is none
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
	namesKnown = false; // the server has sent who is here: within a second
	jumpTarget = 0; // the message that the log is about to scroll to; 0: none
	#backlog = 0; // messages up to this number arrived while nobody looked, and are read once they were in view
	#replayTo = 0; // up to this number, messages are replayed and no flood; 0: there is no replay

	/** @type {import("./ramai/protocol.js").Refusal|null} by which rule the last message was refused, unless that may have changed */
	refusedBy = null;

	/** @param {Model} model @param {Room} room */
	constructor(model, room) {
		this.model = model;
		this.room = room;
		this.name = room.name;
		this.timeline = new Timeline(room.replica);
		this.quotes = new Quotes(this);
		this.read = new ReadMark(room);
		this.box = new BoxState(this);
		this.mentions = new Mentions(this);
		this.pages = new Pages(this);
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
			this.mentions.add(m);
			model.changed();
		});
		room.on("changed", (f) => this.#messageChanged(f));
		room.on("gap", ({ from, to }) => {
			this.timeline.markGone(from, to);
			model.changed();
		});
		for (const event of ["tally", "restored"]) {
			room.on(event, () => {
				this.refresh();
				model.changed();
			});
		}
		room.on("state", (f) => {
			if (["person", "address"].includes(f.key) || f.key === this.refusedBy?.rule) this.refusedBy = null;
			model.emit("setting", this, f);
			model.changed();
		});
		room.on("presence", () => {
			this.namesKnown = true;
			model.changed();
		});
		room.on("role", () => {
			this.refusedBy = null;
			model.changed();
		});
		room.on("left", () => {
			this.#forgetAll();
			model.emit("problem", ""); // what was refused before is in the past
			model.changed();
		});
		for (const event of ["settings", "typing", "marked"]) room.on(event, () => model.changed());
	}

	#forgetAll() {
		this.timeline.reset();
		this.sampler = new FloodSampler();
		this.incoming = [];
		this.mentions.clear();
		this.quotes.clear();
		[this.box.writing, this.confirming] = [null, 0];
	}

	/** The room has another history. */
	#reset() {
		this.#forgetAll();
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
		return this.timeline.rows({ first: this.room.first, head: this.head, unreadDivider: this.unreadDivider, pending: this.#pendingForms() });
	}

	/** Forms of messages that differ from what is saved. */
	#pendingForms() {
		return new Map(this.#shownMessages.filter((m) => m.pending).map((m) => [m.n, m]));
	}

	/** The messages that are here, as they will be once what the reader has sent is saved. */
	get #shownMessages() {
		this.#shown ??= this.room.shown;
		return this.#shown;
	}

	/** A message as it will be once what the reader has sent is saved, if it is here. @param {number} n @returns {ShownMessage|undefined} */
	shown(n) {
		const i = this.room.replica.at(n);
		if (this.room.replica.messages[i]?.n !== n) return undefined;
		if (this.#shownMessages[i]?.n !== n) this.#shown = null; // others have arrived since the last frame
		return this.#shownMessages[i];
	}

	/** The questions that are here. */
	get questions() {
		return this.#shownMessages.filter((m) => m.as === "question" && !m.gone && !this.model.hidden.has(m));
	}

	/** The numbers of the pinned messages, ascending. @returns {number[]} */
	get pins() {
		const pins = this.room.setting("pin");
		return Array.isArray(pins) ? pins : [];
	}

	/** The message that is on the stage; 0: none. */
	get stage() {
		return Number(this.room.setting("stage") ?? 0);
	}

	get topic() {
		return String(this.room.setting("topic") ?? "");
	}

	/** The number of unread messages of others. */
	get unread() {
		return this.countAfter(this.read.n) + this.mentions.edits;
	}

	/** The number of messages of others after a number. Those that were not loaded may include numbers that are no messages. @param {number} n */
	countAfter(n) {
		const { log, head, first, replica, client: { by } } = this.room;
		const from = Math.max(n + 1, first);
		if (!log || from > head) return 0;
		let count = replica.unknown(from, head);
		for (let i = replica.at(from); i < replica.messages.length; i++) if (!replica.messages[i].gone && replica.messages[i].by !== by) count++;
		return count;
	}

	/** A message as it is now. @param {Message} m */
	currentForm(m) {
		return this.room.replica.get(m.n) ?? m;
	}

	/** Messages were edited or deleted. @param {{n: number, at: string, of: number|[number, number][], by?: string, text: string|null}} f */
	#messageChanged(f) {
		const { by } = this.model.client;
		const changed = this.refresh();
		this.model.dropHits(this.name, typeof f.of === "number" ? [[f.of, f.of]] : f.of, f.text);
		if (f.by !== by) this.model.emit("edited", this, changed.filter(({ after }) => after.by !== by && !this.model.hidden.has(after)).map(({ after }) => after));
		this.model.changed();
	}

	/** What stands below the text of a message, as a key that changes with it; empty: nothing. @param {Message} m */
	extrasOf({ n, as }) {
		const m = this.shown(n);
		return m && (as || m.tally) ? JSON.stringify([m.tally, m.mine, m.status]) : "";
	}

	/** Takes over what was edited and deleted, and returns it. */
	refresh() {
		const arrived = this.incoming;
		this.incoming = arrived.map((m) => this.currentForm(m));
		const changed = this.timeline.refresh();
		for (const [i, before] of arrived.entries()) if (this.incoming[i] !== before) changed.push({ before, after: this.incoming[i] });
		for (const { before, after } of changed) this.mentions.replace(before, after);
		return changed;
	}

	/** Drops from the replica what nothing shows. */
	#forget() {
		const { replica } = this.room;
		if (replica.messages.length < HELD) return;
		const needed = new Set(this.timeline.messages.flatMap((m) => [m.n, m.re ?? 0]));
		const recent = replica.messages[replica.messages.length - HELD / 2].n; // these may still be shown
		for (const m of [...replica.messages]) if (m.n < recent && !needed.has(m.n)) replica.forget(m.n, m.n);
	}

	/** @param {Message} m */
	#important = (m) => m.by === this.model.client.by || (this.mentions.isToMe(m) && !this.model.hidden.has(m));

	// Changes and replies of the reader.

	/** Whether the reader can edit and delete a message now. @param {Message} m */
	canChange(m) {
		const { client } = this.model;
		const limit = client.limits.edit_window_ms ?? 0;
		return client.via !== "plain" && m.by === client.by && !m.gone && Date.now() - clock.ahead - Date.parse(m.at) < limit;
	}

	/** Whether the server knows replies, reactions, questions, polls and settings. */
	get knowsRecords() {
		return this.model.client.via !== "plain" && this.model.client.limits.edit_window_ms !== undefined;
	}

	/** The newest message of the reader, if it can be edited. */
	get lastOwn() {
		const m = this.timeline.messages.findLast((m) => m.by === this.model.client.by && !m.gone);
		return m && this.canChange(m) ? m : undefined;
	}

	/** The change of a message that is not saved. @param {Message|Sent} m @returns {Sent|undefined} */
	pendingChange(m) {
		return this.sent.findLast((s) => s.isChange && s.state !== "saved" && (s.target === m || (s.of > 0 && s.of === m.n)));
	}

	/** Asks whether to delete a message; 0: no more. @param {number} n */
	confirm(n) {
		this.confirming = n;
		this.model.changed();
	}

	/** Deletes a message. @param {Message} m */
	delete(m) {
		this.confirming = 0;
		this.dropFailed(m);
		this.room.delete(m.n);
	}

	/** Changes the text of a message. @param {Message|Sent} m @param {string} text */
	edit(m, text) {
		this.dropFailed(m);
		this.room.edit("saved" in m ? m : m.n, text);
	}

	/** A rule of the room has refused a message. Its text goes back into the box, which says why, unless there is another in it. @param {Sent} sent */
	takeBack(sent) {
		this.refusedBy = sent.why;
		if (this.box.draft || this.box.writing || sent.as || !this.model.client.withdraw(sent)) return;
		this.box.setDraft(sent.text);
		const re = sent.re > 0 && this.room.replica.get(sent.re);
		if (re) this.box.startReply(re);
		else this.model.emit("write", this);
	}

	/** Gives up a change that was refused. @param {Message|Sent} m */
	dropFailed(m) {
		const pending = this.pendingChange(m);
		if (pending?.state === "failed") this.model.client.withdraw(pending);
	}

	/** Adds what arrived since the last frame. @param {number} now ms */
	update(now) {
		this.#shown = null;
		const incoming = this.incoming.map((m) => this.currentForm(m));
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
		this.sent = this.sent.filter((s) => s.state !== "saved" || (!this.timeline.has(s.n) && s.n > this.room.n));
		const fromOthers = incoming.filter((m) => m.by !== this.model.client.by && m.n > this.read.n && !m.gone && !this.model.hidden.has(m));
		if (fromOthers.length > 0) this.model.emit("arrived", this, fromOthers);
		if (!this.seen) this.#backlog = this.room.head;
		else if (this.atEnd && this.#caughtUp) this.#markRead(this.room.head);
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
		this.paused = 0;
		this.model.changed();
	}

	/** Whether someone is looking at it. */
	get seen() {
		return !this.model.stage && this === this.model.current && document.visibilityState === "visible" && document.hasFocus() && !this.sampler.paused;
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
		this.mentions.seen(first, last);
		const next = Math.max(this.read.n + 1, this.room.first);
		if (this.#caughtUp) this.markRead(this.atEnd && this.incoming.length === 0 ? this.head : last);
		else if (first <= next || this.timeline.isEmpty(next, first - 1)) this.markRead(last);
	}

	/** Marks everything as read, whether it was in view or not. */
	markAllRead() {
		if (this.mentions.edits > 0) this.model.changed();
		this.mentions.seen(0, Infinity);
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
		this.mentions.read(this.read.n);
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

	/** The names of who spoke last, the newest first. @param {number} limit */
	speakers(limit) {
		/** @type {Set<string>} */
		const names = new Set();
		const { messages } = this.timeline;
		for (let i = messages.length - 1; i >= 0 && names.size < limit; i--) if (messages[i].from) names.add(messages[i].from);
		return [...names];
	}
}
