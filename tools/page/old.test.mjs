// node --test: the last ramai.js that does not know changes, tallies and settings counts them, and calls nothing a gap.
import assert from "node:assert/strict";
import { test } from "node:test";

class Socket {
	static OPEN = 1;
	readyState = 1;
	/** @type {any[]} */
	sent = [];
	constructor() {
		Socket.made = this;
	}
	send(s) {
		this.sent.push(JSON.parse(s));
	}
	close() {}
	receive(frame) {
		this.onmessage({ data: JSON.stringify({ room: "lobby", at: "2026-11-30T10:00:00.000Z", ...frame }) });
	}
}
Object.assign(globalThis, { window: new EventTarget(), document: Object.assign(new EventTarget(), { visibilityState: "visible" }), location: new URL("http://chat.test/"), WebSocket: Socket });

test("an older ramai.js", async (t) => {
	const { connect } = await import("./testdata/old-ramai.js");
	const room = connect("/");
	t.after(() => room.client.close());
	/** @type {any[]} */
	const events = [];
	room.on("message", (m) => events.push([m.n, m.text]));
	room.on("gap", (g) => events.push(["gap", g]));
	await new Promise((done) => setImmediate(done));
	const socket = Socket.made;
	const welcome = { type: "welcome", by: "me", name: "", limits: { text: 4000, frame: 25408, rate: 5, burst: 20, rooms: 8 } };
	const feed = () => {
		socket.receive({ type: "message", n: 1, by: "a", from: "anna", id: "1", text: "one, edited", edited: 3 });
		socket.receive({ type: "message", n: 2, by: "b", from: "bob", id: "2", text: "", edited: 5, gone: true });
		socket.receive({ type: "changed", n: 3, of: 1, text: "one, edited", by: "a", from: "anna", id: "3" });
		socket.receive({ type: "message", n: 4, by: "b", from: "bob", id: "4", text: "yes", re: 1 });
		socket.receive({ type: "changed", n: 5, of: 2, text: null });
		socket.receive({ type: "changed", n: 6, of: [], text: null });
		socket.receive({ type: "tally", n: 7, of: { 1: { up: 3 } } });
		socket.receive({ type: "marked", of: 1, key: "up", on: true });
		socket.receive({ type: "message", n: 8, by: "a", from: "anna", id: "8", text: "which?", as: "poll", options: ["a", "b"], tally: { 0: 1 }, tallied: 9 });
		socket.receive({ type: "tally", n: 9, of: { 8: { 0: 1 } } });
		socket.receive({ type: "state", n: 10, key: "topic", value: "tea", by: "me", from: "", id: "s" });
		socket.receive({ type: "state", n: 11, key: "poll/8", value: null });
		socket.receive({ type: "changed", n: 12, of: [[1, 2]], text: null });
	};
	socket.receive(welcome);
	socket.receive(welcome);
	socket.receive({ type: "joined", log: "L", epoch: "e", n: 12, first: 1, count: 1, from: 0, unread: 0, state: { topic: "tea" }, mine: { 8: ["0"] } });
	feed();
	feed(); // once more, as after a break
	assert.deepEqual(events, [[1, "one, edited"], [2, ""], [4, "yes"], [8, "which?"]]);
	assert.deepEqual([room.n, room.behind, room.position], [12, 0, { log: "L", epoch: "e", n: 12 }]);
});
