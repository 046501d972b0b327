// Loads later.js when it is needed, or when there is nothing else to do: the first messages do not wait for it, and it is
// there when the connection breaks.
import { h, useEffect, useState } from "./html.js";

/** @typedef {typeof import("./later.js")} LaterParts */

const IDLE = 1000; // ms after the page is connected

/** What was loaded; null: nothing yet. @type {{parts: LaterParts|null}} */
export const lazy = { parts: null };

/** Rejects if the server cannot be reached. */
export async function loadLater() {
	lazy.parts ??= await import("./later.js");
	return lazy.parts;
}

/** Does something with what later.js has, unless the server cannot be reached. @param {(parts: LaterParts) => void} f */
export const withLater = (f) => loadLater().then(f, () => {});

export function loadWhenIdle() {
	setTimeout(() => loadLater().catch(() => {}), IDLE); // when it is needed, it is asked for again
}

/** Draws a part of later.js, once it is loaded. @param {{part: "ActionBar"|"ConfirmDelete"|"EditTime"|"RefusedChange"|"WritingBar"} & Record<string, any>} props */
export function Later({ part, ...props }) {
	const [, redraw] = useState(lazy.parts);
	useEffect(() => {
		if (!lazy.parts) loadLater().then(redraw, () => {}); // it is asked for again when the page is idle
	}, []);
	return lazy.parts && h(/** @type {any} */ (lazy.parts[part]), props);
}
