// A connection to a server that is renewed whenever it breaks, and the identity of this client on that server.
import { API } from "./api.js";
import { TransportChoice } from "./choice.js";
import { Emitter } from "./emitter.js";
import { Outbox } from "./outbox.js";
import { Marks } from "./marks.js";
import { newSession, NOT_RAMAI, randomToken, Refusal, roomOf } from "./protocol.js";
import { Room } from "./room.js";
import { SocketConnection } from "./socket.js";

/**
 * @typedef {import("./http.js").HTTPConnection} HTTPConnection
 * @typedef {import("./outbox.js").Kind} Kind
 * @typedef {import("./outbox.js").Pending} Pending
 * @typedef {import("./outbox.js").Sent} Sent
 * @typedef {import("./protocol.js").Hit} Hit
 * @typedef {import("./protocol.js").Position} Position
 *
 * @typedef {object} Options
 * @property {string} [session] the secret that identifies the sender; by default a new one
 * @property {string} [token] a JWT of an issuer that the server trusts: it signs in, and a session takes its place
 * @property {string} [name] the name you want
 * @property {number} [last] how many of the newest messages to receive first, 0 to 500; default 50
 * @property {Position} [after] resume after this position instead
 * @property {Pending[]} [pending] items that an earlier page could not send, see Client.pending
 * @property {Pending[]} [unsaid] the former name of pending
 * @property {"auto"|"socket"|"http"} [via] auto: a WebSocket, or HTTP where WebSockets are blocked
 */

const WINDOW = 16; // unanswered messages: if one is refused, those behind it are sent twice
const BACKOFF_MIN = 100; // ms
const BACKOFF_MAX = 10_000;
const TYPING_EVERY = 3_000; // ms

/**
 * See connect in ramai.js.
 * @param {string|URL} url @param {Options} options
 * @param {() => Promise<typeof import("./http.js").HTTPConnection>} loadHTTP called where WebSockets are blocked
 */
export function openRoom(url, options, loadHTTP) {
	const base = new URL(url, location.href);
	base.username = base.password = ""; // the browser sends credentials by itself, and fetch rejects URLs that have them
	base.protocol = base.protocol.replace(/^ws/, "http");
	return new Client(base, options, loadHTTP).join(roomOf(base.pathname), options);
}

/**
 * Events:
 * - state(): state, retryAt or via have changed
 * - name(): the name has changed
 * - session(): the session has changed: the former one has ended, or a token signed in
 * - sent(Sent): a message, a change or a setting is new, has another state, or was withdrawn
 * - refused(Refusal): something other than a message was refused
 */
export class Client extends Emitter {
	/** @type {"connecting"|"live"|"waiting"|"closed"} */
	state = "connecting";
	/** @type {"socket"|"http"|"plain"} plain: the server knows only texts, in the room that was joined first */
	via = "socket";
	retryAt = 0; // when it connects again, by Date.now()
	by = ""; // the sender of your messages
	name = ""; // the name held
	/** @type {Refusal|null} set while something in front of the server answers instead of it */
	intercepted = null;
	/** edit_window_ms: how long one can edit and delete one's messages; 0: not at all; undefined: the server knows no changes @type {{text: number, frame: number, rate: number, burst: number, rooms: number, edit_window_ms?: number}} */
	limits = { text: 4000, frame: 31424, rate: 5, burst: 20, rooms: 8, edit_window_ms: 900_000 }; // until the server says them
	/** @type {Map<string, Room>} */
	rooms = new Map();

