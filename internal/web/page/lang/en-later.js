// English, for what later.js has: dialogs and menus. The page loads these texts with it, and the rest (en.js) before.

/** @param {string} one @param {string} other @returns {import("../i18n.js").Forms} */
const forms = (one, other) => ({ one, other });

export default {
	// What a person does with a message.
	moreActions: "More actions",
	copyText: "Copy text",
	copyLink: "Copy link",
	copiedText: "Copied.",
	copyFailed: "The browser does not allow copying here.",
	hiddenPeople: "Hidden for you",
	reply: "Reply",
	edit: "Edit",
	delete: "Delete",
	toOriginal: "Go to original message",
	confirmDelete: (/** @type {string} */ text) => `Delete “${text}” for everyone?`,
	keep: "Cancel",
	discardChange: "Discard",
	writeAsNew: "Write as a new message",
	endEdit: "Cancel the edit",
	endReply: "Cancel the reply",

	// Emoji, and a long paste.
	emojiFind: "Find an emoji",
	longPaste: "Paste a long text?",
	lines: forms("# line", "# lines"),
	bytes: forms("# byte", "# bytes"),
	pasteOne: "Paste",
	pasteMany: forms("Send as # message", "Send as # messages"),

	// The link to a room.
	shareText: "Anyone with this link can read and write here. No account needed.",
	link: "Link to this room",
	scan: "Or scan this with a phone.",
	onlyHere: "This link works only on this computer. To let others in, start the server with",
	onNetwork: "Others in your network can open this link.",
	copied: "Link copied.",
	copyByHand: "The link is selected. Press Ctrl+C to copy it.",
	qr: "QR code of the link",

	// Search, and go to date.
	searchFor: "Search messages",
	searchHere: (/** @type {string} */ room) => `Only in ${room}`,
	searchWhere: "Where to search",
	searchMine: "My rooms",
	searchAll: "All rooms",
	searchNone: "No messages found.",
	searchBehind: forms("# recent message is not searchable yet.", "# recent messages are not searchable yet."),
	searchFilters: "By person or date",
	searchPerson: "Person",
	searchFrom: "From",
	searchTo: "Until",
	searchWordless: (/** @type {string} */ room) => `Without words, only ${room} is searched.`,
	searchMore: "More results",
	jumpGo: "Go",
	jumpNone: "There are no messages on or after that date.",

	// Settings.
	theme: "Theme",
	themes: { auto: "Same as system", light: "Light", dark: "Dark" },
	languageChoice: "Language",
	languageAuto: "Same as browser",
	notify: "Notifications",
	notifyRoom: (/** @type {string} */ room) => `In ${room}, notify me about`,
	notifyLevels: { mentions: "Mentions", all: "All messages", nothing: "Nothing (mute)" },
	notifyDenied: "The browser blocks notifications from this page. A sound can tell you instead.",
	notifyMissing: "This browser shows notifications only over HTTPS, or when the page is installed. A sound can tell you instead.",
	alertsMissing: "This browser can neither show notifications nor play a sound here. The title of the page counts unread messages.",
	soundBlocked: "The browser does not play the sound. Unmute the page in the browser, or watch its title: it counts unread messages.",
	sound: "Play a sound",
	keys: "Keyboard shortcuts",
	keyList: [
		["Enter", "send"],
		["Shift+Enter", "new line"],
		["↑", "edit your last message"],
		[":", "emoji"],
		["@", "mention"],
		["Ctrl+K", "search"],
		["Ctrl+End", "latest message"],
		["PgUp, PgDn", "scroll the messages"],
		["Enter, ↑ ↓", "move between messages"],
		["Shift+F10", "menu of a message"],
		["R, E, D", "in a message’s menu: reply, edit, delete"],
		["Esc", "cancel, or back to the message box"],
		["Alt+↑ ↓", "switch room"],
	],
};
