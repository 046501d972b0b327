// Loads pages of a room's history into its timeline.

/** @typedef {import("./roomstate.js").RoomState} RoomState */

const PAGE = 100; // messages per request

export class Pages {
	loading = false;
	/** @type {unknown} why the last request failed; null: it did not */
	error = null;
	/** @type {Promise<boolean>} the last request */
	#loaded = Promise.resolve(true);

	/** @param {RoomState} roomState */
	constructor(roomState) {
		this.roomState = roomState;
	}

	/**
	 * Loads messages: before a number, after one, or the newest. Resolves with false if that failed.
	 * @param {{before?: number, after?: number, limit?: number}} params
	 */
	load(params) {
		if (!this.loading) this.#loaded = this.#load(params);
		return this.#loaded;
	}

	/** @param {{before?: number, after?: number, limit?: number}} params */
	async #load(params) {
		const { room, timeline, model } = this.roomState;
		this.loading = true;
		this.error = null;
		model.changed();
		try {
			const page = await room.client.withRetry(() => room.load({ limit: PAGE, ...params }));
			if (page.log !== room.log) return false;
			timeline.addPage(page.messages, params.after !== undefined ? params.after + 1 : room.first, page.first);
			return true;
		} catch (error) {
			this.error = error;
			return false;
		} finally {
			this.loading = false;
			model.changed();
		}
	}

	/** Loads a message and those around it, unless they are here. @param {number} n */
	async loadAround(n) {
		const { room, timeline } = this.roomState;
		await this.#loaded;
		if (!timeline.has(n)) await this.load({ before: n + 1, limit: PAGE / 2 }); // two requests, because each side may end early
		const next = room.replica.possible(n + 1, this.roomState.head)[0]?.[0];
		if (next && !timeline.has(next)) await this.load({ after: n, limit: PAGE / 2 });
		return timeline.has(n);
	}

	/**
	 * Loads the messages around a time.
	 * @param {number} time ms @returns {Promise<number>} the first message at that time or later; 0: there is none
	 */
	async find(time) {
		const { roomState, roomState: { room, timeline } } = this;
		const page = await room.client.withRetry(() => room.load({ at: new Date(time).toISOString(), limit: PAGE }));
		if (page.log !== room.log || !page.target) return 0;
		roomState.jumpTarget = page.target; // or they would be dropped again, far from those on screen
		timeline.addPage(page.messages, page.messages[0]?.n ?? 0, page.first);
		return page.target;
	}
}
