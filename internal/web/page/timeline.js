// What the page has of one room: some of its messages, and by their numbers the certainty of what it does not have. It
// knows no document, so that tests can step it.

/**
 * @typedef {import("./ramai/protocol.js").Message} Message
 *
 * A row of the log, top to bottom:
 * - message: m; head: it begins what one person says; skipped: so many before it were not shown, as they came too fast
 * - hole: from…to are on the server and not here
 * - gone: from…to are gone for good
 * - day: another day begins; at is a time of it
 * - unread: what follows was not read
 * @typedef {{kind: "message", key: string, m: Message, head: boolean, skipped: number}
 *  | {kind: "hole" | "gone", key: string, from: number, to: number}
 *  | {kind: "day", key: string, at: string}
 *  | {kind: "unread", key: string}} Row
 */

/** Messages that are kept around what is looked at, and at the end. More are on the server, one request away. */
export const KEPT = 240;
const SLACK = 20; // beyond KEPT before anything is let go of, so that not every message moves something

const TOGETHER = 5 * 60_000; // ms between messages of one person under one header

/** A second of more messages than this is a flood: then only some are shown. */
export const FLOOD = 60;
/** How many of them a second. */
export const SHOWN = 40;
const RECENT = 100; // of those not shown, the newest are at hand

/** When a message was said, found out once: its rows are made at each drawing. @type {WeakMap<Message, {ms: number, day: string}>} */
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
	kept = [];
	/** @type {[number, number][]} gone for good, ascending, apart from each other */
	gone = [];
	first = 1; // the oldest that the server keeps
	head = 0; // the newest that is known of
	unread = -1; // the rule stands before the first message after this number; -1: nowhere
	/** @type {Set<number>} shown out of a flood: what is missing before them was passed over on purpose */
	sampled = new Set();

	/** Adds messages that may be here already. @param {Message[]} messages ascending */
	add(messages) {
		if (messages.length === 0) return;
		for (const m of messages) this.head = Math.max(this.head, m.n);
		const ascending = messages.every((m, i) => i === 0 || m.n > messages[i - 1].n);
		if (ascending && (this.kept.length === 0 || messages[0].n > this.kept[this.kept.length - 1].n)) {
			this.kept.push(...messages);
			return;
		}
		const all = new Map(this.kept.map((m) => [m.n, m]));
		for (const m of messages) if (!all.has(m.n)) all.set(m.n, m);
		this.kept = [...all.values()].sort((a, b) => a.n - b.n);
	}

	/** Notes that numbers are gone for good. @param {number} from @param {number} to */
	lose(from, to) {
		if (to < from) return;
		this.head = Math.max(this.head, to);
		/** @type {[number, number][]} */
		const apart = [];
		for (const [f, t] of this.gone) {
			if (t < from - 1 || f > to + 1) apart.push([f, t]);
			else [from, to] = [Math.min(from, f), Math.max(to, t)];
		}
		apart.push([from, to]);
		this.gone = apart.sort((a, b) => a[0] - b[0]);
	}

	/** Forgets all: the room has another history. */
	reset() {
		this.kept = [];
		this.gone = [];
		this.head = 0;
		this.unread = -1;
		this.first = 1;
		this.sampled.clear();
	}

	/** The place of n in kept, or of what follows it. @param {number} n */
	at(n) {
		let [low, high] = [0, this.kept.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.kept[middle].n < n) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	/** @param {number} n */
	has(n) {
		return this.kept[this.at(n)]?.n === n;
	}

	/**
	 * Lets go of what is far from what is looked at and from the end.
	 * @param {number} from the first number looked at; 0: the end is @param {number} [to] the last
	 */
	trim(from, to = from) {
		if (this.kept.length <= KEPT + SLACK) return;
		const half = KEPT >> 1;
		if (!from) {
			this.kept = this.kept.slice(-KEPT);
		} else {
			const low = Math.max(0, this.at(from) - half);
			const high = Math.min(this.kept.length, this.at(to) + half);
			const end = Math.max(high, this.kept.length - half);
			this.kept = [...this.kept.slice(low, high), ...this.kept.slice(end)];
		}
		for (const n of this.sampled) if (!this.has(n)) this.sampled.delete(n);
	}

	/** What is not here, between two numbers that are not part of it. @param {number} a @param {number} b @returns {Row[]} */
	#between(a, b) {
		/** @type {Row[]} */
		const rows = [];
		let from = a + 1;
		const hole = (/** @type {number} */ to) => {
			if (from <= to) rows.push({ kind: "hole", key: `hole${from}`, from, to });
		};
		for (const [f, t] of this.gone) {
			if (t < from || f >= b) continue;
			hole(f - 1);
			rows.push({ kind: "gone", key: `gone${Math.max(f, from)}`, from: Math.max(f, from), to: Math.min(t, b - 1) });
			from = t + 1;
		}
		hole(b - 1);
		return rows;
	}

	/** @returns {Row[]} */
	rows() {
		/** @type {Row[]} */
		const rows = [];
		let before = this.first - 1;
		let day = "";
		/** @type {Message|null} */
		let previous = null;
		let ruled = this.unread < 0;
		for (const m of this.kept) {
			let skipped = 0;
			if (m.n > before + 1) {
				const missing = this.#between(before, m.n);
				if (this.sampled.has(m.n) && missing.length === 1 && missing[0].kind === "hole") {
					skipped = missing[0].to - missing[0].from + 1;
				} else {
					rows.push(...missing);
					previous = null;
				}
			}
			const time = timeOf(m);
			if (time.day !== day) {
				rows.push({ kind: "day", key: `day${m.n}`, at: m.at });
				day = time.day;
				previous = null;
			}
			if (!ruled && m.n > this.unread) {
				rows.push({ kind: "unread", key: "unread" });
				ruled = true;
				previous = null;
			}
			const head = !previous || previous.by !== m.by || previous.from !== m.from || time.ms - timeOf(previous).ms > TOGETHER;
			rows.push({ kind: "message", key: `m${m.n}`, m, head, skipped });
			before = m.n;
			previous = m;
		}
		if (this.kept.length > 0 && this.head > before) rows.push(...this.#between(before, this.head + 1));
		return rows;
	}
}

