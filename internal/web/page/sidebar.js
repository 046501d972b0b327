// The rooms, the people in the current one, and one's name.
import { Component, html, useState } from "./html.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { isRoom } from "./ramai/protocol.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const NAMES = 200; // connections in a room, above which the server sends no names

/** The names of the people here, rendered only when they change. @extends {Component<{names: string[], more: string}, {}>} */
class People extends Component {
	/** @param {{names: string[], more: string}} next */
	shouldComponentUpdate({ names, more }) {
		return names !== this.props.names || more !== this.props.more;
	}

	/** @param {{names: string[], more: string}} props more: a text about those without a name */
	render({ names, more }) {
		return html`<ul class="people">${names.map((n) => html`<li key=${n}><bdi>${n}</bdi></li>`)}${more && html`<li class="none">${more}</li>`}</ul>`;
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
	const nameless = room.count > NAMES ? 0 : room.count - room.names.length;
	const more = nameless > 0 && room.count > 0 ? (room.names.length > 0 ? t.guests : t.onlyGuests)(number(nameless)) : "";
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
		<${People} names=${room.names} more=${more} />`}
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
		${unread > 0 && html`<span class=${mentioned ? "count mentioned" : "count"} aria-label=${t.unread(number(unread))}>${number(unread)}</span>`}
		${model.roomStates.size > 1 && html`<button type="button" class="icon" aria-label=${t.leave(name)} title=${t.leave(name)} onClick=${leave}>${icon("leave")}</button>`}
	</li>`;
}
