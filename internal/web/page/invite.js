// The link to a room, for others: where they can open it, and a way to copy it.
import { copyText } from "./clipboard.js";
import { useRef, useState } from "./hooks.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { pathOf } from "./ramai/protocol.js";

const ONLY_HERE = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|.*\.localhost)$/;

/**
 * The link to a room, for others. A page that was opened as localhost uses the address by which other machines reach the
 * server, if the server knows one (onNetwork). onlyHere: it does not, and the link works only on this computer.
 * @param {string} room
 */
export function linkTo(room) {
	const link = new URL(pathOf(room), document.documentElement.dataset.reachable || location.origin);
	const onlyHere = ONLY_HERE.test(link.hostname);
	return { link: link.href, onlyHere, onNetwork: !onlyHere && ONLY_HERE.test(location.hostname) };
}

/** The link and a button that copies it. link: instead of that to the room @param {{room: string, link?: string, primary?: boolean}} props */
export function CopyLink({ room, link: given, primary = true }) {
	const { link: address, onlyHere, onNetwork } = linkTo(room);
	const link = given ?? address;
	const [notice, setNotice] = useState("");
	const input = useRef(/** @type {HTMLInputElement|null} */ (null));
	const click = async () => {
		const copied = await copyText(link);
		setNotice(copied ? t.copied : t.copyByHand);
		if (!copied) input.current?.focus(); // which selects it
	};
	return html`<div class="invite">
		<div class="line"><input ref=${input} readonly value=${link} aria-label=${t.link} onFocus=${() => input.current?.select()} />
		<button type="button" class=${primary ? "primary copy" : "copy"} onClick=${click}>${t.copyLink}</button></div>
		<p class="note" role="status">${notice}</p>
		${onlyHere && html`<p class="note warn">${t.onlyHere} <code>ramai serve --listen 0.0.0.0:${location.port || "2000"}</code></p>`}
		${onNetwork && html`<p class="note">${t.onNetwork}</p>`}
	</div>`;
}
