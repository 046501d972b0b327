// ramai.js as of commit f929f5be, the last one that does not know changes, joined and without its comments: old.test.mjs runs it.
const SOCKET_AGAIN = 60_000; // ms over HTTP until a WebSocket is tried again
const SOCKET_FAILURES = 2; // in a row, until HTTP is used
class TransportChoice {
	#how;
	#trying = false; // a WebSocket, which has not brought an answer yet
	#failures = 0; // in a row
	#tried = 0; // the last attempt with a WebSocket, by Date.now()
	#reachedOverHTTP = false; // since the last WebSocket that worked
	constructor(how) {
		this.#how = how;
	}
	get http() {
		return this.#how === "http" || (this.#how === "auto" && this.#failures >= SOCKET_FAILURES && !this.#due);
	}
	get upgrade() {
		return this.#how === "auto" && this.#due;
	}
	get #due() {
		return Date.now() - this.#tried > SOCKET_AGAIN;
	}
	socketBegins() {
		this.#tried = Date.now();
		this.#trying = true;
	}
	socketWorks() {
		this.#trying = false;
		[this.#failures, this.#reachedOverHTTP] = [0, false];
	}
	ended() {
		if (this.#trying) this.#failures++;
		this.#trying = false;
	}
	noServer() {
		[this.#failures, this.#reachedOverHTTP] = [0, false];
	}
	reachedOverHTTP() {
		if (this.#how !== "auto" || this.#reachedOverHTTP) return true;
		[this.#reachedOverHTTP, this.#failures] = [true, SOCKET_FAILURES - 1];
		return false;
	}
}
class Emitter {
	#listeners = new Map();
	on(event, f) {
		let set = this.#listeners.get(event);
		if (!set) this.#listeners.set(event, (set = new Set()));
		set.add(f);
		return () => set.delete(f);
	}
	emit(event, ...args) {
		for (const f of [...(this.#listeners.get(event) ?? [])]) {
			try {
				f(...args);
			} catch (error) {
				console.error(error); // a listener's error must not break the connection
			}
		}
	}
}
const NOT_RAMAI = "not_ramai";
const ROOM = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const isRoom = (name) => ROOM.test(name);
const pathOf = (room) => (room === "lobby" ? "/" : `/r/${room}`);
function roomOf(path) {
	const name = /^\/r\/([^/]+)\/?$/.exec(path)?.[1] ?? "";
	return isRoom(name) ? name : "lobby";
}
const encoder = new TextEncoder();
const textSize = (s) => encoder.encode(s).length;
const formatPosition = ({ log, epoch, n }) => (epoch ? `${log}:${epoch}:${n}` : `${log}:${n}`);
function randomToken(bytes) {
	const b = crypto.getRandomValues(new Uint8Array(bytes));
	return btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
const newSession = () => randomToken(16);
class Refusal extends Error {
	constructor(code, reason, retryAfter = 0) {
		super(reason);
		this.code = code;
		this.reason = reason;
		this.retryAfter = retryAfter; // ms; 0: do not retry
	}
}
const EVENTS = "text/event-stream";
const ANSWER = 30_000; // ms that a request may take
const STREAM_DEAD = 60_000; // ms without data on the stream, where the server sends a comment every 25 s
const POLL_MIN = 2_000; // ms between polling one room and the next
const POLL_MAX = 300_000; // the same while the server refuses
const POST_AGAIN = 2_000; // ms until a failed request is repeated, unless the server says when
const INTERCEPTED_AGAIN = 5_000; // the same if something in front of the server answered
const hasType = (response, type) => (response.headers.get("Content-Type") ?? "").split(";")[0].trim() === type;
const jsonOf = async (response) => (hasType(response, "application/json") && (await response.json().catch(() => null))) || {};
function refusalOf(response, body) {
	const wait = Number(response.headers.get("Retry-After") ?? 0) * 1000;
	const again = response.status === 429 || response.status >= 500;
	if (body.code === undefined && !again) {
		return new Refusal(NOT_RAMAI, "the response did not come from ramai; a proxy in front of it may ask you to sign in: reload the page");
	}
	return new Refusal(body.code ?? "internal", body.reason ?? `HTTP ${response.status}`, again ? wait || POST_AGAIN : 0);
}
class API {
	constructor(base, session) {
		this.base = base;
		this.session = session;
	}
	fetch(url, options) {
		return fetch(url, { ...options, headers: { "Ramai-Session": this.session, ...options?.headers }, credentials: "same-origin", redirect: "manual" });
	}
	async get(path, list, params = {}) {
		const url = new URL(path, this.base);
		for (const [key, value] of Object.entries(params)) if (value !== undefined) url.searchParams.set(key, String(value));
		const response = await this.fetch(url, { signal: AbortSignal.timeout(ANSWER) }).catch((error) => {
			throw error instanceof TypeError ? error : new TypeError(String(error)); // a timeout counts as unreachable
		});
		const body = await jsonOf(response);
		if (!response.ok || !Array.isArray(body[list])) throw refusalOf(response, body);
		return body;
	}
	async post(sent, closed) {
		let response;
		try {
			response = await this.fetch(new URL(`/api/v1/rooms/${sent.room}/messages`, this.base), {
				method: "POST",
				headers: { "Content-Type": "application/json", "Idempotency-Key": sent.id },
				body: JSON.stringify({ text: sent.text }),
				signal: AbortSignal.any([AbortSignal.timeout(ANSWER), closed]),
			});
		} catch {
			throw new Refusal("unavailable", "the server cannot be reached", POST_AGAIN);
		}
		const body = await jsonOf(response);
		if (response.ok && Number.isInteger(body.n)) return body;
		throw refusalOf(response, body);
	}
	async *stream(url, signal) {
		const response = await this.fetch(url, { headers: { Accept: EVENTS }, signal });
		if (!response.ok || !response.body || !hasType(response, EVENTS)) throw refusalOf(response, await jsonOf(response));
		let rest = "";
		const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
		for (;;) {
			const { value, done } = await reader.read();
			if (done) return;
			const events = (rest + value).split("\n\n");
			rest = events.pop() ?? "";
			yield events;
		}
	}
}
class HTTPConnection {
	#api;
	#rooms;
	#outbox;
	#broken;
	#closed = new AbortController();
	#posting = false;
	#focused;
	#stream = null;
	#streamAgain;
	#lastReceived = Date.now();
	#retryAfter = 0; // ms until a server that is stopping expects clients again; 0: it did not say
	#nextPoll;
	#pollInterval = POLL_MIN;
	#polls = 0;
	constructor(api, rooms, outbox, focused, broken) {
		this.#api = api;
		this.#rooms = rooms;
		this.#outbox = outbox;
		this.#focused = focused;
		this.#broken = broken;
	}
	async probe() {
		const room = this.#rooms.values().next().value;
		await this.#api.get(`/api/v1/rooms/${room?.name ?? "lobby"}/messages`, "messages", { limit: 1 });
	}
	get closed() {
		return this.#closed.signal.aborted;
	}
	get posting() {
		return this.#posting;
	}
	start() {
		this.#listen();
		this.#outbox.start({ window: 1, send: (sent) => this.#send(sent) }); // one at a time keeps the order
		this.#poll();
	}
	join() {
		this.#listen();
		if (this.#nextPoll) this.#poll();
	}
	leave() {
		this.#listen();
	}
	focus(name) {
		this.#focused = name;
		this.#listen();
	}
	checkAlive() {
		return !this.#stream || Date.now() - this.#lastReceived <= STREAM_DEAD;
	}
	close() {
		this.#closed.abort();
		clearTimeout(this.#streamAgain);
		clearTimeout(this.#nextPoll);
		this.#stream?.stop.abort();
		this.#stream = null;
	}
	#listen() {
		const room = this.#rooms.get(this.#focused) ?? this.#rooms.values().next().value;
		if (this.#stream?.room === room) return;
		this.#stream?.stop.abort();
		this.#stream = room ? { room, stop: new AbortController() } : null;
		if (this.#stream) this.#read(this.#stream);
	}
	async #read(stream) {
		const { room, stop } = stream;
		this.#lastReceived = Date.now();
		const url = new URL(`/api/v1/rooms/${room.name}/stream`, this.#api.base);
		if (room.log) url.searchParams.set("after", formatPosition(room.position));
		else url.searchParams.set("last", String(room.last));
		let failed;
		try {
			for await (const events of this.#api.stream(url, stop.signal)) {
				this.#lastReceived = Date.now();
				for (const event of events) this.#event(room, event);
			}
		} catch (error) {
			failed = error;
		}
		if (this.#stream !== stream) return;
		if (failed instanceof Refusal && failed.code === "rate_limited") { // the rest of the connection is fine
			this.#streamAgain = setTimeout(() => this.#stream === stream && this.#read(stream), failed.retryAfter);
		} else {
			this.#broken(this.#retryAfter || undefined, failed);
		}
	}
	#event(room, event) {
		const retry = /^retry: *(\d+)/m.exec(event);
		const data = event.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
		if (data) room.receive(JSON.parse(data));
		else if (retry) this.#retryAfter = Number(retry[1]); // the server is stopping
	}
	async #poll() {
		clearTimeout(this.#nextPoll);
		this.#nextPoll = undefined;
		const others = () => [...this.#rooms.values()].filter((r) => r !== this.#stream?.room);
		const room = others().find((r) => !r.live) ?? others()[this.#polls++ % others().length];
		let refused = false;
		if (room) {
			const { log } = room;
			try {
				const page = await room.history(log ? { after: formatPosition(room.position), limit: 500 } : { limit: Math.max(1, room.last) });
				if (!this.closed && this.#rooms.get(room.name) === room && room.log === log) room.receivePage(page);
			} catch {
				refused = true; // or unreachable, which the stream will notice too
			}
		}
		if (this.closed) return;
		this.#pollInterval = refused ? Math.min(2 * this.#pollInterval, POLL_MAX) : Math.max(this.#pollInterval / 2, POLL_MIN);
		const now = !refused && others().some((r) => !r.live || r.behind > 0);
		this.#nextPoll = setTimeout(() => this.#poll(), now ? 0 : this.#pollInterval);
	}
	#send(sent) {
		if (this.closed) return false;
		this.#post(sent);
		return true;
	}
	async #post(sent) {
		this.#posting = true;
		let saved;
		let refusal;
		try {
			saved = await this.#api.post(sent, this.#closed.signal);
		} catch (error) {
			refusal = error;
		}
		this.#posting = false;
		if (saved) this.#outbox.settle(sent.id, saved.n, saved.at);
		if (!refusal || this.closed) return;
		const after = refusal.code === NOT_RAMAI ? INTERCEPTED_AGAIN : refusal.retryAfter;
		if (after) this.#outbox.postpone(sent.id, after);
		else this.#outbox.refused(sent.id, refusal, false);
	}
}
const RETRY_FOR = 6 * 86_400_000; // ms after the first attempt. The server remembers ids for a week; a later retry might post twice.
class Sent {
	state = "waiting";
	why = null;
	n = 0; // its number, once saved
	at = "";
	tried = false; // it may be on the server's disk
	since = 0; // the first attempt, by Date.now()
	constructor(id, room, text) {
		this.id = id;
		this.room = room;
		this.text = text;
		this.saved = new Promise((resolve, reject) => {
			this.resolve = resolve;
			this.reject = reject;
		});
		this.saved.catch(() => {}); // no unhandled rejection for callers that do not use the promise
	}
}
class Outbox {
	list = [];
	#next = 0; // index of the first message not sent over this connection
	#notBefore = 0; // the server asked to send nothing before this time
	#fence = ""; // id of a refused message; the server refuses everything behind it until it arrives again
	#sender = null;
	#timer;
	#changed;
	constructor(changed) {
		this.#changed = changed;
	}
	get unsaid() {
		return this.list.filter((s) => s.state !== "saved").map(({ id, room, text, since }) => ({ id, room, text, since }));
	}
	restore(unsaid) {
		for (const u of unsaid) {
			const sent = new Sent(u.id, u.room, u.text);
			sent.tried = true;
			sent.since = u.since || Date.now();
			this.list.push(sent);
		}
	}
	add(room, text) {
		const sent = new Sent(randomToken(9), room, text);
		this.list.push(sent);
		this.#changed(sent);
		this.flush();
		return sent;
	}
	start(sender) {
		this.#sender = sender;
		this.#next = 0;
		this.#fence = "";
		this.#notBefore = 0;
		for (const sent of this.list) if (sent.state === "sending") sent.state = "waiting";
		this.flush();
	}
	stop() {
		this.#sender = null;
		clearTimeout(this.#timer);
	}
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
			const unanswered = this.list.slice(0, this.#next).filter((s) => s.state === "sending").length;
			if (unanswered >= this.#sender.window || !this.#sender.send(sent)) return;
			if (this.#fence === sent.id) this.#fence = "";
			this.#next++;
			sent.tried = true;
			sent.since ||= Date.now();
			sent.state = "sending";
			this.#changed(sent);
		}
	}
	find(id) {
		return this.list.find((s) => s.id === id);
	}
	settle(id, n, at) {
		const sent = this.find(id);
		if (!sent) return;
		this.#remove(sent);
		[sent.state, sent.n, sent.at] = ["saved", n, at];
		sent.resolve?.(sent);
		this.#changed(sent);
		this.flush();
	}
	refused(id, why, retry) {
		const sent = this.find(id);
		if (!sent) return;
		if (!retry) {
			this.#fail(sent, why);
			this.flush();
			return;
		}
		const fence = this.list.findIndex((s) => s.id === this.#fence);
		if (fence >= 0 && fence <= this.list.indexOf(sent)) return; // refused only because the fence was
		this.#fence = sent.id;
		this.postpone(id, why.retryAfter);
	}
	postpone(id, after) {
		const sent = this.find(id);
		if (!sent) return;
		this.#next = this.list.indexOf(sent);
		for (const s of this.list.slice(this.#next)) if (s.state === "sending") s.state = "waiting";
		this.#notBefore = Date.now() + after;
		this.#changed(sent);
		this.flush();
	}
	failTried() {
		for (const sent of [...this.list]) {
			if (sent.tried && sent.state !== "failed") this.#fail(sent, new Refusal("unavailable", "the connection broke before the server confirmed this message; it may have been posted"));
		}
	}
	isFence(sent) {
		return this.#fence === sent.id;
	}
	withdraw(sent) {
		if (!this.list.includes(sent) || (sent.state !== "failed" && sent.tried && !this.isFence(sent))) return false;
		this.#remove(sent);
		sent.reject?.(new Refusal("withdrawn", "the message was withdrawn"));
		this.#changed(sent);
		return true;
	}
	#remove(sent) {
		const i = this.list.indexOf(sent);
		this.list.splice(i, 1);
		if (i < this.#next) this.#next--;
		if (this.#fence === sent.id) this.#fence = "";
	}
	#expired(sent) {
		if (!sent.tried || Date.now() - sent.since <= RETRY_FOR) return false;
		this.#fail(sent, new Refusal("unavailable", "the first attempt was more than 6 days ago; the message may have been posted"));
		return true;
	}
	#fail(sent, why) {
		[sent.state, sent.why] = ["failed", why];
		sent.reject?.(why);
		this.#changed(sent);
	}
}
const RESET_LAST = 50; // of a new history, the newest messages that the server sends
const PUSHED = 200; // connections in a room, above which the server pushes no names
class Room extends Emitter {
	log = "";
	n = 0; // the newest number received
	epoch = ""; // the server's epoch when n was received; empty: an older version stored it without one
	currentEpoch = ""; // the epoch of what follows: that of the last joined or epoch frame
	head = 0; // the newest known number
	first = 1; // the oldest number still stored
	count = 0; // connections
	names = [];
	typists = [];
	live = false; // joined over this connection, or polled over HTTP
	constructor(client, name, last, after) {
		super();
		this.client = client;
		this.name = name;
		this.last = last;
		if (after) [this.log, this.epoch, this.n, this.head] = [after.log, after.epoch ?? "", after.n, after.n];
	}
	get position() {
		return { log: this.log, epoch: this.epoch, n: this.n };
	}
	get behind() {
		return Math.max(0, this.head - this.n);
	}
	say(text) {
		return this.client.say(this.name, text);
	}
	whoIsHere() {
		if (this.count > PUSHED) this.client.whoIsHere(this.name);
	}
	typing() {
		this.client.typing(this.name);
	}
	history(params = {}) {
		return this.client.get(`/api/v1/rooms/${this.name}/messages`, "messages", params);
	}
	focus() {
		this.client.focus(this.name);
	}
	leave() {
		this.client.leave(this.name);
	}
	disconnected() {
		this.live = false;
		this.typists = [];
	}
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
	#advance(n) {
		[this.n, this.epoch] = [n, this.currentEpoch];
	}
}
const PROTOCOL = "ramai.v1";
const SILENCE = 20_000; // ms without a frame until the server is pinged
const DEAD = 15_000; // ms after a ping until the connection counts as broken
const DEAD_AFTER_WAKE = 4_000; // the same after the device slept or changed its network
const DEAD_OFFLINE = 500; // the same after the device lost its network: only a server on the device itself answers
const FRESH = 2_000; // ms after a frame in which waking up needs no ping
const GREETINGS = new Set(["welcome", "restarting", "error"]);
class SocketConnection {
	#socket;
	#plain = false;
	#greeted = false;
	#lastReceived = Date.now();
	#answerBy = 0; // when a ping must be answered; 0: there is none
	#closed = false;
	constructor(base, handlers) {
		const url = new URL("/", base);
		url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
		this.#socket = new WebSocket(url, PROTOCOL);
		this.#socket.onmessage = (event) => {
			if (this.#closed) return;
			this.#lastReceived = Date.now();
			this.#answerBy = 0;
			this.#receive(event.data, handlers);
		};
		this.#socket.onclose = () => {
			if (!this.#closed) handlers.closed();
		};
	}
	#receive(data, handlers) {
		if (this.#plain) {
			handlers.line(data);
			return;
		}
		let frame;
		try {
			frame = JSON.parse(data);
		} catch {}
		if (this.#greeted) {
			if (frame) handlers.frame(frame);
		} else if (!GREETINGS.has(frame?.type)) {
			this.#plain = true;
			handlers.plain(data);
		} else if (frame.type === "welcome") {
			this.#greeted = true;
			handlers.greeted(frame);
		} else {
			handlers.frame(frame);
		}
	}
	send(frame) {
		return this.#greeted && this.#write(JSON.stringify(frame));
	}
	sendPlain(text) {
		return this.#plain && this.#write(text);
	}
	#write(data) {
		if (this.#socket.readyState !== WebSocket.OPEN) return false;
		this.#socket.send(data);
		return true;
	}
	checkAlive() {
		if (this.#plain) return true; // it does not answer pings
		const now = Date.now();
		if (this.#answerBy) return now <= this.#answerBy;
		if (now - this.#lastReceived > SILENCE) this.#ping(DEAD);
		return true;
	}
	wake() {
		if (!this.#plain && !this.#answerBy && Date.now() - this.#lastReceived > FRESH) this.#ping(DEAD_AFTER_WAKE);
	}
	#ping(within) {
		this.#answerBy = Date.now() + within;
		this.send({ type: "ping", id: "1" });
	}
	offline(dead) {
		if (this.#plain) return;
		this.#ping(DEAD_OFFLINE);
		setTimeout(() => {
			if (!this.#closed && this.#answerBy) dead();
		}, DEAD_OFFLINE);
	}
	close() {
		this.#closed = true;
		this.#socket.close();
	}
}
const WINDOW = 16; // unanswered messages: if one is refused, those behind it are sent twice
const BACKOFF_MIN = 100; // ms
const BACKOFF_MAX = 10_000;
const TYPING_EVERY = 3_000; // ms
class Client extends Emitter {
	state = "connecting";
	via = "socket";
	retryAt = 0; // when it connects again, by Date.now()
	by = ""; // the sender of your messages
	name = ""; // the name held
	intercepted = null;
	limits = { text: 4000, frame: 25408, rate: 5, burst: 20, rooms: 8 };
	rooms = new Map();
	#api;
	#outbox = new Outbox((sent) => this.emit("sent", sent));
	#connection = null;
	#attempt = 0; // failed ones in a row
	#choice;
	#focused = "";
	#typed = 0;
	#renaming = false; // the server has not answered yet
	#connectTimer;
	#renameTimer;
	#checkTimer;
	constructor(base, options) {
		super();
		this.base = base;
		this.session = options.session || newSession();
		this.wanted = options.name ?? "";
		this.#choice = new TransportChoice(options.via ?? "auto");
		this.#api = new API(base, this.session);
		this.#outbox.restore(options.unsaid ?? []);
		this.#checkTimer = setInterval(() => this.#checkAlive(), 1000);
		for (const [target, event] of this.#wakeEvents()) target.addEventListener(event, this.#wake);
		window.addEventListener("offline", this.#offline);
		queueMicrotask(() => this.#connect());
	}
	get outbox() {
		return this.#outbox.list;
	}
	get unsaid() {
		return this.#outbox.unsaid;
	}
	join(name, { last = 50, after } = {}) {
		let room = this.rooms.get(name);
		if (room) return room;
		room = new Room(this, name, last, after);
		room.on("joined", () => { this.#attempt = 0; });
		room.on("message", (m) => this.#echo(m));
		this.rooms.set(name, room);
		if (this.state === "live") this.#enter(room);
		return room;
	}
	focus(name) {
		this.#focused = name;
		if (this.#http) this.#http.focus(name);
	}
	leave(name) {
		this.rooms.delete(name);
		this.#send({ type: "leave", room: name });
		if (this.#http) this.#http.leave();
	}
	say(room, text) {
		return this.#outbox.add(room, text);
	}
	withdraw(sent) {
		const fence = this.#outbox.isFence(sent);
		if (!this.#outbox.withdraw(sent)) return false;
		if (fence) this.#reconnect("the server waits for a message that was withdrawn");
		return true;
	}
	again(sent) {
		if (sent.state !== "failed" || !this.withdraw(sent)) return sent;
		return this.say(sent.room, sent.text);
	}
	rename(name) {
		clearTimeout(this.#renameTimer);
		this.wanted = name;
		this.#renaming = true;
		return this.#send({ type: "name", name });
	}
	typing(room) {
		if (Date.now() - this.#typed < TYPING_EVERY || !this.#send({ type: "typing", room })) return;
		this.#typed = Date.now();
	}
	whoIsHere(room) {
		this.#send({ type: "who", room });
	}
	search(q, within = {}) {
		return this.get("/api/v1/search", "hits", { q, ...within });
	}
	get(path, list, params) {
		return this.#api.get(path, list, params);
	}
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
	get #socket() {
		return this.#connection instanceof SocketConnection ? this.#connection : null;
	}
	get #http() {
		return this.state === "live" && this.#connection instanceof HTTPConnection ? this.#connection : null;
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
	async #connectHTTP() {
		const connection = new HTTPConnection(this.#api, this.rooms, this.#outbox, this.#focused, (after, error) => this.#broken(after, error));
		this.#connection = connection;
		let failed;
		try {
			await connection.probe();
		} catch (error) {
			failed = error;
		}
		if (connection.closed) return;
		if (failed) {
			if (failed instanceof TypeError) this.#choice.noServer();
			this.#broken(failed instanceof Refusal && failed.retryAfter ? failed.retryAfter : undefined, failed);
			return;
		}
		if (!this.#choice.reachedOverHTTP()) {
			this.#connect();
			return;
		}
		this.via = "http";
		this.retryAt = 0;
		this.#setState("live");
		connection.start();
	}
	#enter(room) {
		if (this.#http) this.#http.join();
		else this.#send({ type: "join", room: room.name, ...(room.log ? { after: room.position } : { last: room.last }) });
	}
	#send(frame) {
		return this.#socket?.send(frame) ?? false;
	}
	#disconnect() {
		clearTimeout(this.#connectTimer);
		clearTimeout(this.#renameTimer);
		this.#connection?.close();
		this.#connection = null;
		this.#outbox.stop();
		for (const room of this.rooms.values()) room.disconnected();
	}
	#reconnect(why) {
		console.debug("ramai: reconnecting:", why);
		this.#broken(0);
	}
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
	#wakeEvents() {
		return [[window, "online"], [window, "pageshow"], [document, "visibilitychange"]];
	}
	#greeted(f) {
		this.via = "socket";
		this.limits = f.limits;
		this.#send({ type: "hello", session: this.session });
		for (const room of this.rooms.values()) this.#enter(room);
		this.#outbox.start({ window: WINDOW, send: ({ room, id, text }) => this.#send({ type: "say", room, id, text }) });
	}
	#receive(f) {
		switch (f.type) {
			case "welcome":
				this.limits = f.limits;
				this.by = f.by;
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
			case "refused":
				this.#outbox.refused(f.id, new Refusal(f.code, f.reason, f.retry_after_ms), f.retry_after_ms !== undefined);
				return;
			case "error":
				this.#refused(f);
				return;
			case "restarting":
				this.#attempt = 0;
				this.#broken(f.retry_after_ms);
				return;
		}
		this.rooms.get(f.room)?.receive(f);
	}
	#refused(f) {
		if (this.#renaming && (f.request ?? "name") === "name") {
			if (f.retry_after_ms) {
				this.#renameTimer = setTimeout(() => this.rename(this.wanted), f.retry_after_ms);
				return;
			}
			[this.#renaming, this.wanted] = [false, this.name];
		}
		this.emit("refused", new Refusal(f.code, f.reason, f.retry_after_ms));
	}
	#alive() {
		this.#choice.socketWorks();
		this.#attempt = 0;
		this.retryAt = 0;
		if (this.state !== "live") this.#setState("live");
	}
	#named(name) {
		this.name = name;
		if (!this.#renaming) this.wanted ||= name;
		this.emit("name");
	}
	#echo(m) {
		if (!this.#outbox.find(m.id) || (this.by && m.by !== this.by)) return;
		this.#outbox.settle(m.id, m.n, m.at);
		this.by ||= m.by;
	}
	#startPlain(line) {
		this.via = "plain";
		const room = this.rooms.values().next().value;
		this.#outbox.failTried();
		this.#alive();
		room?.receive({ type: "joined", log: "", n: room.n, first: 1, count: 0 });
		this.#receiveLine(line);
		this.#outbox.start({ window: WINDOW, send: ({ text }) => this.#socket?.sendPlain(text) ?? false });
	}
	#receiveLine(line) {
		const room = this.rooms.values().next().value;
		if (!room) return;
		const [n, at] = [room.n + 1, new Date().toISOString()];
		const own = this.outbox.find((s) => s.state === "sending" && (line === s.text || line === `${this.wanted}: ${s.text}`));
		if (own) this.#outbox.settle(own.id, n, at);
		room.receive({ type: "message", room: room.name, n, at, by: "", from: "", id: own?.id ?? "", text: line });
	}
}
export function connect(url, options = {}) {
	const base = new URL(url, location.href);
	base.username = base.password = ""; // the browser sends credentials by itself, and fetch rejects URLs that have them
	base.protocol = base.protocol.replace(/^ws/, "http");
	return new Client(base, options).join(roomOf(base.pathname), options);
}
