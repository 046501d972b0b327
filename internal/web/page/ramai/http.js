// A connection without a WebSocket: server-sent events for one room, polling for the others, and POST.
import { ANSWER, hasType, jsonOf, POST_AGAIN, refusalOf } from "./api.js";
import { formatPosition, NOT_RAMAI, Refusal } from "./protocol.js";

/**
 * @typedef {import("./api.js").API} API
 * @typedef {import("./marks.js").Marks} Marks
 * @typedef {import("./marks.js").WaitingMark} WaitingMark
 * @typedef {import("./outbox.js").Outbox} Outbox
 * @typedef {import("./outbox.js").Sent} Sent
 * @typedef {import("./room.js").Room} Room
 */

const EVENTS = "text/event-stream";
const STREAM_DEAD = 60_000; // ms without data on the stream, where the server sends a comment every 25 s
const POLL_MIN = 2_000; // ms between polling one room and the next
const POLL_MAX = 300_000; // the same while the server refuses
const INTERCEPTED_AGAIN = 5_000; // ms until a failed request is repeated if something in front of the server answered

/** The path below the room of what Client.request sends with POST, by its type, and a field that the answer has. @type {Record<string, [string, string]>} */
const REQUESTS = { invite: ["invites", "role"], moderate: ["moderate", "n"], redeem: ["redeem", "role"], report: ["reports", "of"] };

/**
 * Posts a message, or changes one, or sets something. Rejects with a Refusal.
 * @param {API} api @param {Sent} sent @param {AbortSignal} closed @returns {Promise<{n: number, at: string}>}
 */
async function post(api, { id, room, text, of, deletes, key, setting: { key: _, ...setting }, body }, closed) {
	if (key) return request(api, "PUT", `${room}/state/${key}`, setting, id, "n", closed);
	if (!of) return request(api, "POST", `${room}/messages`, body, id, "n", closed);
	return request(api, deletes ? "DELETE" : "PATCH", `${room}/messages/${of}`, deletes ? undefined : { text }, id, "n", closed);
}

/** Adds a mark, or takes it away. Rejects with a Refusal. @param {API} api @param {WaitingMark} mark @param {AbortSignal} closed @returns {Promise<any>} */
function putMark(api, { room, of, key, on }, closed) {
	return request(api, on ? "PUT" : "DELETE", `${room}/messages/${of}/marks/${encodeURIComponent(key)}`, undefined, "", "of", closed);
}

/**
 * @param {API} api @param {string} method @param {string} path below the rooms @param {any} sent @param {string} id
 * @param {string} field that the answer has @param {AbortSignal} closed
 */
async function request(api, method, path, sent, id, field, closed) {
	let response;
	try {
		response = await api.fetch(new URL(`/api/v1/rooms/${path}`, api.base), {
			method,
			headers: { ...(sent && { "Content-Type": "application/json" }), ...(id && { "Idempotency-Key": id }) },
			body: sent && JSON.stringify(sent),
			signal: AbortSignal.any([AbortSignal.timeout(ANSWER), closed]),
		});
	} catch {
		throw new Refusal("unavailable", "the server cannot be reached", POST_AGAIN);
	}
	const body = await jsonOf(response);
	if (response.ok && body[field] !== undefined) return body;
	if (method !== "POST" && body.code === undefined && [404, 405, 501].includes(response.status)) throw new Refusal("bad_request", "the server, or a proxy in front of it, does not support this");
	throw refusalOf(response, body);
}

/**
 * Reads a stream, and yields the complete events of each chunk, as the HTML standard formats them. Throws a Refusal or the
 * error of the network.
 * @param {API} api @param {URL} url @param {AbortSignal} signal
 */
