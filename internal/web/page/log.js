// The messages of a room, as they stand on the page.
import { Component, h, html } from "./html.js";
import { Scroller } from "./scroll.js";
import { hue, mentionsName, parts } from "./text.js";
import { clock, day, exactly, language, number, t } from "./words.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./model.js").Place} Place
 * @typedef {import("./ramai.js").Message} Message
 * @typedef {import("./ramai.js").Sent} Sent
 * @typedef {import("./timeline.js").Row} Row
 */

const EARLY = 800; // px before the beginning of what is here: then more is loaded

/** Who said it, for people. @param {{by: string, from: string}} m */
export const called = (m) => m.from || t.guest(m.by.slice(0, 4));

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
 * @property {Place} place
 * @property {Message} m
 * @property {boolean} head
 * @property {number} skipped
 * @property {boolean} target a link led here
 * @property {string} sign whatever else it depends on
 */

/**
 * One message, drawn again only if something about it is different. (To keep its node and give it to Preact again would
 * keep all that ever stood beside it, too.)
 * @extends {Component<LineProps, {}>}
 */
class Line extends Component {
	/** @param {LineProps} next */
	shouldComponentUpdate(next) {
		const { m, head, skipped, target, sign } = this.props;
		return next.m !== m || next.head !== head || next.skipped !== skipped || next.target !== target || next.sign !== sign;
	}

	/** @param {LineProps} props */
	render({ place, m, head, skipped, target }) {
		const { by, name: me } = place.model.client;
		const mine = m.by === by;
		const marks = ["m", head && "head", mine && "mine", !mine && mentionsName(m.text, me) && "mentioned", target && "target"];
		const time = html`<a class="time" tabindex="-1" href=${`#n${m.n}`}><time datetime=${m.at} title=${`${exactly(m.at)} · ${m.n}`}>${clock(m.at)}</time></a>`;
		return html`<li class=${marks.filter(Boolean).join(" ")} data-n=${m.n}>
			${skipped > 0 && html`<button type="button" class="skipped" title=${t.skippedLoad(number(skipped))} aria-label=${t.skippedLoad(number(skipped))}
				onClick=${() => place.load({ before: m.n })}>${t.skipped(number(skipped))}</button>`}
			${head && html`<p class="by"><bdi class=${m.from ? "name" : "name none"} style=${{ "--hue": hue(m.by) }}>${called(m)}</bdi>${mine && !m.from && html` <span class="you">${t.you}</span>`} ${time}</p>`}
			${!head && time}
			<div class="text" dir="auto"><${Text} text=${m.text} me=${me} names=${place.room.names} /></div>
		</li>`;
	}
}

