// The reader's current action on a message: the question whether to delete it, a refused change, and the line above the box.
import { beginning } from "./changes.js";
import { useEffect } from "./hooks.js";
import { Component, html } from "./html.js";
import { errorText, t } from "./i18n.js";
import { icon } from "./icons.js";
import { displayName } from "./people.js";
import { perTab } from "./storage.js";

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

/** A duration in words. @param {number} ms */
function duration(ms) {
	const [unit, length] = ms >= 172_800_000 ? ["day", 86_400_000] : ms >= 7_200_000 ? ["hour", 3_600_000] : ms >= 60_000 ? ["minute", 60_000] : ["second", 1000];
	return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" }).format(Math.ceil(ms / length));
}

/** Why a change was refused. @param {RoomState} roomState @param {Sent} change */
function changeError({ room, model: { client } }, { of, why }) {
	const m = room.replica.get(of);
	const code = why?.code ?? "";
	if (code !== "not_allowed") return t.changeReasons[code] ?? errorText(why);
	if (m && m.by !== client.by) return t.changeReasons.author;
	if (client.limits.edit_window_ms === 0) return t.changeReasons.never;
	return m && client.limits.edit_window_ms ? t.windowOver(duration(client.limits.edit_window_ms)) : t.changeReasons.not_allowed;
}

/** The result of a change, for screen readers. @param {RoomState} roomState @param {Sent} change */
export function settledText(roomState, change) {
	const { state, deletes } = change;
	if (state === "saved") return deletes ? t.deleted : t.editSaved;
	const why = changeError(roomState, change);
	return deletes ? t.notDeleted(why) : t.notEdited(why);
}

/** Restores what the reader was writing when the page was closed, as stored by boxstate.js. @param {RoomState} roomState */
async function restoreWriting(roomState) {
	const { room, name, sent } = roomState;
	/** @type {{kind: "edit"|"reply", log: string, n: number, id: string, text: string}|null} */
	const was = roomState.box.writing ? null : perTab.get(`writing.${name}`);
	if (!was || was.log !== room.log) return;
	const { kind, n, id, text } = was;
	const find = () => (n ? room.replica.get(n) : sent.find((s) => s.id === id) ?? room.replica.messages.find((m) => m.id === id));
	if (!find() && n) await roomState.quotes.load(n);
	const m = find();
	if (roomState.box.writing) return; // something else, meanwhile
	if (m && !("gone" in m && m.gone)) roomState.box.write(kind === "edit" ? { kind, m, text, focused: false } : { kind, m: /** @type {Message} */ (m), focused: false });
	else if (kind === "edit") keepAsDraft(roomState, text);
}

/** Puts a text that cannot be saved into the box, as a new message. @param {RoomState} roomState @param {string} text */
function keepAsDraft(roomState, text) {
	roomState.box.setDraft([roomState.box.draft, text].filter(Boolean).join("\n"));
	roomState.box.write(null);
}

/** Shows below a message why a change was refused, with the text that was not saved. @param {{roomState: RoomState, m: Message|Sent, pending: Sent}} props */
export function RefusedChange({ roomState, m, pending }) {
	const { client } = roomState.model;
	const final = pending.why?.code === "gone" || pending.why?.code === "not_allowed";
	const editAgain = () => {
		client.withdraw(pending);
		roomState.box.startEdit(m, pending.text);
	};
	const asNew = () => {
		client.withdraw(pending);
		keepAsDraft(roomState, pending.text);
	};
	return html`<div class="failure">
		<span class="why">${settledText(roomState, pending)}</span>
		${!pending.deletes && html`<q class="lost" dir="auto">${beginning(pending.text)}</q>`}
		${!final && !pending.target && html`<button type="button" onClick=${() => client.again(pending)}>${t.again}</button>`}
		${!pending.deletes && html`<button type="button" onClick=${final ? asNew : editAgain}>${final ? t.writeAsNew : t.edit}</button>`}
		<button type="button" onClick=${() => client.withdraw(pending)}>${pending.deletes ? t.close : t.discard}</button>
	</div>`;
}

/** Shows above the box what the reader is writing, with a button to cancel. @param {{roomState: RoomState, jump: (n: number) => void, end: () => void}} props */
export function WritingBar({ roomState, jump, end }) {
	const { box: { writing }, room: { log } } = roomState;
	useEffect(() => {
		if (log) restoreWriting(roomState);
	}, [roomState, log]);
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
