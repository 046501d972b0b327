// Storage that survives a reload, where the browser permits it. The browser scopes it to this server's origin.

/** @param {() => Storage} get */
function open(get) {
	/** @type {Map<string, string>} */
	const memory = new Map();
	/** @type {Storage|null} */
	let storage = null;
	try {
		storage = get();
		storage.setItem("ramai", "1");
	} catch {
		storage = null; // forbidden or full: use memory, for the lifetime of the page
	}
	return {
		/** @param {string} key @param {any} [fallback] */
		get(key, fallback = null) {
			try {
				const s = storage ? storage.getItem("ramai." + key) : memory.get(key);
				return s ? JSON.parse(s) : fallback;
			} catch {
				return fallback;
			}
		},
		/** @param {string} key @param {any} value */
		set(key, value) {
			const s = JSON.stringify(value);
			memory.set(key, s);
			try {
				storage?.setItem("ramai." + key, s);
			} catch {
				// full
			}
		},
	};
}

/** Shared by all pages of this server: session, name, rooms, read positions, settings. */
export const shared = open(() => localStorage);
/** For one tab: messages that are not sent yet. */
export const perTab = open(() => sessionStorage);
