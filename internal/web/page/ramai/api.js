// Requests to the server's API, over HTTP.
import { newSession, NOT_RAMAI, Refusal } from "./protocol.js";

export const ANSWER = 30_000; // ms that a request may take
const RENEW_AGAIN = 10_000; // ms until a session that has ended is replaced again
export const POST_AGAIN = 2_000; // ms until a failed request is repeated, unless the server says when

/** Whether a response has a content type. @param {Response} response @param {string} type */
export const hasType = (response, type) => (response.headers.get("Content-Type") ?? "").split(";")[0].trim() === type;

/** The JSON of a response; an empty object if it has none. @param {Response} response @returns {Promise<any>} */
export const jsonOf = async (response) => (hasType(response, "application/json") && (await response.json().catch(() => null))) || {};

/** @param {Response} response @param {any} body */
export function refusalOf(response, body) {
	const wait = Number(response.headers.get("Retry-After") ?? 0) * 1000;
	const again = response.status === 429 || response.status >= 500;
	if (body.code === undefined && !again) {
		return new Refusal(NOT_RAMAI, "the response did not come from ramai; a proxy in front of it may ask you to sign in: reload the page");
	}
	return Refusal.of({ ...body, code: body.code ?? "internal", reason: body.reason ?? `HTTP ${response.status}` }, again ? wait || POST_AGAIN : 0);
}

/** Requests to the server's API. */
export class API {
	#changed;
	#renewed = -RENEW_AGAIN; // when a session was replaced because it had ended, by Date.now()

	/**
	 * @param {URL} base @param {string} session
	 * @param {string} token a JWT that is used instead of the session; empty: there is none, or a session has taken its place
	 * @param {(error?: Refusal) => void} changed called when the session has changed, or the token was refused
	 */
	constructor(base, session, token, changed) {
		this.base = base;
		this.session = session;
		this.token = token;
		this.#changed = changed;
	}

	/** Uses another session from now on. Returns false if it is the one in use. @param {string} session */
	use(session) {
		if (session === this.session) return false;
		this.session = session;
		this.#changed();
		return true;
	}

	/**
	 * A request with the token or the session. If the server refuses it because the session has ended, it is repeated with a new
	 * one; a token that is refused gives way to the session. Without a token, Authorization is left to a proxy in front of the
	 * server, as are cookies. Redirects are not followed: the API has none, and the session must not go elsewhere.
	 * @param {URL} url @param {RequestInit} [options] @returns {Promise<Response>}
	 */
	async fetch(url, options) {
		const { session, token } = this;
		/** @type {Record<string, string>} */
		const identity = token ? { Authorization: `Bearer ${token}` } : { "Ramai-Session": session };
		/** @type {RequestInit} */
		const sent = { ...options, headers: { ...identity, ...options?.headers }, credentials: "same-origin", redirect: "manual" };
		const response = await fetch(url, sent);
		if (response.status !== 401) return response;
		const body = await jsonOf(response.clone());
		if (body.code !== "not_allowed") return response; // a proxy in front of the server
		if (!token && session === this.session && !this.#renew()) return response;
		if (token && token === this.token) {
			this.token = "";
			this.#changed(Refusal.of(body));
		}
		return this.fetch(url, options);
	}

	/** Takes a new session in place of one that has ended. Returns false if the last one did not last long. */
	#renew() {
		const now = Date.now();
		if (now - this.#renewed < RENEW_AGAIN) return false;
		this.#renewed = now;
		return this.use(newSession());
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
}
