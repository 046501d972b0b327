// The messages that wait for a moderator, who approves or rejects them, one or several at once.
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { loadError, plural, t, timeOfDay } from "./i18n.js";
import { icon } from "./icons.js";
import { moderateRoom } from "./erasure.js";
import { avatar, displayName } from "./people.js";
import { heldOf, useRecords } from "./records.js";
import { Refusal } from "./ramai/protocol.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/**
 * Decides about messages one after the other, also behind one that is refused.
 * @param {Message[]} list @param {(m: Message) => Promise<unknown>} decide
 * @returns {Promise<{done: number, problem: unknown}>} problem: why one was not decided about, or null
 */
export async function decideAll(list, decide) {
	let done = 0;
	let problem = /** @type {unknown} */ (null);
	for (const m of list) {
		try {
			await decide(m);
			done++;
		} catch (why) {
			problem ??= why;
			if (!(why instanceof Refusal)) break; // the connection is lost, for example
		}
	}
	return { done, problem };
}

/** @param {{roomState: RoomState, open: (part: "ModerationPart", props: object) => void}} props */
export function Queue({ roomState, open }) {
	const { model } = roomState;
	const { records, error, load } = useRecords(roomState, true);
	const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
	const [decided, setDecided] = useState(/** @type {string[]} */ ([]));
	if (error) return html`<p class="error-text" role="alert">${loadError(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`;
	if (!records) return html`<p class="note" role="status">${t.loading}</p>`;
	const key = (/** @type {Message} */ m) => `${m.by}/${m.id}`;
	const waiting = heldOf(records).filter((m) => !decided.includes(key(m)));
	const marked = waiting.filter((m) => chosen.includes(key(m)));
	const decide = async (/** @type {Message[]} */ list, /** @type {"approve"|"reject"} */ decision) => {
		setDecided([...decided, ...list.map(key)]);
		const { done, problem } = await decideAll(list, (m) => model.client.withRetry(() => moderateRoom(roomState, { [decision]: { by: m.by, held: m.id } }))); // the server limits how fast
		if (done > 0) model.emit("done", plural(decision === "approve" ? t.approved : t.rejected, done), null);
		if (problem === null) return;
		setDecided([]); // what was decided is not listed any more
		model.emit("problem", problem);
	};
	const toggle = (/** @type {Message} */ m) => setChosen(chosen.includes(key(m)) ? chosen.filter((k) => k !== key(m)) : [...chosen, key(m)]);
	const decisions = (/** @type {Message[]} */ list, /** @type {string} */ count) => html`<div class="buttons even">
		<button type="button" class="primary" disabled=${list.length === 0} onClick=${() => decide(list, "approve")}>${icon("check")} ${t.approve}${count}</button>
		<button type="button" class="danger outline" disabled=${list.length === 0} onClick=${() => decide(list, "reject")}>${icon("leave")} ${t.reject}${count}</button></div>`;
	if (waiting.length === 0) return html`<p class="note">${t.nobodyWaits}</p>`;
	return html`${waiting.length > 1 && html`<label class="check"><input type="checkbox" checked=${marked.length === waiting.length} onChange=${() => setChosen(marked.length === waiting.length ? [] : waiting.map(key))} /> ${t.selectAll}</label>`}
		<ul class="queue">${waiting.map((m) => html`<li key=${key(m)}>
			<div class="queued">${waiting.length > 1 && html`<input type="checkbox" aria-label=${t.select(displayName(m))} checked=${chosen.includes(key(m))} onChange=${() => toggle(m)} />`}
				<button type="button" class="listed" onClick=${() => open("ModerationPart", { view: "PersonCard", person: { by: m.by, from: m.from } })}>${avatar(m)}<span class="who"><bdi>${displayName(m)}</bdi> <span class="note">${timeOfDay(m.at)}</span></span></button></div>
			<p class="text" dir="auto">${m.text}</p>
			${m.options && html`<ul class="options">${m.options.map((option, i) => html`<li key=${i} dir="auto">${option}</li>`)}</ul>`}
			${marked.length === 0 && decisions([m], "")}</li>`)}</ul>
		${marked.length > 0 && html`<div class="decisions">${decisions(marked, ` (${marked.length})`)}</div>`}`;
}
