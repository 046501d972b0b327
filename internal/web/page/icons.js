// The icons of the page.
import { html } from "./html.js";

const PATHS = {
	menu: "M4 7h16M4 12h16M4 17h16",
	search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
	share: "M12 15V4M8 7.5 12 3.5 16 7.5M6 11v8h12v-8",
	jump: "M5 6h14v14H5zM5 10h14M9 3v4M15 3v4",
	settings: "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
	down: "M12 5v14M6 13l6 6 6-6",
	up: "M12 19V5M6 11l6-6 6 6",
	emoji: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM9 10h.01M15 10h.01M8.5 14a4 4 0 0 0 7 0",
	leave: "m7 7 10 10M17 7 7 17",
	more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
	copy: "M9 9h11v11H9zM15 9V4H4v11h5",
	reply: "M10 5 4 11l6 6M4 11h9a7 7 0 0 1 7 7v1",
	edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
	trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
	link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.5 1.5M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.5-1.5",
	mention: "M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0zm0-4v5.5a2.5 2.5 0 0 0 5 0V12a9 9 0 1 0-4 7.5",
	hide: "m4 4 16 16M10 6.2A9 9 0 0 1 12 6c4 0 7 2 9 6a13 13 0 0 1-2.4 3.2M6.5 7.5A12 12 0 0 0 3 12c2 4 5 6 9 6a9 9 0 0 0 4-.9M10 10a2.8 2.8 0 0 0 4 4",
	show: "M3 12c2-4 5-6 9-6s7 2 9 6c-2 4-5 6-9 6s-7-2-9-6zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
};

/** @param {keyof typeof PATHS} name */
export const icon = (name) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
