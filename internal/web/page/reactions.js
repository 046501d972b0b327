// Reactions to a message: the chips below it, and the emoji to choose from.
import { html } from "./html.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { countOf, isMine, QUICK_REACTIONS, reactionsTo, toggleMark } from "./marks.js";
import { Popup } from "./menu.js";
import { displayName } from "./people.js";
import { EmojiPicker } from "./picker.js";

/**
 * @typedef {import("./ramai/replica.js").ShownMessage} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/** Reacts to a message, or takes the reaction back. @param {RoomState} roomState @param {Message} m @param {string} emoji */
export function react(roomState, m, emoji) {
	const on = toggleMark(roomState, m, emoji);
	roomState.model.announce(roomState, `reaction ${m.n} ${emoji}`, () => (on ? t.reacted(emoji) : t.unreacted(emoji)));
}

/** Opens the emoji next to something. @param {RoomState} roomState @param {Message} m @param {DOMRect} at */
export const chooseReaction = (roomState, m, at) => roomState.model.emit("dialog", "ReactionPicker", { roomState, m, at });

/** @param {{roomState: RoomState, m: Message}} props */
export function Reactions({ roomState, m }) {
	const shown = reactionsTo(m);
	if (shown.length === 0) return null;
	return html`<div class="reactions" role="group" aria-label=${t.reactions}>
		${shown.map((emoji) => html`<button type="button" class="chip" key=${emoji} tabindex="-1" aria-pressed=${isMine(m, emoji) ? "true" : "false"} onClick=${() => react(roomState, m, emoji)}>
			<span class="emoji-text">${emoji}</span> <span class="chip-count">${number(countOf(m, emoji))}</span></button>`)}
		<button type="button" class="chip add" tabindex="-1" title=${t.addReaction} aria-label=${t.addReaction} onClick=${(/** @type {any} */ e) => chooseReaction(roomState, m, e.currentTarget.getBoundingClientRect())}>${icon("react")}</button>
	</div>`;
}

/** All emoji, with the quick ones first. @param {{roomState: RoomState, m: Message, at: DOMRect, close: () => void}} props */
export function ReactionPicker({ roomState, m, at, close }) {
	const pick = (/** @type {string} */ emoji) => {
		close();
		react(roomState, m, emoji);
	};
	return html`<${Popup} title=${t.reactTo(displayName(m))} at=${at} close=${close}><${EmojiPicker} first=${QUICK_REACTIONS} pick=${pick} close=${close} /><//>`;
}
