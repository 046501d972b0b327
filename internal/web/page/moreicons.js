// The icons that later.js needs.
import { iconPaths } from "./icons.js";

export const morePaths = {
	react: "M19.6 9.6a8 8 0 1 1-5.2-5.2M18.5 2.5v6M15.5 5.5h6M9 11h.01M14 11h.01M8 14.5a4 4 0 0 0 7 0",
	ask: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM9.7 9.7a2.3 2.3 0 1 1 3.4 2c-.8.5-1.1.9-1.1 1.8M12 16.2h.01",
	poll: "M5 20V11M12 20V4M19 20v-6",
	check: "m5 12.5 4.5 4.5L19 7.5",
	upvote: "M12 5 5 14h4v5h6v-5h4z",
	pin: "M9 4h6l-1 6 3.5 3.5h-11L10 10zM12 13.5V20",
	stage: "M4 5h16v10H4zM12 15v3M8 20l4-2 4 2",
	more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
	copy: "M9 9h11v11H9zM15 9V4H4v11h5",
	edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
	trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
	link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.5 1.5M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.5-1.5",
	mention: "M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0zm0-4v5.5a2.5 2.5 0 0 0 5 0V12a9 9 0 1 0-4 7.5",
	hide: "m4 4 16 16M10 6.2A9 9 0 0 1 12 6c4 0 7 2 9 6a13 13 0 0 1-2.4 3.2M6.5 7.5A12 12 0 0 0 3 12c2 4 5 6 9 6a9 9 0 0 0 4-.9M10 10a2.8 2.8 0 0 0 4 4",
	show: "M3 12c2-4 5-6 9-6s7 2 9 6c-2 4-5 6-9 6s-7-2-9-6zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
};

Object.assign(iconPaths, morePaths);