async function* readStream(api, url, signal) {
	const response = await api.fetch(url, { headers: { Accept: EVENTS }, signal });
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

/**
 * Browsers allow six connections to a server, for all tabs together, and a stream holds one for good. So there is a single
 * stream, for the room on screen; the other rooms are polled, one after the other.
 */
export class HTTPConnection {
	#api;
	#rooms;
	#outbox;
	#marks;
	#broken;
	#closed = new AbortController();
	#posting = false;
	#focused;
	/** @type {{room: Room, stop: AbortController}|null} */
	#stream = null;
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#streamAgain;
	#lastReceived = Date.now();
	#retryAfter = 0; // ms until a server that is stopping expects clients again; 0: it did not say
	/** @type {ReturnType<typeof setTimeout>|undefined} the next poll; undefined: one is in progress */
	#nextPoll;
	#pollInterval = POLL_MIN;
	#polls = 0;

	/**
	 * @param {API} api @param {Map<string, Room>} rooms @param {Outbox} outbox @param {Marks} marks @param {string} focused the room on screen
	 * @param {(after?: number, error?: unknown) => void} broken called when the connection breaks; after: ms until the next attempt
	 */
	constructor(api, rooms, outbox, marks, focused, broken) {
		this.#api = api;
		this.#rooms = rooms;
		this.#outbox = outbox;
		this.#marks = marks;
		this.#focused = focused;
		this.#broken = broken;
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
		this.#marks.start((mark) => !this.closed && (this.#mark(mark), true));
		this.#poll();
	}

	/** A room was joined. @param {Room} room */
	join(room) {
		if (room.left && this.#stream?.room === room) this.#read(this.#stream);
		this.#listen();
		if (this.#nextPoll) this.#poll();
	}

	/** A room was left. */
	leave() {
		this.#listen();
	}

	/** @param {string} name of the room on screen */
	focus(name) {
		this.#focused = name;
		this.#listen();
	}

	/** To be called once a second. Returns false if the stream is dead. */
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

	/** Streams the room on screen, and no other. */
	#listen() {
		const room = this.#rooms.get(this.#focused) ?? this.#rooms.values().next().value;
		if (this.#stream?.room === room) return;
		this.#stream?.stop.abort();
		this.#stream = room ? { room, stop: new AbortController() } : null;
		if (this.#stream) this.#read(this.#stream);
	}

	/** @param {{room: Room, stop: AbortController}} stream */
	async #read(stream) {
		const { room, stop } = stream;
		const { role } = room;
		this.#lastReceived = Date.now();
		const url = new URL(`/api/v1/rooms/${room.name}/stream`, this.#api.base);
		if (room.log) url.searchParams.set("after", formatPosition(room.position));
		else url.searchParams.set("last", String(room.last));
		let failed;
		try {
			for await (const events of readStream(this.#api, url, stop.signal)) {
				this.#lastReceived = Date.now();
				for (const event of events) this.#event(room, event);
			}
		} catch (error) {
			failed = error;
		}
		if (this.#stream !== stream) return;
		if (failed instanceof Refusal && failed.code === "not_allowed") {
			if (room.role !== role) this.#read(stream); // the refusal is older than the role, which an invite gave meanwhile
			else room.receive({ ...failed, type: "left" });
		} else if (!failed && room.left) {
			// the stream said so; nothing follows
		} else if (failed instanceof Refusal && failed.code === "rate_limited") { // the rest of the connection is fine
			this.#streamAgain = setTimeout(() => this.#stream === stream && this.#read(stream), failed.retryAfter);
		} else {
			this.#broken(this.#retryAfter || undefined, failed);
		}
	}

	/** @param {Room} room @param {string} event */
	#event(room, event) {
		const retry = /^retry: *(\d+)/m.exec(event);
		const data = event.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
		if (data) room.receive(JSON.parse(data));
		else if (retry) this.#retryAfter = Number(retry[1]); // the server is stopping
	}

	/** Receives everything up to a number, with changes, which pages do not have. @param {Room} room @param {number} head */
	async #catchUp(room, head) {
		const url = new URL(`/api/v1/rooms/${room.name}/stream`, this.#api.base);
		url.searchParams.set("after", formatPosition(room.position));
		const stop = new AbortController();
		try {
			for await (const events of readStream(this.#api, url, AbortSignal.any([stop.signal, this.#closed.signal, AbortSignal.timeout(ANSWER)]))) {
				for (const event of events) if (this.#rooms.get(room.name) === room) this.#event(room, event);
				if (room.n >= head) return;
			}
		} finally {
			stop.abort();
		}
	}

	/** Polls one of the other rooms, and schedules the next poll. */
	async #poll() {
		clearTimeout(this.#nextPoll);
		this.#nextPoll = undefined;
		const others = () => [...this.#rooms.values()].filter((r) => r !== this.#stream?.room && !r.left);
		const room = others().find((r) => !r.live) ?? others()[this.#polls++ % others().length];
		let refused = false;
		if (room) {
			const { log, role } = room;
			try {
				const page = await room.history(log ? { after: formatPosition(room.position), limit: 500 } : { limit: Math.max(1, room.last) });
				if (!this.closed && this.#rooms.get(room.name) === room && room.log === log) {
					if (log && !page.reset && page.skipped?.length) await this.#catchUp(room, page.head ?? 0); // some may be changes
					else room.receivePage(page);
				}
			} catch (error) {
				refused = true; // or unreachable, which the stream will notice too
				if (error instanceof Refusal && error.code === "not_allowed" && room.role === role && !this.closed) room.receive({ ...error, type: "left" });
			}
		}
		if (this.closed) return;
		this.#pollInterval = refused ? Math.min(2 * this.#pollInterval, POLL_MAX) : Math.max(this.#pollInterval / 2, POLL_MIN);
		const now = !refused && others().some((r) => !r.live || r.behind > 0);
		this.#nextPoll = setTimeout(() => this.#poll(), now ? 0 : this.#pollInterval);
	}

	/** @param {Sent} sent */
	#send(sent) {
		if (this.closed) return false;
		this.#post(sent);
		return true;
	}

	/** @param {Sent} sent */
	async #post(sent) {
		this.#posting = true;
		/** @type {{n: number, at: string}|undefined} */
		let saved;
		/** @type {any} */
		let refusal;
		try {
			saved = await post(this.#api, sent, this.#closed.signal);
		} catch (error) {
			refusal = error;
		}
		this.#posting = false;
		if (saved) this.#outbox.settle(sent.id, saved.n, saved.at);
		if (!refusal || this.closed) return;
		const after = refusal.code === NOT_RAMAI ? INTERCEPTED_AGAIN : refusal.retryAfter;
		if (after) this.#outbox.postpone(sent.id, after);
		else if (refusal.code === "held" && !refusal.params.why) this.#outbox.held(sent.id); // it waits; why: it was decided
		else this.#outbox.refused(sent.id, refusal, false);
	}

	/** See Client.request. @param {any} frame @returns {Promise<any>} */
	async request({ type, room, id = "", ...fields }) {
		if (type === "change" && fields.text === null) return request(this.#api, "DELETE", `${room}/${fields.held ? `held/${fields.held}` : `messages/${fields.of}`}`, undefined, id, "n", this.#closed.signal);
		const [path, field] = REQUESTS[type] ?? [];
		if (!path) throw new Refusal("unavailable", "there is no connection over a WebSocket");
		const answer = await request(this.#api, "POST", `${room}/${path}`, fields, id, type === "moderate" && (fields.dry || fields.undo_by) ? "count" : field, this.#closed.signal);
		if (type === "redeem") this.#rooms.get(room)?.receive({ type: "role", ...answer });
		return answer;
	}

	/** @param {WaitingMark} mark */
	async #mark(mark) {
		/** @type {any} */
		let why;
		try {
			await putMark(this.#api, mark, this.#closed.signal);
		} catch (error) {
			why = error;
		}
		if (this.closed) return;
		if (why) {
			this.#marks.refused(mark.ref, why.code === NOT_RAMAI ? new Refusal(why.code, why.reason, INTERCEPTED_AGAIN) : why);
			return;
		}
		const { room, of, key, on, ref } = mark;
		this.#marks.marked({ room, of, key, on, ref });
		this.#rooms.get(room)?.receive({ type: "marked", room, of, key, on });
	}
}
