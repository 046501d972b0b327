// What people have reported, for moderators: the newest first, with the message that it is about.
import { beginning } from "./changes.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { dayName, loadError, t, timeOfDay } from "./i18n.js";
import { icon } from "./icons.js";
import { displayName } from "./people.js";
import { reportsOf, useRecords } from "./records.js";
import { seeReports } from "./moderators.js";
import { randomToken } from "./ramai/protocol.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const LISTED_REPORTS = 50; // of the newest

/** @param {{roomState: RoomState, close: () => void, open: (part: "ModerationPart", props: object) => void}} props */
export function Reports({ roomState, close, open }) {
	const { records, error, load } = useRecords(roomState, true);
	const [settled, setSettled] = useState(/** @type {string[]} */ ([]));
	const key = (/** @type {Message} */ report) => report.room + report.n;
	const reports = reportsOf(records ?? []).filter((report) => !settled.includes(key(report))).slice(0, LISTED_REPORTS);
	useEffect(() => seeReports(roomState, reports[0]?.at ?? ""), [reports[0]?.at]);
	if (error) return html`<p class="error-text" role="alert">${loadError(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`;
	if (!records) return html`<p class="note" role="status">${t.loading}</p>`;
	if (reports.length === 0) return html`<p class="note">${t.noReports}</p>`;
	const show = (/** @type {number} */ n) => {
		close();
		roomState.model.emit("jump", roomState, n);
	};
	const settle = (/** @type {Message} */ report) => {
		setSettled((list) => [...list, key(report)]);
		const change = { type: "change", room: report.room, id: randomToken(9), of: report.n, text: null };
		roomState.model.client.request(change).catch((why) => {
			if (why.code === "gone") return; // somebody else has settled it
			setSettled((list) => list.filter((k) => k !== key(report)));
			roomState.model.emit("problem", why);
		});
	};
	return html`<ul class="reports">${reports.map((report) => {
		const { of = 0 } = report;
		const m = roomState.quotes.get(of);
		const here = m && !m.gone;
		return html`<li key=${key(report)}>
			<p><bdi>${displayName(report)}</bdi> <span class="note">${dayName(report.at)}, ${timeOfDay(report.at)}</span></p>
			${report.text && html`<p class="text" dir="auto">${report.text}</p>`}
			<blockquote dir="auto">${here ? html`<bdi>${displayName(m)}</bdi> ${beginning(m.text)}` : m === undefined ? t.loading : t.deleted}</blockquote>
			<div class="buttons even"><button type="button" onClick=${() => settle(report)}>${icon("check")} ${t.reportSettle}</button>
				${here && html`<button type="button" onClick=${() => show(of)}>${t.reportShow}</button>
				<button type="button" onClick=${() => open("ModerationPart", { view: "PersonCard", person: { by: m.by, from: m.from } })}>${icon("shield")} ${t.moderatePerson(displayName(m))}</button>`}</div></li>`;
	})}</ul>`;
}
