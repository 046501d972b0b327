// Which messages are shown when they arrive too fast to be read.

/** @typedef {import("./ramai/protocol.js").Message} Message */

/** More messages a second than this are a flood: only a sample is shown. */
export const FLOOD = 60;
/** The size of the sample, in messages a second. */
export const SHOWN = 40;
const RECENT = 100; // of those not shown, the newest are kept for the end of the flood

/**
 * Passes messages on to the timeline: all of them while a person can follow, otherwise an even sample. The others remain on
 * the server, and the timeline can load them.
 */
export class FloodSampler {
	paused = false;
	rate = 0; // messages a second that arrive
	shown = 0; // messages a second that are shown
	/** @type {{at: number, arrived: number, shown: number}[]} the last second */
	#history = [];
	#credit = 0; // messages that may be shown now
	#lastTime = 0;
	/** @type {Message[]} the newest of those not shown */
	#recent = [];

	get flooded() {
		return this.rate > FLOOD;
	}

	/**
	 * @param {number} now ms @param {Message[]} incoming since the last call @param {(m: Message) => boolean} important these are always shown
	 * @returns {{shown: Message[], sampled: boolean}} sampled: some are not shown
	 */
	sample(now, incoming, important) {
		this.#history = this.#history.filter((h) => now - h.at < 1000);
		this.rate = this.#history.reduce((n, h) => n + h.arrived, incoming.length);
		this.#credit = Math.min(SHOWN / 4, this.#credit + ((now - this.#lastTime) / 1000) * SHOWN);
		this.#lastTime = now;
		/** @type {Message[]} */
		let shown;
		if (this.paused) {
			shown = incoming.filter(important);
		} else if (this.flooded) {
			const step = Math.max(1, Math.ceil(incoming.length / Math.max(1, this.#credit)));
			shown = incoming.filter((m, i) => {
				if (important(m)) return true;
				if (this.#credit < 1 || (incoming.length - 1 - i) % step !== 0) return false;
				this.#credit--;
				return true;
			});
		} else {
			shown = [...this.#recent, ...incoming]; // after a flood, the newest messages are shown without a gap
		}
		const sampled = shown.length < incoming.length;
		this.#recent = this.paused || this.flooded ? [...this.#recent, ...incoming].slice(-RECENT) : [];
		this.#history.push({ at: now, arrived: incoming.length, shown: shown.length });
		this.shown = this.#history.reduce((n, h) => n + h.shown, 0);
		return { shown, sampled };
	}

	/** Ends a pause. @returns {Message[]} the newest messages that arrived meanwhile */
	resume() {
		this.paused = false;
		const recent = this.#recent;
		this.#recent = [];
		return recent;
	}
}
