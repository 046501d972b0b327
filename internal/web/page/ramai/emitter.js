/** A source of events. */
export class Emitter {
	/** @type {Map<string, Set<(...args: any[]) => void>>} */
	#listeners = new Map();

	/**
	 * Adds a listener, and returns a function that removes it.
	 * @param {string} event
	 * @param {(...args: any[]) => void} f
	 */
	on(event, f) {
		let set = this.#listeners.get(event);
		if (!set) this.#listeners.set(event, (set = new Set()));
		set.add(f);
		return () => set.delete(f);
	}

	/** @param {string} event @param {...any} args */
	emit(event, ...args) {
		for (const f of [...(this.#listeners.get(event) ?? [])]) {
			try {
				f(...args);
			} catch (error) {
				console.error(error); // a listener's error must not break the connection
			}
		}
	}
}
