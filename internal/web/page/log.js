// The messages of a room, as they stand on the page.
import { Component, h, html } from "./html.js";
import { Scroller } from "./scroll.js";
import { hue, mentionsName, parts } from "./text.js";
import { timeOfDay, dayName, fullTime, language, number, t } from "./i18n.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./model.js").RoomState} RoomState
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./timeline.js").Row} Row
 */

const EARLY = 800; // px before the beginning of what is here: then more is loaded

/** Who said it, for people. @param {{by: string, from: string}} m */
export const displayName = (m) => m.from || t.guest(m.by.slice(0, 4));

/** @param {{text: string, me: string, names: string[]}} props */
export function Text({ text, me, names }) {
	return parts(text, me, names).map((p) => {
		switch (p.kind) {
			case "link":
				return html`<a href=${p.href} title=${p.href} target="_blank" rel="noopener noreferrer nofollow ugc">${p.text}</a>`;
			case "code":
				return html`<code>${p.text}</code>`;
			case "block":
				return html`<pre tabindex="0"><code>${p.text}</code></pre>`;
			case "mention":
				return html`<b class=${p.me ? "mention me" : "mention"}>${p.text}</b>`;
		}
		return p.text;
	});
}

/**
 * @typedef {object} LineProps
 * @property {RoomState} roomState
 * @property {Message} m
 * @property {boolean} head
 * @property {number} skipped
 * @property {boolean} target a link led here
 * @property {string} renderKey whatever else it depends on
 */

/**
 * One message, drawn again only if something about it is different. (To keep its node and give it to Preact again would
 * keep all that ever stood beside it, too.)
 * @extends {Component<LineProps, {}>}
 */
class Line extends Component {
	/** @param {LineProps} next */
	shouldComponentUpdate(next) {
		const { m, head, skipped, target, renderKey } = this.props;
		return next.m !== m || next.head !== head || next.skipped !== skipped || next.target !== target || next.renderKey !== renderKey;
	}

	/** @param {LineProps} props */
	render({ roomState, m, head, skipped, target }) {
		const { by, name: me } = roomState.model.client;
		const mine = m.by === by;
		const marks = ["m", head && "head", mine && "mine", !mine && mentionsName(m.text, me) && "mentioned", target && "target"];
		const time = html`<a class="time" tabindex="-1" href=${`#n${m.n}`}><time datetime=${m.at} title=${`${fullTime(m.at)} · ${m.n}`}>${timeOfDay(m.at)}</time></a>`;
		return html`<li class=${marks.filter(Boolean).join(" ")} data-n=${m.n}>
			${skipped > 0 && html`<button type="button" class="skipped" title=${t.skippedLoad(number(skipped))} aria-label=${t.skippedLoad(number(skipped))}
				onClick=${() => roomState.load({ before: m.n })}>${t.skipped(number(skipped))}</button>`}
			${head && html`<p class="byline"><bdi class=${m.from ? "name" : "name none"} style=${{ "--hue": hue(m.by) }}>${displayName(m)}</bdi>${mine && !m.from && html` <span class="you">${t.you}</span>`} ${time}</p>`}
			${!head && time}
			<div class="text" dir="auto"><${Text} text=${m.text} me=${me} names=${roomState.room.names} /></div>
		</li>`;
	}
}

/**
 * @typedef {object} LogProps
 * @property {Model} model
 * @property {RoomState} roomState
 * @property {number} target the message that a link leads to; 0: none
 * @property {(log: Log) => void} ready
 */

/** @extends {Component<LogProps, {}>} */
export class Log extends Component {
	/** @type {HTMLElement|null} */
	element = null;
	/** @type {Scroller|null} */
	scroller = null;
	#leftEnd = 0; // the newest number when the end was left
	#hovered = false;

