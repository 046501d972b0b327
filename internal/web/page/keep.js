// What outlives a reload, where the browser lets anything do so. Each key is of this server alone, as storage is.

/** @param {() => Storage} get */
function storage(get) {
	/** @type {Map<string, string>} */
	const memory = new Map();
	/** @type {Storage|null} */
	let store = null;
	try {
		store = get();
		store.setItem("ramai", "1");
	} catch {
		store = null; // forbidden, or full: then for as long as the page lives
	}
	return {
		/** @param {string} key @param {any} [otherwise] */
		get(key, otherwise = null) {
			try {
				const s = store ? store.getItem("ramai." + key) : memory.get(key);
				return s ? JSON.parse(s) : otherwise;
			} catch {
				return otherwise;
			}
		},
		/** @param {string} key @param {any} value */
		set(key, value) {
			const s = JSON.stringify(value);
			memory.set(key, s);
			try {
				store?.setItem("ramai." + key, s);
			} catch {
				// full
			}
		},
	};
}

/** For all pages of this server: who you are, the rooms, how far you have read. */
export const kept = storage(() => localStorage);
/** For this page alone, over a reload: what is not said yet. */
export const here = storage(() => sessionStorage);
