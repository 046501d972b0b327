// The empty room.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { Later } from "./lazy.js";

/** What a room without messages shows: what it is, who can use it, and how to bring others. @param {{room: import("./ramai/room.js").Room}} props */
export function Welcome({ room }) {
	return html`<div class="empty">
		<svg class="mark" viewBox="0 0 64 64" aria-hidden="true"><path d="M18 8h28a14 14 0 0 1 14 14v14a14 14 0 0 1-14 14H32L16 60V50a14 14 0 0 1-12-14V22A14 14 0 0 1 18 8z" /></svg>
		<h2>${t.empty}</h2>
		<p>${t.emptyHints[String(room.setting("everyone"))] ?? t.emptyHint}</p>
		${window === window.top && html`<p>${t.emptyShare}</p><div class="invite"><${Later} part="CopyLink" room=${room.name} primary=${false} /></div>`}
	</div>`;
}
