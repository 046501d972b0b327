// The language of the page. Another one is one more file in lang/, with the keys of en.js.
import en from "./lang/en.js";
import { Refusal } from "./ramai.js";

/** @typedef {typeof en} Words */

/** @type {string[]} the languages there are, as the server found them in lang/ */
export const languages = (document.documentElement.dataset.languages ?? "en").split(" ");

/** @type {Words} */
export let t = en;
export let language = "en";
let formats = formatsOf(language);

/** To make a format takes longer than to use it a hundred times. @param {string} l a language */
function formatsOf(l) {
	return {
		number: new Intl.NumberFormat(l),
		clock: new Intl.DateTimeFormat(l, { hour: "2-digit", minute: "2-digit" }),
		exactly: new Intl.DateTimeFormat(l, { dateStyle: "full", timeStyle: "long" }),
	};
}

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
	formats = formatsOf(language);
}

/** @param {number} n */
export const number = (n) => formats.number.format(n);

/** Why something could not be loaded. @param {unknown} error as Client.get throws it */
export const failure = (error) => t.failedToLoad(error instanceof TypeError ? t.unreachable : reason(error));

/** Why something was not done. @param {unknown} error */
export const reason = (error) => (error instanceof Refusal && error.code === "not_ramai" ? t.barred : error instanceof Error ? error.message : String(error));

/** The time of day. @param {string|number} at */
export const clock = (at) => formats.clock.format(new Date(at));

/** All that is known of a time. @param {string} at */
export const exactly = (at) => formats.exactly.format(new Date(at));

/** @param {string} at */
export function day(at) {
	const d = new Date(at);
	const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
	if (days === 0) return t.today;
	if (days === 1) return t.yesterday;
	const year = d.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
	return d.toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long", year });
}
