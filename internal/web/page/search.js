// The dialogs that lead to older messages: search, and go to a date.
import { Dialog } from "./dialogs.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { dayName, fullTime, loadError, plural, t, timeOfDay } from "./i18n.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Hit} Hit
 */

const SEARCH_AFTER = 400; // ms after the last key: a search costs as much as four messages
const SEARCH_PAGE = 30;
const SEARCH_ROUNDS = 4; // requests until a hit is in a room of the reader

/**
 * What a search dialog shows, kept for the next time. last: the last hit that the server sent.
 * @typedef {{q: string, scope: "room"|"mine"|"all", found: {hits: Hit[], more: boolean, behind: number, last: Hit|undefined}|null}} SearchState
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
	const roomState = model.current;
	const kept = roomState.search;
	const [q, setQ] = useState(kept.q);
	const [scope, setScope] = useState(kept.scope);
	const [found, setFound] = useState(kept.found);
	const [error, setError] = useState("");
	const latest = useRef(0); // answers to earlier questions are dropped
	const restored = useRef(kept.found !== null);
	const room = scope === "room" ? roomState.name : undefined;
	const search = async (/** @type {Hit|undefined} */ last) => {
		const mine = ++latest.current;
		if (!q.trim()) return setFound(null);
		setError("");
		try {
			const hits = last && found ? [...found.hits] : [];
			const had = hits.length;
			for (let rounds = 1; ; rounds++) { // the server searches one room or all: hits in other rooms are left out here
				const before = last && `${last.room}:${last.n}`;
				const answer = await model.client.withRetry(() => model.client.search(q, { room, before, limit: SEARCH_PAGE }));
				if (mine !== latest.current) return;
				hits.push(...answer.hits.filter((h) => scope !== "mine" || model.roomStates.has(h.room)));
				last = answer.hits.at(-1);
				setFound({ hits, more: answer.more, behind: answer.behind, last });
				if (!answer.more || hits.length > had || rounds === SEARCH_ROUNDS) return;
			}
		} catch (e) {
			if (mine === latest.current) setError(loadError(e));
		}
	};
	useEffect(() => {
		if (restored.current) {
			restored.current = false;
			return;
		}
		const timer = setTimeout(() => search(undefined), SEARCH_AFTER);
		return () => clearTimeout(timer);
	}, [q, scope]);
	useEffect(() => {
		roomState.search = { q, scope, found };
	}, [q, scope, found]);
	return html`<${Dialog} title=${t.search} close=${close} wide>
		<form class="line" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); search(undefined); }}>
			<input type="search" autofocus value=${q} aria-label=${t.searchFor} placeholder=${t.searchFor} onInput=${(/** @type {any} */ e) => setQ(e.target.value)}
				onKeyDown=${(/** @type {KeyboardEvent} */ e) => { // the browser would clear the field, and the search be lost
					if (e.key !== "Escape") return;
					e.preventDefault();
					close();
				}} />
			<button class="primary">${t.search}</button>
		</form>
		<select aria-label=${t.searchWhere} onChange=${(/** @type {any} */ e) => setScope(e.target.value)}>
			<option value="room" selected=${scope === "room"}>${t.searchHere(roomState.name)}</option>
			<option value="mine" selected=${scope === "mine"}>${t.searchMine}</option>
			<option value="all" selected=${scope === "all"}>${t.searchAll}</option>
		</select>
		<button type="button" class="jump-to-date" onClick=${jump}>${t.jump}</button>
		<div role="status">
			${error && html`<p class="error-text">${error}</p>`}
			${found && found.hits.length === 0 && html`<p>${t.searchNone}</p>`}
			${found && found.behind > 0 && html`<p>${plural(t.searchBehind, found.behind)}</p>`}
		</div>
		<ul class="hits">
			${found?.hits.map((hit) => html`<li key=${`${hit.room}:${hit.n}`}><button type="button" onClick=${() => { close(); show(hit.room, hit.n); }}>
				<span class="byline"><bdi>${displayName(hit)}</bdi> <time title=${fullTime(hit.at)}>${dayName(hit.at)}, ${timeOfDay(hit.at)}</time>${scope !== "room" && html` <span>${hit.room}</span>`}</span>
				<span class="text" dir="auto">${highlight(hit)}</span>
			</button></li>`)}
		</ul>
		${found?.more && html`<button type="button" onClick=${() => search(found.last)}>${t.searchMore}</button>`}
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
