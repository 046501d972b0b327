// The dialogs that lead to older messages: search, and go to a date.
import { Dialog } from "./dialogs.js";
import { html, useState } from "./html.js";
import { dayName, fullTime, loadError, number, t, timeOfDay } from "./i18n.js";
import { displayName } from "./message.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Hit} Hit
 */

/** The snippet of a hit with its marks, which count code points. @param {Hit} hit */
function highlight(hit) {
	const points = [...hit.snippet];
	const out = [];
	let end = 0;
	for (const [from, to] of hit.marks) {
		out.push(points.slice(end, from).join(""), html`<mark>${points.slice(from, to).join("")}</mark>`);
		end = to;
	}
	return [...out, points.slice(end).join("")];
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void, jump: () => void}} props */
export function Search({ model, close, show, jump }) {
	const [q, setQ] = useState("");
	const [only, setOnly] = useState(true);
	const [found, setFound] = useState(/** @type {{hits: Hit[], more: boolean, behind: number}|null} */ (null));
	const [error, setError] = useState("");
	const room = only ? model.current.name : undefined;
	const search = async (/** @type {Hit|undefined} */ last) => {
		if (!q.trim()) return setFound(null);
		setError("");
		try {
			const before = last && `${last.room}:${last.n}`;
			const answer = await model.client.search(q, { room, before, limit: 30 });
			setFound(last && found ? { ...answer, hits: [...found.hits, ...answer.hits] } : answer);
		} catch (e) {
			setError(loadError(e));
		}
	};
	return html`<${Dialog} title=${t.search} close=${close} wide>
		<form class="line" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); search(undefined); }}>
			<input type="search" autofocus value=${q} aria-label=${t.searchFor} placeholder=${t.searchFor} onInput=${(/** @type {any} */ e) => setQ(e.target.value)} />
			<button class="primary">${t.search}</button>
		</form>
		<label class="check"><input type="checkbox" checked=${only} onChange=${() => setOnly(!only)} /> ${t.searchHere(model.current.name)}</label>
		<button type="button" class="jump-to-date" onClick=${jump}>${t.jump}</button>
		<div role="status">
			${error && html`<p class="error-text">${error}</p>`}
			${found && found.hits.length === 0 && html`<p>${t.searchNone}</p>`}
			${found && found.behind > 0 && html`<p>${t.searchBehind(number(found.behind))}</p>`}
		</div>
		<ul class="hits">
			${found?.hits.map((hit) => html`<li key=${`${hit.room}:${hit.n}`}><button type="button" onClick=${() => { close(); show(hit.room, hit.n); }}>
				<span class="byline"><bdi>${displayName(hit)}</bdi> <time title=${fullTime(hit.at)}>${dayName(hit.at)}, ${timeOfDay(hit.at)}</time>${!only && html` <span>${hit.room}</span>`}</span>
				<span class="text" dir="auto">${highlight(hit)}</span>
			</button></li>`)}
		</ul>
		${found?.more && html`<button type="button" onClick=${() => search(found.hits.at(-1))}>${t.searchMore}</button>`}
	<//>`;
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void}} props */
export function Jump({ model, close, show }) {
	const [date, setDate] = useState(new Date().toLocaleDateString("sv")); // YYYY-MM-DD, as the input wants it
	const [notice, setNotice] = useState("");
	const go = async () => {
		setNotice(t.loading);
		try {
			const n = await model.current.find(new Date(`${date}T00:00`).getTime());
			if (!n) return setNotice(t.jumpNone);
			close();
			show(model.current.name, n);
		} catch (error) {
			setNotice(loadError(error));
		}
	};
	return html`<${Dialog} title=${t.jump} close=${close}>
		<form class="line" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); go(); }}>
			<input type="date" required value=${date} aria-label=${t.jump} onInput=${(/** @type {any} */ e) => setDate(e.target.value)} />
			<button class="primary">${t.jumpGo}</button>
		</form>
		<p role="status">${notice}</p>
	<//>`;
}
