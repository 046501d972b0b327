// The room of the moderators of a room, and that of its owners: what waits there, what was reported, and what was done.
import { useEffect, useState } from "./hooks.js";
import { owns } from "./rules.js";

/**
 * @typedef {import("./ramai/protocol.js").Action} Action
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const PAGES = 4; // of the history of a room that are read at most

/** The rooms in which the reader finds what concerns a room. @param {RoomState} roomState */
export const recordRooms = (roomState) => [`~${roomState.name}`, ...(owns(roomState) ? [`~~${roomState.name}`] : [])];

/** The records that exist, the oldest first. Each has the room that it is in. @param {RoomState} roomState @returns {Promise<Message[]>} */
export async function loadRecords(roomState) {
	const { client } = roomState.model;
	const all = [];
	for (const room of recordRooms(roomState)) {
		/** @type {Message[]} */
		const list = [];
		for (let [pages, more] = [0, true]; more && pages < PAGES; pages++) {
			const page = await client.withRetry(() => client.get(`/api/v1/rooms/${room}/messages`, "messages", { limit: 500, before: list[0]?.n }));
			list.unshift(...page.messages);
			more = page.more && page.messages.length > 0;
		}
		all.push(...list.filter((m) => !m.gone).map((m) => ({ ...m, room })));
	}
	return all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.n - b.n));
}

/** What was done, of some records. @param {Message[]} records @returns {(Message & {action: Action})[]} */
export const actionsOf = (records) => /** @type {(Message & {action: Action})[]} */ (records.filter((m) => m.as === "action" && m.action));

/** Messages that wait for a moderator. @param {Message[]} records */
export const heldOf = (records) => records.filter((m) => m.as === "held");

/** Reports, the newest first. @param {Message[]} records */
export const reportsOf = (records) => records.filter((m) => m.as === "report").reverse();

/** How many parts of the page follow a room of moderators, by its name. @type {Map<string, number>} */
const followers = new Map();

const SETTLE = 300; // ms in which changes are collected
const ASK_RECORDS = 15_000; // ms between two requests where this connection has no place for another room

/**
 * Calls changed, some time after something changes in the rooms of moderators. These are joined for it; they do not stand among the rooms.
 * Returns what ends that.
 * @param {RoomState} roomState @param {() => void} changed
 */
function followRecords(roomState, changed) {
	const { client } = roomState.model;
	/** @type {(() => void)[]} */
	const stops = [];
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	let timer;
	const soon = () => {
		clearTimeout(timer);
		timer = setTimeout(changed, SETTLE);
	};
	for (const name of recordRooms(roomState)) {
		if (!client.rooms.has(name) && client.rooms.size >= client.limits.rooms) {
			const asking = setInterval(changed, ASK_RECORDS);
			stops.push(() => clearInterval(asking));
			continue;
		}
		const room = client.join(name, { last: 0 });
		followers.set(name, (followers.get(name) ?? 0) + 1);
		for (const event of /** @type {const} */ (["message", "changed", "joined"])) stops.push(room.on(event, soon));
		stops.push(() => {
			followers.set(name, (followers.get(name) ?? 1) - 1);
			if (!followers.get(name)) client.leave(name);
		});
	}
	return () => {
		clearTimeout(timer);
		stops.forEach((f) => f());
	};
}

/**
 * The records of a room, as they are now. records: null: they are being loaded
 * @param {RoomState} roomState @param {boolean} wanted @returns {{records: Message[]|null, error: unknown, load: () => void}}
 */
export function useRecords(roomState, wanted) {
	const [{ records, error, of }, setState] = useState({ records: /** @type {Message[]|null} */ (null), error: /** @type {unknown} */ (null), of: "" });
	const { name } = roomState;
	const load = () => loadRecords(roomState).then((list) => setState({ records: list, error: null, of: name }), (why) => setState({ records: null, error: why, of: name }));
	useEffect(() => {
		if (!wanted) return;
		load();
		return followRecords(roomState, load);
	}, [roomState, wanted, owns(roomState)]);
	return wanted && of === name ? { records, error, load } : { records: null, error: null, load };
}
