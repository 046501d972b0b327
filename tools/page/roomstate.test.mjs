// node --test: how far somebody has read, from one visit to the next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { shared } from "../../internal/web/page/storage.js";
import { RoomState } from "../../internal/web/page/model.js";
import { Room } from "../../internal/web/page/ramai/room.js";

/** A page that joins a room with n messages, at a server in an epoch; gone: positions of other epochs are of another history. */
async function visit({ log = "L", epoch, n, gone = false, fails = false }) {
	const asked = [];
	const client = {
		by: "me",
		name: "",
		withRetry: (f) => f(),
		get: async (path, kind, { after }) => {
			asked.push(after);
			if (fails) throw new Error("no");
			return { log, epoch, first: 1, reset: gone && !after.startsWith(`${log}:${epoch}:`), messages: [], more: false };
		},
	};
	const room = new Room(client, "tea", 50);
	const roomState = new RoomState({ client, changed() {}, emit() {} }, room);
	const join = (of, head, reset = false) => {
		Object.assign(room, { log, currentEpoch: of, n: head, head });
		room.emit("joined", { n: head, first: 1, count: 1, reset });
	};
	join(epoch, n);
	roomState.keepRead(); // as it does each second, before the server has answered too
	await new Promise((done) => setImmediate(done));
	roomState.keepRead();
	return { roomState, room, asked, join, kept: shared.get("read.tea") };
}

/** @param {object|null} at */
const keep = (at) => shared.set("read.tea", at);

test("what was read is proved in a later epoch", async () => {
	keep({ log: "L", epoch: "one", n: 6 });
	const v = await visit({ epoch: "two", n: 8 });
	assert.deepEqual(v.asked, ["L:one:6"]);
	assert.equal(v.roomState.unread, 2);
	assert.equal(v.roomState.timeline.unread, 6);
	assert.equal(v.roomState.wasReset, false);
	assert.deepEqual(v.kept, { log: "L", epoch: "one", n: 6 }, "it keeps its epoch until it moves");
	v.roomState.readTo(7);
	v.roomState.keepRead();
	assert.deepEqual(shared.get("read.tea"), { log: "L", epoch: "two", n: 7 });
});

test("what was read of a history that is no more is dropped", async () => {
	for (const n of [6, 8]) {
		keep({ log: "L", epoch: "one", n: 6 });
		const v = await visit({ epoch: "two", n, gone: true });
		assert.deepEqual(v.asked, ["L:one:6"]);
		assert.equal(v.roomState.wasReset, true);
		assert.equal(v.roomState.unread, 0);
		assert.equal(v.roomState.timeline.unread, -1);
		assert.deepEqual(v.kept, { log: "L", epoch: "two", n });
		assert.equal((await visit({ epoch: "two", n, gone: true })).roomState.wasReset, false, "that is told once");
	}
});

test("without an answer it is asked again the next time", async () => {
	keep({ log: "L", epoch: "one", n: 6 });
	assert.deepEqual((await visit({ epoch: "two", n: 8, fails: true })).kept, { log: "L", epoch: "one", n: 6 });
	assert.deepEqual((await visit({ epoch: "two", n: 8 })).asked, ["L:one:6"]);
});

test("what was kept without an epoch is believed", async () => {
	keep({ log: "L", n: 6 });
	const v = await visit({ epoch: "two", n: 8, gone: true });
	assert.deepEqual(v.asked, []);
	assert.equal(v.roomState.unread, 2);
	assert.equal(v.kept.n, 6);
});

test("a reset drops what was read before", async () => {
	keep({ log: "L", epoch: "one", n: 3 });
	const v = await visit({ epoch: "one", n: 8 });
	assert.equal(v.roomState.unread, 5);
	v.join("two", 7, true);
	assert.equal(v.roomState.unread, 0);
	v.roomState.keepRead();
	assert.deepEqual(shared.get("read.tea"), { log: "L", epoch: "two", n: 7 });
});
