// The emoji picker. The names of emoji are loaded when they are needed.
import { useEffect, useRef, useState } from "./hooks.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { shared } from "./storage.js";

const OFFERED = 72;
const RECENT_EMOJI = 16;
const COMMON = ["👍", "❤️", "😂", "🙏", "🎉", "😊", "👏", "🔥"];

/** @typedef {{emoji: string, names: string[]}} Emoji */

/** @type {Emoji[]|null} */
let emojiList = null;

export async function loadEmoji() {
	if (emojiList) return emojiList;
	const list = (await import("./vendor/emoji.js")).default;
	emojiList = list.split("\n").map((line) => {
		const [emoji, ...names] = line.split(" ");
		return { emoji, names };
	});
	return emojiList;
}

/** first: emoji to begin with @param {{first?: string[], pick: (emoji: string) => void, close: () => void}} props */
export function EmojiPicker({ first = [], pick, close }) {
	const [all, setAll] = useState(/** @type {Emoji[]} */ ([]));
	const [q, setQ] = useState("");
	const panel = useRef(/** @type {HTMLElement|null} */ (null));
	useEffect(() => {
		loadEmoji().then(setAll);
		const outside = (/** @type {Event} */ e) => {
			if (e.target instanceof Element && !e.target.closest(".picker, .emoji")) close();
		};
		addEventListener("pointerdown", outside);
		return () => removeEventListener("pointerdown", outside);
	}, []);
	/** @type {string[]} */
	const recent = [...new Set([...first, ...shared.get("emoji", []), ...COMMON])].slice(0, RECENT_EMOJI);
	const wanted = q.trim().toLowerCase();
	const rest = all.filter((e) => (wanted ? e.names.some((n) => n.includes(wanted)) : !recent.includes(e.emoji)));
	const nameOf = new Map(all.map((e) => [e.emoji, e.names[0].replaceAll("_", " ")]));
	const shown = [...(wanted ? [] : recent), ...rest.map((e) => e.emoji)].slice(0, OFFERED);
	const chosen = (/** @type {string} */ emoji) => {
		shared.set("emoji", [emoji, ...recent.filter((e) => e !== emoji)].slice(0, RECENT_EMOJI));
		pick(emoji);
	};
	const key = (/** @type {KeyboardEvent} */ e) => {
		if (e.key === "Escape") close();
		if (e.key !== "Enter" || !(e.target instanceof HTMLInputElement)) return;
		e.preventDefault(); // or it would send the message
		if (shown[0]) chosen(shown[0]);
	};
	return html`<div class="picker" role="group" aria-label=${t.emoji} ref=${panel} onKeyDown=${key}>
		<input type="search" autofocus value=${q} aria-label=${t.emojiFind} placeholder=${t.emojiFind} ref=${(/** @type {HTMLElement|null} */ el) => { if (el && !panel.current?.contains(document.activeElement)) el.focus(); }}
			onInput=${(/** @type {any} */ e) => setQ(e.target.value)} />
		<div class="grid">${shown.map((e) => html`<button type="button" key=${e} title=${nameOf.get(e)} aria-label=${nameOf.get(e) ?? e} onClick=${() => chosen(e)}>${e}</button>`)}</div>
	</div>`;
}
