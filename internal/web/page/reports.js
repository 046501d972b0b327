// What people have reported, for moderators: the newest first, with the message that it is about.
import { beginning } from "./changes.js";
import { useEffect } from "./hooks.js";
import { html } from "./html.js";
import { dayName, loadError, t, timeOfDay } from "./i18n.js";
import { icon } from "./icons.js";
import { displayName } from "./people.js";
import { reportsOf, useRecords } from "./records.js";
import { seeReports } from "./moderators.js";

/** @typedef {import("./roomstate.js").RoomState} RoomState */

const LISTED_REPORTS = 50; // of the newest

/** @param {{roomState: RoomState, close: () => void, open: (part: "ModerationPart", props: object) => void}} props */
export function Reports({ roomState, close, open }) {
	const { records, error, load } = useRecords(roomState, true);
	const reports = reportsOf(records ?? []).slice(0, LISTED_REPORTS);
	useEffect(() => seeReports(roomState, reports[0]?.at ?? ""), [reports[0]?.at]);
	if (error) return html`<p class="error-text" role="alert">${loadError(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`;
	if (!records) return html`<p class="note" role="status">${t.loading}</p>`;
	if (reports.length === 0) return html`<p class="note">${t.noReports}</p>`;
	const show = (/** @type {number} */ n) => {
		close();
		roomState.model.emit("jump", roomState, n);
	};
	return html`<ul class="reports">${reports.map((report) => {
		const { of = 0 } = report;
		const m = roomState.quotes.get(of);
		const here = m && !m.gone;
		return html`<li key=${report.room + report.n}>
			<p><bdi>${displayName(report)}</bdi> <span class="note">${dayName(report.at)}, ${timeOfDay(report.at)}</span></p>
			${report.text && html`<p class="text" dir="auto">${report.text}</p>`}
			<blockquote dir="auto">${here ? html`<bdi>${displayName(m)}</bdi> ${beginning(m.text)}` : m === undefined ? t.loading : t.deleted}</blockquote>
			${here && html`<div class="buttons even"><button type="button" onClick=${() => show(of)}>${t.reportShow}</button>
				<button type="button" onClick=${() => open("ModerationPart", { view: "PersonCard", person: { by: m.by, from: m.from } })}>${icon("shield")} ${t.moderatePerson(displayName(m))}</button></div>`}</li>`;
	})}</ul>`;
}
