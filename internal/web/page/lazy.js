// Loads later.js and later.css when they are needed, or when there is nothing else to do: the first messages do not wait for
// them, and they are there when the connection breaks.
import { Component, h } from "./html.js";
import { loadTexts } from "./i18n.js";

/** @typedef {typeof import("./later.js")} LaterParts */

const IDLE = 1000; // ms after the page is connected

/** What was loaded; null: nothing yet. @type {{parts: LaterParts|null}} */
export const lazy = { parts: null };

/** @type {Promise<LaterParts>|null} */
let loading = null;

/** Rejects if the server cannot be reached. */
export function loadLater() {
	loading ??= load();
	return loading;
}

/** Does something with what later.js has, unless the server cannot be reached. @param {(parts: LaterParts) => void} f */
export const withLater = (f) => loadLater().then(f, () => {});

async function load() {
	try {
		const [parts] = await Promise.all([loadModule(), loadStyle("later.css"), loadTexts("-later")]);
		lazy.parts = parts;
		return parts;
	} catch (error) {
		loading = null;
		throw error;
	}
}

const loadModule = async () => await import("./later.js");

/** Adds a style sheet to the page. The URL is without the host: that of the script may have a password, which styles may not. @param {string} name */
export const loadStyle = (name) => new Promise((loaded, failed) => {
	const link = document.createElement("link");
	link.rel = "stylesheet";
	link.href = new URL(name, import.meta.url).pathname;
	link.onload = loaded;
	link.onerror = () => {
		link.remove();
		failed(new TypeError(`${link.href} was not loaded`));
	};
	document.head.append(link);
});

export function loadWhenIdle() {
	setTimeout(() => loadLater().catch(() => {}), IDLE); // when it is needed, it is asked for again
}

/**
 * Draws a part of later.js, once it is loaded. meanwhile: what is drawn until then
 * @extends {Component<{part: "ActionBar"|"Announcer"|"AskButton"|"Banner"|"ConfirmDelete"|"CopyLink"|"Extras"|"LeftRoom"|"ModerationButton"|"People"|"RefusedChange"|"RoomBar"|"RuleMarks"|"Silence"|"Stage"|"Topic"|"WritingBar"} & Record<string, any>, {}>}
 */
export class Later extends Component {
	componentDidMount() {
		if (!lazy.parts) loadLater().then(() => this.setState({}), () => {}); // it is asked for again when the page is idle
	}

	/** @param {Later["props"]} props */
	render({ part, meanwhile, ...props }) {
		return lazy.parts ? h(/** @type {any} */ (lazy.parts[part]), props) : meanwhile;
	}
}
