// The language of the page. To add one, add a file to lang/ with the keys of en.js and en-later.js.
import en from "./lang/en.js";
import { Refusal } from "./ramai/protocol.js";

/**
 * @typedef {typeof en & typeof import("./lang/en-later.js").default & typeof import("./lang/en-moderation.js").default} Strings
 *
 * A text with a number, by the plural categories of its language; # stands for the number.
 * @typedef {{other: string} & Partial<Record<Intl.LDMLPluralRule, string>>} Forms
 */

/** @type {string[]} the languages in lang/, as the server lists them */
export const languages = (document.documentElement.dataset.languages ?? "en").split(" ");

const english = { ...en };

/** The texts of the language; those of en-later.js are here once later.js is. The object is refilled, not replaced, because later.js imports it once. */
export const t = /** @type {Strings} */ ({ ...en });
export let language = "en";
let locale = localeOf(language);
let formats = formatsOf(locale);

/** The browser's regional variant of a language, for its formats. @param {string} l */
function localeOf(l) {
	return (globalThis.navigator?.languages ?? []).find((full) => full.toLowerCase().split("-")[0] === l) ?? l;
}

/** Formatters are reused: creating one costs more than a hundred uses. @param {string} l a language */
function formatsOf(l) {
	return {
		names: new Intl.Collator(l),
		plural: new Intl.PluralRules(l),
		number: new Intl.NumberFormat(l),
		time: new Intl.DateTimeFormat(l, { timeStyle: "short" }),
		full: new Intl.DateTimeFormat(l, { dateStyle: "full", timeStyle: "long" }),
	};
}

/** @param {string} wanted a language; empty: what the browser prefers */
export async function setLanguage(wanted) {
	const preferred = wanted ? [wanted] : navigator.languages.map((l) => l.toLowerCase().split("-")[0]);
	language = preferred.find((l) => languages.includes(l)) ?? "en";
	Object.assign(t, english);
	await Promise.all([...partsInUse].map(fill)).catch(() => {
		Object.assign(t, english);
		language = "en";
	});
	document.documentElement.lang = language;
	locale = localeOf(language);
	formats = formatsOf(locale);
	const age = wanted ? 365 * 24 * 3600 : 0;
	document.cookie = `ramai-language=${language}; path=/; max-age=${age}; samesite=lax`; // so that the page is served in it
}

/** The parts of the texts that are in use, as their files in lang/ end. */
const partsInUse = new Set([""]);

/** Loads the texts of a part, unless it is English: that has them. @param {string} part */
export function loadTexts(part) {
	partsInUse.add(part);
	return fill(part);
}

/** Takes over the texts of a part in the language. @param {string} part */
async function fill(part) {
	if (language !== "en") Object.assign(t, (await import(`./lang/${language}${part}.js`)).default);
}

/** Adds English texts for which the language has none. @param {Partial<Strings>} more */
export function addTexts(more) {
	Object.assign(english, more);
	Object.assign(t, { ...more, ...t });
}

/** Names in the order of the language. @param {string} a @param {string} b */
export const byName = (a, b) => formats.names.compare(a, b);

/** @param {number} n */
export const number = (n) => formats.number.format(n);

/** A text for a number. @param {Forms} forms @param {number} n */
export const plural = (forms, n) => (forms[formats.plural.select(n)] ?? forms.other).replace("#", number(n));

/** The message for a failed request. @param {unknown} error as Client.get throws it */
export const loadError = (error) => t.failedToLoad(error instanceof TypeError ? t.unreachable : errorText(error));

/** Why something was refused, in the language of the page: the server writes English. @param {unknown} error */
export function errorText(error) {
	if (!(error instanceof Refusal)) return error instanceof Error ? error.message : String(error);
	if (error.code === "not_ramai") return t.intercepted;
	return explain(error) || (t.reasons[error.code] ?? error.reason);
}

/** Explains refusals by rules of a room; empty: it was none. @type {(refusal: Refusal) => string} */
let explain = () => "";

/** @param {typeof explain} f */
export const explainWith = (f) => void (explain = f);

/** The time of day. @param {string|number} at */
export const timeOfDay = (at) => formats.time.format(new Date(at));

/** A number of units, such as minutes. @param {number} n @param {string} unit */
export const inUnit = (n, unit) => new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(n);

/** Day and time. @param {string} at */
export const fullDay = (at) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));

/** Date and time in full. @param {string} at */
export const fullTime = (at) => formats.full.format(new Date(at));

/** Today, yesterday, or the date. @param {string} at */
export function dayName(at) {
	const d = new Date(at);
	const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
	if (days === 0) return t.today;
	if (days === 1) return t.yesterday;
	const year = d.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
	return d.toLocaleDateString(locale, { weekday: "long", day: "numeric", month: "long", year });
}
