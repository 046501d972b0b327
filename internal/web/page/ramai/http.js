// A connection without a WebSocket: server-sent events for one room, polling for the others, and POST.
import { formatPosition, NOT_RAMAI, Refusal } from "./protocol.js";

/**
 * @typedef {import("./outbox.js").Outbox} Outbox
 * @typedef {import("./outbox.js").Sent} Sent
 * @typedef {import("./room.js").Room} Room
 */

const EVENTS = "text/event-stream";
const ANSWER = 30_000; // ms that a request may take
const STREAM_DEAD = 60_000; // ms without data on the stream, where the server sends a comment every 25 s
const POLL_MIN = 2_000; // ms between polling one room and the next
const POLL_MAX = 300_000; // the same while the server refuses
const POST_AGAIN = 2_000; // ms until a failed request is repeated, unless the server says when
const INTERCEPTED_AGAIN = 5_000; // the same if something in front of the server answered

/** Whether a response has a content type. @param {Response} response @param {string} type */
const hasType = (response, type) => (response.headers.get("Content-Type") ?? "").split(";")[0].trim() === type;

/** The JSON of a response; an empty object if it has none. @param {Response} response @returns {Promise<any>} */
const jsonOf = async (response) => (hasType(response, "application/json") && (await response.json().catch(() => null))) || {};

/** @param {Response} response @param {any} body */
function refusalOf(response, body) {
	const wait = Number(response.headers.get("Retry-After") ?? 0) * 1000;
	const again = response.status === 429 || response.status >= 500;
	if (body.code === undefined && !again) {
		return new Refusal(NOT_RAMAI, "the response did not come from ramai; a proxy in front of it may ask you to sign in: reload the page");
	}
	return new Refusal(body.code ?? "internal", body.reason ?? `HTTP ${response.status}`, again ? wait || POST_AGAIN : 0);
}

/** Requests to the server's API. */
export class API {
	/** @param {URL} base @param {string} session */
	constructor(base, session) {
		this.base = base;
		this.session = session;
	}

	/**
	 * A request with the session. Authorization and cookies are left to a proxy in front of the server. Redirects are not
	 * followed: the API has none, and the session must not go elsewhere.
	 * @param {URL} url @param {RequestInit} [options]
	 */
	fetch(url, options) {
		return fetch(url, { ...options, headers: { "Ramai-Session": this.session, ...options?.headers }, credentials: "same-origin", redirect: "manual" });
	}

	/**
	 * Rejects with a Refusal, or with a TypeError if the server cannot be reached.
	 * @param {string} path @param {string} list the array that every answer has @param {Record<string, string|number|undefined>} params
	 * @returns {Promise<any>}
	 */
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

	/**
	 * Posts a message, or changes one. Rejects with a Refusal.
	 * @param {Sent} sent @param {AbortSignal} closed @returns {Promise<{n: number, at: string}>}
	 */
	async post(sent, closed) {
		const { id, room, text, re, of, deletes } = sent;
		let response;
		try {
			response = await this.fetch(new URL(`/api/v1/rooms/${room}/messages${of ? `/${of}` : ""}`, this.base), {
				method: !of ? "POST" : deletes ? "DELETE" : "PATCH",
				headers: { ...(!deletes && { "Content-Type": "application/json" }), "Idempotency-Key": id },
				body: deletes ? undefined : JSON.stringify({ text, ...(re && { re }) }),
				signal: AbortSignal.any([AbortSignal.timeout(ANSWER), closed]),
			});
		} catch {
			throw new Refusal("unavailable", "the server cannot be reached", POST_AGAIN);
		}
		const body = await jsonOf(response);
		if (response.ok && Number.isInteger(body.n)) return body;
		if (of && body.code === undefined && [404, 405, 501].includes(response.status)) throw new Refusal("bad_request", "the server, or a proxy in front of it, does not support changes");
		throw refusalOf(response, body);
	}

	/**
	 * Reads a stream, and yields the complete events of each chunk, as the HTML standard formats them. Throws a Refusal or the
	 * error of the network.
	 * @param {URL} url @param {AbortSignal} signal
	 */
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

/**
 * Browsers allow six connections to a server, for all tabs together, and a stream holds one for good. So there is a single
 * stream, for the room on screen; the other rooms are polled, one after the other.
 */
export class HTTPConnection {
	#api;
	#rooms;
	#outbox;
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
	 * @param {API} api @param {Map<string, Room>} rooms @param {Outbox} outbox @param {string} focused the room on screen
	 * @param {(after?: number, error?: unknown) => void} broken called when the connection breaks; after: ms until the next attempt
	 */
	constructor(api, rooms, outbox, focused, broken) {
		this.#api = api;
		this.#rooms = rooms;
		this.#outbox = outbox;
		this.#focused = focused;
		this.#broken = broken;
	}

	/** Finds out whether the server can be reached. Rejects as API.get does. */
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

	/** A room was joined. */
	join() {
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
			for await (const events of this.#api.stream(url, AbortSignal.any([stop.signal, this.#closed.signal, AbortSignal.timeout(ANSWER)]))) {
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
		const others = () => [...this.#rooms.values()].filter((r) => r !== this.#stream?.room);
		const room = others().find((r) => !r.live) ?? others()[this.#polls++ % others().length];
		let refused = false;
		if (room) {
			const { log } = room;
			try {
				const page = await room.history(log ? { after: formatPosition(room.position), limit: 500 } : { limit: Math.max(1, room.last) });
				if (!this.closed && this.#rooms.get(room.name) === room && room.log === log) {
					if (log && !page.reset && page.skipped?.length) await this.#catchUp(room, page.head ?? 0); // some may be changes
					else room.receivePage(page);
				}
			} catch {
				refused = true; // or unreachable, which the stream will notice too
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
