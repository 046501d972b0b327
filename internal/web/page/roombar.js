// What a room is about: its topic below its name, and a bar with what is pinned, on the stage, and asked.
import { beginning } from "./changes.js";
import { Dialog } from "./dialogs.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { number, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { changeSetting, togglePin } from "./marks.js";
import { openModeration } from "./moderators.js";
import { displayName } from "./people.js";
import { loadQuestions, questionsOf } from "./questions.js";
import { pathOf, textSize } from "./ramai/protocol.js";
import { moderates, RuleList } from "./rules.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const TOPIC_BYTES = 300;

/** The page that shows the stage of a room. @param {string} room */
export const stageURL = (room) => `${pathOf(room)}?view=stage`;

/** A message in one line. m: null: the server does not keep it; undefined: it is being loaded. @param {Message|null|undefined} m */
const lineOf = (m) => (m ? (m.gone ? t.deleted : `${displayName(m)}: ${beginning(m.text)}`) : m === null ? t.tooOld : t.loading);

/** The topic, below the name of the room. @param {{roomState: RoomState}} props */
export function Topic({ roomState }) {
	const { topic } = roomState;
	return topic && html`<span class="topic" dir="auto" title=${topic}>${topic}</span>`;
}

/** @param {{roomState: RoomState, jump: (n: number) => void, open: (part: "RoomAbout"|"Questions") => void}} props */
export function RoomBar({ roomState, jump, open }) {
	const { room, model } = roomState;
	const asks = room.live && roomState.questions.length > 0; // there may be more of them
	useEffect(() => {
		if (asks) loadQuestions(roomState).then(() => model.changed(), () => {});
	}, [roomState, asks, room.log]);
	const { stage } = roomState;
	const pins = roomState.pins.filter((n) => !roomState.quotes.get(n)?.gone);
	const onStage = stage > 0 ? roomState.quotes.get(stage) : null;
	const questions = questionsOf(roomState).filter((m) => m.status !== "answered").length;
	if (pins.length === 0 && (!onStage || onStage.gone) && questions === 0) return null;
	const newest = pins.at(-1);
	return html`<div class="room-bar" role="region" aria-label=${t.roomBar}>
		${onStage && !onStage.gone && html`<button type="button" class="bar-item staged" title=${t.onStage} onClick=${() => jump(stage)}>${icon("stage")}<span class="label">${t.onStage}: </span><span class="what" dir="auto">${lineOf(onStage)}</span></button>`}
		${newest && html`<button type="button" class="bar-item" title=${t.pinned} onClick=${() => jump(newest)}>${icon("pin")}<span class="label">${t.pinned}: </span><span class="what" dir="auto">${lineOf(roomState.quotes.get(newest))}</span></button>`}
		${pins.length > 1 && html`<button type="button" class="bar-count" title=${plural(t.allPins, pins.length)} onClick=${() => open("RoomAbout")}><span aria-hidden="true">+${number(pins.length - 1)}</span><span class="label">${plural(t.allPins, pins.length)}</span></button>`}
		${questions > 0 && html`<button type="button" class="bar-count" title=${t.questions} onClick=${() => open("Questions")}>${icon("ask")}<span class="short" aria-hidden="true">${number(questions)}</span><span class="word">${plural(t.questionCount, questions)}</span></button>`}
	</div>`;
}

/** What a room is about: its topic, which can be changed here, what is pinned, and the way to the stage. @param {{model: Model, close: () => void, jump: (roomState: RoomState, n: number) => void}} props */
export function RoomAbout({ model, close, jump }) {
	const roomState = model.current;
	const { topic } = roomState;
	const [text, setText] = useState(topic);
	const [tried, setTried] = useState(false);
	const over = textSize(text.trim()) - TOPIC_BYTES;
	const save = (/** @type {Event} */ e) => {
		e.preventDefault();
		setTried(true);
		if (over > 0) return;
		const wanted = text.replace(/\s+/g, " ").trim();
		if (wanted !== topic) changeSetting(roomState, "topic", wanted || null);
		close();
	};
	const go = (/** @type {number} */ n) => {
		close();
		jump(roomState, n);
	};
	const { pins, stage } = roomState;
	return html`<${Dialog} title=${t.aboutRoom(roomState.name)} close=${close}>
		${roomState.knowsRecords && html`<form onSubmit=${save}><label class="field">${t.topic}<div class="line"><input dir="auto" value=${text} placeholder=${t.topicHint} onInput=${(/** @type {any} */ e) => setText(e.target.value)} /><button class="primary">${t.nameSave}</button></div></label>
			${tried && over > 0 && html`<p class="error-text" role="alert">${plural(t.over, over)}</p>`}</form>`}
		<${RuleList} roomState=${roomState} />
		${moderates(roomState) && html`<div class="buttons"><button type="button" onClick=${() => openModeration(model, "Drawer")}>${icon("shield")} ${t.moderate}</button></div>`}
		<h3>${t.pinnedMessages}</h3>
		${pins.length === 0 && html`<p class="note">${t.noPins}</p>`}
		<ul class="pins">${pins.toReversed().map((n) => html`<li key=${n}><button type="button" class="plain" dir="auto" onClick=${() => go(n)}>${lineOf(roomState.quotes.get(n))}</button>
			<button type="button" class="icon" aria-label=${t.unpin} title=${t.unpin} onClick=${() => togglePin(roomState, n)}>${icon("leave")}</button></li>`)}</ul>
		<h3>${t.stage}</h3>
		<p class="note">${t.stageHint}</p>
		<div class="buttons"><a class="button" href=${stageURL(roomState.name)} target="_blank" rel="noopener">${t.openStage}</a>
			${stage > 0 && html`<button type="button" onClick=${() => changeSetting(roomState, "stage", null)}>${t.clearStage}</button>`}</div>
	<//>`;
}

/** A setting that was changed, for screen readers. @param {RoomState} roomState @param {{key: string, value: any, by?: string, from?: string}} f */
export function settingText(roomState, { key, value, ...sender }) {
	const who = displayName({ by: sender.by ?? "", from: sender.from ?? "" });
	const line = (/** @type {number} */ n) => beginning(roomState.room.replica.get(n)?.text ?? "");
	const n = Number(key.split("/")[1] ?? value);
	if (key === "topic") return value ? t.saysTopic(who, value) : t.saysNoTopic(who);
	if (key === "stage") return value ? t.saysStage(line(n)) : t.saysStageEmpty;
	if (key === "pin") return t.saysPins(who);
	if (key.startsWith("poll/")) return t.saysPoll[value] ? `${t.saysPoll[value]} ${line(n)}` : "";
	return value === "answered" ? `${t.answered}: ${line(n)}` : "";
}
