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
 */

const sheet = matchMedia("(max-width: 52rem)"); // as in app.css
const GAP = 4; // px between the menu and what it belongs to

/**
 * at: the position of the element that the menu belongs to. choose closes the menu, and then runs the item.
 * @param {{title: string, items: MenuItem[], at: DOMRect, close: () => void, choose: (item: MenuItem) => void}} props
 */
export function Menu({ title, items, at, close, choose }) {
	const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
	const [pressed, ended] = [useRef(false), useRef(false)];
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
	/** Runs an item, unless this is the end of the touch that opened the menu over it. @param {MouseEvent} event @param {MenuItem} item */
	const click = (event, item) => (pressed.current || event.detail === 0) && choose(item);
	const key = (/** @type {KeyboardEvent} */ event) => {
		const buttons = /** @type {HTMLElement[]} */ ([...(ref.current?.querySelectorAll("[role=menuitem]") ?? [])]);
		const i = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
		const to = { ArrowDown: i + 1, ArrowUp: i < 0 ? -1 : i - 1, Home: 0, End: -1 }[event.key];
		const item = event.ctrlKey || event.metaKey || event.altKey ? undefined : items.find((item) => item.key === event.key.toLowerCase());
		if (to === undefined && !item) return;
		event.preventDefault();
		if (item) choose(item);
		else buttons.at(Number(to) % buttons.length)?.focus();
	};
	return html`<dialog ref=${ref} class="menu" aria-label=${title} onClose=${() => ended.current || close()} onKeyDown=${key}
		onPointerDown=${(/** @type {PointerEvent} */ e) => { pressed.current = true; if (e.target === ref.current) close(); }}>
		<p class="menu-title" dir="auto">${title}</p>
		<div role="menu" aria-label=${title}>
			${items.map((item) => html`<button type="button" role="menuitem" key=${item.key} onClick=${(/** @type {MouseEvent} */ e) => click(e, item)}>${icon(item.icon)} <span>${item.label}</span> <kbd aria-hidden="true">${item.key.toUpperCase()}</kbd></button>`)}
		</div>
	</dialog>`;
}
