// English, for what moderation.js has.

/** @param {string} one @param {string} other @returns {import("../i18n.js").Forms} */
const forms = (one, other) => ({ one, other });

export default {
	moderationOf: (/** @type {string} */ room) => `Moderate ${room}`,
	tabs: { rules: "Rules", people: "People" },
	undone: "Undone.",
	notModerator: "You no longer moderate this room.",

	// Rules.
	lock: "Lock",
	isOpen: "The room is open.",
	lockFor: (/** @type {string} */ time) => time,
	lockOpenEnd: "Until I open it",
	openRoom: "Open",
	lockedNow: "Locked until somebody opens the room.",
	lockedFor: (/** @type {string} */ time) => `Locked for ${time}.`,
	opened: "The room is open.",
	pace: "Pace",
	off: "Off",
	noWait: "At once",
	whoMay: "Who may do what",
	everyoneWrites: "Read and write",
	everyoneReads: "Read only",
	everyoneNothing: "Nothing (private)",
	ruleLabels: /** @type {Record<string, string>} */ ({
		slow: "Time between messages",
		newcomer: "New people can write",
		everyone: "Anyone with the link can",
		"may.say": "Can write",
		"may.link": "Can post links",
		"may.react": "Can react",
		preset: "Preset",
	}),
	ruleSet: (/** @type {string} */ rule, /** @type {string} */ value) => `${rule}: ${value}.`,
	noPreset: "None",
	presets: /** @type {Record<string, string>} */ ({ class: "Class", stream: "Stream", announcement: "Announcements", private: "Private" }),
	presetHints: /** @type {Record<string, string>} */ ({
		"": "A preset sets the rules above at once.",
		class: "Only trusted people post links, and everyone waits 2 seconds between messages.",
		stream: "Only moderators post links, everyone waits 10 seconds between messages, and new people wait a minute.",
		announcement: "Everyone can read, and moderators write.",
		private: "Only people with a role can read. Give roles, or send invites.",
	}),

	// End of a lesson.
	endOfLesson: "End of lesson",
	endOfLessonHint: "Locks the room until you open it, and saves all messages as a text file.",
	endLesson: "End the lesson",
	saveTranscript: "Save messages only",
	transcriptOf: (/** @type {string} */ room, /** @type {string} */ time) => `Messages of ${room}, saved ${time}`,
	transcriptSaved: (/** @type {string} */ n) => `Messages saved: ${n}.`,
	replyToNumber: (/** @type {string} */ n) => `reply to ${n}`,

	// People.
	nobodyListed: "Nobody has a role here, and nobody is muted or banned. To moderate somebody, open the menu of a message or of a person.",
	peopleHint: "To moderate somebody else, open the menu of a message or of a person.",
	personTitle: "Moderate a person",
	penalties: /** @type {Record<string, string>} */ ({ mute: "muted", ban: "banned" }),
	mute: "Mute",
	penaltyTitle: "Muted or banned",
	messages: "Messages",
	untilChanged: "Until I end it",
	mutedFor: (/** @type {string} */ name, /** @type {string} */ time) => `${name} is muted for ${time}.`,
	muted: (/** @type {string} */ name) => `${name} is muted.`,
	unmute: "Unmute",
	unban: "Lift the ban",
	pardoned: (/** @type {string} */ name) => `${name} can write again.`,
	ban: "Ban",
	banned: (/** @type {string} */ name) => `${name} is banned.`,
	banHint: "A banned person can neither read nor write here.",
	role: "Role",
	noRole: "No role",
	roleGiven: (/** @type {string} */ name, /** @type {string} */ role) => `${name}: ${role}.`,
	roleTaken: (/** @type {string} */ name) => `${name} has no role now.`,
	ownerHint: "If you make somebody the owner, you become a moderator.",
	thisIsYou: "This is you.",

	// A raid.
	raid: "Raid",
	raidAbout: "Locks the room for 10 minutes, makes new people wait, and shows what newcomers have posted.",
	raidTitle: "Raid",
	raidShut: "Locked for 10 minutes; new people wait.",
	raidHint: "These people have posted in the last 10 minutes and not before. Clear the mark of those who belong here.",
	raidNobody: "No newcomers have posted in the last 10 minutes.",

	// Erasing.
	eraseAll: "Erase all messages…",
	eraseTitle: (/** @type {string} */ who) => `Erase messages: ${who}`,
	eraseNothing: "There are no messages to erase.",
	eraseCount: forms("# message will be erased for everyone. The newest:", "# messages will be erased for everyone. The newest:"),
	eraseHint: "You can undo this for 23 hours.",
	eraseNow: forms("Erase # message", "Erase # messages"),
	erased: forms("# message erased.", "# messages erased."),
};
