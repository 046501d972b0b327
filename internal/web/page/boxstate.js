// What the message box of a room has: the draft of a new message, a reply, or a new text of an own message.
import { perTab, shared } from "./storage.js";

/**
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 *
 * What the reader is writing: a reply, or a new text of an own message, which may have no number yet. Until it is sent, the draft
 * of a new message is kept.
 * @typedef {{kind: "reply", m: Message, focused: boolean} | {kind: "edit", m: Message|Sent, text: string, focused: boolean}} Writing
 */

export class BoxState {
	draft;
	/** @type {Writing|null} */
	#writing = null;

	/** @param {RoomState} roomState */
	constructor(roomState) {
		this.roomState = roomState;
		this.draft = shared.get(`draft.${roomState.name}`, "");
	}

	/** What the reader is writing; null: a new message. It survives a reload. */
	get writing() {
		return this.#writing;
	}

	set writing(writing) {
		this.#writing = writing;
		this.#store();
	}

	#store() {
		const { writing, roomState: { name, room } } = this;
		perTab.set(`writing.${name}`, writing && { kind: writing.kind, log: room.log, n: writing.m.n, id: writing.m.id, text: this.text });
	}

	/** Begins to write a reply, or a new text; null: a new message. @param {Writing|null} writing */
	write(writing) {
		const { roomState } = this;
		this.writing = writing;
		roomState.confirming = 0;
		roomState.model.emit("write", roomState);
		roomState.model.changed();
	}

	/** @param {Message|Sent} m @param {string} [text] the text to begin with */
	startEdit(m, text = this.roomState.pendingChange(m)?.text || m.text) {
		this.write({ kind: "edit", m, text, focused: focusIsInLog() });
	}

	/** @param {Message} m */
	startReply(m) {
		this.write({ kind: "reply", m, focused: focusIsInLog() });
	}

	get text() {
		return this.writing?.kind === "edit" ? this.writing.text : this.draft;
	}

	/** @param {string} text */
	setText(text) {
		if (this.writing?.kind !== "edit") return this.setDraft(text);
		this.writing.text = text;
		this.#store();
	}

	/** @param {string} draft */
	setDraft(draft) {
		this.draft = draft;
		shared.set(`draft.${this.roomState.name}`, draft);
	}
}

/** Whether a message of the log has the focus: it goes back there. */
const focusIsInLog = () => typeof document !== "undefined" && document.activeElement?.matches(".log .time") === true;
