// Names and values of the protocol that the other modules share.

/**
 * A message as it was sent: re is the number of the message that it replies to, edited that of its newest change, and edited_at
 * when it was edited; a deleted one is gone and has no text. as: question, poll (which has options) or notice. tally: how many people have marked it, by key; tallied: the
 * number of its newest tally. In the rooms of moderators, as is also held, report (of the message of) or action.
 * @typedef {{room: string, n: number, at: string, by: string, from: string, id: string, text: string, re?: number, edited?: number, edited_at?: string, gone?: boolean, as?: string, options?: string[], tally?: Record<string, number>, tallied?: number, of?: number, action?: Action}} Message
 * @typedef {{log: string, epoch?: string, n: number}} Position
 *
 * What a moderator has done; only what applies is set.
 * @typedef {{do: string, key?: string, value?: Value, before?: Value, before_until?: string, rules?: {key: string, value?: Value, before?: Value, before_until?: string}[], until?: string, of?: number, by?: string, from?: string, count?: number, erasure?: number, reason?: string}} Action
 *
 * @typedef {{messages: Message[], more: boolean, log: string, epoch?: string, first: number, head?: number, skipped?: [number, number][], target?: number, reset?: boolean, as?: string, mine?: Record<string, string[]>}} Page
 *
 * A mark of a message: a reaction (an emoji), an upvote ("up"), or a vote in a poll (the index of an option).
 * @typedef {{room: string, of: number, key: string, on: boolean}} Mark
 *
 * The value of a setting of a room; null: it is not set.
 * @typedef {string|number|number[]|null} Value
 * @typedef {{by: string, from: string}} Typist
 * @typedef {{room: string, n: number, from: string, by: string, id: string, at: string, snippet: string, marks: number[][]}} Hit
 */

/** The code of a Refusal if something in front of the server answered, such as a login page. */
export const NOT_RAMAI = "not_ramai";

/** Whether the key of a mark is the index of an option of a poll. @param {string} key */
export const isVote = (key) => /^\d\d?$/.test(key);

/** Why something is refused on the plain protocol. */
export const NOT_PLAIN = "the server speaks the plain protocol, which has texts only";

const ROOM = /^~{0,2}[a-z0-9][a-z0-9_-]{0,63}$/;

/** Whether a room can have this name, or it is that of a room's moderators (~NAME) or owners (~~NAME). @param {string} name */
export const isRoom = (name) => ROOM.test(name);

/** The path of a room. @param {string} room */
export const pathOf = (room) => (room === "lobby" ? "/" : `/r/${room}`);

/** The room at a path; the lobby for any other path. @param {string} path */
export function roomOf(path) {
	const name = /^\/r\/([^/]+)\/?$/.exec(path)?.[1] ?? "";
	return isRoom(name) ? name : "lobby";
}

const encoder = new TextEncoder();

/** The size of a text in bytes, as the limit counts it. @param {string} s */
export const textSize = (s) => encoder.encode(s).length;

/** A position as URLs have it: LOG:EPOCH:N. @param {Position} position */
export const formatPosition = ({ log, epoch, n }) => (epoch ? `${log}:${epoch}:${n}` : `${log}:${n}`);

/** @param {number} bytes */
export function randomToken(bytes) {
	const b = crypto.getRandomValues(new Uint8Array(bytes));
	return btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** A new session secret. */
export const newSession = () => randomToken(16);

/** The roles in a room, from the lowest to the highest. */
export const ROLES = ["none", "reader", "guest", "known", "trusted", "moderator", "owner"];

/** Whether a role is another one or higher. Of a server without roles there is none, and anyone may do what a guest may. @param {string} role @param {string} least */
export const hasRole = (role, least) => ROLES.indexOf(role || "guest") >= ROLES.indexOf(least);

/** An error that the server answered with. */
export class Refusal extends Error {
	rule = ""; // of the room, by which it was refused; empty: it was none
	/** @type {Record<string, Value>} parameters of the rule */
	params = {};
	request = ""; // the type of the refused frame, of an error
	until = ""; // when the rule ends, RFC 3339; empty: it has no end

	/** @param {string} code one of the protocol's codes @param {string} reason in English */
	constructor(code, reason, retryAfter = 0) {
		super(reason);
		this.code = code;
		this.reason = reason;
		this.retryAfter = retryAfter; // ms; 0: do not retry
	}

	/** The refusal in a frame, or in the body of a response. @param {any} f @param {number} [retryAfter] */
	static of(f, retryAfter = f.retry_after_ms) {
		const refusal = new Refusal(f.code, f.reason, retryAfter);
		[refusal.rule, refusal.params, refusal.until, refusal.request] = [f.rule ?? "", f.params ?? {}, f.until ?? "", f.request ?? ""];
		return refusal;
	}
}
