// Finds messages by words, person and date. The server searches words, in one room or all; the rest is chosen here.
import { displayName } from "./people.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Hit} Hit
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./ramai/room.js").Room} Room
 *
 * What to find. person: part of a name; since and until: dates (YYYY-MM-DD), inclusive. Any of them may be empty.
 * @typedef {{q: string, scope: "room"|"mine"|"all", person: string, since: string, until: string}} Query
 *
 * What was found, newest first. more: there may be more before last, which is the last message that was looked at; behind:
 * messages that the server has not indexed yet.
 * @typedef {{hits: Hit[], more: boolean, behind: number, last: {room: string, n: number}|undefined}} Found
 */

const SEARCH_PAGE = 30; // hits in an answer
const HISTORY_PAGE = 500; // messages in an answer, without words to search for
const ROUNDS = 4; // requests until a message fits
const SNIPPET = 200; // characters of a message that no words were searched in

/** Whether there is anything to search for. @param {Query} query */
export const isQuery = ({ q, person, since, until }) => Boolean(q.trim() || person.trim() || since || until);

/** Without words, only the room on screen is searched. @param {Query} query */
export const searchesRoom = ({ q, scope }) => scope === "room" || !q.trim();

/** The beginning of a day, or of the one that is some days later, in ms. @param {string} date @param {number} [days] */
function startOf(date, days = 0) {
	const [year, month, day] = date.split("-").map(Number);
	return new Date(year, month - 1, day + days).getTime();
}

/**
 * Whether a message fits a query, apart from its words.
 * @param {Query} query @param {{room: string, by: string, from: string, at: string}} m @param {(room: string) => boolean} isMine
 */
export function fits({ scope, person, since, until }, m, isMine) {
	const wanted = person.trim().toLocaleLowerCase();
	const at = Date.parse(m.at);
	return (scope !== "mine" || isMine(m.room)) && (!wanted || displayName(m).toLocaleLowerCase().includes(wanted)) &&
		(!since || at >= startOf(since)) && (!until || at < startOf(until, 1));
}

/** @param {Message} m @returns {Hit} */
const hitOf = (m) => ({ ...m, snippet: m.text.length > SNIPPET ? `${m.text.slice(0, SNIPPET)}…` : m.text, marks: [] });

/**
 * Finds some messages, and those after a previous answer.
 * @param {Model} model @param {Room} room the room on screen @param {Query} query @param {Found|null} previous @returns {Promise<Found>}
 */
export async function find(model, room, query, previous) {
	const { client } = room;
	const isMine = (/** @type {string} */ name) => model.roomStates.has(name);
	const hits = previous ? [...previous.hits] : [];
	const had = hits.length;
	let last = previous?.last ?? (query.until ? await firstAfter(room, startOf(query.until, 1)) : undefined);
	let behind = previous?.behind ?? 0;
	for (let rounds = 1; ; rounds++) {
		/** @type {Hit[]} */
		let found;
		let more;
		if (query.q.trim()) {
			const before = last && `${last.room}:${last.n}`;
			const answer = await client.withRetry(() => client.search(query.q, { room: query.scope === "room" ? room.name : undefined, before, limit: SEARCH_PAGE }));
			[found, more, behind] = [answer.hits, answer.more, answer.behind];
		} else {
			const page = await client.withRetry(() => client.get(`/api/v1/rooms/${room.name}/messages`, "messages", { before: last?.n, limit: HISTORY_PAGE }));
			found = page.messages.filter((/** @type {Message} */ m) => m.text).map(hitOf).reverse();
			more = page.more;
			if (page.messages[0]) last = { room: room.name, n: page.messages[0].n };
		}
		hits.push(...found.filter((m) => fits(query, m, isMine)));
		const oldest = found.at(-1);
		if (oldest && query.q.trim()) last = { room: oldest.room, n: oldest.n };
		if (oldest && query.since && Date.parse(oldest.at) < startOf(query.since)) more = false;
		if (!more || hits.length > had || rounds === ROUNDS) return { hits, more, behind, last };
	}
}

/** The first message of a room at a time or later; undefined: there is none. @param {Room} room @param {number} time ms */
async function firstAfter(room, time) {
	const page = await room.client.withRetry(() => room.history({ at: new Date(time).toISOString(), limit: 1 }));
	return page.target ? { room: room.name, n: page.target } : undefined;
}
