// node --test: what moderators see, as far as it needs no browser.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { documentElement: { dataset: {} } };
globalThis.matchMedia = () => ({ matches: false });
globalThis.window = globalThis;
globalThis.location = new URL("http://chat.test/");
const { clock } = await import("../../internal/web/page/clock.js");
const { clockText, durationText, when } = await import("../../internal/web/page/duration.js");
const { addTexts } = await import("../../internal/web/page/i18n.js");
const { Refusal } = await import("../../internal/web/page/ramai/protocol.js");
const { refusalText } = await import("../../internal/web/page/refusals.js");
const { newcomersOf } = await import("../../internal/web/page/raid.js");
const { silenceOf } = await import("../../internal/web/page/rules.js");
const { transcriptLines } = await import("../../internal/web/page/transcript.js");
const { decideAll } = await import("../../internal/web/page/queue.js");
const { undoAll } = await import("../../internal/web/page/undoperson.js");
const { actionText } = await import("../../internal/web/page/actionwords.js");
for (const part of ["later", "moderation"]) addTexts((await import(`../../internal/web/page/lang/en-${part}.js`)).default);

const later = (/** @type {number} */ ms) => new Date(Date.now() + ms).toISOString();

test("durations have the largest unit that fits", () => {
	assert.deepEqual([5, 60, 90, 600, 3600, 86_400, 172_800].map(durationText), ["5 seconds", "1 minute", "90 seconds", "10 minutes", "1 hour", "1 day", "2 days"]);
	assert.deepEqual([0, 9, 75, 3599].map(clockText), ["0:00", "0:09", "1:15", "59:59"]);
});

test("a time to come counts down by the clock of the server", () => {
	assert.match(when(later(90_500)), /^in 1:3[01]$/);
	clock.ahead = 30_000;
	assert.match(when(later(90_500)), /^in 2:0[01]$/);
	clock.ahead = 0;
	assert.match(when(later(2 * 3600_000)), /^at /);
	assert.match(when(later(3 * 86_400_000)), /^on /);
});

test("every rule that refuses something is explained", () => {
	const text = (rule, params = {}, until = "", code = "not_allowed") => refusalText(Refusal.of({ code, reason: "as the server says it", rule, params, until }));
	assert.equal(text("", {}), "");
	assert.equal(text("person", { action: "ban" }), "A moderator has banned you from this room.");
	assert.match(text("person", { action: "mute" }, later(600_000)), /^A moderator has muted you\. You can write again in (10:00|9:59)\.$/);
	assert.match(text("lock", {}, later(5_000)), /^The room is locked: only moderators can write\. It opens in 0:0[45]\.$/);
	assert.equal(text("may.say", { role: "trusted" }), "Only trusted people can write here.");
	assert.equal(text("role", {}), "This person’s role is not lower than yours.");
	assert.match(text("slow", { seconds: 30 }, later(12_000)), /^Slow mode: 30 seconds between two messages\. You can write again in 0:1[12]\.$/);
	for (const rule of ["role", "may.react", "may.link", "newcomer", "hold", "address"]) assert.ok(text(rule, { role: "moderator", seconds: 5 }), rule);
	assert.ok(text("", {}, "", "held"));
});

test("the box is closed by the first rule in the order of the server", () => {
	const silence = (role, settings = {}, refusedBy = null) => {
		const room = { role, setting: (key) => settings[key] ?? null, settingEnd: (key) => settings[`${key} until`] ?? "" };
		return silenceOf(/** @type {any} */ ({ name: "hall", room, refusedBy }))?.rule ?? "";
	};
	assert.equal(silence(""), "", "a server without roles");
	assert.equal(silence("guest"), "");
	assert.equal(silence("reader", { lock: "on" }), "role");
	assert.equal(silence("guest", { lock: "on", "may.say": "moderator" }), "lock");
	assert.equal(silence("guest", { lock: "on", "lock until": later(-1000) }), "", "the lock is over");
	assert.equal(silence("moderator", { lock: "on", "may.say": "moderator" }), "");
	assert.equal(silence("trusted", { "may.say": "moderator" }), "may.say");
	const refused = (rule, until) => Refusal.of({ code: "not_allowed", reason: "", rule, params: {}, until });
	assert.equal(silence("guest", { lock: "on" }, refused("person", "")), "person");
	assert.equal(silence("guest", {}, refused("slow", later(5000))), "slow");
	assert.equal(silence("guest", {}, refused("slow", later(-5000))), "");
});

test("newcomers are those who have not posted before", () => {
	const m = (by, text, rest = {}) => /** @type {any} */ ({ by, from: "", text, ...rest });
	const recent = [m("raider1", "a"), m("member", "b"), m("raider2", "c"), m("raider2", "d"), m("me", "e"), m("raider1", "", { gone: true })];
	assert.deepEqual(newcomersOf(recent, [m("member", "x")], "me").map(({ by, count, text }) => [by, count, text]), [["raider2", 2, "d"], ["raider1", 1, "a"]]);
});

