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
 * @typedef {{n: number, action: Action, key?: string, value?: Value, code?: string, reason?: string}} Step
 * @typedef {{to: number, count: number, steps: Step[], failed?: number, rest: Step[], rest_count?: number, more?: boolean}} Undone
 */

/** @param {{model: import("./model.js").Model, close: () => void, person: import("./hidden.js").Person, who: string}} props */
export function UndoPerson({ model, close, person, who }) {
	const roomState = model.current;
	const [plan, setPlan] = useState(/** @type {Undone|null} */ (null));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const [running, setRunning] = useState(false);
	/** @param {object} fields @returns {Promise<Undone>} */
	const ask = (fields) => moderateRoom(roomState, { undo_by: { by: person.by }, ...fields });
	const load = () => {
		setError(null);
		ask({ dry: true }).then(setPlan, setError);
	};
	useEffect(load, []);
	const run = async () => {
		setRunning(true);
		try {
			const id = randomToken(9);
			for (let more = true; more; ) {
				const done = await ask({ to: plan?.to, id });
				if (done.failed) throw Refusal.of({ code: "", reason: "", ...done.steps[0] });
				more = Boolean(done.more && done.count > 0);
			}
			close();
			model.emit("done", t.undone);
		} catch (why) {
			setRunning(false);
			load();
			setError(why);
		}
	};
	const words = (/** @type {Step} */ { key = "", value, action }) => (t.ruleLabels[key] ? `${t.ruleLabels[key]}: ${valueText(key, value)}` : t.undoOf(actionText(action)));
	const others = (/** @type {number} */ count) => count > 0 && html`<li>${t.others(number(count))}</li>`;
	return html`<${Dialog} title=${t.undoPerson(who)} close=${close} drawer>
		${error !== null && html`<p class="error-text" role="alert">${errorText(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`}
		${!plan && error === null && html`<p class="note" role="status">${t.loading}</p>`}
		${plan && html`<p role="status">${plan.count > 0 ? t.undoPersonHint : t.undoNothing}</p>
			<ul class="records">${plan.steps.map((step) => html`<li key=${step.n}>${words(step)}</li>`)}${others(plan.count - plan.steps.length)}</ul>
			${plan.rest.length > 0 && html`<h3>${t.undoRest}</h3><ul class="records">${plan.rest.map(({ n, action }) => html`<li key=${n}>${actionText(action)}</li>`)}${others((plan.rest_count ?? 0) - plan.rest.length)}</ul>`}
			<div class="buttons even">${plan.count > 0 && html`<button type="button" class="danger" disabled=${running} onClick=${run}>${icon("undo")} ${plural(t.undoSteps, plan.count)}</button>`}
				<button type="button" onClick=${close}>${plan.count > 0 ? t.cancel : t.close}</button></div>`}
	<//>`;
}
