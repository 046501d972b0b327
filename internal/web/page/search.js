// The dialogs that lead to older messages: search, and go to a date.
import { Dialog } from "./dialogs.js";
import { find, isQuery, searchesLess } from "./finder.js";
import { useEffect, useRef, useState } from "./hooks.js";
import { html } from "./html.js";
import { dayName, fullTime, loadError, plural, t, timeOfDay } from "./i18n.js";
import { displayName, findNames } from "./people.js";

/**
 * @typedef {import("./finder.js").Found} Found
 * @typedef {import("./finder.js").Query} Query
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Hit} Hit
 * @typedef {import("./roomstate.js").RoomState} RoomState
 *
 * What a search dialog shows, kept for the next time.
 * hiddenVersion: which people were hidden
 * @typedef {Query & {found: Found|null, hiddenVersion?: number}} SearchState
 */

const SEARCH_AFTER = 400; // ms after the last key: a search costs as much as four messages
const ASK_NAMES_AFTER = 250; // ms after the last key
const NAMES = 20; // to choose from

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

/**
 * A field for a person, which offers names in the rooms that are searched: those that the page knows, and those that the server
 * finds.
 * @param {{roomStates: RoomState[], value: string, input: (name: string) => void}} props
 */
function PersonField({ roomStates, value, input }) {
	const [found, setFound] = useState(/** @type {string[]} */ ([]));
	useEffect(() => {
		const prefix = value.trim();
		if (!prefix) return;
		const timer = setTimeout(async () => {
			const answers = await Promise.all(roomStates.map((r) => findNames(r.room, prefix, NAMES).catch(() => ({ names: [] }))));
			setFound(answers.flatMap(({ names }) => names));
		}, ASK_NAMES_AFTER);
		return () => clearTimeout(timer);
	}, [value, roomStates.length]);
	const names = new Set([...found, ...roomStates.flatMap((r) => [...r.speakers(NAMES), ...r.room.names.slice(0, NAMES)])]);
	return html`<label>${t.searchPerson} <input list="people-found" autocomplete="off" dir="auto" value=${value} onInput=${(/** @type {any} */ e) => input(e.target.value)} /></label>
		<datalist id="people-found">${[...names].map((name) => html`<option key=${name} value=${name} />`)}</datalist>`;
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void, jump: () => void}} props */
export function Search({ model, close, show, jump }) {
	const roomState = model.current;
	const kept = roomState.search;
	const [query, setQuery] = useState(/** @type {Query} */ (kept));
	const [found, setFound] = useState(kept.found);
	const [error, setError] = useState("");
	const latest = useRef(0); // answers to earlier questions are dropped
	const restored = useRef(kept.found !== null && kept.hiddenVersion === model.hidden.version);
	const { q, scope, person, since, until } = query;
	const change = (/** @type {Partial<Query>} */ part) => setQuery({ q, scope, person, since, until, ...part });
	const search = async (/** @type {Found|null} */ previous) => {
		const mine = ++latest.current;
		if (!isQuery(query)) return setFound(null);
		setError("");
		try {
			const answer = await find(model, roomState.room, query, previous);
			if (mine === latest.current) setFound(answer);
		} catch (e) {
			if (mine === latest.current) setError(loadError(e));
		}
	};
	useEffect(() => {
		if (restored.current) {
			restored.current = false;
			return;
		}
		const timer = setTimeout(() => search(null), SEARCH_AFTER);
		return () => clearTimeout(timer);
	}, [q, scope, person, since, until]);
	useEffect(() => model.on("replaced", () => setFound(roomState.search.found)), []);
	useEffect(() => {
		roomState.search = { ...query, found, hiddenVersion: model.hidden.version };
	}, [query, found]);
	return html`<${Dialog} title=${t.search} close=${close} wide>
		<form class="line" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); search(null); }}>
			<input type="search" autofocus value=${q} aria-label=${t.searchFor} placeholder=${t.searchFor} onInput=${(/** @type {any} */ e) => change({ q: e.target.value })}
				onKeyDown=${(/** @type {KeyboardEvent} */ e) => { // the browser would clear the field, and the search be lost
					if (e.key !== "Escape") return;
					e.preventDefault();
					close();
				}} />
			<button class="primary">${t.search}</button>
		</form>
		<select aria-label=${t.searchWhere} onChange=${(/** @type {any} */ e) => change({ scope: e.target.value })}>
			<option value="room" selected=${scope === "room"}>${t.searchHere(roomState.name)}</option>
			<option value="mine" selected=${scope === "mine"}>${t.searchMine}</option>
			<option value="all" selected=${scope === "all"}>${t.searchAll}</option>
		</select>
		<details open=${Boolean(person || since || until)}><summary>${t.searchFilters}</summary><div class="filters">
			<${PersonField} roomStates=${scope === "room" ? [roomState] : [...model.roomStates.values()]} value=${person} input=${(/** @type {string} */ name) => change({ person: name })} />
			<label>${t.searchFrom} <input type="date" value=${since} max=${until} onInput=${(/** @type {any} */ e) => change({ since: e.target.value })} /></label>
			<label>${t.searchTo} <input type="date" value=${until} min=${since} onInput=${(/** @type {any} */ e) => change({ until: e.target.value })} /></label>
			<button type="button" class="jump-to-date" onClick=${jump}>${t.jump}</button>
		</div></details>
		<div role="status">
			${error && html`<p class="error-text">${error}</p>`}
			${found && found.hits.length === 0 && html`<p>${t.searchNone}</p>`}
			${found && found.behind > 0 && html`<p>${plural(t.searchBehind, found.behind)}</p>`}
			${found && found.hidden > 0 && html`<p>${plural(t.searchHidden, found.hidden)}</p>`}
			${found && searchesLess(query) && html`<p>${t.searchWordless}</p>`}
		</div>
		<ul class="hits">
			${found?.hits.map((hit) => html`<li key=${`${hit.room}:${hit.n}`}><button type="button" onClick=${() => { close(); show(hit.room, hit.n); }}>
				<span class="byline"><bdi>${displayName(hit)}</bdi> <time title=${fullTime(hit.at)}>${dayName(hit.at)}, ${timeOfDay(hit.at)}</time>${scope !== "room" && html` <span>${hit.room}</span>`}</span>
				<span class="text" dir="auto">${highlight(hit)}</span>
			</button></li>`)}
		</ul>
		${found?.more && html`<button type="button" onClick=${() => search(found)}>${t.searchMore}</button>`}
	<//>`;
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void}} props */
export function Jump({ model, close, show }) {
	const [date, setDate] = useState(new Date().toLocaleDateString("sv")); // YYYY-MM-DD, as the input wants it
	const [notice, setNotice] = useState("");
	const go = async () => {
		setNotice(t.loading);
		try {
			const n = await model.current.pages.find(new Date(`${date}T00:00`).getTime());
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
