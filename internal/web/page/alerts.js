// How somebody who looks elsewhere hears of it: the title, the icon, a notification or a sound.
import { shared } from "./storage.js";
import { t } from "./i18n.js";

let shown = "";

/** @param {string} room @param {number} unread @param {boolean} mentioned */
export function title(room, unread, mentioned) {
	const count = unread > 0 ? `(${unread > 999 ? "999+" : unread}) ` : "";
	document.title = `${count}${room} · ${t.title}`;
	const sign = `${unread > 0} ${mentioned}`;
	if (sign === shown) return;
	shown = sign;
	const canvas = document.createElement("canvas");
	canvas.width = canvas.height = 64;
	const c = canvas.getContext("2d");
	const icon = /** @type {HTMLLinkElement|null} */ (document.querySelector("link[rel=icon]"));
	if (!c || !icon) return;
	c.fillStyle = "#0f766e";
	c.beginPath();
	c.roundRect(4, 8, 56, 42, 14);
	c.moveTo(16, 44);
	c.lineTo(16, 60);
	c.lineTo(34, 48);
	c.fill();
	if (unread > 0) {
		c.fillStyle = mentioned ? "#dc2626" : "#f59e0b";
		c.beginPath();
		c.arc(48, 16, 14, 0, 7);
		c.fill();
	}
	icon.href = canvas.toDataURL();
}

/** Calls for somebody who is elsewhere. @param {string} who @param {string} text @param {() => void} opened */
export function call(who, text, opened) {
	if (document.visibilityState === "visible" && document.hasFocus()) return;
	if (shared.get("notify") && "Notification" in window && Notification.permission === "granted") {
		try {
			const n = new Notification(who, { body: text.slice(0, 200), tag: "ramai" });
			n.onclick = () => {
				window.focus();
				opened();
				n.close();
			};
			return;
		} catch {
			// phones have it only in service workers
		}
	}
	if (shared.get("sound")) beep();
}

function beep() {
	const audio = new AudioContext();
	const tone = audio.createOscillator();
	const loud = audio.createGain();
	tone.frequency.value = 660;
	loud.gain.setValueAtTime(0.1, audio.currentTime);
	loud.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
	tone.connect(loud).connect(audio.destination);
	tone.start();
	tone.stop(audio.currentTime + 0.4);
	tone.onended = () => audio.close();
}
