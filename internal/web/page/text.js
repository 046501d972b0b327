// What a text consists of: links, code, mentions, and the rest. It makes parts, not HTML.
import { size } from "./ramai.js";

/**
 * @typedef {{kind: "text" | "code" | "block", text: string}
 *  | {kind: "link", text: string, href: string}
 *  | {kind: "mention", text: string, me: boolean}} Part
 */

// Invisible and bidi control characters do not belong to a link: they would make it look like another.
const LINK = /https?:\/\/[^\s<>"'`\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/giu;
const CODE = /```[^\n`]*\n([\s\S]*?)\n?```|```([\s\S]+?)```|`([^`\n]+)`/g;
const MENTIONS = 20; // at most that many signs of a text are looked at: thousands of them would cost every reader
const LONGEST = 70; // units of UTF-16 that the longest name can have, and what follows it
const WORD = /[\p{L}\p{N}\p{M}_]/u;

/**
 * @param {string} text @param {string} me the name held here, or empty @param {string[]} [names] others that are known
 * @returns {Part[]}
 */
export function parts(text, me, names = []) {
	/** @type {Part[]} */
	const out = [];
	let end = 0;
	for (const match of text.matchAll(CODE)) {
		plain(text.slice(end, match.index), me, names, out);
		const block = match[1] ?? match[2];
		if (block !== undefined) out.push({ kind: "block", text: block });
		else out.push({ kind: "code", text: match[3] });
		end = match.index + match[0].length;
		if (block !== undefined && text[end] === "\n") end++;
	}
	plain(text.slice(end), me, names, out);
	return out;
}

/** @param {string} text @param {string} me @param {string[]} names @param {Part[]} out */
function plain(text, me, names, out) {
	let end = 0;
	for (const match of text.matchAll(LINK)) {
		const shown = trimmed(match[0]);
		const href = address(shown);
		if (!href) continue;
		mentions(text.slice(end, match.index), me, names, out);
		out.push({ kind: "link", text: shown, href });
		end = match.index + shown.length;
	}
	mentions(text.slice(end), me, names, out);
}

/** A link without the punctuation of the sentence it stands in. @param {string} s */
function trimmed(s) {
	for (;;) {
		const last = s[s.length - 1];
		if (/[.,;:!?…*_~]/.test(last) || (last === ")" && !s.includes("(")) || (last === "]" && !s.includes("["))) s = s.slice(0, -1);
		else return s;
	}
}

/** @param {string} s */
function address(s) {
	try {
		const url = new URL(s);
		return url.hostname && (url.protocol === "https:" || url.protocol === "http:") ? url.href : "";
	} catch {
		return "";
	}
}

/** @param {string} text @param {string} me @param {string[]} names @param {Part[]} out */
function mentions(text, me, names, out) {
	let end = 0;
	const known = me ? [me, ...names] : names;
	let looks = MENTIONS;
	for (let i = text.indexOf("@"); i >= 0 && looks > 0; i = text.indexOf("@", i + 1)) {
		if (i > 0 && WORD.test(text[i - 1])) continue; // an e-mail address
		looks--;
		const rest = text.slice(i + 1, i + 1 + LONGEST);
		let name = "";
		for (const n of known) {
			if (n.length > name.length && rest.slice(0, n.length).toLowerCase() === n.toLowerCase() && !WORD.test(rest[n.length] ?? " ")) name = n;
		}
		if (!name) continue;
		if (i > end) out.push({ kind: "text", text: text.slice(end, i) });
		end = i + 1 + name.length;
		out.push({ kind: "mention", text: text.slice(i, end), me: name === me });
	}
	if (end < text.length) out.push({ kind: "text", text: text.slice(end) });
}

/** Whether a text speaks to somebody. @param {string} text @param {string} name */
export function mentionsName(text, name) {
	return name !== "" && text.includes("@") && parts(text, name).some((p) => p.kind === "mention" && p.me);
}

/**
 * Cuts a text into pieces of at most so many bytes, between lines or words where that can be.
 * @param {string} text @param {number} limit @returns {string[]}
 */
export function pieces(text, limit) {
	const out = [];
	while (size(text) > limit) {
		let n = 0;
		let used = 0;
		for (const c of text) {
			if ((used += size(c)) > limit) break;
			n += c.length;
		}
		const line = text.lastIndexOf("\n", n);
		const space = text.lastIndexOf(" ", n);
		const cut = line > n / 2 ? line : space > n / 2 ? space : n;
		out.push(text.slice(0, cut));
		text = text.slice(cut).replace(/^[ \n]/, "");
	}
	if (text) out.push(text);
	return out;
}

/** A hue for a sender, the same everywhere. @param {string} by */
export function hue(by) {
	let n = 0;
	for (const c of by) n = (n * 31 + c.charCodeAt(0)) >>> 0;
	return n % 360;
}
