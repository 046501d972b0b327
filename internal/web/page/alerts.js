// The title and the icon of the page show the unread count.
import { t } from "./i18n.js";

let drawnIcon = "";

/** @param {string} room @param {number} unread @param {boolean} mentioned */
export function updateTitle(room, unread, mentioned) {
	const count = unread > 0 ? `(${unread > 999 ? "999+" : unread}) ` : "";
	document.title = `${count}${room} · ${t.title}`;
	const icon = `${unread > 0} ${mentioned}`;
	if (icon === drawnIcon) return;
	drawnIcon = icon;
	drawIcon(unread > 0, mentioned);
}

/** @param {boolean} unread @param {boolean} mentioned */
function drawIcon(unread, mentioned) {
	const canvas = document.createElement("canvas");
	canvas.width = canvas.height = 64;
	const c = canvas.getContext("2d");
	const link = /** @type {HTMLLinkElement|null} */ (document.querySelector("link[rel=icon]"));
	if (!c || !link) return;
	c.fillStyle = "#0f766e";
	c.beginPath();
	c.roundRect(4, 8, 56, 42, 14);
	c.moveTo(16, 44);
	c.lineTo(16, 60);
	c.lineTo(34, 48);
	c.fill();
	if (unread) {
		c.fillStyle = mentioned ? "#dc2626" : "#f59e0b";
		c.beginPath();
		c.arc(48, 16, 14, 0, 7);
		c.fill();
	}
	link.href = canvas.toDataURL();
}
