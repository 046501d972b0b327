// node --test: how far someone has read, from one visit to the next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Room } from "../../internal/web/page/ramai/room.js";
import { RoomState } from "../../internal/web/page/roomstate.js";
import { shared } from "../../internal/web/page/storage.js";

/** A page that joins a room with n messages on a server in an epoch. gone: positions of other epochs belong to another history. */
async function visit({ log = "L", epoch, n, gone = false, fails = false }) {
	const asked = [];
	const client = {
		by: "me",
		name: "",
		outbox: [],
		marks: [],
		limits: {},
		withRetry: (f) => f(),
		get: async (path, kind, { after }) => {
			asked.push(after);
			if (fails) throw new Error("no");
			return { log, epoch, first: 1, reset: gone && !after.startsWith(`${log}:${epoch}:`), messages: [], more: false };
		},
	};
	const room = new Room(client, "tea", 0);
	const roomState = new RoomState({ client, changed() {}, emit() {}, dropHits() {}, hidden: new Set() }, room);
	const join = (of, head, reset = false) => {
		room.receive({ type: reset ? "reset" : "joined", log, epoch: of, n: head, first: 1, count: 1 });
		for (let i = room.n + 1; i <= head; i++) room.receive({ type: "message", n: i, by: "other", text: "", at: "" });
	};
	join(epoch, n);
	roomState.read.store(); // the page does this every second, also before the server has answered
	await new Promise((done) => setImmediate(done));
	roomState.read.store();
	return { roomState, room, asked, join, stored: shared.get("read.tea") };
}

/** @param {object|null} position */
const store = (position) => shared.set("read.tea", position);

test("the mark of an earlier epoch is verified", async () => {
	store({ log: "L", epoch: "one", n: 6 });
	const v = await visit({ epoch: "two", n: 8 });
	assert.deepEqual(v.asked, ["L:one:6"]);
	assert.equal(v.roomState.unread, 2);
	assert.equal(v.roomState.unreadDivider, 6);
	assert.equal(v.roomState.wasReset, false);
	assert.deepEqual(v.stored, { log: "L", epoch: "one", n: 6 }, "it keeps its epoch until it moves");
	v.roomState.markRead(7);
	v.roomState.read.store();
	assert.deepEqual(shared.get("read.tea"), { log: "L", epoch: "two", n: 7 });
});

test("a mark beyond the head is verified as it was stored", async () => {
	store({ log: "L", epoch: "one", n: 10 });
	const v = await visit({ epoch: "two", n: 8 });
	assert.deepEqual(v.asked, ["L:one:10"]);
	assert.equal(v.roomState.read.n, 8);
});

test("the mark of another history is dropped", async () => {
	for (const n of [6, 8]) {
		store({ log: "L", epoch: "one", n: 6 });
		const v = await visit({ epoch: "two", n, gone: true });
		assert.deepEqual(v.asked, ["L:one:6"]);
		assert.equal(v.roomState.wasReset, true);
		assert.equal(v.roomState.unread, 0);
		assert.equal(v.roomState.unreadDivider, -1);
		assert.deepEqual(v.stored, { log: "L", epoch: "two", n });
		assert.equal((await visit({ epoch: "two", n, gone: true })).roomState.wasReset, false, "the next visit does not repeat it");
	}
});

test("without an answer, the next visit verifies the mark", async () => {
	store({ log: "L", epoch: "one", n: 6 });
	assert.deepEqual((await visit({ epoch: "two", n: 8, fails: true })).stored, { log: "L", epoch: "one", n: 6 });
	assert.deepEqual((await visit({ epoch: "two", n: 8 })).asked, ["L:one:6"]);
});

test("a mark without an epoch is trusted", async () => {
	store({ log: "L", n: 6 });
	const v = await visit({ epoch: "two", n: 8, gone: true });
	assert.deepEqual(v.asked, []);
	assert.equal(v.roomState.unread, 2);
	assert.equal(v.stored.n, 6);
});

test("a reset drops the mark", async () => {
	store({ log: "L", epoch: "one", n: 3 });
	const v = await visit({ epoch: "one", n: 8 });
	assert.equal(v.roomState.unread, 5);
	v.join("two", 7, true);
	assert.equal(v.roomState.unread, 0);
	v.roomState.read.store();
	assert.deepEqual(shared.get("read.tea"), { log: "L", epoch: "two", n: 7 });
});

test("messages between two frames are neither missing nor drawn", async () => {
	store(null);
	const v = await visit({ epoch: "one", n: 3 });
	const numbers = () => v.roomState.rows().flatMap((r) => (r.kind === "message" ? [r.m.n] : r.kind === "missing" ? [`${r.from}-${r.to}`] : []));
	v.roomState.timeline.add([1, 2, 3].map((n) => ({ n, at: "2026-11-25T10:00:00Z" })));
	v.roomState.incoming = [];
	assert.deepEqual(numbers(), [1, 2, 3]);
	v.room.receive({ type: "message", n: 4, by: "other", text: "", at: "2026-11-25T10:00:00Z" });
	assert.deepEqual([v.roomState.head, v.roomState.unread, numbers()], [3, 1, [1, 2, 3]]);
});

test("changes are no unread messages, and reach messages before they are drawn", async () => {
	store(null);
	const v = await visit({ epoch: "one", n: 0 });
	for (const n of [1, 2]) v.room.receive({ type: "message", n, by: "other", text: "", at: "" });
	v.roomState.update(0);
	const text = () => v.roomState.timeline.messages.map((m) => m.text);
	v.roomState.markRead(2);
	v.room.receive({ type: "message", n: 3, by: "other", text: "secret", at: "" });
	v.room.receive({ type: "message", n: 4, by: "other", text: "four", at: "" });
	v.room.receive({ type: "changed", n: 5, of: 3, text: "safe" });
	v.room.receive({ type: "changed", n: 6, of: 1, text: "one" });
	v.roomState.update(1000);
	assert.deepEqual(text(), ["one", "", "safe", "four"]);
	assert.equal(v.roomState.unread, 2);
	assert.equal(v.roomState.rows().filter((row) => row.kind === "missing").length, 0);
	v.room.receive({ type: "changed", n: 7, of: 3, text: null });
	v.roomState.update(2000);
	assert.deepEqual(text(), ["one", "", "", "four"]);
	assert.equal(v.roomState.unread, 1, "a deleted message is not unread");
});
