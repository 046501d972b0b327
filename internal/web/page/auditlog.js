// What was done in a room, for moderators: the newest first.
import { actionText } from "./actionwords.js";
import { html } from "./html.js";
import { dayName, loadError, t, timeOfDay } from "./i18n.js";
import { avatar, displayName } from "./people.js";
import { actionsOf, useRecords } from "./records.js";

const LISTED_ACTIONS = 100; // of the newest

/** @param {{roomState: import("./roomstate.js").RoomState}} props */
export function AuditLog({ roomState }) {
	const { records, error, load } = useRecords(roomState, true);
	if (error) return html`<p class="error-text" role="alert">${loadError(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`;
	if (!records) return html`<p class="note" role="status">${t.loading}</p>`;
	const done = actionsOf(records).reverse().slice(0, LISTED_ACTIONS);
	if (done.length === 0) return html`<p class="note">${t.nothingDone}</p>`;
	return html`<ul class="audit">${done.map((m) => html`<li key=${m.room + m.n}>${avatar(m)}<span class="who"><bdi>${displayName(m)}</bdi> <span class="note">${dayName(m.at)}, ${timeOfDay(m.at)}</span><span class="did" dir="auto">${actionText(m.action)}</span></span></li>`)}</ul>`;
}
