// What the page knows: the connection, the rooms, what was read, what is not said yet. It draws nothing; whatever
// changes is told as "change", at most once a frame.
import { connect } from "./ramai.js";
import { Emitter } from "./ramai/emitter.js";
import { formatPosition, newSession, pathOf } from "./ramai/protocol.js";
import { perTab, shared } from "./storage.js";
import { mentionsName } from "./text.js";
import { FloodSampler, Timeline } from "./timeline.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/room.js").Room} Room
 * @typedef {import("./ramai/client.js").Client} Client
 */

// Between two drawings, in ms: of what nobody sees, and in a flood, so that frames are left for what a person does.
const UNSEEN = 250;
const FLOODED = 100;

const PAGE = 100; // messages loaded at once

/** One room, as it is shown. */
export class RoomState {
	timeline = new Timeline();
	sampler = new FloodSampler();
	/** @type {Message[]} came since the last frame */
	incoming = [];
	/** @type {Sent[]} said here, until the echo stands in the log */
	sent = [];
	draft = "";
	read = 0; // the highest number that was looked at
	mentioned = 0; // unread mentions
	loading = false;
	/** @type {unknown} why the last loading failed; null: it did not */
	trouble = null;
	wasReset = false;
	paused = 0; // messages that came while paused
	atEnd = true; // the end of the log is what is in view
	looked = { from: 0, to: 0 }; // the numbers in view, if the end is not
	jumpTarget = 0; // the message that is being gone to; 0: none
	/** @type {Promise<boolean>} the loading that was begun last */
	#loaded = Promise.resolve(true);
	#readKept = ""; // the position
	#epoch = ""; // in which what is read was looked at, see #verify; empty: kept without one
	#until = 0; // up to this number what comes is replayed, and no flood; 0: nothing is

