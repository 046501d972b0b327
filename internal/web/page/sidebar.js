// The rooms, the people in the current one, and one's name.
import { Component, html, useEffect, useState } from "./html.js";
import { byName, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { isRoom } from "./ramai/protocol.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const MANY_NAMES = 20; // names, above which they can be searched
const LARGE_ROOM = 200; // people in a room, above which the server sends names only on request
const LISTED = 100; // names that are listed at once
const ASK_EVERY = 15_000; // ms between requests for the names of a large room

/**
 * @typedef {object} PeopleProps
 * @property {string[]} names
 * @property {string} me
 * @property {string[]} recent who has spoken, the last first
 * @property {number} count of people, with and without a name
 */

/**
 * The people here, rendered only when they change: the reader, those who have spoken lately, and the others by name.
 * @extends {Component<PeopleProps, {filter: string}>}
 */
class People extends Component {
	state = { filter: "" };

	/** @param {PeopleProps} next @param {{filter: string}} state */
	shouldComponentUpdate(next, state) {
		const { names, me, recent, count } = this.props;
		return next.names !== names || next.me !== me || next.count !== count || state.filter !== this.state.filter || next.recent.join() !== recent.join();
	}

	/** @param {PeopleProps} props */
	render({ names, me, recent, count }, { filter } = this.state) {
		const here = new Set(names);
		const first = [me, ...recent].filter((n) => here.has(n));
		const all = [...new Set([...first, ...[...names].sort(byName)])];
		const wanted = filter.trim().toLocaleLowerCase();
		const found = wanted ? all.filter((n) => n.toLocaleLowerCase().includes(wanted)) : all;
		const shown = found.slice(0, LISTED);
		const unlisted = count - all.length;
		let more = "";
		if (wanted) more = found.length > shown.length ? t.others(number(found.length - shown.length)) : found.length === 0 ? t.nobodyFound : "";
		else if (count > LARGE_ROOM || all.length > shown.length) more = t.others(number(count - shown.length));
		else if (unlisted > 0) more = (all.length > 0 ? t.guests : t.onlyGuests)(number(unlisted));
		return html`${all.length > MANY_NAMES && html`<input type="search" class="filter" value=${filter} aria-label=${t.findPerson} placeholder=${t.findPerson}
				onInput=${(/** @type {any} */ e) => this.setState({ filter: e.target.value })} />`}
			<ul class="people">${shown.map((n) => html`<li key=${n}><bdi>${n}</bdi>${n === me && html` <span class="you">${t.you}</span>`}</li>`)}${more && html`<li class="none">${more}</li>`}</ul>`;
	}
}

/**
 * @typedef {object} SidebarProps
 * @property {Model} model
 * @property {boolean} open on a narrow screen
 * @property {(room: string) => string} urlOf
 * @property {(room: string) => void} show
 * @property {() => void} changeName
 */

/** @param {SidebarProps} props */
export function Sidebar({ model, open, urlOf, show, changeName }) {
	const [wrong, setWrong] = useState(false); // the name of a room
	const { client, current: { room } } = model;
	const large = room.count > LARGE_ROOM && room.live;
	useEffect(() => {
		if (!large) return;
		room.whoIsHere();
		const timer = setInterval(() => room.whoIsHere(), ASK_EVERY);
		return () => clearInterval(timer);
	}, [large, room]);
	const join = (/** @type {any} */ e) => {
		e.preventDefault();
		const input = e.target.elements.room;
		const name = input.value.trim().toLowerCase();
		setWrong(!isRoom(name));
		if (!isRoom(name)) return input.focus();
		input.value = "";
		show(name);
	};
	return html`<nav class=${open ? "side open" : "side"} aria-label=${t.menu}>
		<h2>${t.rooms}</h2>
		<ul class="rooms">${[...model.roomStates.values()].map((r) => html`<${RoomItem} key=${r.name} model=${model} roomState=${r} urlOf=${urlOf} show=${show} />`)}</ul>
		${client.via === "http" && model.roomStates.size > 1 && html`<p class="hint">${t.roomsHTTP}</p>`}
		<form onSubmit=${join}><div class="line"><input name="room" aria-label=${t.joinLabel} placeholder=${t.joinPlaceholder} autocapitalize="none" autocomplete="off" spellcheck=${false}
			aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? "wrong-room" : undefined} />
		<button>${t.join}</button></div>
		${wrong && html`<p id="wrong-room" class="error-text" role="alert">${t.joinBad}</p>`}</form>
		${room.live && html`<h2>${t.allHere(number(room.count))}</h2>
		<${People} names=${room.names} me=${client.name} recent=${model.current.speakers(20)} count=${room.count} />`}
		<div class="me"><bdi class=${client.name ? "" : "none"}>${client.name || t.nameless}</bdi>
			<button type="button" onClick=${changeName}>${t.nameChange}</button></div>
	</nav>`;
}

/** @param {{model: Model, roomState: RoomState, urlOf: (room: string) => string, show: (room: string) => void}} props */
function RoomItem({ model, roomState, urlOf, show }) {
	const { name, unread, mentioned } = roomState;
	const current = roomState === model.current;
	const click = (/** @type {MouseEvent} */ e) => {
		if (e.ctrlKey || e.metaKey || e.shiftKey) return;
		e.preventDefault();
		show(name);
	};
	const leave = () => {
		model.leave(name);
		show(model.current.name);
	};
	return html`<li class=${current ? "current" : ""}>
		<a href=${urlOf(name)} aria-current=${current ? "page" : undefined} onClick=${click}>${name}</a>
		${unread > 0 && roomState.notify !== "nothing" && html`<span class=${mentioned ? "count mentioned" : "count"} aria-label=${t.unread(number(unread))}>${number(unread)}</span>`}
		${model.roomStates.size > 1 && html`<button type="button" class="icon" aria-label=${t.leave(name)} title=${t.leave(name)} onClick=${leave}>${icon("leave")}</button>`}
	</li>`;
}
