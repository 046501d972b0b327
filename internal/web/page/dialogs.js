// The frame of all dialogs, and two of them: share, and the question about a long paste.
import { useEffect, useLayoutEffect, useRef, useState } from "./hooks.js";
import { html } from "./html.js";
import { plural, t } from "./i18n.js";
import { CopyLink, linkTo } from "./invite.js";
import { InviteForm } from "./redeem.js";

/** drawer: at the side of the screen, or at the bottom of a phone @param {{title: string, close: () => void, children?: any, wide?: boolean, drawer?: boolean}} props */
export function Dialog({ title, close, children, wide, drawer }) {
	const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
	useLayoutEffect(() => { // before the next key press
		const from = /** @type {HTMLElement|null} */ (document.activeElement);
		ref.current?.showModal();
		return () => from?.focus?.();
	}, []);
	return html`<dialog ref=${ref} class=${drawer ? "drawer" : wide ? "wide" : ""} aria-labelledby="title" onClose=${close}
		onClick=${(/** @type {MouseEvent} */ e) => e.target === ref.current && close()}>
		<div class="sheet">
			<header><h2 id="title">${title}</h2><button type="button" class="icon" aria-label=${t.close} title=${t.close} onClick=${close}>
				<svg viewBox="0 0 24 24" aria-hidden="true"><path d="m6 6 12 12M18 6 6 18" /></svg></button></header>
			${children}
		</div>
	</dialog>`;
}

/** A link as a picture that phones can read. @param {{link: string}} props */
export function QRCode({ link }) {
	const [path, setPath] = useState({ d: "", size: 0 });
	useEffect(() => {
		import("./vendor/qr.js").then(({ generate }) => {
			const code = generate(link);
			let d = "";
			for (let y = 0; y < code.size; y++) for (let x = 0; x < code.size; x++) if (code.get(x, y)) d += `M${x} ${y}h1v1h-1z`;
			setPath({ d, size: code.size });
		});
	}, [link]);
	return html`<svg class="qr" viewBox=${`-4 -4 ${path.size + 8} ${path.size + 8}`} role="img" aria-label=${t.qr}>
		<rect x="-4" y="-4" width="100%" height="100%" fill="#fff" /><path d=${path.d} fill="#000" />
	</svg>`;
}

/** @param {{roomState: import("./roomstate.js").RoomState, close: () => void}} props */
export function Share({ roomState, close }) {
	const { onlyHere, link: address } = linkTo(roomState.name);
	const [invite, setInvite] = useState(""); // a link with an invite that was made here
	const link = invite || address;
	return html`<${Dialog} title=${t.share} close=${close}>
		<p>${invite ? t.inviteOnce : t.shareTexts[String(roomState.room.setting("everyone"))] ?? t.shareText}</p>
		<${CopyLink} room=${roomState.name} link=${link} key=${link} />
		${!onlyHere && html`<${QRCode} link=${link} /><p class="note scan">${t.scan}</p>`}
		${!invite && html`<${InviteForm} roomState=${roomState} show=${setInvite} />`}
	<//>`;
}

/** @param {{lines: number, bytes: number, count: number, fits: boolean, done: (choice: "one"|"many"|"") => void}} props */
export function LongPaste({ lines, bytes, count, fits, done }) {
	return html`<${Dialog} title=${t.longPaste} close=${() => done("")}>
		<p>${plural(t.lines, lines)}, ${plural(t.bytes, bytes)}</p>
		<div class="buttons">
			${fits && html`<button type="button" class="primary" onClick=${() => done("one")}>${t.pasteOne}</button>`}
			${(!fits || count > 1) && html`<button type="button" onClick=${() => done("many")}>${plural(t.pasteMany, count)}</button>`}
			<button type="button" onClick=${() => done("")}>${t.cancel}</button>
		</div>
	<//>`;
}
