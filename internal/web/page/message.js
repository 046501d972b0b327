// One message, as it stands in the log.
import { EditedMark, QuotedLine, Tombstone } from "./changes.js";
import { Component, html } from "./html.js";
import { errorText, fullTime, number, plural, t, timeOfDay } from "./i18n.js";
import { Later } from "./lazy.js";
import { avatar, displayName } from "./people.js";
import { hue, isEmojiOnly, mentionsName, parts } from "./text.js";

/**
 * @typedef {import("./messagemenu.js").MessageAction} MessageAction
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/** @param {{text: string, me: string, names: string[]}} props */
const Text = ({ text, me, names }) => nodes(parts(text, me, names));

/** @param {import("./text.js").Part[]} list @returns {any[]} */
function nodes(list) {
	return list.map((p) => {
		switch (p.kind) {
			case "link":
				return html`<a href=${p.href} title=${p.href} target="_blank" rel="noopener noreferrer nofollow ugc">${p.text}</a>`;
			case "code":
				return html`<code>${p.text}</code>`;
			case "block":
				return html`<pre tabindex="0"><code>${p.text}</code></pre>`;
			case "mention":
				return html`<b class=${p.me ? "mention me" : "mention"}>${p.text}</b>`;
			case "bold":
				return html`<strong>${nodes(p.parts)}</strong>`;
			case "italic":
				return html`<em>${nodes(p.parts)}</em>`;
			case "quote":
				return html`<blockquote>${nodes(p.parts)}</blockquote>`;
			case "list": {
				const items = p.items.map((item) => html`<li>${nodes(item)}</li>`);
				return p.start ? html`<ol start=${p.start}>${items}</ol>` : html`<ul>${items}</ul>`;
			}
		}
		return p.text;
	});
}

/** The author of the messages below it. @param {{m: {by: string, from: string}, mine: boolean, children?: any}} props */
const Byline = ({ m, mine, children }) => html`${avatar(m)}<p class="byline"><bdi class=${m.from ? "name" : "name none"} style=${{ "--hue": hue(m.by) }}>${displayName(m)}</bdi>
	${mine && !m.from && html` <span class="you">${t.you}</span>`} ${children}</p>`;

const MAY_BE_LONG = 300; // characters, or a third as many lines, which may be higher than FOLD

/**
 * A text of which only the first lines are shown if it is high. mark stands behind it.
 * @extends {Component<{text: string, mark?: any, children?: any}, {high: boolean, open: boolean}>}
 */
class Folded extends Component {
	state = { high: false, open: false };
	/** @type {HTMLElement|null} */
	#element = null;

	componentDidMount() {
		if (this.#element?.classList.contains("fold") && this.#element.scrollHeight > this.#element.clientHeight + 8) this.setState({ high: true });
	}

	/** @param {{text: string}} was */
	componentDidUpdate(was) {
		if (was.text === this.props.text) return;
		this.setState({ high: false }, () => this.componentDidMount());
	}

	/** @param {{text: string, mark?: any, children?: any}} props */
	render({ text, mark, children }) {
		const { high, open } = this.state;
		const fold = !open && (high || text.length > MAY_BE_LONG || text.split("\n", 21).length > 20);
		return html`<div class=${fold ? "text fold" : isEmojiOnly(text) ? "text large" : "text"} dir="auto" ref=${(/** @type {HTMLElement|null} */ el) => { this.#element = el; }}>${children}${!high && mark}</div>
			${high && mark}
			${high && html`<button type="button" class="plain more" aria-expanded=${open ? "true" : "false"} onClick=${() => this.setState({ open: !open })}>${open ? t.showLess : t.showMore}</button>`}`;
	}
}

/**
 * The actions of the reader on messages.
 * @typedef {object} Acting
 * @property {(action: MessageAction, roomState: RoomState, m: Message) => void} run
 * @property {(roomState: RoomState, m: Message, at: DOMRect) => boolean} open opens the menu of a message, next to something; false: it has none
 * @property {(roomState: RoomState, n: number) => void} jump shows another message
 * @property {(n: number) => void} backTo gives the focus back to a message, or to the box
 *
 * @typedef {object} MessageProps
 * @property {RoomState} roomState
 * @property {Acting} acting
 * @property {Message} m
 * @property {boolean} head the first of a group
 * @property {number} group the number of the first of its group
 * @property {number} skipped messages that were left out before it
 * @property {boolean} target a link leads here
 * @property {Message|null|undefined} quote the message that it replies to; null: the server does not keep it; undefined: it is being loaded
 * @property {Sent|undefined} pending a change of it that is not saved
 * @property {string} pendingState
 * @property {boolean} confirming the reader is asked whether to delete it
 * @property {boolean} editing its text is in the box
 * @property {string} extras what stands below its text, see extras.js; empty: nothing
 * @property {string} renderKey changes whenever anything else changes that it depends on
 */

/**
 * A message, rendered again only if it changes. (Caching the virtual node instead would make Preact keep all its former
 * siblings in memory.)
 * @extends {Component<MessageProps, {pointed: boolean}>}
 */
export class MessageRow extends Component {
	state = { pointed: false }; // the mouse is on it

	/** @param {MessageProps} next @param {MessageRow["state"]} state */
	shouldComponentUpdate(next, state) {
		return state.pointed !== this.state.pointed || SHOWN_PROPS.some((name) => next[name] !== this.props[name]);
	}

