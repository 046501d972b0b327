// What a text consists of: links, code, mentions, and the rest. It makes parts, not HTML.
import { textSize } from "./ramai/protocol.js";

/**
 * @typedef {{kind: "text" | "code" | "block", text: string}
 *  | {kind: "link", text: string, href: string}
 *  | {kind: "mention", text: string, me: boolean}} Part
 */

const LINK = /https?:\/\//giu;
// What a link never contains, beside ASCII and beyond it: white space, controls, invisible and bidi characters (they would
// make it look like another), quotation marks, and what ends a sentence in other scripts.
const STOP = /[\p{Cc}\p{White_Space}<>"'`]/u;
const WIDE_STOP = /[\p{Cc}\p{Cf}\p{White_Space}\p{Pi}\p{Pf}\p{Terminal_Punctuation}]/u;
const TRAILING = /[.,;:!?…*_~]+$/u; // of the sentence around a link
const CLOSERS = new Map([..."()[]{}（）［］｛｝「」『』【】〔〕〈〉《》〖〗〘〙｢｣"].flatMap((c, i, all) => (i % 2 ? [] : [[c, all[i + 1]]])));
const CODE = /```[^\n`]*\n([\s\S]*?)\n?```|```([\s\S]+?)```|`([^`\n]+)`/g;
const MENTIONS = 20; // at most that many signs of a text are looked at: thousands of them would cost every reader
const WORD = /[\p{L}\p{N}\p{M}_]/u;
const MARK = /\p{M}/u;
// Scripts whose words no spaces set off, or that add endings to names without one.
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Bopomofo}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}ー]/u;

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
		if (match.index < end) continue; // within the link before
		const shown = linkAt(text, match.index + match[0].length, match.index);
		const href = address(shown);
		if (!href) continue;
		mentions(text.slice(end, match.index), me, names, out);
		out.push({ kind: "link", text: shown, href });
		end = match.index + shown.length;
	}
	mentions(text.slice(end), me, names, out);
}

/**
 * The link that begins at from, without the punctuation of the sentence around it. A closing bracket belongs to it only if
 * the opening one does.
 * @param {string} text @param {number} i where its host begins @param {number} from
 */
function linkAt(text, i, from) {
	const open = [];
	for (let c; i < text.length; i += c.length) {
		c = String.fromCodePoint(/** @type {number} */ (text.codePointAt(i)));
		if ((c < "\x80" ? STOP : WIDE_STOP).test(c)) break;
		const closer = CLOSERS.get(c);
		if (closer) open.push(closer);
		else if (/\p{Pe}/u.test(c) && open.pop() !== c) break;
	}
	return text.slice(from, i).replace(TRAILING, "");
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
	let i = text.indexOf("@");
	const known = i < 0 ? [] : (me ? [me, ...names] : names).map(comparable);
	const longest = Math.max(0, ...known.map((name) => name.length));
	for (let looks = MENTIONS; i >= 0 && looks > 0; i = text.indexOf("@", i + 1)) {
		if (bound(text[i - 1])) continue; // an e-mail address
		looks--;
		const ends = beginnings(text.slice(i + 1), longest);
		let best = { name: -1, end: 0 };
		known.forEach((name, k) => {
			const at = ends.get(name) ?? 0;
			if (at > best.end) best = { name: k, end: at };
		});
		if (!best.end) continue;
		if (i > end) out.push({ kind: "text", text: text.slice(end, i) });
		end = i + 1 + best.end;
		out.push({ kind: "mention", text: text.slice(i, end), me: me !== "" && known[best.name] === known[0] });
	}
	if (end < text.length) out.push({ kind: "text", text: text.slice(end) });
}

/** What names are compared by. @param {string} name */
const comparable = (name) => name.normalize("NFC").toLowerCase();

/** Whether a word goes on at a character, which may be missing. @param {string | undefined} c */
const bound = (c) => c !== undefined && WORD.test(c) && !UNSPACED.test(c);

/**
 * The beginnings of a text that can be a name, as names are compared, and where each ends: where no word goes on.
 * @param {string} text @param {number} longest units of UTF-16
 */
function beginnings(text, longest) {
	/** @type {Map<string, number>} */
	const ends = new Map();
	for (let i = 0; i < text.length; ) {
		i += /** @type {number} */ (text.codePointAt(i)) > 0xffff ? 2 : 1;
		const next = i < text.length ? String.fromCodePoint(/** @type {number} */ (text.codePointAt(i))) : undefined;
		if (bound(next) || (next && MARK.test(next))) continue;
		const name = comparable(text.slice(0, i));
		if (name.length > longest) break;
		ends.set(name, i);
	}
	return ends;
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
	while (textSize(text) > limit) {
		let n = 0;
		let used = 0;
		for (const c of text) {
			if ((used += textSize(c)) > limit) break;
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
