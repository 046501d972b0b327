// A room as the server describes it. It owns the reader's position: the numbers received, and the bounds of the room.
import { Emitter } from "./emitter.js";
import { hasRole, Refusal } from "./protocol.js";
import { Replica } from "./replica.js";

/**
 * @typedef {import("./client.js").Client} Client
 * @typedef {import("./outbox.js").Sent} Sent
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Page} Page
 * @typedef {import("./protocol.js").Position} Position
 * @typedef {import("./replica.js").PageParams} PageParams
 * @typedef {import("./protocol.js").Typist} Typist
 */

const RESET_LAST = 50; // of a new history, the newest messages that the server sends

const LOAD_AGAIN = 500; // ms until a page that could not be used is asked for again

const PUSHED = 200; // connections in a room, above which the server pushes no names

/**
 * A room of a client. Events:
 * - message(Message): in order, each once
 * - changed({n, of, text, by, from, id}): messages were edited, or deleted if text is null. of: a number, or ranges of those that
 *   by has posted; empty: a later change has replaced this one
 * - restored(): messages that a moderator had erased are here again
 * - tally({n, of}): all counts of the marks of some messages: of[number][key]
 * - state({n, key, value, by, from, id}): a setting was changed
 * - settings(): all settings were loaded anew, because some of them may have been in a gap, or a preset has changed them
 * - marked({of, key, on}): you have marked a message, over this connection or another
 * - gap({from, to}): these numbers are deleted
 * - joined({n, first, count, reset}): the state of the room; missed messages follow. reset: it is another history
 * - presence(), typing(): count, names or typists have changed
 * - role(): role or roleUntil have changed
 * - left(Refusal): you may no longer read the room. Nothing follows until you join again
 */
export class Room extends Emitter {
	log = "";
	n = 0; // the newest number received
	epoch = ""; // the server's epoch when n was received; empty: an older version stored it without one
	currentEpoch = ""; // the epoch of what follows: that of the last joined or epoch frame
	head = 0; // the newest known number
	first = 1; // the oldest number still stored
	count = 0; // connections
	/** @type {string[]} */
	names = [];
	/** @type {Typist[]} */
	typists = [];
	live = false; // joined over this connection, or polled over HTTP
	role = ""; // yours in this room; empty: not known, or the server has no roles
	roleUntil = ""; // when that ends, RFC 3339; empty: it has no end
	/** @type {Refusal|null} why you may not read the room; null: you may */
	left = null;
	/** @type {Replica|null} */
	#replica = null;
	/** @type {PageParams|null} messages that came without own marks, because the page did not know whose */
	#unmarked = null;

	/** @param {Client} client @param {string} name @param {number} last @param {Position} [after] */
	constructor(client, name, last, after) {
		super();
		this.client = client;
		this.name = name;
		this.last = last;
		if (after) [this.log, this.epoch, this.n, this.head] = [after.log, after.epoch ?? "", after.n, after.n];
	}

	/** Everything up to here was received. Store it, and pass it to join as after. @returns {Position} */
	get position() {
		return { log: this.log, epoch: this.epoch, n: this.n };
	}

	/** The number of known messages that have not arrived yet. */
	get behind() {
		return Math.max(0, this.head - this.n);
	}

	/**
	 * @param {string} text
	 * @param {{re?: number, as?: "question"|"poll"|"notice", options?: string[]}} [kind] re: the number of the message that it replies
	 * to; options: of a poll
	 */
	say(text, { re, as, options } = {}) {
		return this.client.say(this.name, text, { re, as, options });
	}

	/** Replaces the text of a message of yours. @param {number|Sent} of its number, or the message while it has none @param {string} text */
	edit(of, text) {
		return this.client.say(this.name, text, { of });
	}

	/** Deletes a message of yours. @param {number|Sent} of its number, or the message while it has none */
	delete(of) {
		return this.client.say(this.name, "", { of, deletes: true });
	}

	/**
	 * Marks a message: an emoji is a reaction, "up" an upvote, and the index of an option of a poll a vote. Settles once the server has
	 * answered. Rejects with a Refusal.
	 * @param {number} of @param {string|number} key @param {boolean} [on] false: takes the mark away
	 */
	mark(of, key, on = true) {
		return this.client.mark({ room: this.name, of, key: String(key), on });
	}

	/**
	 * Changes a setting of the room: topic, pin (numbers of messages), stage (the number of a message), poll/N (open, closed or
	 * hidden), question/N (open or answered).
	 * @param {string} key @param {import("./protocol.js").Value} value null unsets it @param {string} [until] when a rule ends, RFC 3339
	 */
	set(key, value, until) {
		return this.client.say(this.name, "", { key, value, until });
	}

	/**
	 * Mutes or bans everybody at the address of a message, below the role trusted, or ends that. The server never shows the address.
	 * @param {number} of @param {"mute"|"ban"|null} [value] null ends it @param {string} [until] RFC 3339, within 7 days; empty: 24 hours from now
	 */
	setAddress(of, value = "mute", until) {
		return this.client.say(this.name, "", { key: "address", value, until, address_of: of });
	}

