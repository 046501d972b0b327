// Splits a text into links, code, mentions, quotes, lists, emphasis, and plain text. The result is data, not HTML.
import { textSize } from "./ramai/protocol.js";

/**
 * @typedef {{kind: "text" | "code" | "block", text: string}
 *  | {kind: "link", text: string, href: string}
 *  | {kind: "mention", text: string, me: boolean}
 *  | {kind: "bold" | "italic" | "quote", parts: Part[]}
 *  | {kind: "list", start: number, items: Part[][]}} Part start: the first number; 0: without numbers
 */

const LINK = /https?:\/\/|(?<![\p{L}\p{N}_.@/-])www\.(?=[^\s.]+\.[^\s.])/giu;
// Characters that end a link, in ASCII and beyond: white space, control characters, invisible and bidirectional ones (which
// could make a link look like another), quotation marks, and punctuation that ends a sentence in other scripts.
const STOP = /[\p{Cc}\p{White_Space}<>"'`]/u;
const WIDE_STOP = /[\p{Cc}\p{Cf}\p{White_Space}\p{Pi}\p{Pf}\p{Terminal_Punctuation}]/u;
const TRAILING = /[.,;:!?…*_~]+$/u; // belongs to the sentence around a link
const CLOSERS = new Map([..."()[]{}（）［］｛｝「」『』【】〔〕〈〉《》〖〗〘〙｢｣"].flatMap((c, i, all) => (i % 2 ? [] : [[c, all[i + 1]]])));
const FENCE = /```[^\n`]*\n([\s\S]*?)\n?```|```([\s\S]+?)```/g;
const CODE = /`([^`\n]+)`/g;
const QUOTE = /^> ?(.*)$/;
const BULLET = /^[-*•] +(\S.*)$/;
const NUMBERED = /^(\d{1,4})[.)] +(\S.*)$/;
// Markdown's emphasis, between white space or punctuation and within a line: names with _ in them are not meant.
const EMPHASIS = /(?<=^|\s|(?<=^|\s)\()(?:\*\*(?=\S)([^\n]{1,500}?)(?<=\S)\*\*|\*(?=[^\s*])([^\n*]{1,500}?)(?<=\S)\*|_(?=[^\s_])([^\n]{1,500}?)(?<=\S)_)(?=$|[\s\p{P}])/gu;
const EMOJI = /^(?:[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u200d\ufe0f]|\s)+$/u;
const MENTIONS = 20; // per text: thousands of @ signs would cost every reader time
const WORD = /[\p{L}\p{N}\p{M}_]/u;
const MARK = /\p{M}/u;
// Scripts that do not separate words by spaces, or that append endings to names.
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Bopomofo}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}ー]/u;

/**
 * @param {string} text @param {string} me the reader's name, or empty @param {string[]} [names] other names
 * @returns {Part[]}
 */
export function parts(text, me, names = []) {
	/** @type {Part[]} */
	const out = [];
	let end = 0;
	for (const match of text.matchAll(FENCE)) {
		blocks(text.slice(end, match.index), me, names, out);
		out.push({ kind: "block", text: match[1] ?? match[2] });
		end = match.index + match[0].length;
		if (text[end] === "\n") end++;
	}
	blocks(text.slice(end), me, names, out);
	return out;
}

/** Quotes and lists, which take whole lines. @param {string} text @param {string} me @param {string[]} names @param {Part[]} out */
function blocks(text, me, names, out) {
	const lines = text.split("\n");
	let from = 0; // the first line that is not in out yet
	const inlineUntil = (/** @type {number} */ i) => {
		if (i > from) inline(lines.slice(from, i).join("\n"), me, names, out);
	};
	for (let i = 0; i < lines.length; ) {
		const pattern = [QUOTE, BULLET, NUMBERED].find((p) => p.test(lines[i]));
		if (!pattern) {
			i++;
			continue;
		}
		inlineUntil(i);
		const first = i;
		while (i < lines.length && pattern.test(lines[i])) i++;
		const inside = lines.slice(first, i).map((line) => pattern.exec(line)?.at(-1) ?? "");
		const partsOf = (/** @type {string} */ s) => {
			/** @type {Part[]} */
			const list = [];
			inline(s, me, names, list);
			return list;
		};
		if (pattern === QUOTE) out.push({ kind: "quote", parts: partsOf(inside.join("\n")) });
		else out.push({ kind: "list", start: pattern === NUMBERED ? parseInt(lines[first], 10) : 0, items: inside.map(partsOf) });
		from = i;
	}
	inlineUntil(lines.length);
}

