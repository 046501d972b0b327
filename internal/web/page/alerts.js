// The title and the icon of the page show the unread count.
import { t } from "./i18n.js";
import { withLater } from "./lazy.js";

let drawnIcon = "";

/** @param {string} room @param {number} unread @param {boolean} mentioned */
export function updateTitle(room, unread, mentioned) {
	const count = unread > 0 ? `(${unread > 999 ? "999+" : unread}) ` : "";
	document.title = `${count}${room} · ${t.title}`;
	const icon = `${unread > 0} ${mentioned}`;
	if (icon === drawnIcon) return;
	drawnIcon = icon;
	withLater(({ drawIcon }) => drawIcon(unread > 0, mentioned));
}
