// Requests to the server's API, over HTTP.
import { NOT_RAMAI, Refusal } from "./protocol.js";

export const ANSWER = 30_000; // ms that a request may take
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
}
