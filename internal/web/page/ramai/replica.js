// A copy of the messages of one room. client/replica.go is the same in Go, and both pass the cases in client/testdata.

/**
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Page} Page
 *
 * The numbers from the first to the second, both included.
 * @typedef {[number, number]} Range
 *
 * The parameters of a request for a page, as in Room.history.
 * @typedef {{before?: number, after?: number, at?: string, limit?: number}} PageParams
 *
 * A change of this client, as outbox.js has it.
 * @typedef {{of: number, text: string, deletes: boolean}} OwnChange
 *
 * A page that has not arrived, and what had been received when it was asked for.
 * @typedef {{params: PageParams, n: number}} PageRequest
 */

const MAX_HEARD = 4096; // changes that are kept for pages that have not arrived; after more, the pages are asked for again

/** A set of numbers: ascending ranges that do not touch each other. */
export class Ranges {
	/** @type {Range[]} */
	list = [];

	/** The index of the first range that ends at n or later. @param {number} n */
	#find(n) {
		let [low, high] = [0, this.list.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.list[middle][1] < n) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	/** @param {number} from @param {number} to */
	add(from, to) {
		if (from > to) return;
		const i = this.#find(from - 1); // a range that ends right before from becomes part of the new one
		let j = i;
		for (; j < this.list.length && this.list[j][0] - 1 <= to; j++) {
			[from, to] = [Math.min(from, this.list[j][0]), Math.max(to, this.list[j][1])];
		}
		this.list.splice(i, j - i, [from, to]);
	}

	/** @param {number} from @param {number} to */
	remove(from, to) {
		if (from > to) return;
		const i = this.#find(from);
		let j = i;
		/** @type {Range[]} */
		const rest = [];
		for (; j < this.list.length && this.list[j][0] <= to; j++) {
			const [f, t] = this.list[j];
			if (f < from) rest.push([f, from - 1]);
			if (t > to) rest.push([to + 1, t]);
		}
		this.list.splice(i, j - i, ...rest);
	}

	/** The ranges between two numbers, both included, that are not in the set. @param {number} from @param {number} to */
	missing(from, to) {
		/** @type {Range[]} */
		const gaps = [];
		for (let i = this.#find(from); i < this.list.length && this.list[i][0] <= to && from <= to; i++) {
			const [f, t] = this.list[i];
			if (f > from) gaps.push([from, f - 1]);
			from = t + 1;
		}
		if (from <= to) gaps.push([from, to]);
		return gaps;
	}
}

