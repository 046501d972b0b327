// The banner above the messages: a broken connection, a flood, what was missed.
import { html } from "./html.js";
import { errorText, number, plural, t } from "./i18n.js";

/** @typedef {import("./model.js").Model} Model */

/** @param {{model: Model}} props */
export function Banner({ model }) {
	const { client, current, outage } = model;
	if (outage.notable) return html`<${Disconnected} client=${client} />`;
	if (outage.missed) {
		const { new: n, gone } = outage.missed;
		return html`<div class="banner good" role="status">${n ? plural(t.caughtUpNew, n) : t.caughtUp}${gone ? ` ${plural(t.caughtUpGone, gone)}` : ""}</div>`;
	}
	if (current.wasReset) {
		const close = () => {
			current.wasReset = false;
			model.changed();
		};
		return html`<div class="banner" role="status"><span>${t.reset}</span>
			<button type="button" onClick=${close}>${t.close}</button></div>`;
	}
	const { sampler } = current;
	if (sampler.paused) {
		return html`<div class="banner flood"><span>${plural(t.paused, current.paused)}</span><button type="button" onClick=${() => current.resume()}>${t.resume}</button></div>`;
	}
	if (sampler.flooded) {
		return html`<div class="banner flood"><span>${t.flood(number(sampler.shown), number(sampler.rate))}</span><button type="button" onClick=${() => current.pause()}>${t.pause}</button></div>`;
	}
	if (outage.updated) {
		const close = () => {
			outage.updated = false;
			model.changed();
		};
		return html`<div class="banner good" role="status"><span>${t.updated}</span>
			<button type="button" onClick=${() => location.reload()}>${t.reload}</button><button type="button" onClick=${close}>${t.close}</button></div>`;
	}
	return null;
}

/** @param {{client: Model["client"]}} props */
function Disconnected({ client }) {
	if (client.intercepted) {
		return html`<div class="banner" role="status"><span>${errorText(client.intercepted)}</span>
			<button type="button" onClick=${() => location.reload()}>${t.reload}</button></div>`;
	}
	const waiting = client.state === "waiting";
	const seconds = Math.max(0, Math.ceil((client.retryAt - Date.now()) / 1000));
	return html`<div class="banner offline" role="status"><span><b>${t.offline}</b> <span aria-hidden="true">· ${waiting ? t.againIn(number(seconds)) : t.trying}</span>${client.pending.length > 0 && html` <span class="kept">· ${t.kept}</span>`}</span>
		${waiting && html`<button type="button" onClick=${() => client.reconnectNow()}>${t.tryNow}</button>`}</div>`;
}
