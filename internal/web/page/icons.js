// The icons of the first view; moreicons.js adds the others.
import { html } from "./html.js";

/** Names of icons, and their paths. */
export const iconPaths = {
	menu: "M4 7h16M4 12h16M4 17h16",
	search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
	share: "M12 15V4M8 7.5 12 3.5 16 7.5M6 11v8h12v-8",
	jump: "M5 6h14v14H5zM5 10h14M9 3v4M15 3v4",
	settings: "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
	down: "M12 5v14M6 13l6 6 6-6",
	up: "M12 19V5M6 11l6-6 6 6",
	emoji: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM9 10h.01M15 10h.01M8.5 14a4 4 0 0 0 7 0",
	leave: "m7 7 10 10M17 7 7 17",
	reply: "M10 5 4 11l6 6M4 11h9a7 7 0 0 1 7 7v1",
};

/** @typedef {keyof typeof iconPaths | keyof typeof import("./moreicons.js").morePaths} IconName */

/** @param {IconName} name */
export const icon = (name) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${/** @type {Record<string, string>} */ (iconPaths)[name]} /></svg>`;
