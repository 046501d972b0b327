// A room as the server describes it. It owns the reader's position: what was received, and what there is.
import { Emitter } from "./emitter.js";

/**
 * @typedef {import("./client.js").Client} Client
 * @typedef {import("./protocol.js").Page} Page
 * @typedef {import("./protocol.js").Position} Position
 * @typedef {import("./protocol.js").Typist} Typist
 */

const RESET_LAST = 50; // of a new history, the newest messages that the server sends

const PUSHED = 200; // connections in a room, above which the server pushes no names

/**
 * A room of a client. Events:
 * - message(Message): in order, each once
 * - gap({from, to}): these numbers are deleted
 * - joined({n, first, count, reset}): the state of the room; missed messages follow. reset: it is another history
 * - presence(), typing(): count, names or typists have changed
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

	/** @param {string} text */
	say(text) {
		return this.client.say(this.name, text);
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
	 * @param {{before?: number, after?: number|string, at?: string, limit?: number}} [params]
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

	/** Marks it as not joined: the connection is gone. */
	disconnected() {
		this.live = false;
		this.typists = [];
	}

	/** Applies a frame. @param {any} f */
	receive(f) {
		if (!this.live && f.type !== "joined" && f.type !== "reset") return; // late frames from before the room was left and joined again
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
		}
		if (typeof f.n === "number" && f.n > this.n) this.#advance(f.n); // a kind that this version does not know
	}

	/** @param {any} f @param {boolean} reset */
	#joined(f, reset) {
		this.currentEpoch = f.epoch ?? "";
		if (reset || !this.log) this.#advance(Math.max(0, f.n - (reset ? RESET_LAST : this.last), f.first - 1));
		this.log = f.log;
		this.head = f.n;
		this.first = f.first;
		this.count = f.count;
		this.live = true;
		this.emit("joined", { n: f.n, first: f.first, count: f.count, reset });
	}

	/**
	 * Applies a page as if its messages had arrived one by one.
	 * @param {Page} page what follows the position, or the newest messages
	 */
	receivePage({ log, epoch, first, reset, messages, more }) {
		const newest = messages.at(-1)?.n ?? Math.max(this.n, first - 1);
		const fresh = reset || !this.log;
		if (fresh || !this.live) this.receive({ type: "joined", log, epoch, n: newest, first, count: this.count, reset });
		this.currentEpoch = epoch ?? "";
		for (const m of messages) {
			if (!fresh && m.n > this.n + 1) this.receive({ type: "gap", from: this.n + 1, to: m.n - 1 });
			this.receive({ type: "message", ...m });
		}
		if (first > this.n + 1) this.receive({ type: "gap", from: this.n + 1, to: first - 1 });
		if (more && !fresh) this.head = Math.max(this.head, this.n + 1); // at least one
	}

	/** @param {number} n */
	#advance(n) {
		[this.n, this.epoch] = [n, this.currentEpoch];
	}
}
