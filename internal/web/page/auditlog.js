// What was done in a room, for moderators: the newest first.
import { actionText } from "./actionwords.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { dayName, loadError, t, timeOfDay } from "./i18n.js";
import { avatar, displayName } from "./people.js";
import { actionsOf, loadRecords } from "./records.js";

/** @typedef {import("./ramai/protocol.js").Message} Message */

const LISTED_ACTIONS = 100; // of the newest

/** @param {{roomState: import("./roomstate.js").RoomState}} props */
export function AuditLog({ roomState }) {
	const [done, setDone] = useState(/** @type {ReturnType<typeof actionsOf>|null} */ (null));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const load = () => loadRecords(roomState).then((records) => { setDone(actionsOf(records).reverse().slice(0, LISTED_ACTIONS)); setError(null); }, setError);
	useEffect(() => {
		load();
		const stop = /** @type {const} */ (["state", "changed", "restored"]).map((event) => roomState.room.on(event, load));
		return () => stop.forEach((f) => f());
	}, [roomState]);
	if (error) return html`<p class="error-text" role="alert">${loadError(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`;
	if (!done) return html`<p class="note" role="status">${t.loading}</p>`;
	if (done.length === 0) return html`<p class="note">${t.nothingDone}</p>`;
	return html`<ul class="audit">${done.map((m) => html`<li key=${m.room + m.n}>${avatar(m)}<span class="who"><bdi>${displayName(m)}</bdi> <span class="note">${dayName(m.at)}, ${timeOfDay(m.at)}</span><span class="did" dir="auto">${actionText(m.action)}</span></span></li>`)}</ul>`;
}
