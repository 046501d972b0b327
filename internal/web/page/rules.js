// What the rules of a room mean for the reader: whether the reader may write now, and the rules in words.
import { durationText, timeLeft, when } from "./duration.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { hasRole, Refusal } from "./ramai/protocol.js";
import { refusalText } from "./refusals.js";

/**
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {import("./ramai/protocol.js").Value} Value
 */

/** A refusal that the server would answer with. @param {string} rule @param {Record<string, Value>} params @param {string} [until] */
const refusal = (rule, params, until) => Refusal.of({ code: "not_allowed", reason: "", rule, params, until });

/** A rule as it is now; null: it is not set, or over. @param {RoomState} roomState @param {string} key */
export function ruleOf({ room }, key) {
	const end = room.settingEnd(key);
	return end && timeLeft(end) <= 0 ? null : room.setting(key);
}

/** Whether a room is the one of the moderators or owners of another room, which has no rules of its own. @param {RoomState} roomState */
export const isRecordRoom = ({ name }) => name.startsWith("~");

/** Whether the reader is a moderator of the room, or its owner. @param {RoomState} roomState */
export const moderates = (roomState) => !isRecordRoom(roomState) && hasRole(roomState.room.role, "moderator");

/** Whether the reader owns the room. @param {RoomState} roomState */
export const owns = (roomState) => !isRecordRoom(roomState) && roomState.room.role === "owner";

/**
 * Why the reader cannot write now, as far as is known; null: nothing forbids it. The order is that of the server.
 * @param {RoomState} roomState @returns {Refusal|null}
 */
export function silenceOf(roomState) {
	const { room, refusedBy } = roomState;
	const { role } = room;
	const known = refusedBy && (!refusedBy.until || timeLeft(refusedBy.until) > 0) ? refusedBy : null;
	if (known?.rule === "person") return known;
	if (role && !hasRole(role, "guest")) return refusal("role", { role: "guest" });
	if (ruleOf(roomState, "lock") && !moderates(roomState)) return refusal("lock", {}, room.settingEnd("lock"));
	const least = String(ruleOf(roomState, "may.say") ?? "guest");
	if (!hasRole(role, least)) return refusal("may.say", { role: least }, room.settingEnd("may.say"));
	return known;
}

/** Whether the reader only has to wait a moment, and may write meanwhile. @param {Refusal} silence */
const isShort = ({ rule }) => rule === "slow" || rule === "newcomer";

/** Whether the message box is closed. @param {Refusal|null} silence */
export const closesBox = (silence) => silence !== null && !isShort(silence);

/** Why the reader cannot write, in place of the message box or above it. @param {{silence: Refusal}} props */
export const Silence = ({ silence }) => html`<p class="silence" role="status">${icon(isShort(silence) ? "clock" : "lock")} <span>${refusalText(silence)}</span></p>`;

/** short: beside the name of the room; empty: only in the list @typedef {{key: string, icon: import("./icons.js").IconName, short: string, text: string}} RuleText */

/** The rules that everyone can see, in words. @param {RoomState} roomState @returns {RuleText[]} */
export function rulesInWords(roomState) {
	/** @type {RuleText[]} */
	const rules = [];
	const { room } = roomState;
	const who = (/** @type {Value} */ role) => t.atLeast[String(role)] ?? String(role);
	const until = (/** @type {string} */ key) => (room.settingEnd(key) ? ` ${t.endsAt(when(room.settingEnd(key)))}` : "");
	const add = (/** @type {string} */ key, /** @type {import("./icons.js").IconName} */ icon, /** @type {string} */ short, /** @type {string} */ text) => rules.push({ key, icon, short, text: text + until(key) });
	const everyone = ruleOf(roomState, "everyone");
	if (ruleOf(roomState, "lock")) add("lock", "lock", t.locked, t.lockedText);
	const slow = Number(ruleOf(roomState, "slow") ?? 0);
	if (slow) add("slow", "clock", t.slowShort(durationText(slow)), t.slowText(durationText(slow)));
	if (everyone === "none") add("everyone", "lock", t.private, t.privateText);
	if (everyone === "reader") add("everyone", "show", t.readOnly, t.readOnlyText);
	const newcomer = Number(ruleOf(roomState, "newcomer") ?? 0);
	if (newcomer) add("newcomer", "clock", "", t.newcomerText(durationText(newcomer)));
	const say = ruleOf(roomState, "may.say");
	if (say && say !== "guest") add("may.say", "edit", "", t.maySayText(who(say)));
	const link = ruleOf(roomState, "may.link");
	if (link && link !== "guest") add("may.link", "link", "", t.mayLinkText(who(link)));
	const react = ruleOf(roomState, "may.react");
	if (react && react !== "guest") add("may.react", "react", "", t.mayReactText(who(react)));
	return rules;
}

/** What stands beside the name of a room: whether it is locked, slow or private. @param {{roomState: RoomState}} props */
export function RuleMarks({ roomState }) {
	const marks = rulesInWords(roomState).filter((rule) => rule.short);
	return marks.length > 0 && html`<span class="rule-marks">${marks.map((rule) => html`<span class="rule-mark" key=${rule.key} title=${rule.text}>${icon(rule.icon)}<span class="word">${rule.short}</span></span>`)}</span>`;
}

/** The rules of a room, in the dialog about it. @param {{roomState: RoomState}} props */
export function RuleList({ roomState }) {
	const rules = rulesInWords(roomState);
	const { role } = roomState.room;
	if (!role) return null; // the server has no roles
	return html`<h3>${t.rules}</h3>
		${rules.length === 0 ? html`<p class="note">${t.noRules}</p>` : html`<ul class="rule-list">${rules.map((rule) => html`<li key=${rule.key}>${icon(rule.icon)} <span>${rule.text}</span></li>`)}</ul>`}
		<p class="note">${t.yourRole(t.roleNames[role] ?? role)}</p>`;
}
