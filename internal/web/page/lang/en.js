// English, for what the page shows at first; en-later.js has the rest. Every other language has files with the same keys.
// Numbers arrive formatted for the language. A text that depends on a number has a form for each plural category of the language
// (see plural in i18n.js), with # in place of the number.

/** @param {string} one @param {string} other @returns {import("../i18n.js").Forms} */
const forms = (one, other) => ({ one, other });

export default {
	title: "ramai",

	// Header.
	aboutRoom: (/** @type {string} */ room) => `About ${room}`,
	live: "connected",
	connecting: "connecting…",
	behind: forms("# message behind", "# messages behind"),
	offlineSince: (/** @type {string} */ time) => `offline since ${time}`,
	unsent: (/** @type {string} */ n) => `${n} unsent`,
	overHTTP: "over HTTP",
	roomsHTTP: "Other rooms are checked every few seconds.",
	here: (/** @type {string} */ n) => `${n} here`,
	allHere: (/** @type {string} */ n) => `People here: ${n}`,
	intercepted: "Something else answered in place of the chat, such as a sign-in page of your network. Reload the page.",

	// Message log.
	log: "Messages",
	empty: "No messages yet",
	emptyHint: "Anyone with the link can read and write here. No account needed.",
	/** Who can do what, if everyone has another role. @type {Record<string, string>} */
	emptyHints: { none: "This room is private. Only people with an invite or the password can read it.", reader: "Anyone with the link can read here. Only people with a role can write." },
	emptyShare: "Write the first message, or send someone the link:",
	beginning: "This is the start of the room.",
	loading: "Loading…",
	today: "Today",
	yesterday: "Yesterday",
	missing: forms("Load # more message", "Load # more messages"),
	gone: forms("# message can no longer be loaded", "# messages can no longer be loaded"),
	skipped: (/** @type {string} */ n) => `+${n}`,
	skippedLoad: forms("Load # skipped message", "Load # skipped messages"),
	unreadDivider: "New messages",
	toUnread: (/** @type {string} */ n) => `${n} unread`,
	markRead: "Mark all as read",
	toLatest: "Latest",
	newBelow: (/** @type {string} */ n) => `${n} new`,
	guest: (/** @type {string} */ tag) => `guest ${tag}`,
	you: "(you)",
	says: (/** @type {string} */ who, /** @type {string} */ text) => `${who}: ${text}`,

	// What a person does with a message, and with people.
	hidden: (/** @type {string} */ name) => `Message from ${name} hidden`,
	reveal: "Show",

	// Edits, deletions and replies.
	edited: "(edited)",
	editedAt: (/** @type {string} */ time) => `Edited ${time}`,
	deleted: "Message deleted",
	savingEdit: "saving…",
	deleting: "deleting…",
	inReplyTo: "In reply to",
	tooOld: "That message is no longer stored.",
	editBox: "Edit your message",
	replyingTo: (/** @type {string} */ name) => `Reply to ${name}:`,

	// State of sent messages.
	waiting: "unsent",
	sending: "sending…",
	saved: "sent",
	held: "waits for a moderator",
	withdraw: "Withdraw",
	showMore: "Show more",
	showLess: "Show less",
	failed: (/** @type {string} */ why) => `Not sent: ${why}`,
	again: "Send again",
	discard: "Discard",

	// Composer.
	write: "Write a message",
	writeTo: (/** @type {string} */ room) => `Message to ${room}`,
	send: "Send",
	over: forms("Too long by # byte", "Too long by # bytes"),
	typing: (/** @type {string} */ name) => `${name} is typing…`,
	twoTyping: (/** @type {string} */ one, /** @type {string} */ other) => `${one} and ${other} are typing…`,
	manyTyping: (/** @type {string} */ n) => `${n} people are typing…`,
	emoji: "Emoji",
	suggestions: "Suggestions",
	noFiles: "Files cannot be sent here. Share a link to the file instead.",
	cancel: "Cancel",
	close: "Close",
	undo: "Undo",

	// Names.
	nameOffer: "Choose a name",
	nameUse: "Join",
	nameNone: "Continue as guest",
	nameNew: "Change your name",
	nameSave: "Save",
	nameDrop: "Remove my name",
	nameEmpty: "Enter a name, or continue as guest.",
	nameChange: "Change",
	nameless: "no name",
	nameSocket: "Names require a WebSocket connection, and this network blocks WebSockets.",
	adjectives: ["Calm", "Bright", "Quick", "Gentle", "Merry", "Quiet", "Brave", "Sunny", "Clever", "Kind", "Early", "Golden"],
	animals: ["Heron", "Otter", "Gecko", "Robin", "Tapir", "Myna", "Panda", "Koala", "Lynx", "Finch", "Hornbill", "Dolphin"],
	guestName: (/** @type {string} */ adjective, /** @type {string} */ animal) => `${adjective} ${animal}`,

	// Rooms and dialogs.
	menu: "Menu",
	rooms: "Rooms",
	join: "Join",
	joinLabel: "Join or create a room",
	joinPlaceholder: "room name",
	joinBad: "A room name has up to 64 characters from a–z, 0–9, _ and -, and starts with a letter or digit.",
	roomsFull: forms("You can be in # room at a time. Leave it first.", "You can be in # rooms at a time. Leave one first."),
	leave: (/** @type {string} */ room) => `Leave ${room}`,
	unread: (/** @type {string} */ n) => `${n} unread`,
	share: "Share",
	search: "Search",
	jump: "Go to date",
	settings: "Settings",
	/** Texts for the codes of the protocol; without one, the reason of the server is shown, which is in English. @type {Record<string, string>} */
	reasons: { name_taken: "This name, or one that looks like it, is taken. Choose another." },
	failedToLoad: (/** @type {string} */ why) => `Could not load: ${why}`,
	unreachable: "the server cannot be reached",
};
