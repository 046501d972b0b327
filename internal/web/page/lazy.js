// Loads later.js when it is needed, or when there is nothing else to do: the first messages do not wait for it, and it is
// there when the connection breaks.

/** @typedef {typeof import("./later.js")} Later */

const IDLE = 1000; // ms after the page is connected

/** What was loaded; null: nothing yet. @type {{parts: Later|null}} */
export const lazy = { parts: null };

/** Rejects if the server cannot be reached. */
export async function loadLater() {
	lazy.parts ??= await import("./later.js");
	return lazy.parts;
}

export function loadWhenIdle() {
	setTimeout(() => loadLater().catch(() => {}), IDLE); // when it is needed, it is asked for again
}
