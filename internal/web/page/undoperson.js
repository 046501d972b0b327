// Undoes what one moderator has done, for the owner: rules and roles are set back, and erasures are undone.
import { actionText, valueText } from "./actionwords.js";
import { Dialog } from "./dialogs.js";
import { HOUR } from "./duration.js";
import { moderateRoom } from "./erasure.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { actionsOf, loadRecords } from "./records.js";

/**
 * @typedef {import("./ramai/protocol.js").Action} Action
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./ramai/protocol.js").Value} Value
 * @typedef {Message & {action: Action}} Done
 *
 * What undoes something: a setting gets its former value, or an erasure is undone. action: what it undoes
 * @typedef {{key?: string, value?: Value, erasure?: number, action: Action}} Step
 */

const UNDO_TIME = 23 * HOUR * 1000; // ms in which an erasure can be undone

/**
 * What undoes everything that a sender has done, and what of it cannot be undone. A setting that somebody else has changed since stays.
 * @param {Done[]} done in order @param {string} by @param {number} now ms @returns {{steps: Step[], rest: Action[]}}
 */
export function undoPlan(done, by, now) {
	/** @type {Map<string, Step>} of settings whose last change is by the sender: the value before */
	const settings = new Map();
	/** @type {Map<number, Step>} */
	const erasures = new Map();
	/** @type {Action[]} */
	const rest = [];
	for (const { by: who, at, action } of done) {
		const { key = "", before = null, erasure = 0 } = action;
		const kind = key.split("/")[0];
		if (action.do === "set" && kind !== "address" && kind !== "password") {
			if (who !== by) settings.delete(key);
			else settings.set(key, { key, value: settings.has(key) ? settings.get(key)?.value : before, action });
		} else if (action.do === "undo") {
			erasures.delete(erasure);
		} else if (who !== by) {
			continue;
		} else if (action.do === "erase" && now - Date.parse(at) < UNDO_TIME) {
			erasures.set(erasure, { erasure, action });
		} else {
			rest.push(action);
		}
	}
	const changed = [...settings.values()].filter((s) => s.value !== (s.action.value ?? null));
	return { steps: [...changed, ...erasures.values()], rest };
}

/** @param {{model: import("./model.js").Model, close: () => void, person: import("./hidden.js").Person, who: string}} props */
export function UndoPerson({ model, close, person, who }) {
	const roomState = model.current;
	const [plan, setPlan] = useState(/** @type {ReturnType<typeof undoPlan>|null} */ (null));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const [running, setRunning] = useState(false);
	const load = () => {
		setError(null);
		loadRecords(roomState).then((records) => setPlan(undoPlan(actionsOf(records), person.by, Date.now())), setError);
	};
	useEffect(load, []);
	const run = async () => {
		setRunning(true);
		const results = await Promise.allSettled((plan?.steps ?? []).map(({ key, value = null, erasure }) => (key ? roomState.room.set(key, value).saved : moderateRoom(roomState, { undo: erasure }))));
		const failed = results.find((r) => r.status === "rejected");
		if (!failed) {
			close();
			return model.emit("done", t.undone);
		}
		setRunning(false);
		load();
		setError(failed.reason);
	};
	const words = (/** @type {Step} */ { key, value, action }) => (t.ruleLabels[key ?? ""] ? `${t.ruleLabels[key ?? ""]}: ${valueText(key ?? "", value)}` : t.undoOf(actionText(action)));
	return html`<${Dialog} title=${t.undoPerson(who)} close=${close} drawer>
		${error !== null && html`<p class="error-text" role="alert">${errorText(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`}
		${!plan && error === null && html`<p class="note" role="status">${t.loading}</p>`}
		${plan && html`<p role="status">${plan.steps.length > 0 ? t.undoPersonHint : t.undoNothing}</p>
			<ul class="records">${plan.steps.map((step, i) => html`<li key=${i}>${words(step)}</li>`)}</ul>
			${plan.rest.length > 0 && html`<h3>${t.undoRest}</h3><ul class="records">${plan.rest.map((action, i) => html`<li key=${i}>${actionText(action)}</li>`)}</ul>`}
			<div class="buttons even">${plan.steps.length > 0 && html`<button type="button" class="danger" disabled=${running} onClick=${run}>${icon("undo")} ${plural(t.undoSteps, plan.steps.length)}</button>`}
				<button type="button" onClick=${close}>${plan.steps.length > 0 ? t.cancel : t.close}</button></div>`}
	<//>`;
}
