// Questions and polls, in the log and on the stage, and notices.
import { html } from "./html.js";
import { number, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { countOf, isMine, toggleMark, UPVOTE, votesOf } from "./marks.js";

/**
 * @typedef {import("./ramai/replica.js").ShownMessage} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/** The upvotes of a question, as a button unless it is only to be seen. @param {{roomState: RoomState, m: Message, inert?: boolean}} props */
export function Upvotes({ roomState, m, inert }) {
	const count = countOf(m, UPVOTE);
	const own = isMine(m, UPVOTE);
	const content = html`${icon("upvote")}<span>${number(count)}</span>`;
	if (inert) return html`<span class="upvotes" role="img" aria-label=${plural(t.upvotes, count)}>${content}</span>`;
	const vote = () => {
		const on = toggleMark(roomState, m, UPVOTE);
		roomState.model.announce(roomState, `upvote ${m.n}`, () => (on ? t.upvoted : t.notUpvoted));
	};
	return html`<button type="button" class="chip upvotes" aria-pressed=${own ? "true" : "false"} title=${own ? t.takeUpvoteBack : t.upvote}
		aria-label=${`${t.upvote}, ${plural(t.upvotes, count)}`} onClick=${vote}>${content}</button>`;
}

/** What stands below the text of a question. @param {{roomState: RoomState, m: Message}} props */
export const QuestionLine = ({ roomState, m }) => html`<div class="question-line">
	<${Upvotes} roomState=${roomState} m=${m} />
	<span class="tag">${icon("ask")} ${t.question}</span>
	${m.status === "answered" && html`<span class="tag good">${icon("check")} ${t.answered}</span>`}
</div>`;

/** The options of a poll as bars. @param {{roomState: RoomState, m: Message, inert?: boolean}} props inert: one can only look at it */
export function Poll({ roomState, m, inert }) {
	const votes = votesOf(m);
	const { status } = m;
	const total = votes.reduce((sum, n) => sum + n, 0);
	const secret = status === "hidden";
	const best = Math.max(...votes);
	const vote = (/** @type {string} */ option, /** @type {string} */ key) => {
		const on = toggleMark(roomState, m, key);
		roomState.model.announce(roomState, `vote ${m.n}`, () => (on ? t.votedFor(option) : t.voteTakenBack));
	};
	const option = (/** @type {string} */ text, /** @type {number} */ i) => {
		const key = String(i);
		const mine = isMine(m, key);
		const share = total > 0 && !secret ? votes[i] / total : 0;
		const classes = ["option", mine && "own", status === "closed" && best > 0 && votes[i] === best && "best"].filter(Boolean).join(" ");
		const content = html`<span class="bar" aria-hidden="true" style=${{ "--share": share }}></span>
			<span class="option-text" dir="auto">${text}</span>${mine && html`<span class="own-vote" title=${t.yourVote}>${icon("check")}<span class="label">${t.yourVote}</span></span>`}
			${!secret && html`<span class="option-count"><span class="label">${plural(t.votes, votes[i])}</span><span aria-hidden="true">${number(votes[i])}</span></span>`}`;
		if (inert || status === "closed") return html`<li class=${classes} key=${key}>${content}</li>`;
		return html`<li key=${key}><button type="button" class=${classes} aria-pressed=${mine ? "true" : "false"} onClick=${() => vote(text, key)}>${content}</button></li>`;
	};
	const state = status === "closed" ? t.pollClosed : secret ? t.pollHidden : inert ? "" : votes.some((_, i) => isMine(m, String(i))) ? t.pollOpen : t.pollChoose;
	return html`<div class="poll" role="group" aria-label=${t.poll}>
		<ul>${(m.options ?? []).map(option)}</ul>
		<p class="poll-state">${[secret ? "" : plural(t.votes, total), state].filter(Boolean).join(" · ")}</p>
	</div>`;
}
