// The messages of a room as a text file.
import { fullDay, number, t } from "./i18n.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const PAGE_OF_TRANSCRIPT = 500; // messages per request

/**
 * The lines of a transcript. Deleted messages are not in it.
 * @param {Message[]} messages ascending @param {(at: string) => string} timeText
 */
export function transcriptLines(messages, timeText) {
	return messages.filter((m) => !m.gone).map((m) => {
		const reply = m.re ? ` (${t.replyToNumber(String(m.re))})` : "";
		const options = (m.options ?? []).map((o, i) => `\n    - ${o}${m.tally?.[i] ? ` (${m.tally[i]})` : ""}`).join("");
		return `${m.n}  ${timeText(m.at)}  ${displayName(m)}${reply}: ${m.text.replaceAll("\n", "\n    ")}${options}`;
	});
}

/** All messages of a room. @param {RoomState} roomState */
async function allMessages({ room }) {
	/** @type {Message[]} */
	const messages = [];
	for (let after = room.first - 1; ;) {
		const page = await room.client.withRetry(() => room.history({ after, limit: PAGE_OF_TRANSCRIPT }));
		messages.push(...page.messages);
		after = page.messages.at(-1)?.n ?? 0;
		if (!page.more || !after) return messages;
	}
}

/** Saves all messages of a room as a text file. @param {RoomState} roomState */
export async function saveTranscript(roomState) {
	const { model, name } = roomState;
	try {
		const messages = await allMessages(roomState);
		const now = new Date().toISOString();
		const text = [t.transcriptOf(name, fullDay(now)), "", ...transcriptLines(messages, fullDay), ""].join("\n");
		const link = document.createElement("a");
		link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
		link.download = `${name}-${now.slice(0, 10)}.txt`;
		link.click();
		setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
		model.emit("done", t.transcriptSaved(number(messages.length)), null);
	} catch (error) {
		model.emit("problem", error);
	}
}
