// The room of the moderators of a room, and that of its owners: what waits there, what was reported, and what was done.
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