	/** @param {Model} model @param {Room} room */
	constructor(model, room) {
		this.model = model;
		this.room = room;
		this.name = room.name;
		const was = shared.get(`read.${this.name}`, { log: "", epoch: "", n: 0 });
		this.draft = shared.get(`draft.${this.name}`, "");
		let first = true;
		room.on("joined", ({ n, first: oldest, reset }) => {
			const t = this.timeline;
			if (reset) {
				t.reset();
				this.sampler = new FloodSampler();
				this.incoming = [];
				this.wasReset = true;
			}
			if (first || reset) {
				const known = first && was.log === room.log;
				[this.read, this.#epoch] = known ? [Math.min(was.n, n), was.epoch ?? ""] : [n, room.currentEpoch];
				if (first && was.log && !known) this.wasReset = true;
				if (known && was.epoch && was.epoch !== room.currentEpoch) this.#verify(was);
				t.first = oldest;
				t.unread = n > this.read ? this.read : -1;
				first = false;
			}
			t.head = Math.max(t.head, n);
			if (n > room.n) this.#until = n;
			model.changed();
		});
		room.on("message", (m) => {
			this.incoming.push(m);
			if (m.by !== model.client.by && m.n > this.read && mentionsName(m.text, model.client.name)) {
				this.mentioned++;
				model.emit("mention", this, m);
			}
			model.changed();
		});
		room.on("gap", ({ from, to }) => {
			this.timeline.lose(from, to);
			model.changed();
		});
		for (const event of ["presence", "typing"]) room.on(event, () => model.changed());
	}

	/** How many messages were not looked at. */
	get unread() {
		return this.room.log ? Math.max(0, this.timeline.head - Math.max(this.read, this.timeline.first - 1)) : 0;
	}

	/** @param {Message} m */
	important = (m) => m.by === this.model.client.by || mentionsName(m.text, this.model.client.name);

	/** Shows what incoming. @param {number} now ms */
	settle(now) {
		const incoming = this.incoming;
		const replayed = this.#until > 0;
		if (this.room.n >= this.#until) this.#until = 0;
		const { through, sampled } = replayed && !this.sampler.paused ? { through: incoming, sampled: false } : this.sampler.sample(now, incoming, this.important);
		this.incoming = [];
		if (incoming.length > 0) this.timeline.head = Math.max(this.timeline.head, incoming[incoming.length - 1].n);
		if (this.sampler.paused) {
			this.paused += incoming.length;
		} else {
			this.timeline.add(through);
			if (sampled) for (const m of through) this.timeline.sampled.add(m.n);
		}
		if (this.jumpTarget) this.timeline.trim(this.jumpTarget);
		else this.timeline.trim(this.looked.from, this.looked.to);
		this.sent = this.sent.filter((s) => s.state !== "saved" || (!this.timeline.has(s.n) && s.n > this.room.n));
		this.#tell(incoming);
		if (this.atEnd && this.seen) this.#read(this.timeline.head);
	}

	/** @param {Message[]} incoming */
	#tell(incoming) {
		const others = incoming.filter((m) => m.by !== this.model.client.by && m.n > this.read);
		if (others.length > 0) this.model.emit("told", this, others);
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

	/** Whether somebody looks at what is drawn of it. */
	get seen() {
		return this === this.model.current && document.visibilityState === "visible" && document.hasFocus() && !this.sampler.paused;
	}

	/** Notes that everything up to n was looked at. @param {number} n */
	readTo(n) {
		if (this.#read(n)) this.model.changed();
	}

	/** @param {number} n */
	#read(n) {
		n = Math.min(n, this.room.n); // what has not come was not looked at
		if (n <= this.read) return false;
		[this.read, this.#epoch] = [n, this.room.currentEpoch];
		if (this.read >= this.timeline.head) this.mentioned = 0;
		return true;
	}

	/** Keeps how far was read, for the next visit. To be called now and then, not at each message. */
	keepRead() {
		const at = { log: this.room.log, epoch: this.#epoch, n: this.read };
		if (!at.log || at.n === 0 || formatPosition(at) === this.#readKept) return;
		this.#readKept = formatPosition(at);
		const other = shared.get(`read.${this.name}`); // of another page of this browser
		if (other?.log === at.log && other.epoch === at.epoch && other.n >= at.n) return;
		shared.set(`read.${this.name}`, at);
	}

	/**
	 * Asks whether what was read in an earlier epoch is still there. Where the server was set back to an older state, other
	 * messages have those numbers: they count as of another history. What is read keeps its epoch until it moves: an earlier
	 * one is a part of more of the states that the server may be set back to.
	 * @param {import("./ramai/protocol.js").Position} was
	 */
	async #verify(was) {
		const page = await this.room.client.withRetry(() => this.room.history({ after: formatPosition(was), limit: 1 })).catch(() => null);
		if (!page?.reset) return;
		this.wasReset = true;
		[this.read, this.#epoch] = [this.timeline.head, this.room.currentEpoch];
		this.rule();
		this.model.changed();
	}

	/** Puts the rule where reading stopped, or takes it away if all is read. */
	rule() {
		this.timeline.unread = this.unread > 0 ? this.read : -1;
	}

	/** @param {string} draft */
	keepDraft(draft) {
		this.draft = draft;
		shared.set(`draft.${this.name}`, draft);
	}

	/**
	 * Loads messages: before a number, after one, or the newest.
	 * @param {{before?: number, after?: number, limit?: number}} ask
	 */
	load(ask) {
		if (!this.loading) this.#loaded = this.#load(ask);
		return this.#loaded;
	}

	/** @param {{before?: number, after?: number, limit?: number}} ask */
	async #load(ask) {
		this.loading = true;
		this.trouble = null;
		this.model.changed();
		try {
			const page = await this.room.history({ limit: PAGE, ...ask });
			if (page.log !== this.room.log) return false;
			const { messages } = page;
			const t = this.timeline;
			const from = ask.after !== undefined ? ask.after + 1 : t.first;
			if (page.first > from) t.lose(from, page.first - 1);
			for (let i = 1; i < messages.length; i++) t.lose(messages[i - 1].n + 1, messages[i].n - 1);
			t.add(messages);
			for (const m of messages) t.sampled.delete(m.n);
			return true;
		} catch (error) {
			this.trouble = error;
			return false;
		} finally {
			this.loading = false;
			this.model.changed();
		}
	}

	/** Sees to it that a message and what is around it are here. @param {number} n */
	async around(n) {
		await this.#loaded;
		if (!this.timeline.has(n)) await this.load({ before: n + 1, limit: PAGE / 2 }); // two pages, for either may end early
		if (n < this.timeline.head && !this.timeline.has(n + 1)) await this.load({ after: n, limit: PAGE / 2 });
		return this.timeline.has(n);
	}

	/**
	 * Finds the first message of a time or later, by asking for single ones.
	 * @param {number} time ms @returns {Promise<number>} its number; 0: there is none
	 */
	async find(time) {
		let [low, high] = [this.timeline.first, this.timeline.head + 1]; // it is in low…high
		for (let tries = 0; low < high && tries < 40; tries++) {
			const middle = (low + high) >> 1;
			const { messages } = await this.room.client.withRetry(() => this.room.history({ after: middle - 1, limit: 1 }));
			if (messages.length === 0) high = middle;
			else if (Date.parse(messages[0].at) >= time) high = middle;
			else low = messages[0].n + 1;
		}
		return low > this.timeline.head ? 0 : low;
	}
}

/** Everything. Events: change(); mention(RoomState, Message); told(RoomState, Message[]): they incoming, and others said them. */
export class Model extends Emitter {
	/** @type {Map<string, RoomState>} */
	roomStates = new Map();
	/** @type {Client} */
	client;
	/** @type {RoomState} the room on screen */
	current;
	lost = 0; // since when there is no connection, if it is not for a moment
	/** @type {{new: number, gone: number}|null} what there was to catch up on, for a few seconds after */
	caught = null;
	/** @type {Map<string, {n: number, first: number}>} where each room was when the connection broke */
	#before = new Map();
	#due = false;

	/** @param {string} room the one to begin with */
	constructor(room) {
		super();
		const session = shared.get("session") ?? newSession();
		shared.set("session", session);
		const first = connect(pathOf(room), { session, name: shared.get("name", ""), unsaid: perTab.get("unsaid", []) });
		this.client = first.client;
		this.current = this.#add(first);
		const others = shared.get("rooms", []).filter((/** @type {string} */ name) => name !== room);
		for (const name of others.slice(0, this.client.limits.rooms - 1)) this.#add(this.client.join(name));
		this.#keepRooms();
		this.client.on("state", () => this.#stateChanged());
		this.client.on("name", () => {
			if (this.client.name) shared.set("name", this.client.name);
			this.changed();
		});
		this.client.on("sent", (sent) => this.#sentChanged(sent));
		document.addEventListener("visibilitychange", () => this.changed());
		addEventListener("storage", ({ key }) => this.#elsewhere(key?.replace(/^ramai\./, "") ?? ""));
		const keep = () => {
			for (const roomState of this.roomStates.values()) roomState.keepRead();
		};
		addEventListener("pagehide", keep);
		setInterval(() => {
			keep();
			this.changed(); // times of day, and a flood that has ended
		}, 1000);
	}

	/**
	 * Has everything drawn at the next frame. A page that nobody sees, or a frame that is scrolled out of view, has none,
	 * and is not to grow meanwhile.
	 */
	changed() {
		if (this.#due) return;
		this.#due = true;
		const draw = () => {
			if (!this.#due) return;
			this.#due = false;
			clearTimeout(late);
			const now = performance.now();
			for (const roomState of this.roomStates.values()) roomState.settle(now);
			this.emit("change");
		};
		const late = setTimeout(draw, UNSEEN);
		if (this.current.sampler.flooded) setTimeout(() => requestAnimationFrame(draw), FLOODED);
		else requestAnimationFrame(draw);
	}

	/** Learns what another page of this browser has noted: it is the same person. @param {string} key */
	#elsewhere(key) {
		const value = shared.get(key);
		if (key === "name") this.client.name = this.client.wanted = value ?? "";
		const roomState = this.roomStates.get(/^read\.(.*)$/.exec(key)?.[1] ?? "");
		if (roomState && value?.log === roomState.room.log) roomState.readTo(value.n);
		this.changed();
	}

	/** @param {Room} room */
	#add(room) {
		const roomState = new RoomState(this, room);
		roomState.sent = this.client?.outbox.filter((s) => s.room === room.name) ?? [];
		this.roomStates.set(room.name, roomState);
		return roomState;
	}

	/** Notes which rooms there are, with those that other pages of this browser have joined. @param {string} [left] */
	#keepRooms(left = "") {
		const all = new Set([...this.roomStates.keys(), ...shared.get("rooms", [])]);
		all.delete(left);
		shared.set("rooms", [...all].slice(0, this.client.limits.rooms));
	}

	get roomsFull() {
		return this.roomStates.size >= this.client.limits.rooms;
	}

	/** Looks at a room. False: there are too many. @param {string} name */
	open(name) {
		let roomState = this.roomStates.get(name);
		if (!roomState) {
			if (this.roomsFull) return false;
			roomState = this.#add(this.client.join(name));
			this.#keepRooms();
		}
		if (roomState !== this.current) {
			this.current.looked = { from: 0, to: 0 };
			this.current.atEnd = true;
			this.current = roomState;
			roomState.rule();
		}
		roomState.room.focus();
		this.changed();
		return true;
	}

	/** @param {string} name */
	leave(name) {
		const roomState = this.roomStates.get(name);
		if (!roomState || this.roomStates.size < 2) return;
		roomState.room.leave();
		roomState.keepRead();
		this.roomStates.delete(name);
		this.#keepRooms(name);
		if (roomState === this.current) this.current = [...this.roomStates.values()][0];
		this.changed();
	}

	/** @param {string} text */
	say(text) {
		this.current.resume();
		this.current.room.say(text);
	}

	/** @param {Sent} sent */
	#sentChanged(sent) {
		const roomState = this.roomStates.get(sent.room);
		if (roomState) {
			if (!this.client.outbox.includes(sent) && sent.state !== "saved") roomState.sent = roomState.sent.filter((s) => s !== sent);
			else if (!roomState.sent.includes(sent) && sent.state !== "saved") roomState.sent.push(sent);
		}
		perTab.set("unsaid", this.client.unsaid);
		this.changed();
	}

	#stateChanged() {
		const now = Date.now();
		if (this.client.state === "live") {
			if (this.lost) this.#whenCaughtUp();
			this.lost = 0;
		} else if (!this.lost) {
			this.lost = now;
			this.caught = null;
			for (const [name, roomState] of this.roomStates) this.#before.set(name, { n: roomState.room.n, first: roomState.room.first });
			setTimeout(() => this.changed(), 2100);
		}
		this.changed();
	}

	/** Whether the loss is to be spoken of. */
	get offline() {
		return this.lost > 0 && Date.now() - this.lost > 2000;
	}

	/** Says what the break was worth, once everything is here. */
	#whenCaughtUp() {
		if (!this.offline || ![...this.#before.values()].some((b) => b.n > 0)) return;
		const end = Date.now() + 30_000;
		const look = () => {
			const rooms = [...this.roomStates.values()].map((p) => p.room);
			if (this.client.state !== "live" || Date.now() > end) return;
			if (rooms.some((r) => !r.live || r.behind > 0)) {
				setTimeout(look, 100);
				return;
			}
			const caught = { new: 0, gone: 0 };
			for (const room of rooms) {
				const before = this.#before.get(room.name);
				if (!before) continue;
				const gone = Math.max(0, room.first - 1 - Math.max(before.n, before.first - 1));
				caught.gone += gone;
				caught.new += Math.max(0, room.n - before.n - gone);
			}
			this.caught = caught;
			this.changed();
			setTimeout(() => {
				if (this.caught === caught) this.caught = null;
				this.changed();
			}, 5000);
		};
		look();
	}
}
