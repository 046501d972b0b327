// Copying. Without HTTPS browsers have no clipboard, but still the older command.

/** Copies a text to the clipboard. Resolves with false if the browser does not permit it. @param {string} text */
export async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		return copySelected(text);
	}
}

/** @param {string} text */
function copySelected(text) {
	const from = /** @type {HTMLElement|null} */ (document.activeElement);
	const area = document.createElement("textarea");
	area.value = text;
	area.className = "announcer"; // out of sight
	(document.querySelector("dialog[open]") ?? document.body).append(area); // elements outside of an open dialog cannot be selected
	area.select();
	try {
		return document.execCommand("copy");
	} finally {
		area.remove();
		from?.focus({ preventScroll: true });
	}
}
