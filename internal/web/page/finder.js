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
 * What was found, newest first. hidden: how many fit, but are of people whom the reader has hidden; more: there may be more;
 * behind: messages that the server has not indexed yet.
 * @typedef {object} Found
 * @property {Hit[]} hits
 * @property {number} hidden
 * @property {boolean} more
 * @property {number} behind
 * @property {{room: string, n: number}} [last] with words: the last message examined
 * @property {Reader[]} [readers] without words: the rooms
 *
 * A room that is read backwards. before: the oldest message read so far; time: when that was sent, in ms; waiting: those
 * that fit, but there may be newer ones in other rooms.
 * @typedef {{room: Room, before: number|undefined, time: number, more: boolean, waiting: Hit[]}} Reader
 */

const SEARCH_PAGE = 30; // hits in an answer
const HISTORY_PAGE = 500; // messages in an answer, without words to search for
const ROUNDS = 4; // requests until a message fits
const SNIPPET = 200; // characters of a message that was found without words

/** Whether there is anything to search for. @param {Query} query */
export const isQuery = ({ q, person, since, until }) => Boolean(q.trim() || person.trim() || since || until);

/** Without words, only the rooms that the reader has joined are searched. @param {Query} query */
export const searchesLess = ({ q, scope }) => scope === "all" && !q.trim();

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
const hitOf = ({ text, ...m }) => ({ ...m, snippet: text.length > SNIPPET ? `${text.slice(0, SNIPPET)}…` : text, marks: [] });

/**
 * Finds some messages, and those after a previous answer.
 * @param {Model} model @param {Room} room the room on screen @param {Query} query @param {Found|null} previous @returns {Promise<Found>}
 */
export async function find(model, room, query, previous) {
	const found = previous ? { ...previous } : { hits: [], hidden: 0, more: true, behind: 0 };
	return query.q.trim() ? findWords(model, room, query, found) : findInRooms(model, room, query, found);
}

/** Adds messages that fit a query to what was found. @param {Model} model @param {Query} query @param {Found} found @param {Hit[]} hits */
function addFitting(model, query, found, hits) {
	const fitting = hits.filter((hit) => fits(query, hit, (name) => model.roomStates.has(name)));
	const shown = fitting.filter((hit) => !model.hidden.has(hit));
	found.hits = [...found.hits, ...shown];
	found.hidden += fitting.length - shown.length;
}

/** @param {Model} model @param {Room} room @param {Query} query @param {Found} found */
async function findWords(model, room, query, found) {
	const { client } = room;
	const had = found.hits.length;
	if (!found.last && query.until) {
		const n = await firstAfter(room, startOf(query.until, 1));
		if (n) found.last = { room: room.name, n };
	}
	for (let rounds = 1; ; rounds++) {
		const before = found.last && `${found.last.room}:${found.last.n}`;
		const answer = await client.withRetry(() => client.search(query.q, { room: query.scope === "room" ? room.name : undefined, before, limit: SEARCH_PAGE }));
		[found.more, found.behind] = [answer.more, answer.behind];
		addFitting(model, query, found, answer.hits);
		const oldest = answer.hits.at(-1);
		if (oldest) found.last = { room: oldest.room, n: oldest.n };
		if (oldest && query.since && Date.parse(oldest.at) < startOf(query.since)) found.more = false;
		if (!found.more || found.hits.length > had || rounds === ROUNDS) return found;
	}
}

/**
 * Reads the room on screen, or all that the reader has joined, from the newest message on.
 * @param {Model} model @param {Room} room @param {Query} query @param {Found} found
 */
async function findInRooms(model, room, query, found) {
	const rooms = query.scope === "room" ? [room] : [...model.roomStates.values()].map((r) => r.room);
	/** @type {Reader[]} */
	const readers = found.readers?.map((r) => ({ ...r })) ?? rooms.map((r) => ({ room: r, before: undefined, time: Infinity, more: true, waiting: [] }));
	const had = found.hits.length;
	await Promise.all(readers.filter((r) => r.time === Infinity).map((r) => readOn(r, query)));
	for (let rounds = 1; ; rounds++) {
		const next = readers.filter((r) => r.more).sort((a, b) => b.time - a.time)[0]; // its next messages are the newest
		const known = next?.time ?? -Infinity;
		const hits = readers.flatMap((r) => r.waiting.filter((hit) => Date.parse(hit.at) >= known));
		for (const r of readers) r.waiting = r.waiting.filter((hit) => Date.parse(hit.at) < known);
		addFitting(model, query, found, hits.sort((a, b) => Date.parse(b.at) - Date.parse(a.at)));
		if (!next || found.hits.length > had || rounds === ROUNDS) return { ...found, readers, more: next !== undefined };
		await readOn(next, query);
	}
}

/** Reads the next page of a room. @param {Reader} reader @param {Query} query */
async function readOn(reader, query) {
	const { room, room: { client } } = reader;
	if (reader.time === Infinity && query.until) reader.before = await firstAfter(room, startOf(query.until, 1));
	const page = await client.withRetry(() => client.get(`/api/v1/rooms/${room.name}/messages`, "messages", { before: reader.before, limit: HISTORY_PAGE }));
	const found = page.messages.filter((/** @type {Message} */ m) => m.text).map(hitOf).reverse();
	reader.waiting = [...reader.waiting, ...found.filter((/** @type {Hit} */ hit) => fits(query, hit, () => true))];
	const oldest = page.messages[0];
	reader.before = oldest?.n ?? reader.before;
	reader.time = oldest ? Date.parse(oldest.at) : -Infinity;
	reader.more = page.more && oldest !== undefined && !(query.since && reader.time < startOf(query.since));
}

/** The first message of a room at a time or later; undefined: there is none. @param {Room} room @param {number} time ms @returns {Promise<number|undefined>} */
async function firstAfter(room, time) {
	const page = await room.client.withRetry(() => room.history({ at: new Date(time).toISOString(), limit: 1 }));
	return page.target || undefined;
}
