// What the reader is doing to a message: the question whether to delete it, a refused change, and the line above the box.
import { beginning } from "./changes.js";
import { Component, html, useEffect } from "./html.js";
import { changeError, t } from "./i18n.js";
import { icon } from "./icons.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./message.js").Acting} Acting
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/**
 * Asks whether to delete a message, below it.
 * @extends {Component<{roomState: RoomState, m: Message, acting: Acting}>}
 */
export class ConfirmDelete extends Component {
	/** @type {HTMLElement|null} */
	#button = null;

	componentDidMount() {
		this.#button?.focus();
	}

	/** @param {boolean} sure */
	#answer(sure) {
		const { roomState, m, acting } = this.props;
		acting.backTo(m.n);
		if (sure) roomState.delete(m);
		else roomState.confirm(0);
	}

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		if (event.key !== "Escape") return;
		event.preventDefault();
		event.stopPropagation(); // it would also leave the log
		this.#answer(false);
	};

	render() {
		const { m } = this.props;
		const question = t.confirmDelete(beginning(m.text).slice(0, 60));
		return html`<div class="asked" role="group" aria-label=${question} onKeyDown=${this.#key}>
			<span class="why" dir="auto">${question}</span>
			<button type="button" class="danger" ref=${(/** @type {HTMLElement|null} */ el) => { this.#button = el; }} onClick=${() => this.#answer(true)}>${t.delete}</button>
			<button type="button" onClick=${() => this.#answer(false)}>${t.keep}</button>
		</div>`;
	}
}

/** Why a change was refused, below the message, with the text that was not saved. @param {{roomState: RoomState, m: Message|Sent, pending: Sent}} props */
export function RefusedChange({ roomState, m, pending }) {
	const { client } = roomState.model;
	const final = pending.why?.code === "gone" || pending.why?.code === "not_allowed";
	const editAgain = () => {
		client.withdraw(pending);
		roomState.startEdit(m, pending.text);
	};
	const asNew = () => {
		client.withdraw(pending);
		roomState.setDraft([roomState.draft, pending.text].filter(Boolean).join("\n"));
		roomState.write(null);
	};
	return html`<div class="failure">
		<span class="why">${pending.deletes ? t.notDeleted(changeError(pending.why)) : t.notEdited(changeError(pending.why))}</span>
		${!pending.deletes && html`<q class="lost" dir="auto">${beginning(pending.text)}</q>`}
		${!final && !pending.target && html`<button type="button" onClick=${() => client.again(pending)}>${t.again}</button>`}
		${!pending.deletes && html`<button type="button" onClick=${final ? asNew : editAgain}>${final ? t.writeAsNew : t.edit}</button>`}
		<button type="button" onClick=${() => client.withdraw(pending)}>${pending.deletes ? t.close : t.discardChange}</button>
	</div>`;
}

/** What the reader is writing, above the box, with a way out. @param {{roomState: RoomState, jump: (n: number) => void, end: () => void}} props */
export function WritingBar({ roomState, jump, end }) {
	const { writing } = roomState;
	if (!writing) return null;
	const edits = writing.kind === "edit";
	const { m } = writing;
	const now = "saved" in m ? m : roomState.currentForm(m);
	const text = "gone" in now && now.gone ? t.deleted : beginning(now.text);
	return html`<div class="writing">
		${icon(edits ? "edit" : "reply")}
		<button type="button" class="plain" disabled=${!m.n} onClick=${() => jump(m.n)}><b>${edits ? t.editing : t.replyingTo(displayName(/** @type {Message} */ (m)))}</b> <span dir="auto">${text}</span></button>
		<button type="button" class="icon" aria-label=${edits ? t.endEdit : t.endReply} title=${`${edits ? t.endEdit : t.endReply} (Esc)`} onClick=${end}>${icon("leave")}</button>
	</div>`;
}

/** Finds out when a message was edited: pages of history do not say it, but the stream does. @param {{roomState: RoomState, n: number}} props n: the number of the edit */
export function EditTime({ roomState, n }) {
	useEffect(() => {
		const stop = new AbortController();
		firstEvent(roomState, n, stop.signal).then((f) => {
			if (f?.n !== n) return;
			roomState.noteChange(n, f.at);
			roomState.model.changed();
		}, () => {}).finally(() => stop.abort());
		return () => stop.abort();
	}, [n]);
	return null;
}

/** The frame with a number. @param {RoomState} roomState @param {number} n @param {AbortSignal} signal @returns {Promise<any>} */
async function firstEvent({ room }, n, signal) {
	const url = new URL(`/api/v1/rooms/${room.name}/stream?after=${room.log}:${n - 1}`, room.client.base);
	const response = await fetch(url, { headers: { Accept: "text/event-stream" }, signal });
	if (!response.ok || !response.body) return null;
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	for (let text = ""; ; ) {
		const { value, done } = await reader.read();
		if (done) return null;
		text += value;
		for (const event of text.split("\n\n").slice(0, -1)) {
			const data = /^data: ?(.*)$/m.exec(event);
			const frame = data && JSON.parse(data[1]);
			if (frame?.n === n && frame.type === "changed") return frame;
		}
	}
}
