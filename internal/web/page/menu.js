// A menu: next to the element it belongs to, or at the bottom of the screen on a phone.
import { useLayoutEffect, useRef } from "./hooks.js";
import { html } from "./html.js";
import { icon } from "./icons.js";

/**
 * @typedef {object} MenuItem
 * @property {string} key the letter that chooses it while the menu is open
 * @property {string} label
 * @property {import("./icons.js").IconName} icon
 * @property {() => void} run
 *
 * A button in a row, which is on or off.
 * @typedef {{text: string, label: string, checked: boolean, run: () => void}} QuickItem
 */

const sheet = matchMedia("(max-width: 52rem)"); // as in app.css
const GAP = 4; // px between the menu and what it belongs to

/**
 * A dialog next to something, or at the bottom of a narrow screen.
 * @param {{title: string, at: DOMRect, close: () => void, onKeyDown?: (event: KeyboardEvent) => void, onPointerDown?: () => void, children?: any}} props at: what it belongs to
 */
export function Popup({ title, at, close, onKeyDown, onPointerDown, children }) {
	const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
	const ended = useRef(false);
	useLayoutEffect(() => { // before the next key press
		const dialog = ref.current;
		const from = /** @type {HTMLElement|null} */ (document.activeElement);
		if (!dialog) return;
		dialog.showModal();
		if (!sheet.matches) {
			const { width, height } = dialog.getBoundingClientRect();
			const below = at.bottom + GAP;
			dialog.style.left = `${Math.max(GAP, Math.min(at.right, innerWidth - GAP) - width)}px`;
			dialog.style.top = `${Math.max(GAP, below + height < innerHeight ? below : at.top - GAP - height)}px`;
		}
		return () => {
			ended.current = true;
			dialog.close(); // elements outside of it cannot have the focus before
			from?.focus?.({ preventScroll: true });
		};
	}, []);
	return html`<dialog ref=${ref} class="menu" aria-label=${title} onClose=${() => ended.current || close()} onKeyDown=${onKeyDown}
		onPointerDown=${(/** @type {PointerEvent} */ e) => { onPointerDown?.(); if (e.target === ref.current) close(); }}>${children}</dialog>`;
}

/**
 * at: the position of the element that the menu belongs to. choose closes the menu, and then runs the item. quick: a row of buttons above the items, which the
 * keys 1, 2, 3 … choose.
 * @param {{title: string, items: MenuItem[], quick?: QuickItem[], at: DOMRect, close: () => void, choose: (item: MenuItem|QuickItem) => void}} props
 */
export function Menu({ title, items, quick = [], at, close, choose }) {
	const list = useRef(/** @type {HTMLElement|null} */ (null));
	const pressed = useRef(false);
	/** Runs an item, unless this is the end of the touch that opened the menu over it. @param {MouseEvent} event @param {MenuItem|QuickItem} item */
	const click = (event, item) => (pressed.current || event.detail === 0) && choose(item);
	const key = (/** @type {KeyboardEvent} */ event) => {
		const buttons = /** @type {HTMLElement[]} */ ([...(list.current?.querySelectorAll("button") ?? [])]);
		const i = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
		const inRow = i >= 0 && i < quick.length;
		const down = inRow ? quick.length : i < 0 ? 0 : i + 1;
		const up = inRow || i < 0 ? -1 : i === quick.length ? 0 : i - 1;
		const to = { ArrowDown: down, ArrowUp: quick.length === 0 && i === 0 ? -1 : up, ArrowRight: inRow ? (i + 1) % quick.length : undefined, ArrowLeft: inRow ? (i + quick.length - 1) % quick.length : undefined, Home: 0, End: -1 }[event.key];
		const item = event.ctrlKey || event.metaKey || event.altKey ? undefined : quick[Number(event.key) - 1] ?? items.find((item) => item.key === event.key.toLowerCase());
		if (to === undefined && !item) return;
		event.preventDefault();
		if (item) choose(item);
		else buttons.at(Number(to) % buttons.length)?.focus();
	};
	return html`<${Popup} title=${title} at=${at} close=${close} onKeyDown=${key} onPointerDown=${() => { pressed.current = true; }}>
		<p class="menu-title" dir="auto">${title}</p>
		<div role="menu" aria-label=${title} ref=${list}>
			${quick.length > 0 && html`<div class="quick" role="group">${quick.map((item) => html`<button type="button" role="menuitemcheckbox" aria-checked=${item.checked ? "true" : "false"} aria-label=${item.label} key=${item.text} onClick=${(/** @type {MouseEvent} */ e) => click(e, item)}>${item.text}</button>`)}</div>`}
			${items.map((item) => html`<button type="button" role="menuitem" key=${item.key} onClick=${(/** @type {MouseEvent} */ e) => click(e, item)}>${icon(item.icon)} <span>${item.label}</span> <kbd aria-hidden="true">${item.key.toUpperCase()}</kbd></button>`)}
		</div>
	<//>`;
}
