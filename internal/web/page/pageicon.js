// Draws the icon of the page, with a dot if there are unread messages.

/** @param {boolean} unread @param {boolean} mentioned */
export function drawIcon(unread, mentioned) {
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
