// A copy of one room. client/replica.go is the same in Go, and both pass the cases in client/testdata.
import { after, keyOfStatus, marked, STATUS, withMine, withTally } from "./forms.js";
import { Ranges } from "./ranges.js";

/**
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Mark} Mark
 * @typedef {import("./protocol.js").Page} Page
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {import("./ranges.js").Range} Range
 *
 * The parameters of a request for a page, as in Room.history.
 * @typedef {{before?: number, after?: number, at?: string, limit?: number, as?: "question"|"poll"}} PageParams
 *
 * A change or a setting of this client, as outbox.js has it.
 * @typedef {{of: number, text: string, deletes: boolean, key?: string, value?: Value, until?: string}} OwnChange
 *
 * A message as a screen shows it. tally is at least 1 for each of mine, the keys of one's own marks, sorted. status: of a poll open,
 * closed or hidden; of a question open or answered. pending: a part of it is not saved.
 * @typedef {Message & {mine?: string[], status?: string, pending?: boolean}} ShownMessage
 *
 * A page that has not arrived, and what had been received when it was asked for.
 * @typedef {{params: PageParams, n: number}} PageRequest
 */

const MAX_HEARD = 4096; // frames that are kept for pages that have not arrived; after more, the pages are asked for again

/**
 * A copy of one room: its messages, one's own marks of them, and its settings. Whatever order frames and pages of history arrive in,
 * it ends with the room that the server has. Pass every frame of the room to apply, and pages to addPage. Messages are replaced, not
 * changed.
 *
 * A message is replaced only by a newer form of it. The number of the change that made a form decides which is newer; a form
 * from a page is as new as the page's head. The same holds for the counts of its marks, and for settings. What arrives between the
 * request for a page and the page is applied to the page, too.
 *
 * One's own marks have no numbers. The replica has those that are in pages and replays, and those that arrive while the client is
 * connected. What another device has marked in between is known once a page has the message.
 */
export class Replica {
	log = "";
	first = 0; // the oldest number that the server keeps; older messages are dropped
	n = 0; // the newest number received
	head = 0; // the newest number known
	/** @type {Message[]} ascending; deleted ones are gone */
	messages = [];

	/** @type {Map<number, number>} by number: the head of the page that the message was last read from */
	#asOf = new Map();
	#known = new Ranges(); // numbers that need not be loaded: messages that are here, and numbers that are none
	/** @type {Set<PageRequest>} */
	#asked = new Set();
	/** @type {any[]} frames that change messages and marks, and may be newer than a page or a frame that has not arrived */
	#heard = [];
	/** @type {Map<number, string[]>} by number: the keys of one's own marks, sorted; replaced, not changed */
	#mine = new Map();
	/** @type {Map<string, {value: Value, until: string, n: number}>} the settings, each as of n */
	#settings = new Map();
	staleSettings = false; // settings may have changed in a gap: add all of them with addSettings
	#joinedAt = 0; // n of the newest joined. It has all settings, except that those of polls and questions may be left out
	/** @type {WeakMap<Message, ShownMessage>} messages with nothing pending */
	#shown = new WeakMap();

	/** Announces a request for a page. It has to be followed by addPage or cancel. @param {PageParams} params @returns {PageRequest} */
	ask(params) {
		const request = { params, n: this.n };
		this.#asked.add(request);
		return request;
	}

	/** Gives up a request. @param {PageRequest} request */
	cancel(request) {
		this.#asked.delete(request);
		this.#dropHeard();
	}

	/** Drops what no outstanding page or frame can be older than: what was received as frames, once no page is outstanding. */
	#dropHeard() {
		if (this.#asked.size === 0 && this.#heard.length > 0) this.#heard = this.#heard.filter((f) => changes(f) && f.n > this.n);
	}

	/**
	 * Adds the page that was asked for. Returns false if the page cannot be used, because it is of another history or older than
	 * what had been received when it was asked for: ask again.
	 * @param {PageRequest} request @param {Page} page
	 */
	addPage(request, page) {
		const asked = this.#asked.has(request);
		const heard = this.#heard;
		const head = page.head ?? 0; // an older server states none; its messages never change
		this.cancel(request);
		if (!asked || page.reset || (this.log && page.log !== this.log) || (head > 0 && head < request.n)) return false;
		this.log = page.log;
		this.head = Math.max(this.head, head, page.messages.at(-1)?.n ?? 0);
		for (const m of page.messages) {
			this.#add(m, head);
			this.#setMine(m.n, page.mine?.[m.n]);
			this.#known.add(m.n, m.n);
		}
		if (!page.as) {
			this.#known.add(...covered(request.params, page));
			for (const [from, to] of page.skipped ?? []) this.#known.add(from, to);
		}
		this.#dropBelow(page.first);
		this.#repeat(heard);
		return true;
	}

