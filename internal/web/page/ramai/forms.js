// The forms of a message: with other counts, with one's own marks, and after a change.
import { isVote } from "./protocol.js";

/**
 * @typedef {import("./protocol.js").Mark} Mark
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./replica.js").ShownMessage} ShownMessage
 */

export const STATUS = /^(?:poll|question)\/(\d+)$/; // the setting that is the status of a message

/** The key of a message's status; empty: it has none. @param {Message} m */
export const keyOfStatus = ({ as, n }) => (as === "poll" || as === "question" ? `${as}/${n}` : "");

/** A message with other counts. @param {Message} m @param {{tally?: Record<string, number>, tallied?: number}} counts @returns {Message} */
export function withTally({ tally: _, tallied: __, ...m }, { tally, tallied }) {
	return m.gone ? m : { ...m, ...(tally && Object.keys(tally).length > 0 && { tally }), ...(tallied && { tallied }) };
}

/** A message with own marks, which are counted. @param {ShownMessage} m @param {string[]} [mine] @returns {ShownMessage} */
export function withMine({ mine: _, ...m }, mine = []) {
	const missing = mine.filter((key) => !m.tally?.[key]);
	return { ...m, ...(mine.length > 0 && { mine }), ...(missing.length > 0 && { tally: { ...m.tally, ...Object.fromEntries(missing.map((key) => [key, 1])) } }) };
}

/** Own marks after another one. In a poll, a vote replaces another one. @param {string[]|undefined} keys @param {Mark} mark @param {boolean} poll */
export function marked(keys = [], { key, on }, poll) {
	const vote = poll && isVote(key);
	const rest = keys.filter((k) => k !== key && !(on && vote && isVote(k)));
	return (on ? [...rest, key] : rest).sort();
}

/** A message after a change. @param {Message} m @param {number} n @param {string|null} text @param {string} [at] @returns {Message} */
export function after({ edited_at: _, ...m }, n, text, at) {
	if (typeof text === "string") return { ...m, text, edited: Math.max(n, m.edited ?? 0), ...(at && { edited_at: at }) };
	return { room: m.room, n: m.n, at: m.at, by: m.by, from: m.from, id: m.id, text: "", edited: n, gone: true };
}
