// The way to moderation.js, which only moderators load, and what leads there.
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { loadTexts, t } from "./i18n.js";
import { icon } from "./icons.js";
import { loadStyle } from "./lazy.js";
import { changeSetting } from "./marks.js";
import { moderates } from "./rules.js";

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

/** A dialog of moderation.js. @param {{view: "Drawer"|"PersonCard"|"ErasePreview"|"Raid"|"UndoPerson", close: () => void} & Record<string, any>} props */
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

/** The button in the header, for moderators. @param {{roomState: RoomState}} props */
export const ModerationButton = ({ roomState }) => moderates(roomState) && html`<button type="button" class="icon moderate" aria-label=${t.moderate} title=${t.moderate} onClick=${() => openModeration(roomState.model, "Drawer")}>${icon("shield")}</button>`;

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
