// How current the page is: the line below the room's name.
import { html } from "./html.js";
import { number, plural, t, timeOfDay } from "./i18n.js";

/** @typedef {import("./model.js").Model} Model */

/** @param {{model: Model, showPeople: (() => void)|null}} props */
export function Status({ model, showPeople }) {
	const { client, current: { room }, outage } = model;
	const unsent = client.outbox.filter((s) => s.state !== "held").length;
	let [kind, text] = ["live", t.live];
	if (client.state !== "live" && outage.since && room.log) [kind, text] = ["off", t.offlineSince(timeOfDay(outage.since))];
	else if (client.state !== "live" || !(room.live || room.left)) [kind, text] = ["wait", t.connecting];
	else if (room.behind > 0) [kind, text] = ["wait", plural(t.behind, room.behind)];
	const here = t.here(number(room.count));
	return html`<p class=${`status ${kind}`}>
		<span class="what">${text}</span>
		${kind === "live" && client.via === "http" && html` · <span title=${t.nameSocket}>${t.overHTTP}</span>`}
		${unsent > 0 && html`<span class="what"> · </span><span class="unsent">${t.unsent(number(unsent))}</span>`}
		${kind !== "off" && room.count > 0 && html`<span class="what"> · </span>${showPeople ? html`<button type="button" class="plain" onClick=${showPeople}>${here}</button>` : html`<span>${here}</span>`}`}
	</p>`;
}
