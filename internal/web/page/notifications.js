// Notifications and a sound, for a reader whose attention is elsewhere.
import { shared } from "./storage.js";

/** @typedef {import("./ramai/protocol.js").Message} Message */

const STARTS = 1000; // ms that sound may take to start; it never does where the browser wants a click first
const TAG = "ramai"; // a new notification replaces the one before

/**
 * The message of a notification. opened: what to do when the reader clicks it
 * @typedef {{m: Message, who: string, url: string, opened: () => void}} Alert
 */

/** The alert that was shown last. @type {Alert|null} */
let shownAlert = null;
/** The notification, unless a service worker shows it. @type {Notification|null} */
let notification = null;

/**
 * How this browser can tell about messages while the reader looks elsewhere. Notifications need a secure context, and a browser
 * on a phone may have them only in a page that is installed.
 * @returns {"notification"|"sound"|"none"}
 */
export function alertKind() {
	if ("Notification" in window && window.isSecureContext && Notification.permission !== "denied") return "notification";
	return "AudioContext" in window ? "sound" : "none";
}

/** Shows a notification or plays a sound, if the reader looks elsewhere and wants that. @param {Alert} alert */
export async function notify(alert) {
	if (document.visibilityState === "visible" && document.hasFocus()) return;
	const wanted = shared.get("notify") && "Notification" in window && Notification.permission === "granted";
	if (wanted ? !(await showNotification(alert)) : shared.get("sound")) beep();
}

/**
 * Messages were edited, or deleted if text is null: so is the notification of one of them.
 * @param {string} room @param {[number, number][]} ranges @param {string|null} text
 */
export async function replaceNotification(room, ranges, text) {
	const { m } = shownAlert ?? {};
	if (!shownAlert || m?.room !== room || !ranges.some(([from, to]) => from <= m.n && m.n <= to)) return;
	const worker = await workerForAlerts();
	const shown = worker ? await worker.getNotifications({ tag: TAG }) : notification ? [notification] : [];
	if (shown.length === 0 || shownAlert?.m !== m) return; // the reader has closed it, or it is of another message
	if (text !== null) return showNotification({ ...shownAlert, m: { ...m, text } });
	shownAlert = null;
	for (const n of shown) n.close();
}

/** Resolves with false if the browser cannot show it. @param {Alert} alert */
async function showNotification(alert) {
	const { m, who, url, opened } = alert;
	const body = m.text.slice(0, 200);
	shownAlert = alert;
	const worker = await workerForAlerts();
	if (worker) {
		await worker.showNotification(who, { body, tag: TAG, data: { url } });
		return true;
	}
	try {
		const n = new Notification(who, { body, tag: TAG });
		notification = n;
		n.onclose = () => { if (notification === n) notification = null; };
		n.onclick = () => {
			window.focus();
			opened();
			n.close();
		};
		return true;
	} catch {
		return false; // a phone without a service worker
	}
}

/**
 * The service worker where only it may show notifications: on phones. Elsewhere the page itself can, which ends the notification
 * with the page.
 */
async function workerForAlerts() {
	if (!matchMedia("(pointer: coarse)").matches) return null;
	const worker = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
	return worker?.active ? worker : null;
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