/** @param {string} text @param {string} me @param {string[]} names @param {Part[]} out */
function inline(text, me, names, out) {
	let end = 0;
	for (const match of text.matchAll(CODE)) {
		emphasis(text.slice(end, match.index), me, names, out);
		out.push({ kind: "code", text: match[1] });
		end = match.index + match[0].length;
	}
	emphasis(text.slice(end), me, names, out);
}

/** @param {string} text @param {string} me @param {string[]} names @param {Part[]} out */
function emphasis(text, me, names, out) {
	let end = 0;
	for (const match of text.matchAll(EMPHASIS)) {
		links(text.slice(end, match.index), me, names, out);
		/** @type {Part[]} */
		const inside = [];
		links(match[1] ?? match[2] ?? match[3], me, names, inside);
		out.push({ kind: match[1] === undefined ? "italic" : "bold", parts: inside });
		end = match.index + match[0].length;
	}
	links(text.slice(end), me, names, out);
}

/** @param {string} text @param {string} me @param {string[]} names @param {Part[]} out */
function links(text, me, names, out) {
	let end = 0;
	for (const match of text.matchAll(LINK)) {
		if (match.index < end) continue; // within the previous link
		const shown = linkAt(text, match.index + match[0].length, match.index);
		const href = address(/^www/i.test(shown) ? `https://${shown}` : shown);
		if (!href) continue;
		mentions(text.slice(end, match.index), me, names, out);
		out.push({ kind: "link", text: shown, href });
		end = match.index + shown.length;
	}
	mentions(text.slice(end), me, names, out);
}

/**
 * The link that starts at from, without trailing punctuation. A closing bracket belongs to it only if the opening one does.
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
	for (let left = MENTIONS; i >= 0 && left > 0; i = text.indexOf("@", i + 1)) {
		if (isWord(text[i - 1])) continue; // an e-mail address
		left--;
		const ends = possibleNames(text.slice(i + 1), longest);
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

/** The form in which names are compared. @param {string} name */
const comparable = (name) => name.normalize("NFC").toLowerCase();

/** Whether a character continues a word. @param {string | undefined} c */
const isWord = (c) => c !== undefined && WORD.test(c) && !UNSPACED.test(c);

/**
 * The prefixes of a text that end with a word, in comparable form, and where each ends.
 * @param {string} text @param {number} longest in UTF-16 units
 */
function possibleNames(text, longest) {
	/** @type {Map<string, number>} */
	const ends = new Map();
	for (let i = 0; i < text.length; ) {
		i += /** @type {number} */ (text.codePointAt(i)) > 0xffff ? 2 : 1;
		const next = i < text.length ? String.fromCodePoint(/** @type {number} */ (text.codePointAt(i))) : undefined;
		if (isWord(next) || (next && MARK.test(next))) continue;
		const name = comparable(text.slice(0, i));
		if (name.length > longest) break;
		ends.set(name, i);
	}
	return ends;
}

/** Whether a text mentions a name. @param {string} text @param {string} name */
export function mentionsName(text, name) {
	return name !== "" && text.includes("@") && parts(text, name).some(mentionsMe);
}

/** @param {Part} p @returns {boolean} */
function mentionsMe(p) {
	if (p.kind === "mention") return p.me;
	if (p.kind === "list") return p.items.flat().some(mentionsMe);
	return "parts" in p && p.parts.some(mentionsMe);
}

/** Whether a text is a few emoji and nothing else. @param {string} text */
export const isEmojiOnly = (text) => text.length <= 40 && /\S/.test(text) && EMOJI.test(text);

/**
 * Splits a text into pieces of at most limit bytes, between lines or words where possible.
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

/** The first letter of a name, and that of its last word. @param {string} name */
export function initials(name) {
	const words = name.split(/[\s_.-]+/).filter((word) => /^[\p{L}\p{N}]/u.test(word));
	const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0] ?? name];
	return letters.map((word) => [...word][0]?.toUpperCase() ?? "").join("");
}

/** The hue of a sender, the same on every page. @param {string} by */
export function hue(by) {
	let n = 0;
	for (const c of by) n = (n * 31 + c.charCodeAt(0)) >>> 0;
	return n % 360;
}
