// Which messages of a room the page shows, and by their numbers which it does not. It uses no DOM, so that tests can run it.
import { Replica } from "./ramai/replica.js";

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 *
 * What the rows cover: first, the oldest number that the server stores; head, the newest that is drawn; unreadDivider
 * stands before the first message after this number, -1: there is none. pending: messages as they will be once changes are saved.
 * @typedef {{first: number, head: number, unreadDivider: number, pending?: Map<number, Message>}} Bounds
 *
 * A row of the log, from top to bottom:
 * - message: m; head: the first of several messages of one sender; group: the number of that one; skipped: that many before it were left out in a flood
 * - missing: count messages from…to are on the server, but not here
 * - gone: from…to are deleted
 * - day: the messages below are of another day; at is a time of it
 * - unread: the messages below are unread
 * @typedef {{kind: "message", key: string, m: Message, head: boolean, group: number, skipped: number}
 *  | {kind: "missing", key: string, from: number, to: number, count: number}
 *  | {kind: "gone", key: string, from: number, to: number}
 *  | {kind: "day", key: string, at: string}
 *  | {kind: "unread", key: string}} Row
 */

/** Messages that are kept around those on screen, and at the end. */
export const KEPT = 240;
const SLACK = 20; // above KEPT before any are dropped, so that not every message moves rows

/** ms between messages of one sender under one header. */
export const TOGETHER = 5 * 60_000;

/** Parsing a date is slow, and rows are made for each frame. @type {WeakMap<Message, {ms: number, day: string}>} */
const times = new WeakMap();

/** @param {Message} m */
function timeOf(m) {
	let time = times.get(m);
	if (!time) {
		const at = new Date(m.at);
		times.set(m, (time = { ms: at.getTime(), day: at.toDateString() }));
	}
	return time;
}

export class Timeline {
	/** @type {Message[]} ascending */
	messages = [];
	/** @type {[number, number][]} deleted numbers, ascending, merged where they touch */
	gone = [];
	/** @type {Set<number>} shown in a flood: the missing messages before them were left out on purpose */
	sampled = new Set();

	/** @param {Replica} [replica] knows the newest form of each message, and which numbers are no messages */
	constructor(replica = new Replica()) {
		this.replica = replica;
	}

	/** Adds messages, some of which may be here already. @param {Message[]} messages */
	add(messages) {
		if (messages.length === 0) return;
		messages = messages.map((m) => this.replica.get(m.n) ?? m);
		const ascending = messages.every((m, i) => i === 0 || m.n > messages[i - 1].n);
		if (ascending && (this.messages.length === 0 || messages[0].n > this.messages[this.messages.length - 1].n)) {
			this.messages.push(...messages);
			return;
		}
		const all = new Map(this.messages.map((m) => [m.n, m]));
		for (const m of messages) if (!all.has(m.n)) all.set(m.n, m);
		this.messages = [...all.values()].sort((a, b) => a.n - b.n);
	}

	/** Takes over what was edited and deleted. @returns {{before: Message, after: Message}[]} */
	refresh() {
		const changed = [];
		for (const [i, before] of this.messages.entries()) {
			const after = this.replica.get(before.n) ?? before;
			if (after === before) continue;
			this.messages[i] = after;
			changed.push({ before, after });
		}
		return changed;
	}

	/**
	 * Adds a page of history.
	 * @param {Message[]} messages ascending @param {number} from the oldest number that was asked for @param {number} first the oldest that the server stores
	 */
	addPage(messages, from, first) {
		this.markGone(from, first - 1);
		this.add(messages);
		for (const m of messages) this.sampled.delete(m.n);
	}

	/** Notes that numbers are deleted. @param {number} from @param {number} to */
	markGone(from, to) {
		if (to < from) return;
		/** @type {[number, number][]} */
		const apart = [];
		for (const [f, t] of this.gone) {
			if (t < from - 1 || f > to + 1) apart.push([f, t]);
			else [from, to] = [Math.min(from, f), Math.max(to, t)];
		}
		apart.push([from, to]);
		this.gone = apart.sort((a, b) => a[0] - b[0]);
	}

