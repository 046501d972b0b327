// ramai.js: a room of a ramai server, for pages.
//
//   import { connect } from "https://chat.example.org/ramai.js";
//   const room = connect("https://chat.example.org/r/lobby");
//   room.on("message", (m) => console.log(m.from, m.text));
//   room.say("Hello!");
//
// It speaks ramai.v1 over a WebSocket, and where none comes through, server-sent events and POST. After a break it comes
// back by itself and goes on exactly where it was. What is said is kept in order until it is on the server's disk, and
// said once, however often the connection breaks. See docs/PAGE.md.

/**
 * @typedef {{room: string, n: number, at: string, by: string, from: string, id: string, text: string}} Message
 * @typedef {{log: string, epoch?: string, n: number}} Position
 * @typedef {{messages: Message[], more: boolean, log: string, epoch?: string, first: number, reset?: boolean}} Page
 * @typedef {{by: string, from: string}} Typist
 * @typedef {{room: string, n: number, from: string, by: string, id: string, at: string, snippet: string, marks: number[][]}} Hit
 *
 * @typedef {object} Options
 * @property {string} [session] the secret that makes you the same sender again; drawn anew without it
 * @property {string} [name] the name you want
 * @property {number} [last] how many of the newest messages come first (0 to 500; 50 without it)
 * @property {Position} [after] go on after this position instead
 * @property {Unsaid[]} [unsaid] what an earlier page had not got settled, see Client.unsaid
 * @property {"auto"|"socket"|"http"} [via] auto: a WebSocket, or HTTP where none comes through
 *
 * @typedef {{id: string, room: string, text: string, since?: number}} Unsaid
 */

const PROTOCOL = "ramai.v1";
const EVENTS = "text/event-stream";
const NOT_OURS = "not_ramai"; // a refusal's code: something in front of the server answers
const RETRY_FOR = 6 * 86_400_000; // ms after it was sent first: the server knows ids for a week, and might say it twice later
const WINDOW = 16; // messages on their way at once: what the server would refuse as too fast, it would refuse all together
const SILENCE = 20_000; // ms without a sign of the server until it is asked for one
const DEAD = 15_000; // ms more until the connection counts as broken
const HURRY = 4_000; // the same after this device slept or changed its network
const ANSWER = 30_000; // ms that a request over HTTP may take
const STREAM_DEAD = 60_000; // ms without anything over HTTP, where the server sends a comment every 25 s
const SOCKET_AGAIN = 60_000; // ms over HTTP until a socket is tried again
const VISIT = 2_000; // ms over HTTP between asking after one of the rooms that have no stream, and another
const VISIT_SELDOM = 300_000; // the longest that becomes where the server is asked too much

/** What a server of ramai.v1 begins with. */
const GREETINGS = new Set(["welcome", "restarting", "error"]);

const text = new TextEncoder();

/** A room's name. */
const ROOM = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Whether a room can have a name. @param {string} name */
export const isRoom = (name) => ROOM.test(name);

/** The path of a room. @param {string} room */
export const pathOf = (room) => (room === "lobby" ? "/" : `/r/${room}`);

/** The room of a path; the lobby, if it is no other's. @param {string} path */
export function roomOf(path) {
	const name = /^\/r\/([^/]+)\/?$/.exec(path)?.[1] ?? "";
	return isRoom(name) ? name : "lobby";
}

/** A source of events. */
export class Emitter {
	/** @type {Map<string, Set<(...args: any[]) => void>>} */
	#listeners = new Map();

	/**
	 * Calls f whenever something happens. Returns what ends that.
	 * @param {string} event
	 * @param {(...args: any[]) => void} f
	 */
	on(event, f) {
		let set = this.#listeners.get(event);
		if (!set) this.#listeners.set(event, (set = new Set()));
		set.add(f);
		return () => set.delete(f);
	}

