// The notice about a lost connection: since when, afterwards how much was missed, and whether the server was upgraded.

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/room.js").Room} Room
 */

const SHORT = 2_000; // ms of a break that is not worth mentioning
const FIRST = 15_000; // ms that the first connection may take: over a slow network it needs several round trips
const CATCH_UP = 30_000; // ms to catch up; after that nothing is said
const ASK_WITHIN = 5_000; // ms until the server is asked for its version: all pages reconnect at the same time
const RESULT_SHOWN = 5_000; // ms that the result is shown

export class Outage {
	since = 0; // by Date.now(); 0: connected
	updated = false; // the server has another version of the page
	/** @type {{new: number, gone: number}|null} what was missed, for a few seconds afterwards */
	missed = null;
	/** @type {Map<Room, {n: number, first: number}>} the rooms when the connection broke */
	#before = new Map();
	#model;
	#wasLive = false; // at least once
	#failed = false; // the attempt to connect, at least once

	/** @param {Model} model */
	constructor(model) {
		this.#model = model;
	}

	/** Whether it has lasted long enough to be mentioned. */
	get notable() {
		return this.since > 0 && (!navigator.onLine || Date.now() - this.since > (this.#wasLive || this.#failed ? SHORT : FIRST));
	}

	/** The state of the connection has changed. @param {boolean} live */
	update(live) {
		if (!live && !this.since) this.#begin();
		if (this.#model.client?.state === "waiting") this.#failed = true;
		if (!live || !this.since) return;
		const first = !this.#wasLive;
		this.#wasLive = true;
		if (!first && this.notable && [...this.#before.values()].some((b) => b.n > 0)) this.#waitUntilCaughtUp(Date.now() + CATCH_UP);
		this.since = 0;
		if (!first) setTimeout(() => this.#askVersion(), Math.random() * ASK_WITHIN);
	}

	/** Asks whether the server still has this version of the page: only then its files exist. */
	async #askVersion() {
		const url = new URL(new URL(import.meta.url).pathname, this.#model.client.base);
		const response = await fetch(url, { method: "HEAD", cache: "no-store" }).catch(() => null);
		if (response?.status !== 404) return;
		this.updated = true;
		this.#model.changed();
	}

	#begin() {
		this.since = Date.now();
		this.missed = null;
		this.#before.clear();
		for (const room of this.#rooms()) this.#before.set(room, { n: room.n, first: room.first });
		setTimeout(() => this.#model.changed(), SHORT + 100);
	}

	#rooms() {
		return [...this.#model.roomStates.values()].map((r) => r.room);
	}

	/** @param {Room} room @param {number} n */
	#countAfter(room, n) {
		return this.#model.roomStates.get(room.name)?.countAfter(n) ?? 0;
	}

	/** @param {number} deadline */
	#waitUntilCaughtUp(deadline) {
		if (this.#model.client.state !== "live" || Date.now() > deadline) return;
		if (this.#rooms().some((r) => !r.live || r.behind > 0)) {
			setTimeout(() => this.#waitUntilCaughtUp(deadline), 100);
			return;
		}
		const missed = { new: 0, gone: 0 };
		for (const room of this.#rooms()) {
			const before = this.#before.get(room);
			if (!before) continue;
			const gone = Math.max(0, room.first - 1 - Math.max(before.n, before.first - 1));
			missed.gone += gone;
			missed.new += this.#countAfter(room, before.n);
		}
		this.missed = missed;
		this.#model.changed();
		setTimeout(() => {
			if (this.missed === missed) this.missed = null;
			this.#model.changed();
		}, RESULT_SHOWN);
	}
}
