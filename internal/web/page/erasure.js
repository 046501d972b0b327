// Erases messages by who wrote them: first a preview, and afterwards a way to undo it.
import { beginning } from "./changes.js";
import { Dialog } from "./dialogs.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { displayName } from "./people.js";
import { randomToken } from "./ramai/protocol.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./roomstate.js").RoomState} RoomState
 *
 * Which messages: those of a sender, or of newcomers, since a time.
 * @typedef {{by?: string, newcomers?: boolean, since?: string}} Selection
 * @typedef {{count: number, held?: number, held_to?: number, senders?: number, sample: import("./ramai/protocol.js").Message[], to: number}} Preview
 */

/** @param {RoomState} roomState @param {object} what @returns {Promise<any>} */
export const moderateRoom = ({ room }, what) => room.client.request({ type: "moderate", room: room.name, id: randomToken(9), ...what });

/** What was erased and rejected. @param {number} count @param {number} held */
export const erasedText = (count, held) => [count > 0 && plural(t.erased, count), held > 0 && plural(t.rejectedHeld, held)].filter(Boolean).join(" ");

/** @param {{model: Model, close: () => void, erase: Selection, who: string}} props who: whose messages, in words */
export function ErasePreview({ model, close, erase, who }) {
	const roomState = model.current;
	const [preview, setPreview] = useState(/** @type {Preview|null} */ (null));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const [erasing, setErasing] = useState(false);
	const load = () => {
		setError(null);
		moderateRoom(roomState, { erase, dry: true }).then(setPreview, setError);
	};
	useEffect(load, []);
	const { count = 0, held = 0 } = preview ?? {};
	const run = async () => {
		setErasing(true);
		try {
			const { n } = await moderateRoom(roomState, { erase, to: preview?.to, held_to: preview?.held_to });
			const undo = count > 0 ? () => moderateRoom(roomState, { undo: n }).catch((why) => model.emit("problem", why)) : null;
			close();
			model.emit("done", erasedText(count, held), undo);
		} catch (why) {
			setErasing(false);
			setError(why);
		}
	};
	const none = count + held === 0;
	return html`<${Dialog} title=${t.eraseTitle(who)} close=${close} drawer>
		${error !== null && html`<p class="error-text" role="alert">${errorText(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`}
		${!preview && error === null && html`<p class="note" role="status">${t.loading}</p>`}
		${preview && html`<p role="status">${none ? t.eraseNothing : count > 0 && plural(t.eraseCount, count)}</p>
			<ul class="erase-sample">${preview.sample.map((m) => html`<li key=${m.n}><bdi>${displayName(m)}</bdi> <span dir="auto">${beginning(m.text)}</span></li>`)}</ul>
			${held > 0 && html`<p>${plural(t.eraseHeld, held)}</p>`}
			${count > 0 && html`<p class="note">${t.eraseHint}</p>`}
			<div class="buttons even">${!none && html`<button type="button" class="danger" disabled=${erasing} onClick=${run}>${icon("trash")} ${count > 0 ? plural(t.eraseNow, count) : plural(t.rejectNow, held)}</button>`}
				<button type="button" onClick=${close}>${none ? t.close : t.cancel}</button></div>`}
	<//>`;
}