	/** Whether a range has no messages: its numbers are deleted, or of something else. @param {number} from @param {number} to */
	isEmpty(from, to) {
		return this.replica.possible(from, to).every(([first, last]) => this.gone.some(([f, t]) => f <= first && t >= last));
	}

	/** The room has another history. */
	reset() {
		this.messages = [];
		this.gone = [];
		this.sampled.clear();
	}

	/** The index of n in messages, or of the message after it. @param {number} n */
	at(n) {
		let [low, high] = [0, this.messages.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.messages[middle].n < n) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	/** @param {number} n */
	has(n) {
		return this.messages[this.at(n)]?.n === n;
	}

	/** The number of the newest message that is here; 0: there is none. */
	get last() {
		return this.messages.at(-1)?.n ?? 0;
	}

	/**
	 * Drops messages that are far from those on screen and from the end.
	 * @param {number} from the first number on screen; 0: the end is @param {number} [to] the last
	 */
	trim(from, to = from) {
		if (this.messages.length <= KEPT + SLACK) return;
		const half = KEPT >> 1;
		if (!from) {
			this.messages = this.messages.slice(-KEPT);
		} else {
			const low = Math.max(0, this.at(from) - half);
			const high = Math.min(this.messages.length, this.at(to) + half);
			const end = Math.max(high, this.messages.length - half);
			this.messages = [...this.messages.slice(low, high), ...this.messages.slice(end)];
		}
		for (const n of this.sampled) if (!this.has(n)) this.sampled.delete(n);
	}

	/** The rows for what is not here between two numbers, both exclusive. @param {number} a @param {number} b @param {number} oldest that can be loaded @returns {Row[]} */
	#between(a, b, oldest) {
		/** @type {Row[]} */
		const rows = [];
		let from = a + 1;
		const missing = (/** @type {number} */ to) => {
			const ranges = this.replica.possible(Math.max(from, oldest), to);
			if (ranges.length === 0) return;
			const count = ranges.reduce((n, [f, t]) => n + t - f + 1, 0);
			rows.push({ kind: "missing", key: `missing${ranges[0][0]}`, from: ranges[0][0], to: ranges[ranges.length - 1][1], count });
		};
		for (const [f, t] of this.gone) {
			if (t < from || f >= b) continue;
			missing(f - 1);
			rows.push({ kind: "gone", key: `gone${Math.max(f, from)}`, from: Math.max(f, from), to: Math.min(t, b - 1) });
			from = t + 1;
		}
		missing(b - 1);
		return rows;
	}

	/** The number at which the rows begin: messages stay on screen after the server has deleted them. @param {number} first */
	start(first) {
		return Math.min(first, this.messages[0]?.n ?? first);
	}

	/** @param {Bounds} bounds @returns {Row[]} */
	rows({ first, head, unreadDivider, pending }) {
		/** @type {Row[]} */
		const rows = [];
		let before = this.start(first) - 1;
		let day = "";
		let divided = unreadDivider < 0;
		/** @type {Message|null} the message right above, if nothing stands between */
		let previous = null;
		let group = 0;
		for (const saved of this.messages) {
			const m = pending?.get(saved.n) ?? saved;
			let skipped = 0;
			if (m.n > before + 1) {
				const between = this.#between(before, m.n, first);
				if (this.sampled.has(m.n) && between.length === 1 && between[0].kind === "missing") {
					skipped = between[0].count;
				} else if (between.length > 0) {
					rows.push(...between);
					previous = null;
				}
			}
			const time = timeOf(m);
			if (time.day !== day) {
				rows.push({ kind: "day", key: `day${m.n}`, at: m.at });
				day = time.day;
				previous = null;
			}
			if (!divided && m.n > unreadDivider) {
				rows.push({ kind: "unread", key: "unread" });
				divided = true;
				previous = null;
			}
			const startsGroup = !m.gone && (!previous || previous.by !== m.by || previous.from !== m.from || time.ms - timeOf(previous).ms > TOGETHER);
			if (startsGroup) group = m.n;
			rows.push({ kind: "message", key: `m${m.n}`, m, head: startsGroup, group, skipped });
			before = m.n;
			previous = m.gone ? null : m;
		}
		if (this.messages.length > 0 && head > before) rows.push(...this.#between(before, head + 1, first));
		return rows;
	}
}
