// The message log of a room: its rows, scrolling and keyboard navigation.
import { Component, h, html } from "./html.js";
import { clicked, touchScreen } from "./focus.js";
import { dayName, language, plural, t } from "./i18n.js";
import { MessageRow, SentRow } from "./message.js";
import { Scroller } from "./scroll.js";
import { TOGETHER } from "./timeline.js";
import { Welcome } from "./welcome.js";

/**
 * @typedef {import("./message.js").Acting} Acting
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {import("./timeline.js").Row} Row
 */

const PREFETCH = 800; // px above the first message at which older ones are loaded
const LONG_PRESS = 450; // ms
const PRESS_MOVED = 10; // px that a finger may move during a long press

/**
 * @typedef {object} LogProps
 * @property {Model} model
 * @property {RoomState} roomState
 * @property {number} target the message that a link points to; 0: none
 * @property {Acting} acting
 * @property {() => void} leaveTarget the reader has gone on to the end
 * @property {(log: Log) => void} ready
 */

/** @extends {Component<LogProps, {}>} */
export class Log extends Component {
	/** @type {HTMLElement|null} */
	element = null;
	/** @type {Scroller|null} */
	scroller = null;
	#leftEnd = 0; // the newest number when the reader scrolled away from the end
	#opened = false; // the log is where the reader left it
	#selecting = false; // the flood is paused for a selection

	componentDidMount() {
		if (!this.element) return;
		this.scroller = new Scroller(this.element, () => this.#scrolledByPerson());
		const { place } = this.props.roomState;
		if (place && this.scroller.row(place.n)) {
			this.scroller.anchor = place;
			this.#opened = true;
		}
		this.scroller.hold();
		this.props.ready(this);
		document.addEventListener("selectionchange", this.#selected);
	}

	componentWillUnmount() {
		this.props.roomState.place = this.scroller?.anchor ?? null;
		this.scroller?.close();
		document.removeEventListener("selectionchange", this.#selected);
	}

	componentDidUpdate() {
		this.scroller?.hold();
		this.#openAtUnread();
		this.#updateVisible();
	}

	/** Starts at the first unread message, if it is loaded and the reader is not jumping to another. */
	#openAtUnread() {
		const { roomState, target } = this.props;
		if (this.#opened || !roomState.restored) return;
		this.#opened = true;
		const { timeline, read, unread, room } = roomState;
		const first = timeline.messages[timeline.at(read.n + 1)]?.n;
		const next = Math.max(read.n + 1, room.first);
		if (!target && unread > 0 && first && (first === next || timeline.isEmpty(next, first - 1))) this.#scrollTo(first);
	}

	get atEnd() {
		return !this.scroller?.anchor;
	}

	/** The number of new messages below those on screen. */
	get below() {
		const { read } = this.props.roomState;
		if (this.atEnd) return 0;
		return this.props.roomState.countAfter(this.unreadAbove.count > 0 ? Math.max(this.#leftEnd, read.n) : read.n);
	}

	/** The number of unread messages if the first of them is above those on screen, and that one. */
	get unreadAbove() {
		const { timeline, unread, read, room } = this.props.roomState;
		const next = Math.max(read.n + 1, room.first);
		const first = room.replica.possible(next, room.head)[0]?.[0] ?? next;
		const view = this.scroller?.inView().first ?? 0;
		return { count: view <= first || timeline.isEmpty(first, view - 1) ? 0 : unread, first };
	}

	#scrolledByPerson() {
		const { roomState, target, leaveTarget } = this.props;
		this.#opened = true;
		if (!this.atEnd && roomState.sampler.flooded) roomState.pause();
		if (this.atEnd) roomState.resume();
		if (this.atEnd && target) leaveTarget();
		this.#scrolled();
	}

	#scrolled() {
		const { roomState, model } = this.props;
		if (!this.atEnd && !this.#leftEnd) this.#leftEnd = roomState.head;
		if (this.atEnd) this.#leftEnd = 0;
		this.#updateVisible();
		this.#loadVisible();
		model.changed();
	}

	/** Notes which messages are on screen, and marks them as read if someone is looking. */
	#updateVisible() {
		const { roomState } = this.props;
		const scroller = this.scroller;
		if (!scroller) return;
		const { first, last } = scroller.inView();
		roomState.visible = this.atEnd ? { from: 0, to: 0 } : { from: first, to: last };
		roomState.atEnd = this.atEnd;
		if (this.#opened) roomState.markInView(first, last);
	}

	/** Loads missing messages that are on screen, or nearly. */
	#loadVisible() {
		const { roomState } = this.props;
		const log = this.element;
		if (!log || roomState.pages.loading) return;
		const view = log.getBoundingClientRect();
		for (const el of /** @type {NodeListOf<HTMLElement>} */ (log.querySelectorAll("[data-missing]"))) {
			const box = el.getBoundingClientRect();
			const top = el.dataset.missing === "first" ? view.top - PREFETCH : view.top;
			if (box.bottom < top || box.top > view.bottom) continue;
			this.#load(Number(el.dataset.from), Number(el.dataset.to), box.top < (view.top + view.bottom) / 2);
			return;
		}
	}

	/**
	 * Loads some of the missing messages: the newest, for a reader who scrolls up, or the oldest.
	 * @param {number} from @param {number} to @param {boolean} upwards
	 */
	#load(from, to, upwards) {
		const { roomState } = this.props;
		if (roomState.timeline.isEmpty(to + 1, roomState.head)) roomState.pages.load({});
		else roomState.pages.load(upwards ? { before: to + 1 } : { after: from - 1 });
	}

	/** Scrolls to a message and marks it. If it is deleted, it scrolls to the one after it. @param {number} n */
	async show(n) {
		if (this.#scrollTo(n)) {
			this.#scrolled();
			return;
		}
		const { roomState } = this.props;
		roomState.jumpTarget = n;
		await roomState.pages.loadAround(n);
		requestAnimationFrame(() => requestAnimationFrame(() => { // once it is drawn
			const { messages } = roomState.timeline;
			const nearest = messages[Math.min(roomState.timeline.at(n), messages.length - 1)];
			if (nearest) this.#scrollTo(nearest.n);
			roomState.jumpTarget = 0;
			this.#scrolled();
		}));
	}

	/** Scrolls to a message, or to the end if both are on screen then. Returns false if it is not here. @param {number} n */
	#scrollTo(n) {
		if (!this.scroller?.to(n)) return false;
		const { timeline, head } = this.props.roomState;
		if (timeline.isEmpty(timeline.last + 1, head)) this.scroller.holdEndIfNear();
		return true;
	}

	async end() {
		const { roomState, target, leaveTarget } = this.props;
		roomState.resume();
		if (target) leaveTarget();
		const { timeline, head, incoming } = roomState;
		if (timeline.last > 0 && !timeline.isEmpty(timeline.last + 1, head) && incoming.length === 0) await roomState.pages.load({});
		this.scroller?.toEnd();
		this.#scrolled();
	}

	#selected = () => {
		const selection = document.getSelection();
		const { roomState } = this.props;
		const selecting = Boolean(selection && !selection.isCollapsed && this.element?.contains(selection.anchorNode));
		if (selecting && roomState.sampler.flooded) roomState.pause();
		if (this.#selecting && !selecting && this.atEnd) roomState.resume();
		this.#selecting = selecting;
	};

	/** Scrolls by most of what is in view. @param {number} pages negative: upwards */
	scrollBy(pages) {
		this.element?.scrollBy({ top: pages * 0.9 * this.element.clientHeight });
	}

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		if (event.key === "End") {
			event.preventDefault();
			this.end();
		} else if (this.#step(event)) {
			event.preventDefault();
		}
	};

