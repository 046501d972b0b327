// The language of the page. Another one is one more file in lang/, with the keys of en.js.
import en from "./lang/en.js";

/** @typedef {typeof en} Words */

/** @type {string[]} the languages there are, as the server found them in lang/ */
export const languages = (document.documentElement.dataset.languages ?? "en").split(" ");

/** @type {Words} */
export let t = en;
export let language = "en";

/** @param {string} wanted empty: what the browser prefers */
export async function speak(wanted) {
	const preferred = wanted ? [wanted] : navigator.languages.map((l) => l.toLowerCase().split("-")[0]);
	language = preferred.find((l) => languages.includes(l)) ?? "en";
	try {
		t = language === "en" ? en : { ...en, ...(await import(`./lang/${language}.js`)).default };
	} catch {
		[t, language] = [en, "en"]; // better in English than not at all
	}
	document.documentElement.lang = language;
}

/** @param {number} n */
export const number = (n) => n.toLocaleString(language);

/** Why something could not be loaded. @param {unknown} error as Client.get throws it */
export const failure = (error) => t.failedToLoad(error instanceof TypeError ? t.unreachable : error instanceof Error ? error.message : String(error));

/** The time of day. @param {string|number} at */
export const clock = (at) => new Date(at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });

/** All that is known of a time. @param {string} at */
export const exactly = (at) => new Date(at).toLocaleString(language, { dateStyle: "full", timeStyle: "long" });

/** @param {string} at */
export function day(at) {
	const d = new Date(at);
	const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
	if (days === 0) return t.today;
	if (days === 1) return t.yesterday;
	const year = d.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
	return d.toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long", year });
}
