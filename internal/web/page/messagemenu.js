// The list of actions on a message and on its author. Each of them is in the menu of a message; quick ones are also buttons
// beside it.
import { copyText } from "./clipboard.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { linkTo } from "./invite.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 *
 * @typedef {object} MessageAction
 * @property {string} key the letter that chooses it while the menu is open, of no other action
 * @property {MenuItem["icon"]} icon
 * @property {(m: Message) => string} label
 * @property {boolean} [quick] it has a button beside the message
 * @property {(roomState: RoomState, m: Message) => boolean} [when] whether it is offered; by default always
 * @property {(roomState: RoomState, m: Message) => string|void|Promise<string|void>} run returns what to tell the reader
 */

const copied = async (/** @type {string} */ text) => ((await copyText(text)) ? t.copiedText : t.copyFailed);

/** @type {MessageAction[]} */
export const messageActions = [
	{ key: "r", icon: "reply", label: () => t.reply, quick: true, when: (r) => r.canReply, run: (r, m) => r.startReply(m) },
	{ key: "e", icon: "edit", label: () => t.edit, quick: true, when: (r, m) => r.canChange(m), run: (r, m) => r.startEdit(m) },
	{ key: "d", icon: "trash", label: () => t.delete, when: (r, m) => r.canChange(m), run: (r, m) => r.confirm(m.n) },
	{ key: "o", icon: "up", label: () => t.toOriginal, when: (_, m) => m.re !== undefined, run: (r, m) => r.model.emit("jump", r, m.re) },
	{ key: "m", icon: "mention", label: (m) => t.mention(displayName(m)), when: (r, m) => m.from !== "" && m.by !== r.model.client.by, run: (r, m) => r.model.mention(m.from) },
	{ key: "c", icon: "copy", label: () => t.copyText, quick: true, run: (_, m) => copied(m.text) },
	{ key: "l", icon: "link", label: () => t.copyLink, run: (r, m) => copied(`${linkTo(r.name).link}#n${m.n}`) },
	{ key: "h", icon: "hide", label: (m) => t.hide(displayName(m)), when: (r, m) => m.by !== r.model.client.by && !r.model.hidden.has(m), run: (r, m) => r.model.hide(m) },
	{ key: "h", icon: "show", label: (m) => t.unhide(displayName(m)), when: (r, m) => r.model.hidden.has(m), run: (r, m) => r.model.unhide(m) },
];

/** @param {RoomState} roomState @param {Message} m */
function isBeingDeleted(roomState, m) {
	const pending = roomState.pendingChange(m);
	return pending?.deletes && pending.state !== "failed";
}

/** The actions that are offered for a message. @param {RoomState} roomState @param {Message} m */
export const actionsFor = (roomState, m) => (m.gone || isBeingDeleted(roomState, m) ? [] : messageActions).filter((action) => !action.when || action.when(roomState, m));

/**
 * The buttons beside the message under the mouse.
 * @param {{roomState: RoomState, m: Message, run: (action: MessageAction) => void, open: (at: DOMRect) => void}} props
 */
export function ActionBar({ roomState, m, run, open }) {
	const more = (/** @type {any} */ e) => open(e.currentTarget.getBoundingClientRect());
	return html`<div class="actions">
		${actionsFor(roomState, m).filter((action) => action.quick).map((action) => html`<button type="button" class="icon" key=${action.key} tabindex="-1" title=${action.label(m)} aria-label=${action.label(m)} onClick=${() => run(action)}>${icon(action.icon)}</button>`)}
		<button type="button" class="icon more-actions" tabindex="-1" aria-haspopup="menu" title=${t.moreActions} aria-label=${t.moreActions} onClick=${more}>${icon("more")}</button>
	</div>`;
}