	/**
	 * A page of the room's settings, in the order of their keys: those that begin with prefix, and follow the key after.
	 * @param {{prefix?: string, after?: string, limit?: number}} [params]
	 * @returns {Promise<{n: number, settings: {key: string, value: import("./protocol.js").Value, until?: string}[], more: boolean}>}
	 */
	async settings(params = {}) {
		const page = await this.client.get(`/api/v1/rooms/${this.name}/state`, "settings", params);
		this.#replica?.addSettings(params, page);
		return page;
	}

	/** Loads own marks of messages that came without. @param {PageParams} params */
	async #loadMarks(params) {
		this.#unmarked = null;
		if (!this.#replica) return;
		const page = await this.client.withRetry(() => this.load(params)).catch(() => null); // then they are as without
		for (const [n, keys] of Object.entries(page?.mine ?? {})) for (const key of keys) this.emit("marked", { room: this.name, of: Number(n), key, on: true });
	}

	/** Loads all settings, because some of them may have changed without frames. */
	async #loadSettings() {
		for (let [after, more] = ["", true]; more; ) {
			const page = await this.client.withRetry(() => this.settings(after ? { after } : {})).catch(() => null); // until the next joined, they are as before
			after = page?.settings.at(-1)?.key ?? "";
			more = page?.more ?? false;
		}
		this.emit("settings");
	}

	/** The messages of the replica as a screen shows them, with what is not saved yet: see Replica.shown. */
	get shown() {
		return this.replica.shown(this.#outbox, this.client.marks.filter((m) => m.room === this.name));
	}

	/** A setting, as it will be once what is pending is saved. null: it is not set. @param {string} key */
	setting(key) {
		return this.replica.setting(key, this.#outbox);
	}

	/** When a setting ends, RFC 3339; empty: it has no end, or that is not known. @param {string} key */
	settingEnd(key) {
		return this.replica.settingEnd(key, this.#outbox);
	}

	get #outbox() {
		return this.client.outbox.filter((s) => s.room === this.name && s.state !== "failed");
	}

	/** A copy of the room from the first use on. It holds what load and the connection bring, as it is now. */
	get replica() {
		if (!this.#replica) {
			this.#replica = new Replica();
			if (this.log) this.#replica.apply({ type: "joined", log: this.log, n: this.head, first: this.first, state: null });
			this.#replica.n = this.n;
		}
		return this.#replica;
	}

	/** Adds a page of history to the replica. See history. @param {PageParams} [params] @returns {Promise<Page>} */
	async load(params = {}) {
		const { replica } = this;
		const request = replica.ask(params);
		try {
			const page = await this.history(params);
			if (replica.addPage(request, page)) return page;
		} finally {
			replica.cancel(request);
		}
		throw new Refusal("unavailable", "the server is behind, or the room was replaced meanwhile: try again", LOAD_AGAIN);
	}

	/** What this client has sent is stored. @param {Sent} sent */
	saved(sent) {
		if (!sent.isMessage) this.#replica?.applySaved(sent);
	}

	/** Asks for the names in a room that is too large for the server to push them. Settled by the event presence. */
	whoIsHere() {
		if (this.count > PUSHED) this.client.whoIsHere(this.name);
	}

	/** Tells the others that someone is typing here. Call it as often as you like. */
	typing() {
		this.client.typing(this.name);
	}

	/**
	 * A page of history: before a number, after a number or a position (LOG:EPOCH:N), around a time (RFC 3339), or the newest messages.
	 * as: only the questions or the polls among them.
	 * @param {{before?: number, after?: number|string, at?: string, limit?: number, as?: "question"|"poll"}} [params]
	 * @returns {Promise<Page>}
	 */
	history(params = {}) {
		return this.client.get(`/api/v1/rooms/${this.name}/messages`, "messages", params);
	}

	/** Marks this room as the one on screen: over HTTP, only one room receives messages immediately. */
	focus() {
		this.client.focus(this.name);
	}

	leave() {
		this.client.leave(this.name);
	}

	/** Joins the room again after the event left. The answer is the event joined, or left. */
	joinAgain() {
		this.client.joinAgain(this);
	}

	/** This client may not read the room any more: whatever it has of the room goes. @param {Refusal} why */
	#leftBy(why) {
		this.disconnected();
		this.#replica?.reset();
		[this.log, this.epoch, this.n, this.head, this.first, this.count, this.names] = ["", "", 0, 0, 1, 0, []];
		[this.left, this.role, this.roleUntil] = [why, "none", ""];
		this.emit("left", why);
	}

	/** Marks it as not joined: the connection is gone. */
	disconnected() {
		this.live = false;
		this.typists = [];
	}

	/** Applies a frame. @param {any} f */
	receive(f) {
		if (!this.live && !["joined", "reset", "left", "role"].includes(f.type)) return; // late frames from before the room was left and joined again
		this.#replica?.apply(f);
		switch (f.type) {
			case "joined":
			case "reset":
				this.#joined(f, f.reset === true || f.type === "reset");
				return;
			case "epoch": // for all rooms of the connection
				if (f.log === this.log) this.currentEpoch = f.epoch ?? "";
				return;
			case "message":
				if (f.n <= this.n) return;
				this.#advance(f.n);
				this.head = Math.max(this.head, f.n);
				this.emit("message", f);
				return;
			case "gap":
				this.#advance(Math.max(this.n, f.to));
				this.first = Math.max(this.first, f.to + 1);
				this.emit("gap", { from: f.from, to: f.to });
				if (this.#replica?.staleSettings) this.#loadSettings();
				return;
			case "presence":
				this.count = f.count;
				if (f.names?.length || this.count <= PUSHED) this.names = f.names ?? [];
				this.emit("presence");
				return;
			case "who": // the answer to whoIsHere; the server pushes no names of large rooms
				this.names = f.names ?? [];
				this.emit("presence");
				return;
			case "typing":
				this.typists = f.by ?? [];
				this.emit("typing");
				return;
			case "marked":
				this.emit("marked", f);
				return;
			case "role":
				[this.role, this.roleUntil] = [f.role, f.until ?? ""];
				if (this.left && hasRole(this.role, "reader")) this.joinAgain();
				this.emit("role");
				return;
			case "left":
				this.#leftBy(Refusal.of(f));
				return;
		}
		if (typeof f.n !== "number" || f.n <= this.n) return;
		this.#advance(f.n); // also of a kind that this version does not know
		this.head = Math.max(this.head, f.n);
		if (["changed", "tally", "state"].includes(f.type)) this.emit(f.type, f);
		if (f.type === "restored" && this.#replica) this.#loadRestored(f.of);
		else if (f.key === "preset" && this.#replica?.staleSettings) this.#loadSettings();
	}

	/** Loads messages that are here and were restored, and the settings of polls and questions. @param {number|[number, number][]} of */
	async #loadRestored(of) {
		const ranges = typeof of === "number" ? [[of, of]] : of;
		const restored = this.replica.messages.filter((m) => m.gone && ranges.some(([from, to]) => from <= m.n && m.n <= to));
		for (let [after, more] = [(restored[0]?.n ?? 1) - 1, restored.length > 0]; more; ) {
			const page = await this.client.withRetry(() => this.load({ after })).catch(() => null); // they are loaded when the reader comes again
			after = page?.messages.at(-1)?.n ?? Infinity;
			more = page !== null && page.more && after < /** @type {Message} */ (restored.at(-1)).n;
		}
		if (this.#replica?.staleSettings) await this.#loadSettings();
		this.emit("restored");
	}

	/** @param {any} f @param {boolean} reset */
	#joined(f, reset) {
		this.currentEpoch = f.epoch ?? "";
		// An older server does not say where the replay starts, and its numbers are messages.
		if (reset || !this.log) this.#advance(f.from ?? Math.max(0, f.n - (reset ? RESET_LAST : this.last), f.first - 1));
		this.log = f.log;
		this.head = f.n;
		this.first = f.first;
		this.count = f.count;
		this.live = true;
		this.left = null;
		if (f.role) [this.role, this.roleUntil] = [f.role, ""];
		if (this.#unmarked) this.#loadMarks(this.#unmarked);
		this.emit("joined", { n: f.n, first: f.first, count: f.count, reset });
	}

	/**
	 * Applies a page as if its messages had arrived one by one.
	 * @param {Page} page what follows the position, or the newest messages
	 */
	receivePage(page) {
		const { log, epoch, first, reset, messages, more, head } = page;
		const newest = head ?? messages.at(-1)?.n ?? Math.max(this.n, first - 1);
		const fresh = reset || !this.log;
		const from = Math.max((messages[0]?.n ?? newest + 1) - 1, first - 1);
		if (fresh || !this.live) this.receive({ type: "joined", log, epoch, n: newest, first, from, count: this.count, reset, state: null }); // a page has no settings
		this.currentEpoch = epoch ?? "";
		this.#replica?.addPage(this.#replica.ask(fresh ? {} : { after: this.n }), { ...page, reset: false }); // with what it skips
		for (const m of messages) {
			const gone = head === undefined ? m.n - 1 : Math.min(m.n, first) - 1; // an older server's numbers are messages
			if (!fresh && gone > this.n) this.receive({ type: "gap", from: this.n + 1, to: gone });
			this.receive({ type: "message", ...m });
		}
		if (first > this.n + 1) this.receive({ type: "gap", from: this.n + 1, to: first - 1 });
		if (head !== undefined && (fresh || !more) && head > this.n) this.#advance(head); // what follows are no messages
		if (this.client.state !== "live" && messages.some((m) => m.tally || m.as === "poll")) this.#unmarked = { before: newest + 1, limit: messages.length };
		if (more && !fresh) this.head = Math.max(this.head, this.n + 1); // at least one
	}

	/** @param {number} n */
	#advance(n) {
		[this.n, this.epoch] = [n, this.currentEpoch];
	}
}
