// The rooms, the people in the current one, and one's name.
import { Component, html } from "./html.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { Later, lazy } from "./lazy.js";
import { LARGE_ROOM } from "./people.js";
import { isRoom } from "./ramai/protocol.js";

/**
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/room.js").Room} Room
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const ASK_EVERY = 15_000; // ms between requests for the names of a large room

/**
 * @typedef {object} SidebarProps
 * @property {Model} model
 * @property {boolean} open on a narrow screen
 * @property {(room: string) => string} urlOf
 * @property {(room: string) => void} show
 * @property {() => void} changeName
 * @property {(title: string, items: MenuItem[], at: DOMRect) => void} openMenu
 */

/** @extends {Component<SidebarProps, {wrong: boolean}>} */
export class Sidebar extends Component {
	state = { wrong: false }; // the name of a room
	/** @type {Room|null} whose names are asked for */
	#large = null;
	/** @type {ReturnType<typeof setInterval>|undefined} */
	#timer;

	componentDidMount() {
		this.#followNames();
	}

	componentDidUpdate() {
		this.#followNames();
	}

	componentWillUnmount() {
		clearInterval(this.#timer);
	}

	/** Asks for the names of a large room again and again: the server does not send them. */
	#followNames() {
		const { room } = this.props.model.current;
		const large = room.count > LARGE_ROOM && room.live ? room : null;
		if (large === this.#large) return;
		this.#large = large;
		clearInterval(this.#timer);
		if (!large) return;
		large.whoIsHere();
		this.#timer = setInterval(() => large.whoIsHere(), ASK_EVERY);
	}

	#join = (/** @type {any} */ e) => {
		e.preventDefault();
		const input = e.target.elements.room;
		const name = input.value.trim().toLowerCase();
		const wrong = !isRoom(name);
		this.setState({ wrong });
		if (wrong) return input.focus();
		input.value = "";
		this.props.show(name);
	};

	/** @param {SidebarProps} props */
	render({ model, open, urlOf, show, changeName, openMenu }, { wrong } = this.state) {
		const { client, current: { room } } = model;
		const recent = model.current.speakers(20);
		const first = () => [...new Set([client.name, ...recent])].filter((n) => room.names.includes(n)).map((n) => html`<p class="person" key=${n}><bdi>${n}</bdi></p>`);
		return html`<nav class=${open ? "side open" : "side"} aria-label=${t.menu}>
			<h2>${t.rooms}</h2>
			<ul class="rooms">${[...model.roomStates.values()].map((r) => html`<${RoomItem} key=${r.name} model=${model} roomState=${r} urlOf=${urlOf} show=${show} />`)}</ul>
			${client.via === "http" && model.roomStates.size > 1 && html`<p class="hint">${t.roomsHTTP}</p>`}
			<form onSubmit=${this.#join}><div class="line"><input name="room" aria-label=${t.joinLabel} placeholder=${t.joinPlaceholder} autocapitalize="none" autocomplete="off" spellcheck=${false}
				aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? "wrong-room" : undefined} />
			<button>${t.join}</button></div>
			${wrong && html`<p id="wrong-room" class="error-text" role="alert">${t.joinBad}</p>`}</form>
			${room.live && html`<h2>${t.allHere(number(room.count))}</h2>
			<${Later} part="People" key=${room.name} model=${model} roomState=${model.current} names=${room.names} known=${model.current.namesKnown} me=${client.name} recent=${recent} meanwhile=${!lazy.parts && first()} count=${room.count} hidden=${model.hidden.version} openMenu=${openMenu} />`}
			<div class="me"><bdi class=${client.name ? "" : "none"}>${client.name || t.nameless}</bdi>
				<button type="button" onClick=${changeName}>${t.nameChange}</button></div>
		</nav>`;
	}
}

/** @param {{model: Model, roomState: RoomState, urlOf: (room: string) => string, show: (room: string) => void}} props */
function RoomItem({ model, roomState, urlOf, show }) {
	const { name, unread, mentions } = roomState;
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
		${unread > 0 && roomState.notify !== "nothing" && html`<span class=${mentions.count > 0 ? "count mentioned" : "count"} aria-label=${t.unread(number(unread))}>${number(unread)}</span>`}
		${model.roomStates.size > 1 && html`<button type="button" class="icon" aria-label=${t.leave(name)} title=${t.leave(name)} onClick=${leave}>${icon("leave")}</button>`}
	</li>`;
}