test("a transcript has what was written, and no deleted messages", () => {
	const lines = transcriptLines(/** @type {any} */ ([
		{ n: 1, at: "T1", by: "aaaa1111", from: "anna", text: "two\nlines" },
		{ n: 2, at: "T2", by: "bbbb2222", from: "", text: "", gone: true },
		{ n: 3, at: "T3", by: "bbbb2222", from: "", text: "yes", re: 1 },
		{ n: 4, at: "T4", by: "aaaa1111", from: "anna", text: "When?", as: "poll", options: ["now", "later"], tally: { 0: 3 } },
	]), (at) => at);
	assert.deepEqual(lines, ["1  T1  anna: two\n    lines", "3  T3  guest bbbb (reply to 1): yes", "4  T4  anna: When?\n    - now (3)\n    - later"]);
});

test("what was done is said in the language of the page", () => {
	const about = { by: "idOfBudi00000000", from: "Budi" };
	for (const [action, want] of [
		[{ do: "set", key: "person/idOfBudi00000000", value: "mute", ...about }, "Muted Budi"],
		[{ do: "set", key: "person/idOfBudi00000000", before: "ban", ...about }, "Let Budi read and write again"],
		[{ do: "set", key: "role/idOfBudi00000000", value: "trusted", ...about }, "Gave Budi the role: trusted"],
		[{ do: "set", key: "role/idOfBudi00000000", before: "trusted", ...about }, "Took a role from Budi: trusted"],
		[{ do: "set", key: "slow", value: 10 }, "Time between messages: 10 seconds"],
		[{ do: "set", key: "slow", before: 10 }, "Time between messages: Off"],
		[{ do: "set", key: "everyone", value: "none" }, "Anyone with the link can: Nothing (private)"],
		[{ do: "set", key: "may.say", value: "moderator" }, "Can write: moderators"],
		[{ do: "set", key: "lock", value: "on" }, "Locked the room"],
		[{ do: "set", key: "password", value: "set" }, "Set the password of the room"],
		[{ do: "erase", count: 1, erasure: 7, ...about }, "Erased 1 message from Budi"],
		[{ do: "undo", erasure: 7 }, "Undid an erasure"],
		[{ do: "approve", of: 1234, ...about }, "Approved a message from Budi (1,234)"],
		[{ do: "invite", value: "guest", count: 30 }, "Made an invite for 30, with the role: guest"],
		[{ do: "dance" }, "dance"],
	]) assert.equal(actionText(/** @type {any} */ (action)), want);
	assert.match(actionText({ do: "set", key: "lock", value: "on", until: "2026-11-25T15:00:00Z" }), /^Locked the room · until .*2026/);
});

test("everything is undone behind refused steps, and what was done before an error is told", async () => {
	/** @type {unknown[]} */
	const asked = [];
	/** @param {object[]} answers */
	const requests = (answers) => async (/** @type {object} */ from) => {
		asked.push(from);
		const answer = answers.shift();
		if (!answer) throw new Error("offline");
		return /** @type {any} */ ({ to: 9, rest: [], steps: [], ...answer });
	};
	const refused = { n: 5, action: { do: "set" }, key: "slow", code: "not_allowed", reason: "no" };
	const all = await undoAll(requests([{ count: 0, failed: 1, steps: [refused], next: 7 }, { count: 2, next: 4 }, { count: 1 }]));
	assert.deepEqual(all, { count: 3, failed: 1, unknown: 0, refused: [refused], failure: null });
	assert.deepEqual(asked, [{}, { before: 7 }, { before: 4 }]);

	const lost = await undoAll(requests([{ count: 2, next: 4 }]));
	assert.equal(lost.count, 2);
	assert.equal(String(lost.failure), "Error: offline");

	const stopped = await undoAll(requests([{ count: 2, unknown: 3, next: 4, code: "unavailable", reason: "busy" }, { count: 9 }]));
	assert.deepEqual([stopped.count, stopped.unknown, /** @type {any} */ (stopped.failure).code], [2, 3, "unavailable"]);
});

test("several messages are decided about, also behind one that is refused", async () => {
	const refused = new Refusal("not_allowed", "it is yours");
	const answers = /** @type {any} */ ({ a: null, b: refused, c: null, d: new Error("offline"), e: null });
	const list = /** @type {any[]} */ (Object.keys(answers).map((id) => ({ id })));
	const decide = async (/** @type {any} */ { id }) => {
		if (answers[id]) throw answers[id];
	};
	assert.deepEqual(await decideAll(list.slice(0, 3), decide), { done: 2, problem: refused });
	assert.deepEqual(await decideAll(list, decide), { done: 2, problem: refused });
	assert.deepEqual(await decideAll(list.slice(2, 3), decide), { done: 1, problem: null });
	assert.deepEqual(await decideAll(list.slice(3), decide), { done: 0, problem: answers.d });
});
