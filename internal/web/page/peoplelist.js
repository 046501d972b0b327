// The list of people in a room, in the sidebar, with a search field and a menu for each person.
import { Component, html } from "./html.js";
import { byName, number, t } from "./i18n.js";
import { openModeration } from "./moderators.js";
import { displayName, findNames, LARGE_ROOM } from "./people.js";
import { moderates } from "./rules.js";

/**
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const MANY_NAMES = 20; // names, above which they can be searched
const LISTED = 100; // names that are listed at once
const ASK_AFTER = 250; // ms after the last key until the server is asked for names

/**
 * @typedef {object} PeopleProps
 * @property {Model} model
 * @property {RoomState} roomState
 * @property {string[]} names of those here whom the page knows
 * @property {boolean} known the server has sent the names
 * @property {string} me empty for a guest
 * @property {string[]} recent names of recent senders, the latest first
 * @property {number} count of people, with and without a name
 * @property {number} hidden changes with the people who are hidden
 * @property {(title: string, items: MenuItem[], at: DOMRect) => void} openMenu
 */

/**
 * The people here, rendered only when they change: the reader, those who have spoken lately, and the others by name.
 * @extends {Component<PeopleProps, {filter: string, found: string[], matching: number}>}
 */
export class People extends Component {
	state = { filter: "", found: /** @type {string[]} */ ([]), matching: 0 };
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#timer;

	/** @param {PeopleProps} next @param {People["state"]} state */
	shouldComponentUpdate(next, state) {
		const { names, known, me, recent, count, hidden } = this.props;
		return next.names !== names || next.known !== known || next.me !== me || next.count !== count || next.hidden !== hidden || state !== this.state || next.recent.join() !== recent.join();
	}

	componentWillUnmount() {
		clearTimeout(this.#timer);
	}

	/** Finds people, of a large room also those whom the page does not know. @param {string} filter */
	#find(filter) {
		this.setState({ filter, found: [], matching: 0 });
		clearTimeout(this.#timer);
		const { roomState: { room } } = this.props;
		if (!filter.trim() || room.count <= LARGE_ROOM) return;
		this.#timer = setTimeout(async () => {
			const { names, matching } = await findNames(room, filter.trim(), LISTED).catch(() => ({ names: [], matching: 0 }));
			if (this.state.filter === filter) this.setState({ found: names, matching });
		}, ASK_AFTER);
	}

	/** @param {string} name @param {DOMRect} at */
	#open(name, at) {
		const { model, roomState, openMenu } = this.props;
		const person = { by: roomState.timeline.messages.findLast((m) => m.from === name)?.by ?? "", from: name };
		const hidden = model.hidden.has(person);
		openMenu(name, [
			...(moderates(roomState) && person.by ? [{ key: "w", icon: /** @type {const} */ ("shield"), label: t.moderatePerson(name), run: () => openModeration(model, "PersonCard", { person }) }] : []),
			{ key: "m", icon: "mention", label: t.mention(name), run: () => model.mention(name) },
			hidden
				? { key: "h", icon: "show", label: t.unhide(name), run: () => model.unhide(person) }
				: { key: "h", icon: "hide", label: t.hide(name), run: () => model.hide(person) },
		], at);
	}

	/** @param {string} name */
	#person(name) {
		const { model, me } = this.props;
		if (name === me) return html`<li key=${name}><span class="person"><bdi>${name}</bdi> <span class="you">${t.you}</span></span></li>`;
		const hidden = model.hidden.has({ by: "", from: name });
		return html`<li key=${name}><button type="button" class=${hidden ? "person none" : "person"} aria-haspopup="menu"
			onClick=${(/** @type {any} */ e) => this.#open(name, e.currentTarget.getBoundingClientRect())}><bdi>${name}</bdi>${hidden && html` <span class="you">${t.hiddenMark}</span>`}</button></li>`;
	}

	/** @param {PeopleProps} props */
	render({ model: { client }, names, known, me, recent, count }, { filter, found, matching } = this.state) {
		const here = new Set(names);
		const first = [me, ...recent].filter((n) => here.has(n));
		const all = [...new Set([...first, ...[...names].sort(byName)])];
		const wanted = filter.trim().toLocaleLowerCase();
		const fitting = wanted ? [...new Set([...all.filter((n) => n.toLocaleLowerCase().includes(wanted)), ...found])] : all;
		const shown = fitting.slice(0, LISTED);
		const rest = Math.max(fitting.length, matching) - shown.length;
		const guest = !me && !wanted && client.by; // the reader, who has no name in the list
		const others = count - (guest ? 1 : 0);
		let more = "";
		if (wanted) more = rest > 0 ? t.others(number(rest)) : fitting.length === 0 ? t.nobodyFound : "";
		else if (count > LARGE_ROOM || all.length > shown.length) more = t.others(number(others - shown.length));
		else if (others > all.length && known) more = t.guests(number(others - all.length));
		return html`${(all.length > MANY_NAMES || count > LARGE_ROOM) && html`<input type="search" class="filter" value=${filter} aria-label=${t.findPerson} placeholder=${t.findPerson}
				onInput=${(/** @type {any} */ e) => this.#find(e.target.value)} />`}
			<ul class="people">${guest && html`<li key=""><span class="person"><bdi>${displayName({ by: guest, from: "" })}</bdi> <span class="you">${t.you}</span></span></li>`}${shown.map((n) => this.#person(n))}${more && html`<li class="none">${more}</li>`}</ul>`;
	}
}