	/** Applies a frame of the room. Frames that change nothing here are ignored. @param {any} f */
	apply(f) {
		switch (f.type) {
			case "joined":
			case "reset":
				if (f.reset || f.type === "reset" || (this.log && f.log !== this.log)) this.reset();
				this.log = f.log;
				this.head = Math.max(this.head, f.n);
				if (f.state !== null) this.#joined(f.state ?? {}, f.n);
				this.#hear({ ...f, type: "joined" });
				this.#dropBelow(f.first);
				return;
			case "gap":
				[this.n, this.head] = [Math.max(this.n, f.to), Math.max(this.head, f.to)];
				this.#dropBelow(f.to + 1);
				this.staleSettings ||= f.to > this.#joinedAt;
				return;
			case "message":
				this.#add(f, 0);
				this.#repeat(this.#heard);
				break;
			case "changed":
			case "restored":
			case "tally":
			case "marked":
				this.#hear(f);
				break;
			case "state":
				if ("value" in f) this.#set(f.key, f.value, f.n, f.until); // else it is hidden
				this.staleSettings ||= f.key === "preset"; // it has changed other settings, too
				break;
		}
		if (typeof f.n !== "number") return;
		[this.n, this.head] = [Math.max(this.n, f.n), Math.max(this.head, f.n)];
		this.#known.add(Math.max(f.n, this.first), f.n);
		this.#dropHeard();
	}

	/** Applies a change or a setting of this client that is saved, whose frame may not have arrived. @param {OwnChange & {n: number, at: string}} sent */
	applySaved({ n, at, of, text, deletes, key, value = null, until }) {
		if (key) this.#set(key, value, n, until);
		else this.#hear({ type: "changed", n, at, of, text: deletes ? null : text });
	}

	/**
	 * Adds a page of settings, as Room.settings returns it. What it leaves out is unset.
	 * @param {{prefix?: string, after?: string}} params @param {{n: number, settings: {key: string, value: Value, until?: string}[], more: boolean}} page
	 */
	addSettings({ prefix = "", after = "" }, { n, settings, more }) {
		for (const { key, value, until } of settings) this.#set(key, value, n, until);
		const last = settings.at(-1)?.key ?? after;
		for (const key of this.#settings.keys()) {
			if (key.startsWith(prefix) && key > after && (!more || key <= last) && !settings.some((s) => s.key === key)) this.#set(key, null, n);
		}
		if (!prefix && !more) this.staleSettings = false;
	}

	/** The room has another history. */
	reset() {
		this.log = "";
		this.first = this.n = this.head = 0;
		this.messages = [];
		this.#asOf.clear();
		this.#known = new Ranges();
		this.#asked.clear();
		this.#heard = [];
		this.#mine.clear();
		this.#settings.clear();
		this.#joinedAt = 0;
		this.staleSettings = false;
	}