	#api;
	#outbox = new Outbox((sent) => {
		if (sent.state === "saved") this.rooms.get(sent.room)?.saved(sent);
		this.emit("sent", sent);
	});
	#marks = new Marks();
	/** @type {SocketConnection|HTTPConnection|null} */
	#connection = null;
	#loadHTTP;
	#attempt = 0; // failed ones in a row
	#attempts = 0; // over HTTP; a connection that is closed ends the attempt
	#choice;
	#focused = "";
	#typed = 0;
	#renaming = false; // the server has not answered yet
	#signingOut = false;
	/** @type {Map<string, {resolve: (frame: any) => void, reject: (why: Refusal) => void}>} by ref: what waits for an answer */
	#requests = new Map();
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#connectTimer;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#renameTimer;
	#checkTimer;

	/** @param {URL} base @param {Options} options @param {() => Promise<typeof import("./http.js").HTTPConnection>} loadHTTP */
	constructor(base, options, loadHTTP) {
		super();
		this.base = base;
		this.wanted = options.name ?? "";
		this.#choice = new TransportChoice(options.via ?? "auto");
		this.#api = new API(base, options.session || newSession(), options.token ?? "", (refusal) => {
			if (refusal) this.emit("refused", refusal);
			else this.emit("session");
		});
		this.#loadHTTP = loadHTTP;
		this.#outbox.restore(options.pending ?? options.unsaid ?? []);
		this.#checkTimer = setInterval(() => this.#checkAlive(), 1000);
		for (const [target, event] of this.#wakeEvents()) target.addEventListener(event, this.#wake);
		window.addEventListener("offline", this.#offline);
		queueMicrotask(() => this.#connect());
	}

	/** The secret that identifies the sender. It changes when it has ended, and when a token signs in: see the event session. */
	get session() {
		return this.#api.session;
	}

	/** Continues with another session, which another page of the same person has stored. @param {string} session */
	useSession(session) {
		if (this.#api.use(session) && this.state === "live") this.#reconnect("another page has another session");
	}

	/** @type {Sent[]} the messages, changes and settings that are not settled, in order */
	get outbox() {
		return this.#outbox.list;
	}

	/** The marks that the server has not answered, in order. @returns {import("./protocol.js").Mark[]} */
	get marks() {
		return this.#marks.list;
	}

	/** What to store across a reload, and pass to the next connect. @returns {Pending[]} */
	get pending() {
		return this.#outbox.pending;
	}

	/** The former name of pending. */
	get unsaid() {
		return this.pending;
	}

	/**
	 * Receives a room's messages, across all reconnects.
	 * @param {string} name @param {{last?: number, after?: Position}} [from]
	 */
	join(name, { last = 50, after } = {}) {
		let room = this.rooms.get(name);
		if (room) return room;
		room = new Room(this, name, last, after);
		room.on("joined", () => { this.#attempt = 0; });
		room.on("message", (m) => this.#echo(m));
		room.on("changed", (c) => this.#echo(c));
		room.on("state", (s) => this.#echo(s));
		this.rooms.set(name, room);
		if (this.state === "live") this.#enter(room);
		return room;
	}

	/** @param {string} name */
	focus(name) {
		this.#focused = name;
		if (this.#http) this.#http.focus(name);
	}

	/** @param {string} name */
	leave(name) {
		this.rooms.delete(name);
		this.#send({ type: "leave", room: name });
		if (this.#http) this.#http.leave();
	}

	/**
	 * Says a text, changes what was said, or sets something: see Room.say, edit, delete and set.
	 * @param {string} room @param {string} text @param {Kind} [kind]
	 */
	say(room, text, kind) {
		return this.#outbox.add(room, text, kind);
	}

	/** See Room.mark. @param {import("./protocol.js").Mark} mark */
	mark(mark) {
		const settled = this.#marks.add(mark);
		if (this.via === "plain") this.#marks.fail();
		return settled;
	}

	/**
	 * Takes a message back if it is certainly not stored: it failed or was never sent, or it waits for a moderator. Returns false if it
	 * is too late.
	 * @param {Sent} sent
	 */
	withdraw(sent) {
		if (sent.state === "held") {
			const change = { type: "change", room: sent.room, id: randomToken(9), held: sent.id, text: null };
			this.request(change).then(() => this.#outbox.dropHeld(sent), (why) => this.emit("refused", why));
			return true;
		}
		const fence = this.#outbox.isFence(sent);
		if (!this.#outbox.withdraw(sent)) return false;
		if (fence) this.#reconnect("the server waits for a message that was withdrawn");
		return true;
	}

	/** Sends a failed message again. @param {Sent} sent */
	again(sent) {
		if (sent.state !== "failed" || sent.target || !this.withdraw(sent)) return sent;
		return this.say(sent.room, sent.text, sent);
	}

	/** Requests a name; an empty one releases it. Settled by the event name or refused. @param {string} name */
	rename(name) {
		clearTimeout(this.#renameTimer);
		this.wanted = name;
		this.#renaming = true;
		return this.#send({ type: "name", name });
	}

	/**
	 * Sends a request that is not repeated over another connection; over HTTP, only invite, redeem, moderate, report, and a change that deletes a message or withdraws one that is held. Resolves with the frame that answers it, and rejects with a Refusal.
	 * @param {object} frame @returns {Promise<any>}
	 */
	request(frame) {
		if (this.#http) return this.#http.request(frame);
		const ref = randomToken(9);
		return new Promise((resolve, reject) => {
			if (this.#send({ ...frame, ref })) this.#requests.set(ref, { resolve, reject });
			else reject(new Refusal("unavailable", "there is no connection over a WebSocket"));
		});
	}

	/**
	 * Ends the session, or all sessions of the sender, over a WebSocket. Then the client continues with a new one, as another sender
	 * without a name: see the event session. Rejects with a Refusal.
	 * @param {boolean} [all]
	 */
	async signOut(all = false) {
		this.#signingOut = true;
		await this.request({ type: "signout", all }).catch((why) => {
			if (!this.#signingOut) return;
			this.#signingOut = false;
			throw why;
		});
	}

	/** @param {string} room */
	typing(room) {
		if (Date.now() - this.#typed < TYPING_EVERY || !this.#send({ type: "typing", room })) return;
		this.#typed = Date.now();
	}

	/** @param {string} room */
	whoIsHere(room) {
		this.#send({ type: "who", room });
	}

	/** @param {string} q @param {{room?: string, before?: string, limit?: number}} [within] @returns {Promise<{hits: Hit[], more: boolean, behind: number}>} */
	search(q, within = {}) {
		return this.get("/api/v1/search", "hits", { q, ...within });
	}

	/**
	 * A request to the API. Rejects with a Refusal, or a TypeError if the server cannot be reached.
	 * @param {string} path @param {string} list the array that every answer has @param {Record<string, string|number|undefined>} [params]
	 * @returns {Promise<any>}
	 */
	get(path, list, params) {
		return this.#api.get(path, list, params);
	}

	/**
	 * Repeats a request for as long as the server asks to retry it later.
	 * @template T @param {() => Promise<T>} request @returns {Promise<T>}
	 */
	async withRetry(request) {
		for (;;) {
			try {
				return await request();
			} catch (error) {
				if (!(error instanceof Refusal) || !error.retryAfter || this.state === "closed") throw error;
				await new Promise((done) => setTimeout(done, error.retryAfter));
			}
		}
	}

	/** Connects now instead of at retryAt. */
	reconnectNow() {
		if (this.state === "waiting") this.#connect();
	}

	close() {
		clearInterval(this.#checkTimer);
		for (const [target, event] of this.#wakeEvents()) target.removeEventListener(event, this.#wake);
		window.removeEventListener("offline", this.#offline);
		this.#disconnect();
		this.#setState("closed");
	}

	// The connection.

	get #socket() {
		return this.#connection instanceof SocketConnection ? this.#connection : null;
	}

	/** The connection over HTTP, once it works. */
	get #http() {
		return this.state === "live" && this.via === "http" ? /** @type {HTTPConnection|null} */ (this.#connection) : null;
	}

	#connect() {
		this.#disconnect();
		this.#setState("connecting");
		if (this.#choice.http) this.#connectHTTP();
		else this.#connectSocket();
	}

	#connectSocket() {
		this.#choice.socketBegins();
		try {
			this.#connection = new SocketConnection(this.base, {
				greeted: (f) => this.#greeted(f),
				frame: (f) => this.#receive(f),
				plain: (line) => this.#startPlain(line),
				line: (line) => this.#receiveLine(line),
				closed: () => this.#broken(),
			});
		} catch {
			this.#broken();
		}
	}

	/** Finds out whether the server can be reached over HTTP, and if so stays there. */
	async #connectHTTP() {
		const attempt = ++this.#attempts;
		let failed, HTTPConnection;
		try {
			const [room] = this.rooms.values();
			await this.#api.get(`/api/v1/rooms/${room?.name ?? "lobby"}/messages`, "messages", { limit: 1 }).catch((error) => {
				if (error.code !== "not_allowed") throw error; // the server has answered, about this room
			});
			HTTPConnection = await this.#loadHTTP();
		} catch (error) {
			failed = error;
		}
		if (attempt !== this.#attempts) return;
		if (!HTTPConnection) {
			if (!(failed instanceof Refusal)) this.#choice.noServer();
			this.#broken(failed instanceof Refusal && failed.retryAfter ? failed.retryAfter : undefined, failed);
			return;
		}
		if (!this.#choice.reachedOverHTTP()) {
			this.#connect();
			return;
		}
		const connection = new HTTPConnection(this.#api, this.rooms, this.#outbox, this.#marks, this.#focused, (after, error) => this.#broken(after, error));
		this.#connection = connection;
		this.via = "http";
		this.retryAt = 0;
		this.#setState("live");
		connection.start();
	}

	/** @param {Room} room */
	#enter(room) {
		if (this.#http) this.#http.join(room);
		else this.#send({ type: "join", room: room.name, ...(room.log ? { after: room.position } : { last: room.last }) });
	}

	/** See Room.joinAgain. @param {Room} room */
	joinAgain(room) {
		if (this.state === "live") this.#enter(room);
	}

	/** @param {object} frame */
	#send(frame) {
		return this.#socket?.send(frame) ?? false;
	}

	#disconnect() {
		clearTimeout(this.#connectTimer);
		clearTimeout(this.#renameTimer);
		this.#connection?.close();
		this.#connection = null;
		this.#attempts++;
		this.#outbox.stop();
		this.#marks.stop();
		for (const { reject } of this.#requests.values()) reject(new Refusal("unavailable", "the connection broke before the server answered"));
		this.#requests.clear();
		for (const room of this.rooms.values()) room.disconnected();
	}

	/** @param {string} why */
	#reconnect(why) {
		console.debug("ramai: reconnecting:", why);
		this.#broken(0);
	}

	/**
	 * The connection is gone; it is made again after a time.
	 * @param {number} [after] ms @param {unknown} [error] of HTTP
	 */
	#broken(after = Math.random() * Math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ** this.#attempt), error) {
		if (this.state === "closed") return;
		if (error) this.intercepted = error instanceof Refusal && error.code === NOT_RAMAI ? error : null;
		this.#choice.ended();
		this.#attempt++;
		this.#disconnect();
		this.retryAt = Date.now() + after;
		this.#setState("waiting");
		this.#connectTimer = setTimeout(() => this.#connect(), after);
	}

	/** @param {Client["state"]} state */
	#setState(state) {
		this.state = state;
		if (state === "live") this.intercepted = null;
		this.emit("state");
	}

	#checkAlive() {
		const http = this.#http;
		if (this.#connection && !this.#connection.checkAlive()) this.#broken();
		else if (http && this.#choice.upgrade && !http.posting) this.#reconnect("trying a WebSocket again");
	}

	#wake = () => {
		if (document.visibilityState === "hidden") return;
		if (this.state === "waiting") this.#connect();
		else this.#socket?.wake();
	};

	#offline = () => this.#socket?.offline(() => this.#broken());

	/** @returns {[EventTarget, string][]} */
	#wakeEvents() {
		return [[window, "online"], [window, "pageshow"], [document, "visibilitychange"]];
	}

	// Frames.

	/** The server greets twice: on connect, and in answer to hello, which is final. @param {any} f the first welcome */
	#greeted(f) {
		this.via = "socket";
		this.limits = f.limits;
		this.#send({ type: "hello", session: this.session, held: true, ...(this.#api.token && { token: this.#api.token }) });
		for (const room of this.rooms.values()) this.#enter(room);
		this.#outbox.start({ window: WINDOW, send: (sent) => this.#send(sent.frame) });
		this.#marks.start(({ room, of, key, on, ref }) => this.#send({ type: "mark", room, of, key, on, ref }));
	}

	/** @param {any} f */
	#receive(f) {
		const request = this.#requests.get(f.ref);
		if (request) {
			this.#requests.delete(f.ref);
			if (f.type === "error" || f.type === "refused") return request.reject(Refusal.of(f));
			request.resolve(f);
		}
		switch (f.type) {
			case "welcome":
				this.limits = f.limits;
				this.by = f.by;
				if (this.state === "live") [this.wanted, this.#renaming] = [f.name, false]; // another device has linked this one
				if (f.known) this.#api.token = ""; // its session takes its place
				if (f.session) this.#api.use(f.session);
				this.#named(f.name);
				if (this.#renaming || (this.wanted && !f.name)) this.rename(this.wanted);
				this.#alive();
				return;
			case "name":
				this.#renaming = false;
				this.#named(f.name);
				return;
			case "epoch":
				for (const room of this.rooms.values()) room.receive(f);
				return;
			case "saved":
				this.#outbox.settle(f.id, f.n, f.at);
				return;
			case "held":
				this.#outbox.held(f.id);
				return;
			case "refused":
				this.#outbox.refused(f.id, Refusal.of(f), f.retry_after_ms !== undefined);
				return;
			case "error": {
				const why = Refusal.of(f);
				if (f.request === "join" && f.rule) return this.rooms.get(f.room)?.receive({ ...f, type: "left" });
				if (f.request === "hello" && f.code === "not_allowed") {
					this.#api.token = ""; // the welcome that follows has a session
					if (this.#signingOut) return this.#signedOut();
				}
				if (f.ref && this.#outbox.find(f.ref)) this.#outbox.refused(f.ref, why, false);
				else if (!this.#marks.refused(f.ref, why)) this.#refused(f);
				return;
			}
			case "marked":
				this.#marks.marked(f);
				break;
			case "restarting":
				this.#attempt = 0;
				this.#broken(f.retry_after_ms);
				return;
		}
		this.rooms.get(f.room)?.receive(f);
	}

	#signedOut() {
		this.#signingOut = this.#renaming = false;
		this.wanted = "";
		this.#named("");
		this.#api.use(newSession());
		this.#reconnect("signed out");
	}

	/** @param {{code: string, reason: string, retry_after_ms?: number, request?: string}} f */
	#refused(f) {
		if (this.#renaming && (f.request ?? "name") === "name") {
			if (f.retry_after_ms) {
				this.#renameTimer = setTimeout(() => this.rename(this.wanted), f.retry_after_ms);
				return;
			}
			[this.#renaming, this.wanted] = [false, this.name];
		}
		this.emit("refused", Refusal.of(f));
	}

	/** The server has answered over the WebSocket. */
	#alive() {
		this.#choice.socketWorks();
		this.#attempt = 0;
		this.retryAt = 0;
		if (this.state !== "live") this.#setState("live");
	}

	/** @param {string} name */
	#named(name) {
		this.name = name;
		if (!this.#renaming) this.wanted ||= name;
		this.emit("name");
	}

	/** A message, a change or a setting arrived that may be one of ours, whose confirmation is still on its way. @param {{id: string, n: number, at: string, by: string}} m */
	#echo(m) {
		if (!this.#outbox.find(m.id) || (this.by && m.by !== this.by)) return;
		this.#outbox.settle(m.id, m.n, m.at);
		this.by ||= m.by;
	}

	// A server that accepts any subprotocol and then sends texts: the plain protocol, with one room and no confirmations.

	/** @param {string} line its first frame */
	#startPlain(line) {
		this.via = "plain";
		const room = this.rooms.values().next().value;
		this.#outbox.failTried();
		this.#marks.fail();
		this.#alive();
		room?.receive({ type: "joined", log: "", n: room.n, first: 1, count: 0 });
		this.#receiveLine(line);
		this.#outbox.start({ window: WINDOW, plain: true, send: ({ text }) => this.#socket?.sendPlain(text) ?? false });
	}

	/** @param {string} line */
	#receiveLine(line) {
		const room = this.rooms.values().next().value;
		if (!room) return;
		const [n, at] = [room.n + 1, new Date().toISOString()];
		const own = this.outbox.find((s) => s.state === "sending" && (line === s.text || line === `${this.wanted}: ${s.text}`));
		if (own) this.#outbox.settle(own.id, n, at);
		room.receive({ type: "message", room: room.name, n, at, by: "", from: "", id: own?.id ?? "", text: line });
	}
}
