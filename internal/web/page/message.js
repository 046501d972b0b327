// One message, as it stands in the log.
import { Component, html } from "./html.js";
import { fullTime, number, t, timeOfDay } from "./i18n.js";
import { hue, mentionsName, parts } from "./text.js";

/**
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/** The sender's name, or a substitute. @param {{by: string, from: string}} m */
export const displayName = (m) => m.from || t.guest(m.by.slice(0, 4));

/** @param {{text: string, me: string, names: string[]}} props */
function Text({ text, me, names }) {
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
 * @typedef {object} MessageProps
 * @property {RoomState} roomState
 * @property {Message} m
 * @property {boolean} head the first of a group
 * @property {number} skipped messages that were left out before it
 * @property {boolean} target a link leads here
 * @property {string} renderKey changes whenever anything else changes that it depends on
 */

/**
 * A message, rendered again only if it changes. (Caching the virtual node instead would make Preact keep all its former
 * siblings in memory.)
 * @extends {Component<MessageProps, {}>}
 */
export class MessageRow extends Component {
	/** @param {MessageProps} next */
	shouldComponentUpdate(next) {
		const { m, head, skipped, target, renderKey } = this.props;
		return next.m !== m || next.head !== head || next.skipped !== skipped || next.target !== target || next.renderKey !== renderKey;
	}

	/** @param {MessageProps} props */
	render({ roomState, m, head, skipped, target }) {
		const { by, name: me } = roomState.model.client;
		const mine = m.by === by;
		const classes = ["m", head && "head", mine && "mine", !mine && mentionsName(m.text, me) && "mentioned", target && "target"];
		const time = html`<a class="time" tabindex="-1" href=${`#n${m.n}`}><time datetime=${m.at} title=${`${fullTime(m.at)} · ${m.n}`}>${timeOfDay(m.at)}</time></a>`;
		return html`<li class=${classes.filter(Boolean).join(" ")} data-n=${m.n}>
			${skipped > 0 && html`<button type="button" class="skipped" title=${t.skippedLoad(number(skipped))} aria-label=${t.skippedLoad(number(skipped))}
				onClick=${() => roomState.load({ before: m.n })}>${t.skipped(number(skipped))}</button>`}
			${head && html`<p class="byline"><bdi class=${m.from ? "name" : "name none"} style=${{ "--hue": hue(m.by) }}>${displayName(m)}</bdi>${mine && !m.from && html` <span class="you">${t.you}</span>`} ${time}</p>`}
			${!head && time}
			<div class="text" dir="auto"><${Text} text=${m.text} me=${me} names=${roomState.room.names} /></div>
		</li>`;
	}
}

/** A message that is not in the log yet. @param {{roomState: RoomState, sent: Sent}} props */
export function SentRow({ roomState, sent }) {
	const { client } = roomState.model;
	return html`<li class=${`m mine head sent ${sent.state}`}>
		<div class="text" dir="auto"><${Text} text=${sent.text} me="" names=${[]} /></div>
		<p class="state">
			${sent.state === "failed" ? html`<span class="why">${t.failed(sent.why?.reason ?? "")}</span>
				<button type="button" onClick=${() => client.again(sent)}>${t.again}</button>
				<button type="button" onClick=${() => client.withdraw(sent)}>${t.discard}</button>` : t[sent.state]}
		</p>
	</li>`;
}
