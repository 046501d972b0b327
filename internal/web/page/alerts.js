// How the page gets attention while the reader looks elsewhere: title, icon, notifications, sound.
import { t } from "./i18n.js";
import { shared } from "./storage.js";

const STARTS = 1000; // ms that sound may take to start; it never does where the browser wants a click first

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

/**
 * How this browser can tell about messages while the reader looks elsewhere. Notifications need a secure context, and a browser
 * on a phone may have them only in a page that is installed.
 * @returns {"notification"|"sound"|"none"}
 */
export function alertKind() {
	if ("Notification" in window && window.isSecureContext && Notification.permission !== "denied") return "notification";
	return "AudioContext" in window ? "sound" : "none";
}

/** Shows a notification or plays a sound, if the reader looks elsewhere and wants that. @param {string} who @param {string} text @param {string} url of the room @param {() => void} opened */
export async function notify(who, text, url, opened) {
	if (document.visibilityState === "visible" && document.hasFocus()) return;
	if (shared.get("notify") && "Notification" in window && Notification.permission === "granted") {
		const body = text.slice(0, 200);
		if (await fromWorker(who, body, url)) return;
		try {
			const n = new Notification(who, { body, tag: "ramai" });
			n.onclick = () => {
				window.focus();
				opened();
				n.close();
			};
			return;
		} catch {
			beep(); // a phone without a service worker
			return;
		}
	}
	if (shared.get("sound")) beep();
}

/**
 * Shows a notification where only service workers may: on phones. Resolves with false where the page itself can, which
 * ends the notification with the page.
 * @param {string} who @param {string} body @param {string} url
 */
async function fromWorker(who, body, url) {
	if (!matchMedia("(pointer: coarse)").matches) return false;
	const worker = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
	if (!worker?.active) return false;
	await worker.showNotification(who, { body, tag: "ramai", data: { url } });
	return true;
}

/** Plays a short tone. Resolves with false if the browser does not play it. */
export async function beep() {
	if (!("AudioContext" in window)) return false;
	const audio = new AudioContext();
	if (audio.state !== "running") await Promise.race([audio.resume(), new Promise((late) => setTimeout(late, STARTS))]);
	if (audio.state !== "running") {
		audio.close();
		return false;
	}
	const tone = audio.createOscillator();
	const volume = audio.createGain();
	tone.frequency.value = 660;
	volume.gain.setValueAtTime(0.1, audio.currentTime);
	volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
	tone.connect(volume).connect(audio.destination);
	tone.start();
	tone.stop(audio.currentTime + 0.4);
	tone.onended = () => audio.close();
	return true;
}
