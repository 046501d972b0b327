// The dialog in which one reports a message to the moderators.
import { beginning } from "./changes.js";
import { Dialog } from "./dialogs.js";
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, plural, t } from "./i18n.js";
import { displayName } from "./people.js";
import { textSize } from "./ramai/protocol.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Message} Message
 */

const REPORT_BYTES = 500;

/** @param {{model: Model, close: () => void, m: Message}} props */
export function Report({ model, close, m }) {
	const { room } = model.current;
	const [state, setState] = useState({ busy: false, sent: false, error: "" });
	const send = async (/** @type {Event} */ event) => {
		event.preventDefault();
		const text = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("text") ?? "").trim();
		const over = textSize(text) - REPORT_BYTES;
		if (over > 0) return setState({ busy: false, sent: false, error: plural(t.over, over) });
		setState({ busy: true, sent: false, error: "" });
		try {
			await room.client.request({ type: "report", room: room.name, of: m.n, text });
			setState({ busy: false, sent: true, error: "" });
		} catch (error) {
			setState({ busy: false, sent: false, error: errorText(error) });
		}
	};
	return html`<${Dialog} title=${t.reportTitle(displayName(m))} close=${close}>
		<blockquote class="reported" dir="auto">${beginning(m.text)}</blockquote>
		${state.sent
			? html`<p role="status">${t.reportSent}</p><div class="buttons"><button type="button" class="primary" onClick=${close}>${t.close}</button></div>`
			: html`<form class="report-form" onSubmit=${send} novalidate><label for="report-text">${t.reportWhy}</label>
				<textarea id="report-text" name="text" rows="3" dir="auto" aria-invalid=${state.error ? "true" : undefined} aria-describedby=${state.error ? "report-error" : undefined}></textarea>
				${state.error && html`<p class="error-text" id="report-error" role="alert">${state.error}</p>`}
				<p class="note">${t.reportHint}</p>
				<div class="buttons"><button class="primary" disabled=${state.busy}>${t.reportSend}</button><button type="button" onClick=${close}>${t.cancel}</button></div></form>`}
	<//>`;
}
