// The list of actions on a message and on its author. Each of them is in the menu of a message; quick ones are also buttons
// beside it.
import { copyText } from "./clipboard.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { linkTo } from "./invite.js";
import { changeSetting, isMine, QUICK_REACTIONS, togglePin, votesOf } from "./marks.js";
import { openModeration } from "./moderators.js";
import { displayName } from "./people.js";
import { chooseReaction, react } from "./reactions.js";
import { moderates, owns } from "./rules.js";

/**
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./ramai/replica.js").ShownMessage} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 *
 * @typedef {object} MessageAction
 * @property {string} key the letter that chooses it while the menu is open, of no other action
 * @property {MenuItem["icon"]} icon
 * @property {(m: Message, r: RoomState) => string} label
 * @property {boolean} [quick] it has a button beside the message
 * @property {(roomState: RoomState, m: Message) => boolean} [when] whether it is offered; by default always
 * @property {(roomState: RoomState, m: Message) => string|void|Promise<string|void>} run returns what to tell the reader
 */

const IN_BAR = 3; // reactions beside a message

/** Where a message is on screen. @param {Message} m */
const placeOf = (m) => document.querySelector(`[data-n="${m.n}"]`)?.getBoundingClientRect() ?? new DOMRect();

/** Whether the reader decides about a poll or a question. @param {RoomState} r @param {Message} m @param {string} as */
const isAuthor = (r, m, as) => m.as === as && m.by === r.model.client.by && r.knowsRecords;

/** @param {RoomState} r @param {Message} m @param {"open"|"closed"|"hidden"} to */
const poll = (r, m, to) => void changeSetting(r, `poll/${m.n}`, to);

const copied = async (/** @type {string} */ text) => ((await copyText(text)) ? t.copiedText : t.copyFailed);

/** @type {MessageAction[]} */
export const messageActions = [
	{ key: "x", icon: "react", label: () => t.otherReaction, quick: true, when: (r) => r.knowsRecords, run: (r, m) => chooseReaction(r, m, placeOf(m)) },
	{ key: "r", icon: "reply", label: () => t.reply, quick: true, when: (r) => r.knowsRecords, run: (r, m) => r.box.startReply(m) },
	{ key: "e", icon: "edit", label: () => t.edit, quick: true, when: (r, m) => r.canChange(m) && !(m.as === "poll" && votesOf(m).some((n) => n > 0)), run: (r, m) => r.box.startEdit(m) },
	{ key: "d", icon: "trash", label: () => t.delete, when: (r, m) => r.canChange(m), run: (r, m) => r.confirm(m.n) },
	{ key: "d", icon: "trash", label: () => t.deleteAsModerator, when: (r, m) => moderates(r) && !r.canChange(m), run: (r, m) => r.confirm(m.n) },
	{ key: "w", icon: "shield", label: (m) => t.moderatePerson(displayName(m)), when: (r, m) => moderates(r) && m.by !== r.model.client.by, run: (r, m) => openModeration(r.model, "PersonCard", { person: { by: m.by, from: m.from } }) },
	{ key: "z", icon: "trash", label: (m) => t.eraseAllOf(displayName(m)), when: (r, m) => moderates(r) && m.by !== r.model.client.by, run: (r, m) => openModeration(r.model, "ErasePreview", { erase: { by: m.by }, who: displayName(m) }) },
	{ key: "a", icon: "check", label: (m) => (m.status === "answered" ? t.reopenQuestion : t.markAnswered), when: (r, m) => isAuthor(r, m, "question"), run: (r, m) => void changeSetting(r, `question/${m.n}`, m.status === "answered" ? "open" : "answered") },
	{ key: "b", icon: "poll", label: (m) => (m.status === "closed" ? t.reopenPoll : t.closePoll), when: (r, m) => isAuthor(r, m, "poll"), run: (r, m) => poll(r, m, m.status === "closed" ? "open" : "closed") },
	{ key: "v", icon: "hide", label: (m) => (m.status === "hidden" ? t.showVotes : t.hideVotes), when: (r, m) => isAuthor(r, m, "poll") && m.status !== "closed", run: (r, m) => poll(r, m, m.status === "hidden" ? "open" : "hidden") },
	{ key: "o", icon: "up", label: () => t.toOriginal, when: (_, m) => m.re !== undefined, run: (r, m) => r.model.emit("jump", r, m.re) },
	{ key: "m", icon: "mention", label: (m) => t.mention(displayName(m)), when: (r, m) => m.from !== "" && m.by !== r.model.client.by, run: (r, m) => r.model.mention(m.from) },
	{ key: "c", icon: "copy", label: () => t.copyText, quick: true, run: (_, m) => copied(m.text) },
	{ key: "l", icon: "link", label: () => t.copyLink, run: (r, m) => copied(`${linkTo(r.name).link}#n${m.n}`) },
	{ key: "p", icon: "pin", label: (m, r) => (r.pins.includes(m.n) ? t.unpin : t.pin), when: (r) => r.knowsRecords, run: (r, m) => togglePin(r, m.n) },
	{ key: "s", icon: "stage", label: (m, r) => (r.stage === m.n ? t.clearStage : t.showOnStage), when: (r) => r.knowsRecords, run: (r, m) => void changeSetting(r, "stage", r.stage === m.n ? null : m.n) },
	{ key: "f", icon: "flag", label: () => t.report, when: (r, m) => m.by !== r.model.client.by && !owns(r) && r.model.client.via !== "plain" && r.room.role !== "", run: (r, m) => r.model.emit("dialog", "Report", { m }) },
	{ key: "h", icon: "hide", label: (m) => t.hide(displayName(m)), when: (r, m) => m.by !== r.model.client.by && !r.model.hidden.has(m), run: (r, m) => r.model.hide(m) },
	{ key: "h", icon: "show", label: (m) => t.unhide(displayName(m)), when: (r, m) => r.model.hidden.has(m), run: (r, m) => r.model.unhide(m) },
];

