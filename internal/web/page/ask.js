// The dialog in which one asks the room: a question, or a poll. Moderators can also post a notice there.
import { Dialog } from "./dialogs.js";
import { useRef, useState } from "./hooks.js";
import { html } from "./html.js";
import { plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { changeSetting } from "./marks.js";
import { textSize } from "./ramai/protocol.js";
import { moderates } from "./rules.js";

/** @typedef {import("./model.js").Model} Model */

const MAX_OPTIONS = 12;
const OPTION_BYTES = 80;

/**
 * What is wrong with the options of a poll, as far as they are written; empty: nothing.
 * @param {string[]} options without empty ones
 */
function wrongOptions(options) {
	const long = options.find((o) => textSize(o) > OPTION_BYTES);
	if (long) return t.optionTooLong(long.slice(0, 20));
	if (new Set(options).size < options.length) return t.optionTwice;
	return options.length < 2 ? t.optionsMissing : "";
}

/** The button in the message box. @param {{model: Model}} props */
export const AskButton = ({ model }) => html`<button type="button" class="icon ask-button" aria-label=${t.ask} title=${t.ask} onClick=${() => model.emit("dialog", "Ask")}>${icon("ask")}</button>`;

/** @param {{model: Model, close: () => void, say: (text: string, kind: import("./model.js").SayOptions) => import("./ramai/outbox.js").Sent, open: (part: "Questions") => void}} props */
export function Ask({ model, close, say, open }) {
	const roomState = model.current;
	const fromDraft = !roomState.box.writing;
	const [kind, setKind] = useState("question");
	const [text, setText] = useState(fromDraft ? roomState.box.draft : "");
	const [options, setOptions] = useState(["", ""]);
	const [secret, setSecret] = useState(false);
	const [tried, setTried] = useState(false);
	const list = useRef(/** @type {HTMLElement|null} */ (null));
	const poll = kind === "poll";
	const notice = kind === "notice";
	const given = options.map((o) => o.trim()).filter(Boolean);
	const over = textSize(text.trim()) - model.client.limits.text;
	const wrong = !text.trim() ? (notice ? t.noticeMissing : t.questionMissing) : over > 0 ? plural(t.over, over) : poll ? wrongOptions(given) : "";
	const send = (/** @type {Event} */ e) => {
		e.preventDefault();
		setTried(true);
		if (wrong) return;
		const sent = say(text.trim(), poll ? { as: "poll", options: given } : { as: notice ? "notice" : "question" });
		if (poll && secret) sent.saved.then(({ n }) => changeSetting(roomState, `poll/${n}`, "hidden"), () => {});
		if (fromDraft) {
			roomState.box.setDraft("");
			roomState.box.write(null);
		}
		close();
	};
	const setOption = (/** @type {number} */ i, /** @type {string} */ value) => {
		const next = options.map((o, j) => (i === j ? value : o));
		if (next.length < MAX_OPTIONS && next.every((o) => o.trim())) next.push("");
		setOptions(next);
	};
	/** Enter leads to the next option, not to sending. @param {KeyboardEvent} e @param {number} i */
	const key = (e, i) => {
		if (e.key !== "Enter" || e.isComposing || i + 1 >= options.length) return;
		e.preventDefault();
		/** @type {HTMLElement|undefined} */ (list.current?.querySelectorAll("input")[i + 1])?.focus();
	};
	const choice = (/** @type {string} */ value, /** @type {string} */ label) => html`<label><input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} /> ${label}</label>`;
	return html`<${Dialog} title=${t.askTitle} close=${close}>
		<form class="ask" onSubmit=${send}>
			<fieldset class="kinds"><legend class="label">${t.askKind}</legend>${choice("question", t.question)}${choice("poll", t.poll)}${moderates(roomState) && choice("notice", t.notice)}</fieldset>
			<label>${poll ? t.pollText : notice ? t.noticeText : t.questionText}<textarea rows="2" dir="auto" value=${text} autofocus onInput=${(/** @type {any} */ e) => setText(e.target.value)}></textarea></label>
			${poll && html`<div class="options" ref=${list}>
				${options.map((o, i) => html`<input key=${i} dir="auto" value=${o} placeholder=${t.option(String(i + 1))} aria-label=${t.option(String(i + 1))} onInput=${(/** @type {any} */ e) => setOption(i, e.target.value)} onKeyDown=${(/** @type {KeyboardEvent} */ e) => key(e, i)} />`)}
			</div>
			<label class="check"><input type="checkbox" checked=${secret} onChange=${() => setSecret(!secret)} /> ${t.pollSecret}</label>`}
			<p class="note">${poll ? t.pollHint : notice ? t.noticeHint : t.questionHint}</p>
			${tried && wrong && html`<p class="error-text" role="alert">${wrong}</p>`}
			<div class="buttons"><button class="primary">${poll ? t.startPoll : notice ? t.postNotice : t.askQuestion}</button>
				${kind === "question" && html`<button type="button" onClick=${() => open("Questions")}>${icon("ask")} ${t.allQuestions}</button>`}</div>
		</form>
	<//>`;
}