	/**
	 * Moves the focus from the log to the link of a message, and from there to the one above or below, or opens the menu of the
	 * message. These links are not tab stops, because it would take hundreds of keys to get past the log.
	 * @param {KeyboardEvent} event
	 */
	#step(event) {
		const focused = /** @type {HTMLElement} */ (event.target);
		const links = /** @type {HTMLElement[]} */ ([...(this.element?.querySelectorAll("[data-n] .time") ?? [])]);
		const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
		let to;
		if (focused.matches(".time") && (event.key === "Enter" || event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey))) return this.#openMenu(focused);
		if (focused === this.element && event.key === "Enter") to = this.scroller?.row(this.scroller.inView().last)?.querySelector(".time");
		else if (step && focused.matches(".time")) to = links[links.indexOf(focused) + step];
		if (!to) return false;
		/** @type {HTMLElement} */ (to).focus();
		return true;
	}

	/** Opens the menu of the message that an element is in. @param {Element} element */
	#openMenu(element) {
		const { roomState, acting } = this.props;
		const row = /** @type {HTMLElement|null} */ (element.closest("[data-n]"));
		const { timeline } = roomState;
		const m = timeline.messages[timeline.at(Number(row?.dataset.n))];
		if (!row || String(m?.n) !== row.dataset.n) return false;
		return acting.open(roomState, m, row.getBoundingClientRect());
	}

	/** Waits for a long press. @param {PointerEvent} down */
	#pressed = (down) => {
		if (down.pointerType === "mouse" || !(down.target instanceof Element) || down.target.closest("a[href^=http], button")) return;
		const { target } = down;
		const pressed = new AbortController();
		const timer = setTimeout(() => {
			pressed.abort();
			this.#openMenu(target);
		}, LONG_PRESS);
		pressed.signal.addEventListener("abort", () => clearTimeout(timer));
		const { signal } = pressed;
		for (const event of ["pointerup", "pointercancel"]) addEventListener(event, () => pressed.abort(), { signal });
		addEventListener("pointermove", (move) => Math.hypot(move.x - down.x, move.y - down.y) > PRESS_MOVED && pressed.abort(), { signal });
	};

	/** A long press opens the page's menu instead of the browser's. @param {MouseEvent} event */
	#contextMenu = (event) => {
		if (touchScreen.matches && event.target instanceof Element && !event.target.closest("a[href^=http]")) event.preventDefault();
	};

	/** What is drawn of a message besides itself: what it replies to, and what the reader is doing to it. @param {Message} m */
	#changing(m) {
		const { roomState } = this.props;
		const pending = roomState.pendingChange(m);
		const { writing } = roomState.box;
		return {
			quote: m.re ? roomState.quotes.get(m.re) : null,
			pending,
			pendingState: pending?.state ?? "",
			confirming: roomState.confirming === m.n,
			editing: writing?.kind === "edit" && writing.m.n === m.n && m.n > 0,
			extras: roomState.extrasOf(m),
		};
	}

	/** @param {Row} row @param {number} i @param {string} renderKey */
	#row(row, i, renderKey) {
		const { roomState, target, acting } = this.props;
		switch (row.kind) {
			case "message":
				return h(MessageRow, { key: row.key, roomState, acting, m: row.m, head: row.head, group: row.group, skipped: row.skipped, target: row.m.n === target, renderKey, ...this.#changing(row.m) });
			case "day":
				return html`<li key=${row.key} class="day"><span>${dayName(row.at)}</span></li>`;
			case "unread":
				return html`<li key=${row.key} class="unread"><span>${t.unreadDivider}</span></li>`;
			case "gone":
				return html`<li key=${row.key} class="gone">${plural(t.gone, row.to - row.from + 1)}</li>`;
			case "missing":
				return html`<li key=${row.key} class="missing" data-missing=${i === 0 ? "first" : "inner"} data-from=${row.from} data-to=${row.to}>
					<button type="button" disabled=${roomState.pages.loading} onClick=${() => this.#load(row.from, row.to, true)}>
						${roomState.pages.loading ? t.loading : plural(t.missing, row.count)}
					</button>
				</li>`;
		}
	}

	/** @param {LogProps} props */
	render({ roomState, model }) {
		const { sampler, timeline, room } = roomState;
		const rows = roomState.rows();
		if (sampler.flooded && rows.at(-1)?.kind === "missing") rows.pop(); // they are shown in a moment; the banner says how many
		const renderKey = `${model.client.by} ${model.client.name} ${language} ${room.names.length} ${model.hidden.version} ${roomState.revealed.size}`;
		const complete = rows.length > 0 && rows[0].kind !== "missing";
		const start = timeline.start(room.first);
		const last = rows.at(-1);
		const { client } = model;
		const continues = last?.kind === "message" && last.m.by === client.by && last.m.from === client.name && Date.now() - Date.parse(last.m.at) < TOGETHER;
		const unsent = roomState.sent.filter((s) => s.isMessage);
		const empty = room.log && room.head === 0 && rows.length === 0 && roomState.sent.length === 0;
		return html`<div class="log" tabindex="0" role="region" aria-label=${t.log} ref=${(/** @type {HTMLElement|null} */ el) => (this.element = el)}
			onClick=${clicked} onKeyDown=${this.#key} onPointerDown=${this.#pressed} onContextMenu=${this.#contextMenu}>
			<div class="page">
				${empty && html`<${Welcome} room=${roomState.room} />`}
				${complete && html`<p class="beginning">${start === 1 ? t.beginning : plural(t.gone, start - 1)}</p>`}
				<ol>${rows.map((row, i) => this.#row(row, i, renderKey))}</ol>
				<ol class="outbox">${unsent.map((s, i) => html`<${SentRow} key=${`s${s.id}`} roomState=${roomState} acting=${this.props.acting} sent=${s} head=${i === 0 && !continues} />`)}</ol>
			</div>
		</div>`;
	}
}
