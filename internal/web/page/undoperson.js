// Undoes what one moderator has done, for the owner: the server sets rules and roles back, and undoes erasures.
import { actionText, valueText } from "./actionwords.js";
import { Dialog } from "./dialogs.js";
import { moderateRoom } from "./erasure.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, number, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { Refusal, randomToken } from "./ramai/protocol.js";

/**
 * @typedef {import("./ramai/protocol.js").Action} Action
 * @typedef {import("./ramai/protocol.js").Value} Value
 *
 * What undoes something: a setting gets a value, or an erasure is undone. action: what it undoes
 * @typedef {{n: number, action: Action, key?: string, value?: Value, code?: string, why?: string, reason?: string}} Step
 * @typedef {{to: number, count: number, steps: Step[], failed?: number, unknown?: number, rest: Step[], rest_count?: number, next?: number, code?: string, reason?: string}} Undone
 *
 * What was done in all requests together. failure: why it has ended early, or null
 * @typedef {{count: number, failed: number, unknown: number, refused: Step[], failure: unknown}} Total
 */

/**
 * Undoes what was shown, in as many requests as that takes, also behind steps that are refused.
 * @param {(before: {before?: number}) => Promise<Undone>} request
 * @returns {Promise<Total>}
 */
export async function undoAll(request) {
	/** @type {Total} */
	const total = { count: 0, failed: 0, unknown: 0, refused: [], failure: null };
	try {
		for (let next = /** @type {number|undefined} */ (undefined), more = true; more; more = Boolean(next)) {
			const done = await request(next ? { before: next } : {});
			total.count += done.count;
			total.failed += done.failed ?? 0;
			total.unknown += done.unknown ?? 0;
			total.refused.push(...done.steps);
			next = done.next;
			if (done.code) throw Refusal.of({ code: done.code, reason: done.reason ?? "" });
		}
	} catch (why) {
		total.failure = why;
	}
	return total;
}

/** What was done, in words. @param {Total} total */
const totalText = ({ count, failed, unknown }) => [plural(t.undidSteps, count), failed > 0 && plural(t.undoRefused, failed), unknown > 0 && plural(t.undoUnknown, unknown)].filter(Boolean).join(" ");

/** @param {{model: import("./model.js").Model, close: () => void, person: import("./hidden.js").Person, who: string}} props */
export function UndoPerson({ model, close, person, who }) {
	const roomState = model.current;
	const [plan, setPlan] = useState(/** @type {Undone|null} */ (null));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const [running, setRunning] = useState(false);
	const [total, setTotal] = useState(/** @type {Total|null} */ (null));
	/** @param {object} fields @param {{before?: number}} from @returns {Promise<Undone>} */
	const ask = (fields, from = {}) => moderateRoom(roomState, { undo_by: { by: person.by, ...from }, ...fields });
	const load = () => {
		setError(null);
		ask({ dry: true }).then(setPlan, setError);
	};
	useEffect(load, []);
	const run = async () => {
		setRunning(true);
		const id = randomToken(9);
		const done = await undoAll((from) => ask({ to: plan?.to, id }, from));
		if (done.failed + done.unknown === 0 && done.failure === null) {
			close();
			model.emit("done", t.undone);
			return;
		}
		setRunning(false);
		setTotal(done);
		load();
		setError(done.failure);
	};
	const words = (/** @type {Step} */ { key = "", value, action }) => (t.ruleLabels[key] ? `${t.ruleLabels[key]}: ${valueText(key, value)}` : t.undoOf(actionText(action)));
	const stays = (/** @type {Step} */ { why = "", reason }) => t.undoStays[why] ?? reason;
	const stepKey = (/** @type {Step} */ { n, key }) => `${n} ${key}`; // a preset has a step for each of its rules
	const others = (/** @type {number} */ count) => count > 0 && html`<li>${t.others(number(count))}</li>`;
	return html`<${Dialog} title=${t.undoPerson(who)} close=${close} drawer>
		${error !== null && html`<p class="error-text" role="alert">${errorText(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`}
		${total && html`<p role="status">${totalText(total)}</p>
			<ul class="records">${total.refused.map((step) => html`<li key=${stepKey(step)}>${words(step)}: ${errorText(Refusal.of({ code: "", reason: "", ...step }))}</li>`)}${others(total.failed - total.refused.length)}</ul>`}
		${!plan && error === null && html`<p class="note" role="status">${t.loading}</p>`}
		${plan && html`<p role="status">${plan.count > 0 ? t.undoPersonHint : t.undoNothing}</p>
			<ul class="records">${plan.steps.map((step) => html`<li key=${stepKey(step)}>${words(step)}</li>`)}${others(plan.count - plan.steps.length)}</ul>
			${plan.rest.length > 0 && html`<h3>${t.undoRest}</h3><ul class="records">${plan.rest.map((step) => html`<li key=${step.n}>${actionText(step.action)}<p class="note">${stays(step)}</p></li>`)}${others((plan.rest_count ?? 0) - plan.rest.length)}</ul>`}
			<div class="buttons even">${plan.count > 0 && html`<button type="button" class="danger" disabled=${running} onClick=${run}>${icon("undo")} ${plural(t.undoSteps, plan.count)}</button>`}
				<button type="button" onClick=${close}>${plan.count > 0 ? t.cancel : t.close}</button></div>`}
	<//>`;
}
