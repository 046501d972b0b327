// The questions of a room, the most wanted first.
import { Dialog } from "./dialogs.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { loadError, t } from "./i18n.js";
import { icon } from "./icons.js";
import { changeSetting, countOf, UPVOTE } from "./marks.js";
import { displayName } from "./people.js";
import { Upvotes } from "./polls.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/replica.js").ShownMessage} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const AT_ONCE = 100; // questions per request

/** The questions that are here: those with more upvotes first, answered ones last. @param {RoomState} roomState @returns {Message[]} */
export function questionsOf(roomState) {
	const rank = (/** @type {Message} */ m) => (m.status === "answered" ? 1 : 0);
	return roomState.questions.sort((a, b) => rank(a) - rank(b) || countOf(b, UPVOTE) - countOf(a, UPVOTE) || a.n - b.n);
}

/** Loads questions. Resolves with whether there are more before them. @param {RoomState} roomState @param {number} [before] */
export async function loadQuestions({ room }, before) {
	const page = await room.client.withRetry(() => room.load({ as: "question", before, limit: AT_ONCE }));
	return page.more ? page.messages[0]?.n ?? 0 : 0;
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void}} props */
export function Questions({ model, close, show }) {
	const roomState = model.current;
	const [state, setState] = useState(/** @type {{before: number, loading: boolean, error: unknown}} */ ({ before: 0, loading: true, error: null }));
	const load = async (/** @type {number} */ before) => {
		setState({ before, loading: true, error: null });
		try {
			setState({ before: await loadQuestions(roomState, before || undefined), loading: false, error: null });
		} catch (error) {
			setState({ before, loading: false, error });
		}
	};
	useEffect(() => { load(0); }, []);
	const questions = questionsOf(roomState);
	const jump = (/** @type {Message} */ m) => {
		close();
		show(roomState.name, m.n);
	};
	const row = (/** @type {Message} */ m) => {
		const done = m.status === "answered";
		const author = m.by === model.client.by;
		return html`<li class=${done ? "question-row done" : "question-row"} key=${m.n}>
			<${Upvotes} roomState=${roomState} m=${m} />
			<div><p class="byline"><bdi>${displayName(m)}</bdi>${done && html`<span class="tag good">${icon("check")} ${t.answered}</span>`}${roomState.stage === m.n && html`<span class="tag">${icon("stage")} ${t.onStage}</span>`}</p>
				<button type="button" class="plain" dir="auto" onClick=${() => jump(m)}>${m.text}</button>
				${author && html`<button type="button" class="small" onClick=${() => changeSetting(roomState, `question/${m.n}`, done ? "open" : "answered")}>${done ? t.reopenQuestion : t.markAnswered}</button>`}</div>
		</li>`;
	};
	return html`<${Dialog} title=${t.questions} close=${close} wide>
		${state.error !== null && html`<p class="error-text" role="alert">${loadError(state.error)} <button type="button" class="plain" onClick=${() => load(state.before)}>${t.tryNow}</button></p>`}
		<p role="status">${questions.length === 0 ? (state.loading ? t.loading : t.noQuestions) : ""}</p>
		<ol class="questions">${questions.map(row)}</ol>
		${state.before > 0 && html`<button type="button" disabled=${state.loading} onClick=${() => load(state.before)}>${t.moreQuestions}</button>`}
	<//>`;
}