	componentDidMount() {
		if (!this.element) return;
		this.scroller = new Scroller(this.element, () => this.#moved());
		this.scroller.hold();
		this.props.ready(this);
		document.addEventListener("selectionchange", this.#selected);
	}

	componentWillUnmount() {
		this.scroller?.close();
		document.removeEventListener("selectionchange", this.#selected);
	}

	componentDidUpdate() {
		const { roomState } = this.props;
		if (roomState.sampler.flooded && this.#hovered && this.atEnd) roomState.pause(); // it began while somebody was reading
		this.scroller?.hold();
		this.#look();
	}

	get atEnd() {
		return !this.scroller?.anchor;
	}

	/** How many have come below what is looked at. */
	get below() {
		const { timeline } = this.props.roomState;
		return this.atEnd ? 0 : Math.max(0, timeline.head - Math.max(this.#leftEnd, this.props.roomState.read));
	}

	#moved() {
		const { roomState, model } = this.props;
		if (!this.atEnd && !this.#leftEnd) this.#leftEnd = roomState.timeline.head;
		if (this.atEnd) this.#leftEnd = 0;
		this.#look();
		this.#more();
		model.changed();
	}

	/** Notes what is in view: read, if somebody looks. */
	#look() {
		const { roomState } = this.props;
		const scroller = this.scroller;
		if (!scroller) return;
		const { first, last } = scroller.inView();
		roomState.looked = this.atEnd ? { from: 0, to: 0 } : { from: first, to: last };
		roomState.atEnd = this.atEnd;
		if (!roomState.seen) return;
		if (this.atEnd) roomState.readTo(roomState.incoming.length > 0 ? last : roomState.timeline.head);
		else roomState.readTo(last);
	}

	/** Loads what a person comes near to. */
	#more() {
		const { roomState } = this.props;
		const log = this.element;
		if (!log || roomState.loading) return;
		const view = log.getBoundingClientRect();
		for (const el of /** @type {NodeListOf<HTMLElement>} */ (log.querySelectorAll("[data-hole]"))) {
			const box = el.getBoundingClientRect();
			const top = el.dataset.hole === "first" ? view.top - EARLY : view.top;
			if (box.bottom < top || box.top > view.bottom) continue;
			this.load(Number(el.dataset.from), Number(el.dataset.to), box.top < (view.top + view.bottom) / 2);
			return;
		}
	}

	/**
	 * Loads a part of a hole: its end, as who scrolls up wants, or its beginning.
	 * @param {number} from @param {number} to @param {boolean} upwards
	 */
	load(from, to, upwards) {
		const { roomState } = this.props;
		if (to >= roomState.timeline.head) roomState.load({});
		else roomState.load(upwards ? { before: to + 1 } : { after: from - 1 });
	}

	/** Shows a message and marks it. @param {number} n */
	async show(n) {
		if (this.#to(n)) {
			this.#moved();
			return;
		}
		const { roomState } = this.props;
		roomState.jumpTarget = n;
		await roomState.around(n);
		requestAnimationFrame(() => requestAnimationFrame(() => {
			const { kept } = roomState.timeline;
			const near = kept[Math.min(roomState.timeline.at(n), kept.length - 1)]; // it, or if it is gone, what follows
			if (near) this.#to(near.n);
			roomState.jumpTarget = 0;
			this.#moved();
		}));
	}

	/** Goes to a message, or to the end if that is in view then. False: it is not there. @param {number} n */
	#to(n) {
		if (!this.scroller?.to(n)) return false;
		const { kept, head } = this.props.roomState.timeline;
		if (kept[kept.length - 1].n >= head) this.scroller.settle();
		return true;
	}

	async end() {
		const { roomState } = this.props;
		roomState.resume();
		const { kept, head } = roomState.timeline;
		if (kept.length > 0 && kept[kept.length - 1].n < head && roomState.incoming.length === 0) await roomState.load({});
		this.scroller?.toEnd();
		this.#moved();
	}

	#selected = () => {
		const selection = document.getSelection();
		const { roomState } = this.props;
		if (selection && !selection.isCollapsed && this.element?.contains(selection.anchorNode) && roomState.sampler.flooded) roomState.pause();
	};

	#enter = () => {
		this.#hovered = true;
		if (this.props.roomState.sampler.flooded) this.props.roomState.pause();
	};

	#leave = () => {
		this.#hovered = false;
		if (document.getSelection()?.isCollapsed !== false && this.atEnd) this.props.roomState.resume();
	};

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		const { roomState } = this.props;
		if (event.key === "End") {
			event.preventDefault();
			this.end();
		} else if (this.#step(event)) {
			event.preventDefault();
		} else if (["ArrowUp", "PageUp", "Home", " "].includes(event.key) && roomState.sampler.flooded) {
			roomState.pause();
		}
	};

	/**
	 * Goes with the keyboard to the link of a message, and from there to the one before or after. They are no stops of
	 * Tab: it would take hundreds to get past the log.
	 * @param {KeyboardEvent} event
	 */
	#step(event) {
		const at = /** @type {HTMLElement} */ (event.target);
		const links = /** @type {HTMLElement[]} */ ([...(this.element?.querySelectorAll("[data-n] .time") ?? [])]);
		const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
		let to;
		if (at === this.element && event.key === "Enter") to = this.scroller?.row(this.scroller.inView().last)?.querySelector(".time");
		else if (step && at.matches(".time")) to = links[links.indexOf(at) + step];
		if (!to) return false;
		/** @type {HTMLElement} */ (to).focus();
		return true;
	}

	/** @param {Row} row @param {number} i @param {string} renderKey */
	#row(row, i, renderKey) {
		const { roomState, target } = this.props;
		switch (row.kind) {
			case "message":
				return h(Line, { key: row.key, roomState, m: row.m, head: row.head, skipped: row.skipped, target: row.m.n === target, renderKey });
			case "day":
				return html`<li key=${row.key} class="day"><span>${dayName(row.at)}</span></li>`;
			case "unread":
				return html`<li key=${row.key} class="unread"><span>${t.unreadDivider}</span></li>`;
			case "gone":
				return html`<li key=${row.key} class="gone">${t.gone(number(row.to - row.from + 1))}</li>`;
			case "hole":
				return html`<li key=${row.key} class="missing" data-hole=${i === 0 ? "first" : "inner"} data-from=${row.from} data-to=${row.to}>
					<button type="button" disabled=${roomState.loading} onClick=${() => this.load(row.from, row.to, true)}>
						${roomState.loading ? t.loading : t.missing(number(row.to - row.from + 1))}
					</button>
				</li>`;
		}
	}

	/** @param {Sent} s */
	#sent(s) {
		const { model } = this.props;
		return html`<li key=${`s${s.id}`} class=${`m mine head sent ${s.state}`}>
			<div class="text" dir="auto"><${Text} text=${s.text} me="" names=${[]} /></div>
			<p class="state">
				${s.state === "failed" ? html`<span class="why">${t.failed(s.why?.reason ?? "")}</span>
					<button type="button" onClick=${() => model.client.again(s)}>${t.again}</button>
					<button type="button" onClick=${() => model.client.withdraw(s)}>${t.discard}</button>` : t[s.state]}
			</p>
		</li>`;
	}

	/** @param {LogProps} props */
	render({ roomState, model }) {
		const { sampler, timeline } = roomState;
		const rows = timeline.rows();
		if (sampler.flooded && !sampler.paused && rows.at(-1)?.kind === "hole") rows.pop(); // the next moment has its end; the top says how many
		const renderKey = `${model.client.by} ${model.client.name} ${language} ${roomState.room.names.length}`;
		const all = rows.length > 0 && rows[0].kind !== "hole";
		const empty = roomState.room.log && timeline.head === 0 && rows.length === 0 && roomState.sent.length === 0;
		return html`<div class="log" tabindex="0" role="region" aria-label=${t.log} ref=${(/** @type {HTMLElement|null} */ el) => (this.element = el)}
			onMouseEnter=${this.#enter} onMouseLeave=${this.#leave} onKeyDown=${this.#key}>
			<div class="page">
				${empty && html`<div class="empty"><p>${t.empty}</p><p>${t.emptyHint}</p></div>`}
				${all && roomState.timeline.first === 1 && html`<p class="beginning">${t.beginning}</p>`}
				${all && roomState.timeline.first > 1 && html`<p class="beginning">${t.gone(number(roomState.timeline.first - 1))}</p>`}
				<ol>${rows.map((row, i) => this.#row(row, i, renderKey))}</ol>
				<ol class="outbox">${roomState.sent.map((s) => this.#sent(s))}</ol>
			</div>
		</div>`;
	}
}