/**
 * @typedef {object} LogProps
 * @property {Model} model
 * @property {Place} place
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
		const { place } = this.props;
		if (place.sluice.flooded && this.#hovered && this.atEnd) place.pause(); // it began while somebody was reading
		this.scroller?.hold();
		this.#look();
	}

	get atEnd() {
		return !this.scroller?.anchor;
	}

	/** How many have come below what is looked at. */
	get below() {
		const { timeline } = this.props.place;
		return this.atEnd ? 0 : Math.max(0, timeline.head - Math.max(this.#leftEnd, this.props.place.read));
	}

	#moved() {
		const { place, model } = this.props;
		if (!this.atEnd && !this.#leftEnd) this.#leftEnd = place.timeline.head;
		if (this.atEnd) this.#leftEnd = 0;
		this.#look();
		this.#more();
		model.changed();
	}

	/** Notes what is in view: read, if somebody looks. */
	#look() {
		const { place } = this.props;
		const scroller = this.scroller;
		if (!scroller) return;
		const { first, last } = scroller.inView();
		place.looked = this.atEnd ? { from: 0, to: 0 } : { from: first, to: last };
		place.atEnd = this.atEnd;
		if (!place.seen) return;
		if (this.atEnd) place.readTo(place.came.length > 0 ? last : place.timeline.head);
		else place.readTo(last);
	}

	/** Loads what a person comes near to. */
	#more() {
		const { place } = this.props;
		const log = this.element;
		if (!log || place.loading) return;
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
		const { place } = this.props;
		if (to >= place.timeline.head) place.load({});
		else place.load(upwards ? { before: to + 1 } : { after: from - 1 });
	}

	/** Shows a message and marks it. @param {number} n */
	async show(n) {
		if (this.#to(n)) {
			this.#moved();
			return;
		}
		const { place } = this.props;
		place.sought = n;
		await place.around(n);
		requestAnimationFrame(() => requestAnimationFrame(() => {
			const { kept } = place.timeline;
			const near = kept[Math.min(place.timeline.at(n), kept.length - 1)]; // it, or if it is gone, what follows
			if (near) this.#to(near.n);
			place.sought = 0;
			this.#moved();
		}));
	}

	/** Goes to a message, or to the end if that is in view then. False: it is not there. @param {number} n */
	#to(n) {
		if (!this.scroller?.to(n)) return false;
		const { kept, head } = this.props.place.timeline;
		if (kept[kept.length - 1].n >= head) this.scroller.settle();
		return true;
	}

	async end() {
		const { place } = this.props;
		place.resume();
		const { kept, head } = place.timeline;
		if (kept.length > 0 && kept[kept.length - 1].n < head && place.came.length === 0) await place.load({});
		this.scroller?.toEnd();
		this.#moved();
	}

	#selected = () => {
		const selection = document.getSelection();
		const { place } = this.props;
		if (selection && !selection.isCollapsed && this.element?.contains(selection.anchorNode) && place.sluice.flooded) place.pause();
	};

	#enter = () => {
		this.#hovered = true;
		if (this.props.place.sluice.flooded) this.props.place.pause();
	};

	#leave = () => {
		this.#hovered = false;
		if (document.getSelection()?.isCollapsed !== false && this.atEnd) this.props.place.resume();
	};

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		const { place } = this.props;
		if (event.key === "End") {
			event.preventDefault();
			this.end();
		} else if (this.#step(event)) {
			event.preventDefault();
		} else if (["ArrowUp", "PageUp", "Home", " "].includes(event.key) && place.sluice.flooded) {
			place.pause();
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

	/** @param {Row} row @param {number} i @param {string} sign */
	#row(row, i, sign) {
		const { place, target } = this.props;
		switch (row.kind) {
			case "message":
				return h(Line, { key: row.key, place, m: row.m, head: row.head, skipped: row.skipped, target: row.m.n === target, sign });
			case "day":
				return html`<li key=${row.key} class="day"><span>${day(row.at)}</span></li>`;
			case "unread":
				return html`<li key=${row.key} class="unread"><span>${t.unreadRule}</span></li>`;
			case "gone":
				return html`<li key=${row.key} class="gone">${t.gone(number(row.to - row.from + 1))}</li>`;
			case "hole":
				return html`<li key=${row.key} class="hole" data-hole=${i === 0 ? "first" : "inner"} data-from=${row.from} data-to=${row.to}>
					<button type="button" disabled=${place.loading} onClick=${() => this.load(row.from, row.to, true)}>
						${place.loading ? t.loading : t.missing(number(row.to - row.from + 1))}
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
	render({ place, model }) {
		const { sluice, timeline } = place;
		const rows = timeline.rows();
		if (sluice.flooded && !sluice.paused && rows.at(-1)?.kind === "hole") rows.pop(); // the next moment has its end; the top says how many
		const sign = `${model.client.by} ${model.client.name} ${language} ${place.room.names.length}`;
		const all = rows.length > 0 && rows[0].kind !== "hole";
		const empty = place.room.log && timeline.head === 0 && rows.length === 0 && place.sent.length === 0;
		return html`<div class="log" tabindex="0" role="region" aria-label=${t.log} ref=${(/** @type {HTMLElement|null} */ el) => (this.element = el)}
			onMouseEnter=${this.#enter} onMouseLeave=${this.#leave} onKeyDown=${this.#key}>
			<div class="page">
				${empty && html`<div class="empty"><p>${t.empty}</p><p>${t.emptyHint}</p></div>`}
				${all && place.timeline.first === 1 && html`<p class="beginning">${t.beginning}</p>`}
				${all && place.timeline.first > 1 && html`<p class="beginning">${t.gone(number(place.timeline.first - 1))}</p>`}
				<ol>${rows.map((row, i) => this.#row(row, i, sign))}</ol>
				<ol class="outbox">${place.sent.map((s) => this.#sent(s))}</ol>
			</div>
		</div>`;
	}
}