/** @param {RoomState} roomState @param {Message} m */
function isBeingDeleted(roomState, m) {
	const pending = roomState.pendingChange(m);
	return pending?.deletes && pending.state !== "failed";
}

/** The actions that are offered for a message. @param {RoomState} roomState @param {Message} m */
export const actionsFor = (roomState, m) => (m.gone || isBeingDeleted(roomState, m) ? [] : messageActions).filter((action) => !action.when || action.when(roomState, roomState.shown(m.n) ?? m));

/** The reactions that are one click away. @param {RoomState} roomState @param {Message} m @returns {import("./menu.js").QuickItem[]} */
export function quickReactions(roomState, m) {
	const shown = roomState.shown(m.n);
	if (!shown || shown.gone || !roomState.knowsRecords) return [];
	return QUICK_REACTIONS.map((emoji) => ({ text: emoji, label: emoji, checked: isMine(shown, emoji), run: () => react(roomState, roomState.shown(m.n) ?? shown, emoji) }));
}

/**
 * The buttons beside the message under the mouse.
 * @param {{roomState: RoomState, m: Message, run: (action: MessageAction) => void, open: (at: DOMRect) => void}} props
 */
export function ActionBar({ roomState, m: raw, run, open }) {
	const m = roomState.shown(raw.n) ?? raw;
	const more = (/** @type {any} */ e) => open(e.currentTarget.getBoundingClientRect());
	return html`<div class="actions">
		${quickReactions(roomState, m).slice(0, IN_BAR).map(({ text, checked, run }) => html`<button type="button" class="icon reaction" key=${text} tabindex="-1" aria-pressed=${checked ? "true" : "false"} onClick=${run}>${text}</button>`)}
		${actionsFor(roomState, m).filter((action) => action.quick).map((action) => html`<button type="button" class="icon" key=${action.key} tabindex="-1" title=${action.label(m, roomState)} aria-label=${action.label(m, roomState)} onClick=${() => run(action)}>${icon(action.icon)}</button>`)}
		<button type="button" class="icon more-actions" tabindex="-1" aria-haspopup="menu" title=${t.moreActions} aria-label=${t.moreActions} onClick=${more}>${icon("more")}</button>
	</div>`;
}