	/**
	 * Drops messages to save memory. They can be loaded again. Messages that are newer than what has been received stay, because a
	 * frame or a page that is on its way may be older.
	 * @param {number} from @param {number} to
	 */
	forget(from, to) {
		if (from > to) return;
		const i = this.at(from);
		const stay = this.messages.slice(i, this.at(to + 1)).filter((m) => this.#version(m) > this.n);
		for (const m of this.messages.slice(i, this.at(to + 1))) if (!stay.includes(m)) this.#drop(m.n);
		this.messages.splice(i, this.at(to + 1) - i, ...stay);
		this.#known.remove(from, to);
		for (const m of stay) this.#known.add(m.n, m.n);
	}

	/** The numbers that are on the server, as far as is known, and not here. They may include numbers that are not messages. */
	get missing() {
		return this.#known.missing(Math.max(this.first, 1), this.head);
	}

	/**
	 * The messages as a screen shows them: as they will be once what is pending is saved. A message that has not changed since the last
	 * call is the same object.
	 * @param {OwnChange[]} [outbox] what the outbox has of the room, in order @param {Mark[]} [marks] that are not answered, in order
	 */
	shown(outbox = [], marks = []) {
		const shown = this.messages.map((m) => this.#show(m));
		for (const s of outbox) {
			const of = s.key ? Number(STATUS.exec(s.key)?.[1]) : s.of;
			this.#showPending(shown, of, (m) => (s.key ? { ...m, ...(keyOfStatus(m) === s.key && { status: String(s.value) }) } : after(m, m.edited ?? 0, s.deletes ? null : s.text, m.edited_at)));
		}
		for (const mark of marks) this.#showPending(shown, mark.of, (m) => withMine(m, marked(m.mine, mark, m.as === "poll")));
		return shown;
	}

	/** @param {ShownMessage[]} shown @param {number} n @param {(m: ShownMessage) => ShownMessage} apply */
	#showPending(shown, n, apply) {
		const i = this.at(n);
		if (n && shown[i]?.n === n && !shown[i].gone) shown[i] = { ...apply(shown[i]), pending: true };
	}

	/** A message without what is pending. @param {Message} m @returns {ShownMessage} */
	#show(m) {
		const [mine, key] = [this.#mine.get(m.n), keyOfStatus(m)];
		const status = key && /** @type {string} */ (this.#settings.get(key)?.value ?? "open");
		if (m.gone || (!mine && !status)) return m;
		const last = this.#shown.get(m);
		if (last && last.mine === mine && last.status === status) return last;
		const shown = withMine({ ...m, ...(status && { status }) }, mine);
		this.#shown.set(m, shown);
		return shown;
	}

	/** A setting as it will be once what is pending is saved. @param {string} key @param {OwnChange[]} [outbox] @returns {Value} */
	setting(key, outbox = []) {
		const pending = outbox.findLast((s) => s.key === key);
		const value = pending ? (pending.value ?? null) : (this.#settings.get(key)?.value ?? null);
		if (key === "pin" && Array.isArray(value)) {
			const kept = value.filter((n) => n >= this.first);
			return kept.length > 0 ? kept : null;
		}
		return key === "stage" && Number(value) < this.first ? null : value;
	}

	/** When a setting ends, RFC 3339; empty: it has no end, or that is not known. @param {string} key @param {OwnChange[]} [outbox] */
	settingEnd(key, outbox = []) {
		return (outbox.findLast((s) => s.key === key) ?? this.#settings.get(key))?.until ?? "";
	}

	/** The message with a number, if it is here. @param {number} n @returns {Message|undefined} */
	get(n) {
		const m = this.messages[this.at(n)];
		return m?.n === n ? m : undefined;
	}

	/**
	 * The ranges between two numbers, both included, without the numbers that are known not to be messages.
	 * @param {number} from @param {number} to @returns {Range[]}
	 */
	possible(from, to) {
		const ranges = new Ranges();
		for (const [f, t] of this.#known.missing(from, to)) ranges.add(f, t);
		for (let i = this.at(from); i < this.messages.length && this.messages[i].n <= to; i++) ranges.add(this.messages[i].n, this.messages[i].n);
		return ranges.list;
	}

	/** The numbers between two, both included, that are not here and may be messages. @param {number} from @param {number} to */
	unknown(from, to) {
		return this.#known.missing(from, to).reduce((n, [f, t]) => n + t - f + 1, 0);
	}

	/** The index of n in messages, or of the message after it. @param {number} n */
	at(n) {
		let [low, high] = [0, this.messages.length];
		if (high === 0 || this.messages[high - 1].n < n) return high; // most messages are new
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.messages[middle].n < n) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	/** Drops the messages that the server has deleted. @param {number} first */
	#dropBelow(first) {
		if (first <= this.first) return;
		this.first = first;
		this.#remove(0, this.at(first));
		this.#known.remove(0, first - 1);
		for (const n of this.#mine.keys()) if (n < first) this.#mine.delete(n);
		for (const key of this.#settings.keys()) if (Number(STATUS.exec(key)?.[1]) < first) this.#settings.delete(key);
	}

	/** @param {number} i @param {number} end */
	#remove(i, end) {
		for (const m of this.messages.splice(i, end - i)) this.#drop(m.n);
	}

	/** @param {number} n */
	#drop(n) {
		this.#asOf.delete(n);
		this.#mine.delete(n);
	}

	/** The number as of which the text of a message is known. @param {Message} m */
	#version(m) {
		return Math.max(m.n, m.edited ?? 0, this.#asOf.get(m.n) ?? 0);
	}

	/** The number as of which the counts of a message are known. @param {Message} m */
	#talliedAt(m) {
		return Math.max(m.n, m.tallied ?? 0, this.#asOf.get(m.n) ?? 0);
	}

	/** Adds a form of a message. The newer text and the newer counts are kept. @param {Message} m @param {number} asOf */
	#add(m, asOf) {
		if (m.n < this.first) return;
		const i = this.at(m.n);
		const old = this.messages[i];
		if (old?.n !== m.n) this.messages.splice(i, 0, m);
		else {
			const newer = this.#version(old) < Math.max(m.n, m.edited ?? 0, asOf);
			const counted = this.#talliedAt(old) < Math.max(m.n, m.tallied ?? 0, asOf);
			if (newer || counted) this.messages[i] = counted === newer ? m : withTally(newer ? m : old, counted ? m : old);
		}
		if (asOf > (this.#asOf.get(m.n) ?? 0)) this.#asOf.set(m.n, asOf);
	}

	/** Applies a frame that changes messages or marks, and keeps it for pages and frames that have not arrived. @param {any} f */
	#hear(f) {
		if (this.#asked.size > 0 || (changes(f) && f.n > this.n)) this.#heard.push(f);
		if (this.#heard.length > MAX_HEARD) {
			this.#asked.clear();
			this.#heard = [];
		}
		this.#repeat([f]);
	}

	/** Applies frames to what is here. Those that are older than it change nothing. @param {any[]} frames */
	#repeat(frames) {
		for (const f of frames) {
			if (f.type === "changed") this.#change(f);
			else if (f.type === "restored") this.#restore(f);
			else if (f.type === "tally") this.#tally(f);
			else if (f.type === "marked") this.#marked(f);
			else for (const [n, keys] of Object.entries(f.mine ?? {})) this.#setMine(Number(n), keys); // joined
		}
	}

	/**
	 * Applies an edit, a deletion or an erasure. Deleted messages stay deleted, and one that a moderator has erased can be deleted by
	 * its author.
	 * @param {any} f
	 */
	#change({ n, at, of, by, text, erasure }) {
		for (const [from, to] of ranges(of)) {
			for (let i = this.at(from); i < this.messages.length && this.messages[i].n <= to; i++) {
				const m = this.messages[i];
				if (this.#version(m) >= n || (by && by !== m.by)) continue;
				if (!m.gone || (text === null && typeof of === "number")) this.messages[i] = after(m, erasure ?? n, text, at);
			}
		}
	}

	/**
	 * Messages that were restored are missing, unless they are here as they were after that. The settings of restored polls and questions
	 * are those of before.
	 * @param {any} f
	 */
	#restore({ n, of }) {
		this.staleSettings ||= ranges(of).length > 0 && n > this.#joinedAt;
		for (const [from, to] of ranges(of)) {
			for (let i = this.at(from); i < this.messages.length && this.messages[i].n <= to; i++) {
				const m = this.messages[i];
				if (this.#version(m) < n) this.#known.remove(m.n, m.n);
			}
		}
	}

	/** Replaces all counts of some messages. @param {any} f */
	#tally({ n, of }) {
		for (const [key, tally] of Object.entries(of)) {
			const i = this.at(Number(key));
			const m = this.messages[i];
			if (m?.n === Number(key) && !m.gone && this.#talliedAt(m) < n) this.messages[i] = withTally(m, { tally, tallied: n });
		}
	}

	/** Adds an own mark, or takes it away. A message that was received before and is not here has none: its page will. @param {Mark} mark */
	#marked(mark) {
		if (mark.of > this.n || this.get(mark.of)) this.#setMine(mark.of, marked(this.#mine.get(mark.of), mark, false));
	}

	/** @param {number} n @param {string[]} [keys] */
	#setMine(n, keys = []) {
		if (keys.length > 0 && n >= this.first) this.#mine.set(n, [...keys].sort());
		else this.#mine.delete(n);
	}

	/** Notes a setting as of a number, unless a newer one is known. @param {string} key @param {Value} value @param {number} n @param {string} [until] */
	#set(key, value, n, until = "") {
		const known = this.#settings.get(key)?.n ?? (STATUS.test(key) ? 0 : this.#joinedAt);
		if (known < n || (known === n && until)) this.#settings.set(key, { value, until, n }); // joined has no ends
	}

	/** Notes all settings as of a number. @param {Record<string, Value>} state @param {number} n */
	#joined(state, n) {
		for (const [key, old] of this.#settings) if (!STATUS.test(key) && old.n <= n) this.#settings.delete(key);
		this.#joinedAt = 0;
		for (const [key, value] of Object.entries(state)) this.#set(key, value, n);
		[this.#joinedAt, this.staleSettings] = [n, false];
	}
}

/** Reports whether a frame changes messages. @param {any} f */
const changes = ({ type }) => type === "changed" || type === "restored";

/** The messages that a frame is about. @param {number|Range[]} of @returns {Range[]} */
const ranges = (of) => (typeof of === "number" ? [[of, of]] : of);

/** The numbers that a page has, or skips because they are not messages. @param {PageParams} params @param {Page} page @returns {Range} */
function covered({ before, after, at }, { messages, more, first, head = 0 }) {
	if (messages.length === 0 && more) return [1, 0]; // nothing: only what it skips is known
	let [oldest, newest] = [messages[0]?.n ?? 1, messages.at(-1)?.n ?? 0];
	if (at !== undefined) return [oldest, newest];
	if (after !== undefined) return [after + 1, more ? newest : Math.max(newest, head)];
	if (!more) oldest = first;
	newest = Math.max(newest, head);
	return [oldest, before === undefined ? newest : Math.min(newest, before - 1)];
}
