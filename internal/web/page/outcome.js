// What moderators have done last, with a way to undo it, and what was refused.
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, t } from "./i18n.js";
import { icon } from "./icons.js";

/**
 * In a dialog, which covers the page's own notices.
 * @param {{model: import("./model.js").Model}} props
 */
export function LastDone({ model }) {
	const [last, setLast] = useState(/** @type {{text: string, error: unknown, undo: (() => void)|null}} */ ({ text: "", error: null, undo: null }));
	useEffect(() => {
		const stop = [
			model.on("done", (/** @type {string} */ text, /** @type {() => void} */ undo) => setLast({ text, error: null, undo })),
			model.on("problem", (/** @type {unknown} */ error) => setLast({ text: "", error, undo: null })),
		];
		return () => stop.forEach((f) => f());
	}, []);
	const undo = () => {
		last.undo?.();
		setLast({ text: t.undone, error: null, undo: null });
	};
	if (last.error) return html`<p class="last-done failed" role="alert"><span>${errorText(last.error)}</span></p>`;
	return html`<p class="last-done" role="status">${last.text && html`<span>${icon("check")} ${last.text}</span>`}${last.undo && html`<button type="button" onClick=${undo}>${icon("undo")} ${t.undo}</button>`}</p>`;
}
