// What the page does with reactions, upvotes, votes and settings. Messages are as RoomState.shown returns them.

/**
 * @typedef {import("./ramai/replica.js").ShownMessage} ShownMessage
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

export const UPVOTE = "up";

/** The reactions that are one click away. */
export const QUICK_REACTIONS = ["👍", "❤️", "😂", "🎉", "😮", "❓"];

const MAX_PINS = 20;

/** Whether the key of a mark is a reaction. @param {string} key */
const isReaction = (key) => key !== UPVOTE && !/^\d+$/.test(key);

/** Whether the reader has marked a message with a key. @param {ShownMessage} m @param {string} key */
export const isMine = (m, key) => m.mine?.includes(key) ?? false;

/** How many people have marked a message with a key. @param {ShownMessage} m @param {string} key */
export const countOf = (m, key) => m.tally?.[key] ?? 0;

/** The reactions to a message, in an order that does not change with their counts. @param {ShownMessage} m */
export const reactionsTo = (m) => Object.keys(m.tally ?? {}).filter((key) => isReaction(key) && countOf(m, key) > 0).sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));

/** @param {string} key */
function place(key) {
	const i = QUICK_REACTIONS.indexOf(key);
	return i < 0 ? QUICK_REACTIONS.length : i;
}

/** Adds a mark of the reader, or takes it back. Returns whether it is there now. @param {RoomState} roomState @param {ShownMessage} m @param {string} key */
export function toggleMark(roomState, m, key) {
	const on = !isMine(m, key);
	roomState.room.mark(m.n, key, on).catch((/** @type {unknown} */ error) => roomState.model.emit("problem", error));
	roomState.model.changed();
	return on;
}

/** The votes for the options of a poll. @param {ShownMessage} m */
export const votesOf = (m) => (m.options ?? []).map((_, i) => countOf(m, String(i)));

/** Changes a setting. If it is refused, the page says why. @param {RoomState} roomState @param {string} key @param {string|number|number[]|null} value @param {string} [until] when a rule ends */
export function changeSetting(roomState, key, value, until) {
	const { room, model } = roomState;
	const sent = room.set(key, value, until);
	sent.saved.catch((/** @type {unknown} */ error) => {
		model.emit("problem", error);
		model.client.withdraw(sent);
	});
	roomState.model.changed();
	return sent;
}

/** Pins a message, or unpins it. @param {RoomState} roomState @param {number} n */
export function togglePin(roomState, n) {
	const { pins } = roomState;
	const next = pins.includes(n) ? pins.filter((pin) => pin !== n) : [...pins, n].sort((a, b) => a - b).slice(-MAX_PINS);
	changeSetting(roomState, "pin", next.length > 0 ? next : null);
}