/**
 * Lets messages through to where they are shown, all of them while a person could follow, and some of them, evenly,
 * while they come too fast. What it holds back is in no way lost: it is on the server, and a number here.
 */
export class FloodSampler {
	paused = false;
	rate = 0; // messages a second that come
	shown = 0; // and of them are let through
	/** @type {{at: number, incoming: number, through: number}[]} of the last second */
	#past = [];
	#credit = 0;
	#time = 0;
	/** @type {Message[]} the newest of those held back */
	#recent = [];

	get flooded() {
		return this.rate > FLOOD;
	}

	/**
	 * Takes what came since the last call.
	 * @param {number} now ms @param {Message[]} incoming @param {(m: Message) => boolean} important is always let through
	 * @returns {{through: Message[], sampled: boolean}} sampled: others were held back
	 */
	sample(now, incoming, important) {
		this.#past = this.#past.filter((p) => now - p.at < 1000);
		this.rate = this.#past.reduce((n, p) => n + p.incoming, incoming.length);
		this.#credit = Math.min(SHOWN / 4, this.#credit + ((now - this.#time) / 1000) * SHOWN);
		this.#time = now;
		/** @type {Message[]} */
		let through = incoming;
		if (this.paused) {
			through = [];
		} else if (this.flooded) {
			const step = Math.max(1, Math.ceil(incoming.length / Math.max(1, this.#credit)));
			through = incoming.filter((m, i) => {
				if (important(m)) return true;
				if (this.#credit < 1 || (incoming.length - 1 - i) % step !== 0) return false;
				this.#credit--;
				return true;
			});
		} else {
			through = [...this.#recent, ...incoming]; // if it was a flood, it is over: the newest are to stand there without a gap
		}
		const sampled = through.length < incoming.length;
		this.#recent = this.paused || this.flooded ? [...this.#recent, ...incoming].slice(-RECENT) : [];
		this.#past.push({ at: now, incoming: incoming.length, through: through.length });
		this.shown = this.#past.reduce((n, p) => n + p.through, 0);
		return { through, sampled };
	}

	/** Goes on after a pause. @returns {Message[]} the newest of what was held back meanwhile */
	resume() {
		this.paused = false;
		const recent = this.#recent;
		this.#recent = [];
		return recent;
	}
}
