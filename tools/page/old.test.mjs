// node --test: ramai.js of the last commit that does not know changes counts them, and calls nothing a gap.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const OLD = "f929f5be9bc567cb04188e8e59a30db801d6596b";
const root = new URL("../../", import.meta.url);

/** The folder with the page of OLD, or null if the history of the repository is not here. */
function checkOut() {
	const folder = mkdtempSync(join(tmpdir(), "ramai-old-"));
	try {
		execFileSync("git", ["archive", "--output", join(folder, "old.tar"), OLD, "internal/web/page"], { cwd: root, stdio: "pipe" });
	} catch {
		rmSync(folder, { recursive: true });
		return null;
	}
	execFileSync("tar", ["-xf", "old.tar"], { cwd: folder });
	writeFileSync(join(folder, "package.json"), '{"type":"module"}');
	return folder;
}

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
	const folder = checkOut();
	if (!folder) return t.skip("the history of the repository is not here");
	t.after(() => rmSync(folder, { recursive: true }));
	const { connect } = await import(join(folder, "internal/web/page/ramai.js"));
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
		socket.receive({ type: "message", n: 8, by: "a", from: "anna", id: "8", text: "eight" });
		socket.receive({ type: "changed", n: 9, of: [[1, 2]], text: null });
	};
	socket.receive(welcome);
	socket.receive(welcome);
	socket.receive({ type: "joined", log: "L", epoch: "e", n: 9, first: 1, count: 1, from: 0, unread: 0 });
	feed();
	feed(); // once more, as after a break
	assert.deepEqual(events, [[1, "one, edited"], [2, ""], [4, "yes"], [8, "eight"]]);
	assert.deepEqual([room.n, room.behind, room.position], [9, 0, { log: "L", epoch: "e", n: 9 }]);
});