	#enter = (/** @type {PointerEvent} */ event) => event.pointerType === "mouse" && this.setState({ pointed: true });
	#leave = () => this.setState({ pointed: false });

	/** @param {MessageProps} props */
	render({ roomState, acting, m, head, group, skipped, target, quote, pending, confirming, editing, extras }, { pointed } = this.state) {
		const { model, model: { client: { by, name: me } } } = roomState;
		if (model.hidden.has(m) && !roomState.revealed.has(group)) return html`<${HiddenRow} roomState=${roomState} m=${m} head=${head} />`;
		const mine = m.by === by;
		const changing = pending && pending.state !== "failed" ? pending : undefined;
		const refused = pending?.state === "failed" && html`<${Later} part="RefusedChange" roomState=${roomState} m=${m} pending=${pending} />`;
		const classes = ["m", head && "head", mine && "mine", roomState.mentions.isToMe(m) && "mentioned", target && "target", changing && "changing", editing && "editing", m.gone && "gone-message", m.as && `as-${m.as}`];
		const time = html`<a class="time" tabindex="-1" href=${`#n${m.n}`}><time datetime=${m.at} title=${`${fullTime(m.at)} · ${m.n}`}>${timeOfDay(m.at)}</time></a>`;
		if (m.gone) return html`<li class=${classes.filter(Boolean).join(" ")} data-n=${m.n}><${Tombstone} m=${m} text=${changing ? t.deleting : t.deleted}>${time}<//>${refused}</li>`;
		const mark = changing ? html` <span class="edited">${t.savingEdit}</span>` : m.edited ? html`<${EditedMark} at=${m.edited_at ?? ""} />` : null;
		return html`<li class=${classes.filter(Boolean).join(" ")} data-n=${m.n} onPointerEnter=${this.#enter} onPointerLeave=${this.#leave}>
			${skipped > 0 && html`<button type="button" class="skipped" title=${plural(t.skippedLoad, skipped)} aria-label=${plural(t.skippedLoad, skipped)}
				onClick=${() => roomState.pages.load({ before: m.n })}>${t.skipped(number(skipped))}</button>`}
			${head && html`<${Byline} m=${m} mine=${mine}>${time}<//>`}
			${!head && html`<span class="author">${displayName(m)}: </span>${time}`}
			${m.re && html`<${QuotedLine} m=${quote} jump=${() => acting.jump(roomState, m.re ?? 0)} />`}
			<${Folded} text=${m.text} mark=${mark}><${Text} text=${m.text} me=${me} names=${roomState.room.names} /><//>
			${extras && html`<${Later} part="Extras" roomState=${roomState} m=${roomState.shown(m.n)} />`}
			${refused}
			${confirming && html`<${Later} part="ConfirmDelete" roomState=${roomState} m=${m} acting=${acting} />`}
			${pointed && !confirming && html`<${Later} part="ActionBar" roomState=${roomState} m=${m} run=${(/** @type {MessageAction} */ action) => acting.run(action, roomState, m)} open=${(/** @type {DOMRect} */ at) => acting.open(roomState, m, at)} />`}
		</li>`;
	}
}

/** What a row depends on. @type {(keyof MessageProps)[]} */
const SHOWN_PROPS = ["m", "head", "group", "skipped", "target", "renderKey", "quote", "pending", "pendingState", "confirming", "editing", "extras"];

/** A message of somebody whom the reader has hidden. The first of a group stands for all of them. @param {{roomState: RoomState, m: Message, head: boolean}} props */
const HiddenRow = ({ roomState, m, head }) => html`<li class=${head ? "m folded head" : "m folded"} data-n=${m.n}>
	${head && html`<p>${t.hidden(displayName(m))} · <button type="button" class="plain" onClick=${() => roomState.reveal(m.n)}>${t.reveal}</button></p>`}
</li>`;

/** A message that is not in the log yet. It takes the same space as it will there. @param {{roomState: RoomState, sent: Sent, head: boolean, acting: Acting}} props */
export function SentRow({ roomState, sent, head, acting }) {
	const { client } = roomState.model;
	const failed = sent.state === "failed";
	const pending = roomState.pendingChange(sent);
	const text = pending && !pending.deletes && pending.state !== "failed" ? pending.text : sent.text;
	const state = html`<span class=${`state ${sent.state}`} title=${failed ? "" : t[sent.state]}><span class="label">${failed ? "" : t[sent.state]}</span></span>`;
	return html`<li class=${["m mine sent", head && "head", sent.state].filter(Boolean).join(" ")}>
		${head && html`<${Byline} m=${{ by: client.by, from: client.name }} mine>${state}<//>`}
		${!head && state}
		${sent.re > 0 && html`<${QuotedLine} m=${roomState.quotes.get(sent.re)} jump=${() => acting.jump(roomState, sent.re)} />`}
		<${Folded} text=${text}><${Text} text=${text} me="" names=${[]} /><//>
		${sent.state === "held" && html`<p class="failure"><span>${t.held}</span> <button type="button" onClick=${() => client.withdraw(sent)}>${t.withdraw}</button></p>`}
		${failed && html`<p class="failure">
			<span class="why">${t.failed(sent.why ? errorText(sent.why) : "")}</span>
			<button type="button" onClick=${() => client.again(sent)}>${t.again}</button>
			<button type="button" onClick=${() => client.withdraw(sent)}>${t.discard}</button>
		</p>`}
	</li>`;
}
