// How the log shows edits, deletions and replies.
import { html } from "./html.js";
import { fullTime, t, timeOfDay } from "./i18n.js";
import { icon } from "./icons.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 */

const BEGINNING = 120; // characters

/** The beginning of a text, in one line. @param {string} text */
export function beginning(text) {
	const line = text.replace(/\s+/g, " ").trim();
	const points = [...line.slice(0, 2 * BEGINNING)];
	return points.length > BEGINNING || line.length > 2 * BEGINNING ? `${points.slice(0, BEGINNING).join("").trimEnd()}…` : line;
}

/** at: when the text was changed; empty: not known @param {{at: string}} props */
export const EditedMark = ({ at }) => html` <span class="edited" title=${at && t.editedAt(fullTime(at))}>${t.edited}<span class="label">${at && `, ${timeOfDay(at)}`}</span></span>`;

/** A deleted message. @param {{m: Message, text: string, children?: any}} props */
export const Tombstone = ({ m, text, children }) => html`<span class="author">${displayName(m)}: </span>${children}<p class="tombstone">${text}</p>`;

/**
 * The message that another one replies to, in one line. m: null: the server no longer has it; undefined: it is being loaded.
 * @param {{m: Message|null|undefined, jump: () => void}} props
 */
export const QuotedLine = ({ m, jump }) => html`<button type="button" class="quoted" tabindex="-1" onClick=${jump}>
	${icon("reply")}<span class="label">${t.inReplyTo} </span>
	${m && !m.gone && html`<bdi class="who">${displayName(m)}</bdi>`} <span class=${m && !m.gone ? "what" : "what none"} dir="auto">${m ? (m.gone ? t.deleted : beginning(m.text)) : m === null ? t.tooOld : t.loading}</span>
</button>`;
