// The way to moderation.js, which only moderators load, and what leads there.
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { loadTexts, number, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { loadStyle } from "./lazy.js";
import { changeSetting } from "./marks.js";
import { heldOf, reportsOf, useRecords } from "./records.js";
import { moderates } from "./rules.js";
import { shared } from "./storage.js";

/**
 * @typedef {import("./hidden.js").Person} Person
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Value} Value
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {typeof import("./moderation.js")} ModerationParts
 */

/** @type {Promise<ModerationParts>|null} */
let loadingModeration = null;

const loadModerationModule = async () => await import("./moderation.js");

/** Rejects if the server cannot be reached. */
function loadModeration() {
	loadingModeration ??= Promise.all([loadModerationModule(), loadStyle("moderation.css"), loadTexts("-moderation")]).then(([parts]) => parts);
	loadingModeration.catch(() => { loadingModeration = null; });
	return loadingModeration;
}

/** A part of moderation.js. @param {{view: "Did"|"Drawer"|"PersonCard"|"ErasePreview"|"Raid"|"UndoPerson", close: () => void} & Record<string, any>} props */
export function ModerationPart({ view, ...props }) {
	const [parts, setParts] = useState(/** @type {ModerationParts|null} */ (null));
	useEffect(() => {
		loadModeration().then(setParts, (error) => {
			props.close();
			props.model.emit("problem", error);
		});
	}, []);
	return parts && html`<${parts[view]} ...${props} />`;
}

/** Opens a dialog of moderation.js. @param {Model} model @param {string} view @param {object} [props] */
export const openModeration = (model, view, props) => model.emit("dialog", "ModerationPart", { view, ...props });

/** When the newest report was sent that the reader has seen. @param {RoomState} roomState */
const seenReports = (roomState) => String(shared.get(`reports.${roomState.name}`, ""));

/** The reader has seen the reports up to a time. @param {RoomState} roomState @param {string} at */
export function seeReports(roomState, at) {
	if (at <= seenReports(roomState)) return;
	shared.set(`reports.${roomState.name}`, at);
	roomState.model.changed();
}

/** The button in the header, for moderators, with the number of messages that wait and of new reports. @param {{roomState: RoomState}} props */
export function ModerationButton({ roomState }) {
	const may = moderates(roomState);
	const { records } = useRecords(roomState, may);
	if (!may) return null;
	const seen = seenReports(roomState);
	const [waiting, reports] = [heldOf(records ?? []).length, reportsOf(records ?? []).filter((m) => m.at > seen).length];
	const label = waiting + reports > 0 ? `${t.moderate}: ${[waiting > 0 && plural(t.waitingCount, waiting), reports > 0 && plural(t.reportCount, reports)].filter(Boolean).join(", ")}` : t.moderate;
	const tab = waiting > 0 ? "queue" : reports > 0 ? "reports" : undefined;
	return html`<button type="button" class="icon moderate" aria-label=${label} title=${label} onClick=${() => openModeration(roomState.model, "Drawer", { tab })}>${icon("shield")}${waiting + reports > 0 && html`<span class="badge" aria-hidden="true">${number(waiting + reports)}</span>`}</button>`;
}

/**
 * Changes a rule, and offers to undo that. text: what was done
 * @param {RoomState} roomState @param {string} key @param {Value} value @param {string} text @param {string} [until] RFC 3339
 */
export function changeRule(roomState, key, value, text, until) {
	const { room, model } = roomState;
	const [old, end] = [room.setting(key), room.settingEnd(key)];
	changeSetting(roomState, key, value, until);
	model.emit("done", text, () => changeSetting(roomState, key, old, end));
}

/** Mutes or bans somebody, or ends that. @param {RoomState} roomState @param {Person} person @param {"mute"|"ban"|null} what @param {string} text @param {string} [until] */
export const changePerson = (roomState, { by }, what, text, until) => changeRule(roomState, `person/${by}`, what, text, until);