	/** @param {string} event @param {...any} args */
	emit(event, ...args) {
		for (const f of [...(this.#listeners.get(event) ?? [])]) {
			try {
				f(...args);
			} catch (error) {
				console.error(error); // a listener's fault is not the connection's
			}
		}
	}
}

/** What a server says no with. */
export class Refusal extends Error {
	/** @param {string} code one of the closed list of the protocol @param {string} reason for people */
	constructor(code, reason, retryAfter = 0) {
		super(reason);
		this.code = code;
		this.reason = reason;
		this.retryAfter = retryAfter; // ms
	}
}

/** Something said, and what became of it. */
export class Sent {
	/** @type {"waiting"|"sending"|"saved"|"failed"} */
	state = "waiting";
	/** @type {Refusal|null} why it failed */
	why = null;
	n = 0; // its number, once it is saved
	at = "";
	tried = false; // it may be on the server's disk
	since = 0; // when it was sent first, by Date.now()

	/** @param {string} id @param {string} room @param {string} text */
	constructor(id, room, text) {
		this.id = id;
		this.room = room;
		this.text = text;
		/** Resolves with this once it is saved; rejects with a Refusal. @type {Promise<Sent>} */
		this.saved = new Promise((resolve, reject) => {
			this.resolve = resolve;
			this.reject = reject;
		});
		this.saved.catch(() => {}); // who does not ask is not to hear of it
	}
}

/** @param {number} bytes */
function random(bytes) {
	const b = crypto.getRandomValues(new Uint8Array(bytes));
	return btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** A fresh secret. */
export const newSession = () => random(16);

/** How many bytes of the limit a text takes. @param {string} s */
export const size = (s) => text.encode(s).length;

/** A position as addresses have it: LOG:EPOCH:N. @param {Position} position */
export const formatPosition = ({ log, epoch, n }) => (epoch ? `${log}:${epoch}:${n}` : `${log}:${n}`);

/**
 * A room of a client. Events:
 * - message(Message), in order, each once
 * - gap({from, to}): numbers that are gone for good
 * - joined({n, first, count, reset}): the room as it is; what was missed follows. reset: it is another history
 * - presence(), typing(): count, names and typists have changed
 */
export class Room extends Emitter {
	log = "";
	n = 0; // the newest number heard here
	epoch = ""; // the server's when that was heard; empty: kept without one
	now = ""; // the server's as of the newest joined
	head = 0; // the newest there is, as far as is known
	first = 1; // the oldest that is kept
	count = 0; // connections
	/** @type {string[]} */
	names = [];
	/** @type {Typist[]} */
	typists = [];
	live = false; // joined on this connection, or over HTTP: heard of

	/** @param {Client} client @param {string} name @param {number} last */
	constructor(client, name, last) {
		super();
		this.client = client;
		this.name = name;
		this.last = last;
	}

	/** Everything up to here was heard. To be kept, and given to join as after. @returns {Position} */
	get position() {
		return { log: this.log, epoch: this.epoch, n: this.n };
	}

	/** How many messages are known of and have not come yet. */
	get behind() {
		return Math.max(0, this.head - this.n);
	}

	/** @param {string} text */
	say(text) {
		return this.client.say(this.name, text);
	}

	/** Tells the others that somebody writes here. Call it as often as you like. */
	typing() {
		this.client.typing(this.name);
	}

	/**
	 * A page of the past: before a number, after one (or LOG:EPOCH:N), or the newest.
	 * @param {{before?: number, after?: number|string, limit?: number}} [ask]
	 * @returns {Promise<Page>}
	 */
	history(ask = {}) {
		return this.client.get(`/api/v1/rooms/${this.name}/messages`, "messages", ask);
	}

	/** Says that somebody looks at this room: over HTTP, where one alone is heard at once, it is this one. */
	focus() {
		this.client.focus(this.name);
	}

	leave() {
		this.client.leave(this.name);
	}
}

/**
 * A connection to a server that is made again whenever it breaks. Events:
 * - state(): state, retryAt or via have changed
 * - name(): it holds another name now
 * - sent(Sent): something said has got further, is new, or was withdrawn
 * - refused(Refusal): something other than a message was
 */
export class Client extends Emitter {
	/** @type {"connecting"|"live"|"waiting"|"closed"} */
	state = "connecting";
	/** @type {"socket"|"http"|"plain"} plain: the server knows no more than texts, in the room that was joined first */
	via = "socket";
	retryAt = 0; // when it is tried again, by Date.now()
	by = ""; // who you are on your messages
	name = ""; // the name held
	/** @type {Refusal|null} why there is no connection, if something in front of the server answers in its place */
	intercepted = null;
	limits = { text: 4000, frame: 25408, rate: 5, burst: 20, rooms: 8 };
	/** @type {Map<string, Room>} */
	rooms = new Map();
	/** @type {Sent[]} what was said and is not settled, in order */
	outbox = [];

	/** @type {WebSocket|null} */
	#socket = null;
	#connection = 0; // counts them: what was begun on another is of no use
	#focused = ""; // the room that somebody looks at
	/** @type {{room: Room, stop: AbortController}|null} over HTTP: what comes of the room that is looked at */
	#stream = null;
	/** @type {ReturnType<typeof setTimeout>|undefined} over HTTP: the next visit to another room; undefined: one is under way */
	#visits;
	#seldom = VISIT; // ms between two visits
	#visited = 0; // how many there were
	#attempt = 0;
	#cursor = 0; // of the outbox, the first not sent over this connection
	#held = 0; // nothing is said before this time, as the server asked
	#gate = ""; // the id that the server waits for, having refused it
	#posting = false;
	#heard = 0; // when something came last
	#asked = 0; // when the server was asked for a sign, if it has not answered
	#socketFailed = 0; // in a row, without having been open
	#socketTried = 0;
	#reached = false; // over HTTP, since a socket was had last
	#trying = false; // the connection that is being made is a socket
	#typed = 0;
	#restart = 0; // ms after which a server that stops wants to be asked again; 0: it did not say
	#renaming = false; // a name was asked for, and the server has not answered
	#welcomes = 0;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#again;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#sayAgain;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#nameAgain;
	#watch;

	/** @param {URL} base @param {Options} options */
	constructor(base, options) {
		super();
		this.base = base;
		this.session = options.session || newSession();
		this.wanted = options.name ?? "";
		this.how = options.via ?? "auto";
		for (const u of options.unsaid ?? []) {
			const sent = new Sent(u.id, u.room, u.text);
			sent.tried = true;
			sent.since = u.since || Date.now();
			this.outbox.push(sent);
		}
		this.#watch = setInterval(() => this.#look(), 1000);
		for (const [target, event] of this.#wakers()) target.addEventListener(event, this.#wake);
		queueMicrotask(() => this.#connect());
	}

	/** What is to be kept where a reload does not reach it, and given to the next connect. @returns {Unsaid[]} */
	get unsaid() {
		return this.outbox.filter((s) => s.state !== "saved").map(({ id, room, text, since }) => ({ id, room, text, since }));
	}

	/**
	 * Hears a room, from now on and over every break.
	 * @param {string} name @param {{last?: number, after?: Position}} [from]
	 */
	join(name, { last = 50, after } = {}) {
		let room = this.rooms.get(name);
		if (room) return room;
		room = new Room(this, name, last);
		if (after) [room.log, room.epoch, room.n, room.head] = [after.log, after.epoch ?? "", after.n, after.n];
		this.rooms.set(name, room);
		if (this.state === "live") this.#enter(room);
		return room;
	}

	/** @param {string} name */
	focus(name) {
		this.#focused = name;
		this.#listen();
	}

	/** @param {string} name */
	leave(name) {
		this.rooms.delete(name);
		this.#send({ type: "leave", room: name });
		this.#listen();
	}

	/** @param {string} room @param {string} text */
	say(room, text) {
		const sent = new Sent(random(9), room, text);
		this.outbox.push(sent);
		this.emit("sent", sent);
		this.#flush();
		return sent;
	}

	/**
	 * Takes back something that is not on the server's disk for certain: it failed, or was never sent. False: too late.
	 * @param {Sent} sent
	 */
	withdraw(sent) {
		const i = this.outbox.indexOf(sent);
		if (i < 0 || (sent.state !== "failed" && sent.tried && this.#gate !== sent.id)) return false;
		this.outbox.splice(i, 1);
		if (i < this.#cursor) this.#cursor--;
		if (this.#gate === sent.id) this.#drop("withdrawn"); // on this connection the server would wait for it in vain
		sent.reject?.(new Refusal("withdrawn", "it was taken back"));
		this.emit("sent", sent);
		return true;
	}

	/** Says again what failed. @param {Sent} sent */
	again(sent) {
		if (sent.state !== "failed" || !this.withdraw(sent)) return sent;
		return this.say(sent.room, sent.text);
	}

	/** Asks for a name; an empty one gives it up. Settled by a name or refused event. @param {string} name */
	rename(name) {
		clearTimeout(this.#nameAgain);
		this.wanted = name;
		this.#renaming = true;
		return this.#send({ type: "name", name });
	}

	/** @param {string} room */
	typing(room) {
		if (Date.now() - this.#typed < 3000 || !this.#send({ type: "typing", room })) return;
		this.#typed = Date.now();
	}

	/** @param {string} q @param {{room?: string, before?: string, limit?: number}} [within] @returns {Promise<{hits: Hit[], more: boolean, behind: number}>} */
	search(q, within = {}) {
		return this.get("/api/v1/search", "hits", { q, ...within });
	}

	/**
	 * Asks the API. Rejects with a Refusal, or a TypeError if the server cannot be reached.
	 * @param {string} path @param {string} list what every answer has @param {Record<string, string|number|undefined>} params
	 * @returns {Promise<any>}
	 */
	async get(path, list, params = {}) {
		const url = new URL(path, this.base);
		for (const [key, value] of Object.entries(params)) if (value !== undefined) url.searchParams.set(key, String(value));
		const response = await this.#fetch(url, { signal: AbortSignal.timeout(ANSWER) }).catch((error) => {
			throw error instanceof TypeError ? error : new TypeError(String(error)); // late is as good as not at all
		});
		const body = await bodyOf(response);
		if (!response.ok || !Array.isArray(body[list])) throw refusalOf(response, body);
		return body;
	}

	/**
	 * A request with the session. Authorization and cookies are left to a gate in front of the server. Where a redirect
	 * leads, the session is not to go, and the API has none.
	 * @param {URL} url @param {RequestInit} [options]
	 */
	#fetch(url, options) {
		return fetch(url, { ...options, headers: { "Ramai-Session": this.session, ...options?.headers }, credentials: "same-origin", redirect: "manual" });
	}

	/**
	 * Does what asks the API, and again as often as it is told to wait.
	 * @template T @param {() => Promise<T>} ask @returns {Promise<T>}
	 */
	async withRetry(ask) {
		for (;;) {
			try {
				return await ask();
			} catch (error) {
				if (!(error instanceof Refusal) || !error.retryAfter || this.state === "closed") throw error;
				await new Promise((done) => setTimeout(done, error.retryAfter));
			}
		}
	}

	/** Tries now what would be tried later. */
	reconnectNow() {
		if (this.state === "waiting") this.#connect();
	}

	close() {
		clearInterval(this.#watch);
		for (const [target, event] of this.#wakers()) target.removeEventListener(event, this.#wake);
		this.#end();
		this.#become("closed");
	}

	// The connection.

	#connect() {
		this.#end();
		this.#become("connecting");
		this.#trying = false;
		const now = Date.now();
		if (this.how === "http" || (this.#socketFailed > 1 && this.how === "auto" && now - this.#socketTried < SOCKET_AGAIN)) {
			this.#overHTTP();
			return;
		}
		this.#socketTried = now;
		this.#trying = true;
		const url = new URL("/", this.base);
		url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
		/** @type {WebSocket} */
		let socket;
		try {
			socket = new WebSocket(url, PROTOCOL);
		} catch {
			this.#broken();
			return;
		}
		this.#socket = socket;
		this.#heard = now;
		socket.onopen = () => {
			this.via = "socket";
			this.#welcomes = 0;
		};
		socket.onmessage = (event) => {
			this.#heard = Date.now();
			this.#asked = 0;
			if (socket !== this.#socket) return;
			if (this.via === "plain") {
				this.#line(event.data);
				return;
			}
			let frame;
			try {
				frame = JSON.parse(event.data);
			} catch {}
			if (!this.#welcomes && !GREETINGS.has(frame?.type)) this.#plainly(event.data);
			else if (frame) this.#take(frame);
		};
		socket.onclose = () => {
			if (socket !== this.#socket) return;
			this.#broken();
		};
	}

	/** Notes why there is no connection. @param {unknown} error */
	#blame(error) {
		this.intercepted = error instanceof Refusal && error.code === NOT_OURS ? error : null;
	}

	/** Begins anew on a connection that has just come to be: joins, and says what is not settled, in order. */
	#start() {
		this.#cursor = 0;
		this.#gate = "";
		this.#held = 0;
		for (const sent of this.outbox) if (sent.state === "sending") sent.state = "waiting";
		for (const room of this.rooms.values()) this.#enter(room);
		this.#flush();
	}

	/** @param {Room} room */
	#enter(room) {
		if (this.via === "http") {
			this.#listen();
			if (this.#visits) this.#visit();
			return;
		}
		const from = room.log ? { after: room.position } : { last: room.last };
		this.#send({ type: "join", room: room.name, ...from });
	}

	/** @param {object} frame */
	#send(frame) {
		if (this.#socket?.readyState !== WebSocket.OPEN || this.via === "plain" || !this.#welcomes) return false;
		this.#socket.send(JSON.stringify(frame));
		return true;
	}

	/** Ends what there is of a connection, without a word. */
	#end() {
		this.#connection++;
		this.#restart = 0;
		clearTimeout(this.#again);
		clearTimeout(this.#sayAgain);
		clearTimeout(this.#nameAgain);
		const socket = this.#socket;
		this.#socket = null;
		socket?.close();
		this.#stream?.stop.abort();
		this.#stream = null;
		clearTimeout(this.#visits);
		this.#visits = undefined;
		this.#asked = 0;
		for (const room of this.rooms.values()) {
			room.live = false;
			room.typists = [];
		}
	}

	/** @param {string} why for whoever reads along */
	#drop(why) {
		console.debug("ramai: beginning anew:", why);
		this.#broken(0);
	}

	/** The connection is gone; a time later it is made again. @param {number} [after] ms */
	#broken(after = Math.random() * Math.min(10_000, 100 * 2 ** this.#attempt)) {
		if (this.state === "closed") return;
		if (this.state === "connecting" && this.#trying) this.#socketFailed++; // it never got as far as an answer
		this.#attempt++;
		this.#end();
		this.retryAt = Date.now() + after;
		this.#become("waiting");
		this.#again = setTimeout(() => this.#connect(), after);
	}

	/** @param {Client["state"]} state */
	#become(state) {
		this.state = state;
		if (state === "live") this.intercepted = null;
		this.emit("state");
	}

	/** Looks after the connection, once a second. */
	#look() {
		const now = Date.now();
		if (this.#stream && now - this.#heard > STREAM_DEAD) {
			this.#broken();
			return;
		}
		if (this.via === "http" && this.state === "live" && this.how === "auto" && now - this.#socketTried > SOCKET_AGAIN && !this.#posting) {
			this.#drop("a socket may come through by now");
			return;
		}
		if (!this.#socket || this.via === "plain") return;
		if (this.#asked && now > this.#asked) {
			this.#broken();
		} else if (!this.#asked && now - this.#heard > SILENCE) {
			this.#ask(DEAD);
		}
	}

	/** Wants a sign of the server within a time. @param {number} within ms */
	#ask(within) {
		this.#asked = Date.now() + within;
		this.#send({ type: "ping", id: "1" });
	}

	#wake = () => {
		if (document.visibilityState === "hidden") return;
		if (this.state === "waiting") this.#connect();
		else if (this.#socket && !this.#asked && Date.now() - this.#heard > 2000) this.#ask(HURRY);
	};

	/** @returns {[EventTarget, string][]} */
	#wakers() {
		return [[window, "online"], [window, "pageshow"], [document, "visibilitychange"]];
	}

	// What comes.

	/** @param {any} f */
	#take(f) {
		switch (f.type) {
			case "welcome":
				this.limits = f.limits;
				if (++this.#welcomes < 2) { // the second one answers hello, and is final
					this.#send({ type: "hello", session: this.session });
					this.#start();
					return;
				}
				this.by = f.by;
				this.#named(f.name);
				if (this.#renaming || (this.wanted && !f.name)) this.rename(this.wanted);
				this.#alive();
				return;
			case "name":
				this.#renaming = false;
				this.#named(f.name);
				return;
			case "saved":
				this.#settle(f.id, f.n, f.at);
				return;
			case "refused":
				this.#refused(f);
				return;
			case "error":
				if (this.#renaming && (f.request ?? "name") === "name") {
					if (f.retry_after_ms) { // not now
						this.#nameAgain = setTimeout(() => this.rename(this.wanted), f.retry_after_ms);
						return;
					}
					[this.#renaming, this.wanted] = [false, this.name];
				}
				this.emit("refused", new Refusal(f.code, f.reason, f.retry_after_ms));
				return;
			case "restarting":
				this.#attempt = 0;
				this.#broken(f.retry_after_ms);
				return;
		}
		const room = this.rooms.get(f.room);
		if (room) this.#hear(room, f);
	}

	/** The server has answered: this connection will do. */
	#alive() {
		if (this.#trying) [this.#socketFailed, this.#reached] = [0, false];
		this.#attempt = 0;
		this.retryAt = 0;
		if (this.state !== "live") this.#become("live");
	}

	/** @param {string} name */
	#named(name) {
		this.name = name;
		if (!this.#renaming) this.wanted ||= name;
		this.emit("name");
	}

	/** @param {Room} room @param {any} f */
	#hear(room, f) {
		if (!room.live && f.type !== "joined" && f.type !== "reset") return; // of before it was left and joined again
		switch (f.type) {
			case "joined":
			case "reset": {
				const reset = f.reset === true || f.type === "reset";
				room.now = f.epoch ?? "";
				if (reset || !room.log) [room.n, room.epoch] = [Math.max(0, f.n - (reset ? 50 : room.last), f.first - 1), room.now];
				room.log = f.log;
				room.head = f.n;
				room.first = f.first;
				room.count = f.count;
				room.live = true;
				this.#attempt = 0;
				room.emit("joined", { n: f.n, first: f.first, count: f.count, reset });
				return;
			}
			case "message":
				if (f.n <= room.n) return;
				[room.n, room.epoch] = [f.n, room.now];
				room.head = Math.max(room.head, f.n);
				if (this.#settle(f.id, f.n, f.at, f)) this.by ||= f.by;
				room.emit("message", f);
				return;
			case "gap":
				[room.n, room.epoch] = [Math.max(room.n, f.to), room.now];
				room.first = Math.max(room.first, f.to + 1);
				room.emit("gap", { from: f.from, to: f.to });
				return;
			case "presence":
				room.count = f.count;
				room.names = f.names ?? [];
				room.emit("presence");
				return;
			case "typing":
				room.typists = f.by ?? [];
				room.emit("typing");
				return;
		}
		if (typeof f.n === "number" && f.n > room.n) [room.n, room.epoch] = [f.n, room.now]; // a kind of event that is newer than this program
	}

	// What is said.

	/** Sends what may be sent. */
	#flush() {
		if (this.state === "closed") return;
		const wait = this.#held - Date.now();
		if (wait > 0) {
			clearTimeout(this.#sayAgain);
			this.#sayAgain = setTimeout(() => this.#flush(), wait);
			return;
		}
		if (this.via === "http") {
			this.#post();
			return;
		}
		while (this.#cursor < this.outbox.length) {
			const sent = this.outbox[this.#cursor];
			if (sent.state === "failed" || this.#expired(sent)) {
				this.#cursor++;
				continue;
			}
			if (this.outbox.slice(0, this.#cursor).filter((s) => s.state === "sending").length >= WINDOW) return;
			if (this.via === "plain") this.#socket?.send(sent.text);
			else if (!this.#send({ type: "say", room: sent.room, id: sent.id, text: sent.text })) return;
			if (this.#gate === sent.id) this.#gate = "";
			this.#cursor++;
			sent.tried = true;
			sent.since ||= Date.now();
			sent.state = "sending";
			this.emit("sent", sent);
		}
	}

	/**
	 * It is on the server's disk.
	 * @param {string} id @param {number} n @param {string} at @param {Message} [echo]
	 */
	#settle(id, n, at, echo) {
		const i = this.outbox.findIndex((s) => s.id === id);
		if (i < 0 || (echo && this.by && echo.by !== this.by)) return false;
		const [sent] = this.outbox.splice(i, 1);
		if (i < this.#cursor) this.#cursor--;
		if (this.#gate === id) this.#gate = "";
		[sent.state, sent.n, sent.at] = ["saved", n, at];
		sent.resolve?.(sent);
		this.emit("sent", sent);
		this.#flush();
		return true;
	}

	/** Whether it is too late to send something again; then it has failed. @param {Sent} sent */
	#expired(sent) {
		if (!sent.tried || Date.now() - sent.since <= RETRY_FOR) return false;
		this.#fail(sent, new Refusal("unavailable", "it was sent days ago, and it is not known whether it was said"));
		return true;
	}

	/** It will not be said, unless somebody wants it to be tried again. @param {Sent} sent @param {Refusal} why */
	#fail(sent, why) {
		[sent.state, sent.why] = ["failed", why];
		sent.reject?.(why);
		this.emit("sent", sent);
	}

	/** @param {{id: string, code: string, reason: string, retry_after_ms?: number}} f */
	#refused(f) {
		const i = this.outbox.findIndex((s) => s.id === f.id);
		if (i < 0) return;
		const sent = this.outbox[i];
		if (f.retry_after_ms === undefined) {
			this.#fail(sent, new Refusal(f.code, f.reason));
			this.#flush();
			return;
		}
		// This and all that came after it is to be said again, in order.
		const gate = this.outbox.findIndex((s) => s.id === this.#gate);
		if (gate >= 0 && gate <= i) return; // refused only because that one was
		this.#gate = sent.id;
		this.#cursor = i;
		for (const s of this.outbox.slice(i)) if (s.state === "sending") s.state = "waiting";
		this.#held = Date.now() + f.retry_after_ms;
		this.emit("sent", sent);
		this.#flush();
	}

	// With a server that accepts any protocol and speaks its own: texts, in one room. Nothing was told to it before its
	// first frame, for it would pass it on.

	/** @param {string} first its first frame */
	#plainly(first) {
		this.via = "plain";
		const room = this.rooms.values().next().value;
		for (const sent of [...this.outbox]) {
			if (sent.tried && sent.state !== "failed") this.#fail(sent, new Refusal("unavailable", "the connection broke, and it is not known whether this was said"));
		}
		this.#cursor = 0;
		this.#alive();
		if (room) this.#hear(room, { type: "joined", log: "", n: room.n, first: 1, count: 0 });
		this.#line(first);
		this.#flush();
	}

	/** @param {string} line */
	#line(line) {
		const room = this.rooms.values().next().value;
		if (!room) return;
		const [n, at] = [room.n + 1, new Date().toISOString()];
		const own = this.outbox.find((s) => s.state === "sending" && (line === s.text || line === `${this.wanted}: ${s.text}`));
		if (own) this.#settle(own.id, n, at);
		this.#hear(room, { type: "message", room: room.name, n, at, by: "", from: "", id: own?.id ?? "", text: line });
	}

	// Without a socket.

	/** Finds out whether the server can be had over HTTP, and goes on there. */
	async #overHTTP() {
		const connection = this.#connection;
		const room = this.rooms.values().next().value;
		try {
			await this.get(`/api/v1/rooms/${room?.name ?? "lobby"}/messages`, "messages", { limit: 1 });
		} catch (error) {
			if (connection !== this.#connection) return;
			this.#blame(error);
			if (error instanceof TypeError) [this.#socketFailed, this.#reached] = [0, false]; // there is no server: that says nothing about sockets
			this.#broken(error instanceof Refusal && error.retryAfter ? error.retryAfter : undefined);
			return;
		}
		if (connection !== this.#connection) return;
		if (this.how === "auto" && !this.#reached) { // perhaps the server has only just come back: a socket once more
			[this.#reached, this.#socketFailed] = [true, 1];
			this.#connect();
			return;
		}
		this.via = "http";
		this.retryAt = 0;
		this.#become("live");
		this.#start();
		this.#visit();
	}

	// Browsers have six connections to a server, whatever the number of their tabs, and a stream takes one for good. So
	// there is one, of the room that is looked at; the others are asked what is new there, one after the other.

	/** Hears the room that is looked at, and no other. */
	#listen() {
		if (this.via !== "http" || this.state !== "live") return;
		const room = this.rooms.get(this.#focused) ?? this.rooms.values().next().value;
		if (this.#stream?.room === room) return;
		this.#stream?.stop.abort();
		this.#stream = room ? { room, stop: new AbortController() } : null;
		if (this.#stream) this.#read(this.#stream);
	}

	/** @param {{room: Room, stop: AbortController}} stream */
	async #read(stream) {
		const { room, stop } = stream;
		this.#heard = Date.now();
		const url = new URL(`/api/v1/rooms/${room.name}/stream`, this.base);
		if (room.log) url.searchParams.set("after", formatPosition(room.position));
		else url.searchParams.set("last", String(room.last));
		let again = 0;
		try {
			const response = await this.#fetch(url, { headers: { Accept: EVENTS }, signal: stop.signal });
			if (!response.ok || !response.body || !isOf(response, EVENTS)) throw refusalOf(response, await bodyOf(response));
			let rest = "";
			const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
			for (;;) {
				const { value, done } = await reader.read();
				if (done) break;
				this.#heard = Date.now();
				const events = (rest + value).split("\n\n");
				rest = events.pop() ?? "";
				for (const event of events) this.#event(room, event);
			}
		} catch (error) {
			if (this.#stream === stream) this.#blame(error);
			if (error instanceof Refusal && error.code === "rate_limited") again = error.retryAfter; // no more than that is wrong
		}
		if (this.#stream !== stream) return;
		if (again) this.#again = setTimeout(() => this.#stream === stream && this.#read(stream), again);
		else this.#broken(this.#restart || undefined);
	}

	/** Asks one of the other rooms what is new there, and after a while the next. */
	async #visit() {
		clearTimeout(this.#visits);
		this.#visits = undefined;
		const connection = this.#connection;
		const others = () => [...this.rooms.values()].filter((r) => r !== this.#stream?.room);
		const room = others().find((r) => !r.live) ?? others()[this.#visited++ % others().length];
		let refused = false;
		if (room) {
			const { log } = room;
			try {
				const past = await room.history(log ? { after: formatPosition(room.position), limit: 500 } : { limit: Math.max(1, room.last) });
				if (connection === this.#connection && this.rooms.get(room.name) === room && room.log === log) this.#visitor(room, past);
			} catch {
				refused = true; // or not reached, which the stream finds out too
			}
		}
		if (connection !== this.#connection) return;
		this.#seldom = refused ? Math.min(2 * this.#seldom, VISIT_SELDOM) : Math.max(this.#seldom / 2, VISIT);
		const first = !refused && others().some((r) => !r.live || r.behind > 0);
		this.#visits = setTimeout(() => this.#visit(), first ? 0 : this.#seldom);
	}

	/** Takes a page as if it had come by itself. @param {Room} room @param {Page} past what follows its position, or the newest */
	#visitor(room, { log, epoch, first, reset, messages, more }) {
		const newest = messages.at(-1)?.n ?? Math.max(room.n, first - 1);
		const anew = reset || !room.log;
		if (anew || !room.live) this.#hear(room, { type: "joined", log, epoch, n: newest, first, count: room.count, reset });
		room.now = epoch ?? "";
		for (const m of messages) {
			if (!anew && m.n > room.n + 1) this.#hear(room, { type: "gap", from: room.n + 1, to: m.n - 1 });
			this.#hear(room, { type: "message", ...m });
		}
		if (first > room.n + 1) this.#hear(room, { type: "gap", from: room.n + 1, to: first - 1 });
		if (more && !anew) room.head = Math.max(room.head, room.n + 1); // one at least
	}

	/** @param {Room} room @param {string} event of a stream, as the HTML standard has it */
	#event(room, event) {
		const retry = /^retry: *(\d+)/m.exec(event);
		const data = event.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
		if (data) this.#hear(room, JSON.parse(data));
		else if (retry) this.#restart = Number(retry[1]); // the server stops, and says when it is to be asked again
	}

	/** Says the first thing that waits, and then the next: one at a time keeps their order. */
	async #post() {
		const sent = this.outbox.find((s) => s.state !== "failed" && !this.#expired(s));
		if (!sent || this.#posting || this.state !== "live") return;
		this.#posting = true;
		[sent.state, sent.tried] = ["sending", true];
		sent.since ||= Date.now();
		this.emit("sent", sent);
		/** @type {Refusal|null} */
		let refusal = null;
		try {
			const response = await this.#fetch(new URL(`/api/v1/rooms/${sent.room}/messages`, this.base), {
				method: "POST",
				headers: { "Content-Type": "application/json", "Idempotency-Key": sent.id },
				body: JSON.stringify({ text: sent.text }),
				signal: AbortSignal.timeout(ANSWER),
			});
			const body = await bodyOf(response);
			if (response.ok && Number.isInteger(body.n)) this.#settle(sent.id, body.n, body.at);
			else refusal = refusalOf(response, body);
			if (refusal?.code === NOT_OURS) refusal.retryAfter = 5000; // the server has not refused it
		} catch {
			refusal = new Refusal("unavailable", "the server cannot be reached", 2000);
		}
		this.#posting = false;
		if (refusal?.retryAfter) {
			sent.state = "waiting";
			this.#held = Date.now() + refusal.retryAfter;
			this.emit("sent", sent);
		} else if (refusal) {
			this.#fail(sent, refusal);
		}
		this.#flush();
	}
}

/** Whether an answer is of a type. @param {Response} response @param {string} type */
const isOf = (response, type) => (response.headers.get("Content-Type") ?? "").split(";")[0].trim() === type;

/** What an answer says as JSON; nothing, if it says it otherwise. @param {Response} response @returns {Promise<any>} */
const bodyOf = async (response) => (isOf(response, "application/json") && (await response.json().catch(() => null))) || {};

/** @param {Response} response @param {any} body */
function refusalOf(response, body) {
	const wait = Number(response.headers.get("Retry-After") ?? 0) * 1000;
	const again = response.status === 429 || response.status >= 500;
	if (body.code === undefined && !again) {
		return new Refusal(NOT_OURS, "the answer is not ramai's; a gate in front may ask you to sign in: reload the page");
	}
	return new Refusal(body.code ?? "internal", body.reason ?? `HTTP ${response.status}`, again ? wait || 2000 : 0);
}

/**
 * Joins a room: https://host/ is the lobby, https://host/r/ROOM another. More rooms on the same connection are had
 * by room.client.join.
 * @param {string|URL} url @param {Options} [options]
 */
export function connect(url, options = {}) {
	const base = new URL(url, location.href);
	base.username = base.password = ""; // the browser has them for the gate that asks
	base.protocol = base.protocol.replace(/^ws/, "http");
	return new Client(base, options).join(roomOf(base.pathname), options);
}
