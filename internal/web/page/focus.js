// Directs typing to the message box, unless another field has the focus.

/** A touch screen: focusing a field opens a keyboard, whose Enter key makes a new line as in other apps. */
export const touchScreen = matchMedia("(pointer: coarse)");

/** @returns {HTMLTextAreaElement|null} */
const messageBox = () => document.querySelector(".composer textarea");

/** @param {EventTarget|null} target @param {string} selector */
const within = (target, selector) => target instanceof Element && target.closest(selector) !== null;

export const FIELDS = "input, textarea, select, [contenteditable]";

/** Focuses the message box. @param {boolean} [always] also on a touch screen, where a keyboard is open already */
export function focusBox(always = false) {
	if ((always || !touchScreen.matches) && !document.querySelector("dialog[open]")) messageBox()?.focus({ preventScroll: true });
}

/** Focuses the message box if the focused element was removed. */
export function keepFocus() {
	if (document.hasFocus() && document.activeElement === document.body && document.getSelection()?.isCollapsed !== false) focusBox();
}

/** A click on anything that neither takes input nor starts a selection leads back to the box. @param {Event} event */
export function clicked(event) {
	if (!within(event.target, `a, button, label, summary, ${FIELDS}`) && document.getSelection()?.isCollapsed !== false) focusBox();
}

/** Directs typed and pasted text to the box, wherever the focus is. To be called before the browser handles the key. @param {KeyboardEvent} event */
export function redirect(event) {
	const { key, target } = event;
	const paste = key.toLowerCase() === "v" && (event.ctrlKey || event.metaKey);
	const types = !event.ctrlKey && !event.metaKey && !event.altKey && ([...key].length === 1 || key === "Process" || key === "Dead");
	if (event.defaultPrevented || (!types && !paste) || within(target, FIELDS) || document.querySelector("dialog[open]")) return;
	if (key === " " && within(target, "a, button, summary, .log")) return; // presses it, or scrolls
	messageBox()?.focus({ preventScroll: true });
}