/**
 * A copy of the messages of one room. Whatever order frames and pages of history arrive in, it ends with the messages that
 * the server has. Pass every frame of the room to apply, and pages to addPage. Messages are replaced, not changed.
 *
 * A message is replaced only by a newer form of it. The number of the change that made a form decides which is newer; a form
 * from a page is as new as the page's head. Changes that arrive between the request for a page and the page are applied to
 * the page, too.
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
	/** @type {any[]} changes that may be newer than a page or a frame that has not arrived */
	#heard = [];

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

	/** Drops the changes that are as old as all that has not arrived: those that were received as frames, once no page is on its way. */
	#dropHeard() {
		if (this.#asked.size === 0 && this.#heard.length > 0) this.#heard = this.#heard.filter((f) => f.n > this.n);
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
		for (const m of page.messages) this.#add(m, head);
		this.#known.add(...covered(request.params, page));
		for (const [from, to] of page.skipped ?? []) this.#known.add(from, to);
		this.#dropBelow(page.first);
		this.#change(heard);
		return true;
	}

	/** Applies a frame of the room. Frames that change no message are ignored. @param {any} f */
	apply(f) {
		switch (f.type) {
			case "joined":
			case "reset":
				if (f.reset || f.type === "reset" || (this.log && f.log !== this.log)) this.reset();
				this.log = f.log;
				this.head = Math.max(this.head, f.n);
				this.#dropBelow(f.first);
				return;
			case "gap":
				[this.n, this.head] = [Math.max(this.n, f.to), Math.max(this.head, f.to)];
				this.#dropBelow(f.to + 1);
				return;
			case "message":
				this.#add(f, 0);
				this.#change(this.#heard);
				break;
			case "changed":
				this.#hear(f);
				break;
		}
		if (typeof f.n !== "number") return;
		[this.n, this.head] = [Math.max(this.n, f.n), Math.max(this.head, f.n)];
		this.#known.add(Math.max(f.n, this.first), f.n);
		this.#dropHeard();
	}

	/** Applies a change of this client that is saved, whose frame may not have arrived. @param {OwnChange & {n: number}} sent */
	applySaved({ n, of, text, deletes }) {
		this.#hear({ n, of, text: deletes ? null : text });
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
		for (const m of this.messages.slice(i, this.at(to + 1))) if (!stay.includes(m)) this.#asOf.delete(m.n);
		this.messages.splice(i, this.at(to + 1) - i, ...stay);
		this.#known.remove(from, to);
		for (const m of stay) this.#known.add(m.n, m.n);
	}

	/** The numbers that are on the server, as far as is known, and not here. They may include numbers that are not messages. */
	get missing() {
		return this.#known.missing(Math.max(this.first, 1), this.head);
	}

	/**
	 * The messages as they will be once changes are saved.
	 * @param {OwnChange[]} pending what the outbox has of the room, in order
	 */
	shown(pending) {
		const shown = [...this.messages];
		for (const { of, text, deletes } of pending) {
			const i = this.at(of);
			if (of && this.messages[i]?.n === of && !shown[i].gone) shown[i] = after(shown[i], 0, deletes ? null : text);
		}
		return shown;
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
	}

	/** @param {number} i @param {number} end */
	#remove(i, end) {
		for (const m of this.messages.splice(i, end - i)) this.#asOf.delete(m.n);
	}

	/** The number as of which the text of a message is known. @param {Message} m */
	#version(m) {
		return Math.max(m.n, m.edited ?? 0, this.#asOf.get(m.n) ?? 0);
	}

	/** Adds a form of a message, unless there is a newer one. @param {Message} m @param {number} asOf */
	#add(m, asOf) {
		if (m.n < this.first) return;
		const i = this.at(m.n);
		const old = this.messages[i];
		if (old?.n !== m.n) this.messages.splice(i, 0, m);
		else if (this.#version(old) < Math.max(m.n, m.edited ?? 0, asOf)) this.messages[i] = m;
		if (asOf > (this.#asOf.get(m.n) ?? 0)) this.#asOf.set(m.n, asOf);
	}

	/** Applies a change, and keeps it for what has not arrived. @param {any} f */
	#hear(f) {
		if (this.#asked.size > 0 || f.n > this.n) this.#heard.push(f);
		if (this.#heard.length > MAX_HEARD) {
			this.#asked.clear();
			this.#heard = [];
		}
		this.#change([f]);
	}

	/** Applies edits and deletions to the messages that are here. Deleted messages stay deleted. @param {any[]} changes */
	#change(changes) {
		for (const { n, of, by, text } of changes) {
			for (const [from, to] of typeof of === "number" ? [[of, of]] : of) {
				for (let i = this.at(from); i < this.messages.length && this.messages[i].n <= to; i++) {
					const m = this.messages[i];
					if (this.#version(m) < n && !m.gone && (!by || by === m.by)) this.messages[i] = after(m, n, text);
				}
			}
		}
	}
}

/** A message after a change. @param {Message} m @param {number} n @param {string|null} text @returns {Message} */
function after(m, n, text) {
	if (typeof text === "string") return { ...m, text, edited: Math.max(n, m.edited ?? 0) };
	return { room: m.room, n: m.n, at: m.at, by: m.by, from: m.from, id: m.id, text: "", edited: n, gone: true };
}

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
