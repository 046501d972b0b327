// The rules of a room, as moderators set them.
import { DAY, durationText, HOUR, MINUTE, when } from "./duration.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { changeRule } from "./moderators.js";
import { moderates, owns, ruleOf } from "./rules.js";
import { saveTranscript } from "./transcript.js";

/**
 * @typedef {import("./ramai/protocol.js").Value} Value
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {[Value, string][]} Choices values of a rule, and their texts
 */

const SLOW = [2, 5, 10, 30, MINUTE, 5 * MINUTE]; // seconds between two messages
const NEWCOMER = [MINUTE, 10 * MINUTE, HOUR, DAY]; // seconds until a new person may write
const LOCKS = [10 * MINUTE, HOUR]; // seconds

/** A time in some seconds, RFC 3339. @param {number} seconds */
export const inSeconds = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();

/** @param {number[]} list @param {string} none @returns {Choices} */
const durations = (list, none) => [[null, none], ...list.map((s) => /** @type {[Value, string]} */ ([s, durationText(s)]))];

/**
 * A rule with a few values.
 * @param {{roomState: RoomState, rule: string, label: string, choices: Choices, done: (text: string) => string}} props done: what was done
 */
function RuleChoice({ roomState, rule, label, choices, done }) {
	const value = ruleOf(roomState, rule);
	const known = choices.findIndex(([v]) => v === value);
	const change = (/** @type {any} */ e) => {
		const [v, text] = choices[Number(e.target.value)];
		changeRule(roomState, rule, v, done(text));
	};
	return html`<label class="choice">${label} <select onChange=${change}>
		${known < 0 && html`<option value="-1" selected>${typeof value === "number" ? durationText(value) : String(value)}</option>`}
		${choices.map(([, text], i) => html`<option key=${i} value=${i} selected=${i === known}>${text}</option>`)}
	</select></label>`;
}

/** Locks a room. seconds: for how long; 0: until somebody opens it @param {RoomState} roomState @param {number} seconds */
const lock = (roomState, seconds) => changeRule(roomState, "lock", "on", seconds ? t.lockedFor(durationText(seconds)) : t.lockedNow, seconds ? inSeconds(seconds) : undefined);

/** @param {{roomState: RoomState}} props */
function Lock({ roomState }) {
	const end = roomState.room.settingEnd("lock");
	if (ruleOf(roomState, "lock")) {
		return html`<div class="lock-state"><p>${icon("lock")} <span>${t.locked}${end && ` · ${t.opensWhen(when(end))}`}</span></p>
			<button type="button" class="primary" onClick=${() => changeRule(roomState, "lock", null, t.opened)}>${icon("open")} ${t.openRoom}</button></div>`;
	}
	return html`<div class="lock-state"><p>${icon("open")} <span>${t.isOpen}</span></p>
		<div class="buttons even">${LOCKS.map((s) => html`<button type="button" key=${s} onClick=${() => lock(roomState, s)}>${t.lockFor(durationText(s))}</button>`)}
			<button type="button" onClick=${() => lock(roomState, 0)}>${t.lockOpenEnd}</button></div></div>`;
}

/** @param {{roomState: RoomState, open: (part: "ModerationPart", props: object) => void}} props */
export function RuleForm({ roomState, open }) {
	if (!moderates(roomState)) return html`<p class="note">${t.notModerator}</p>`;
	const least = (/** @type {string[]} */ roles) => /** @type {Choices} */ (roles.map((role) => [role === "guest" ? null : role, t.atLeast[role]]));
	const owner = owns(roomState);
	const rule = (/** @type {string} */ key, /** @type {Choices} */ choices) => html`<${RuleChoice} roomState=${roomState} rule=${key} label=${t.ruleLabels[key]} choices=${choices} done=${(/** @type {string} */ text) => t.ruleSet(t.ruleLabels[key], text)} />`;
	const end = () => {
		lock(roomState, 0);
		saveTranscript(roomState);
	};
	return html`<button type="button" class="danger wide-button" onClick=${() => open("ModerationPart", { view: "Raid" })}>${icon("siren")} ${t.raid}</button>
		<p class="note">${t.raidAbout}</p>
		<h3>${t.lock}</h3>
		<${Lock} roomState=${roomState} />
		<h3>${t.pace}</h3>
		${rule("slow", durations(SLOW, t.off))}
		${rule("newcomer", durations(NEWCOMER, t.noWait))}
		${rule("hold", [[null, t.holdNothing], ...["first", "links", "all"].map((what) => /** @type {[Value, string]} */ ([what, t.holds[what]]))])}
		${owner && html`<h3>${t.whoMay}</h3>
			${rule("everyone", [[null, t.everyoneWrites], ["reader", t.everyoneReads], ["none", t.everyoneNothing]])}
			${rule("may.say", least(["guest", "known", "trusted", "moderator"]))}
			${rule("may.link", least(["guest", "known", "trusted", "moderator"]))}
			${rule("may.react", least(["guest", "known", "trusted", "moderator"]))}
			${rule("preset", [[null, t.noPreset], ...["class", "stream", "announcement", "private"].map((p) => /** @type {[Value, string]} */ ([p, t.presets[p]]))])}
			<p class="note">${t.presetHints[String(ruleOf(roomState, "preset") ?? "")]}</p>`}
		<h3>${t.endOfLesson}</h3>
		<p class="note">${t.endOfLessonHint}</p>
		<div class="buttons even"><button type="button" onClick=${end}>${icon("lock")} ${t.endLesson}</button>
			<button type="button" onClick=${() => saveTranscript(roomState)}>${icon("download")} ${t.saveTranscript}</button></div>`;
}
