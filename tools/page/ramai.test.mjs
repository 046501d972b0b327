// node --test: the protocol client, stepped with a clock, a socket and a network of the test's own.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

globalThis.window = new EventTarget();
globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
globalThis.location = new URL("http://chat.test/");

class Socket {
	static OPEN = 1;
	/** @type {Socket[]} */
	static made = [];
	readyState = 0;
	sent = [];
	constructor() {
		Socket.made.push(this);
	}
	send(s) {
		this.sent.push(s.startsWith("{") ? JSON.parse(s) : s);
	}
	close() {
		this.readyState = 3;
	}
	/** As the server does: welcomes, twice. */
	open(name = "") {
		this.readyState = 1;
		this.onopen?.();
		for (let i = 0; i < 2; i++) this.hear({ type: "welcome", by: "me", name, limits: { text: 4000, frame: 25408, rate: 5, burst: 20, rooms: 8 } });
	}
	hear(frame) {
		this.onmessage({ data: JSON.stringify(frame) });
	}
	drop() {
		this.readyState = 3;
		this.onclose();
	}
	of(type) {
		return this.sent.filter((f) => f.type === type);
	}
}
globalThis.WebSocket = Socket;

/** Requests that were made and not answered. @type {Asked[]} */
let asked = [];
class Asked {
	constructor(url, { signal, ...rest }) {
		this.url = url;
		this.room = url.pathname.split("/")[4];
		this.signal = signal;
		Object.assign(this, rest);
		this.response = new Promise((resolve, reject) => {
			this.resolve = resolve;
			signal.addEventListener("abort", () => {
				asked = asked.filter((a) => a !== this);
				reject(signal.reason);
				this.flow?.error(signal.reason);
			});
		});
	}
	answer(body, status = 200, headers = {}) {
		return this.respond(new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } }));
	}
	respond(response) {
		asked = asked.filter((a) => a !== this);
		this.resolve(response);
		return settled();
	}
	/** Answers with a stream, which say goes on. */
	stream() {
		this.resolve(new Response(new ReadableStream({ start: (c) => { this.flow = c; } }), { headers: { "Content-Type": "text/event-stream; charset=utf-8" } }));
		return settled();
	}
	say(...events) {
		for (const e of events) this.flow.enqueue(new TextEncoder().encode(`event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`));
		return settled();
	}
}
globalThis.fetch = (url, init) => {
	const a = new Asked(url, init);
	asked.push(a);
	return a.response;
};
AbortSignal.timeout = (ms) => {
	const c = new AbortController();
	setTimeout(() => c.abort(new DOMException("late", "TimeoutError")), ms);
	return c.signal;
};

const { connect } = await import("../../internal/web/page/ramai.js");
const immediate = setImmediate;
/** Lets everything happen that waits for nothing. */
const settled = async () => { for (let i = 0; i < 20; i++) await new Promise((done) => immediate(done)); };
const pass = async (ms) => { for (; ms > 0; ms -= 1000) { mock.timers.tick(Math.min(ms, 1000)); await settled(); } };
const streams = () => asked.filter((a) => a.url.pathname.endsWith("/stream"));
const polls = () => asked.filter((a) => a.url.pathname.endsWith("/messages") && !a.method);
const said = (room, n, by = "other") => ({ type: "message", room, n, by, from: "", id: `i${n}`, text: `m${n}`, at: "2026-11-25T10:00:00Z" });
const joined = (room, n) => ({ type: "joined", room, log: "L", n, first: 1, count: 1 });

/** @type {import("../../internal/web/page/ramai/client.js").Client} */
let client;
beforeEach(() => {
	mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
	Socket.made = [];
	asked = [];
});
afterEach(() => {
	client.close();
	mock.timers.reset();
});

async function overSocket() {
	const room = connect("/");
	client = room.client;
	await settled();
	const [socket] = Socket.made;
	socket.open();
	socket.hear(joined("lobby", 0));
	return { room, socket };
}

/** @param {string[]} rooms */
async function overHTTP(...rooms) {
	const room = connect("/", { via: "http" });
	client = room.client;
	for (const name of rooms) client.join(name);
	await settled();
	await polls()[0].answer({ log: "L", first: 1, messages: [], more: false });
	return room;
}

test("a refusal that arrives behind that of a later message has all said again, in order", async () => {
	const { room, socket } = await overSocket();
	const [a, b, c] = ["a", "b", "c"].map((text) => room.say(text));
	socket.hear({ type: "refused", room: "lobby", id: b.id, code: "rate_limited", reason: "", retry_after_ms: 100 });
	socket.hear({ type: "refused", room: "lobby", id: a.id, code: "unavailable", reason: "", retry_after_ms: 300 });
	socket.hear({ type: "refused", room: "lobby", id: c.id, code: "rate_limited", reason: "", retry_after_ms: 100 });
	assert.deepEqual(socket.of("say").map((f) => f.text), ["a", "b", "c"]);
	await pass(301);
	assert.deepEqual(socket.of("say").map((f) => f.id), [a, b, c, a, b, c].map((s) => s.id));
	for (const [i, s] of [a, b, c].entries()) socket.hear({ type: "saved", room: "lobby", id: s.id, n: i + 1, at: "" });
	assert.deepEqual([a.state, b.state, c.state, client.outbox.length], ["saved", "saved", "saved", 0]);
});

test("what was sent too long ago to be known is not sent again, over a socket and over HTTP", async () => {
	mock.timers.setTime(8 * 86_400_000);
	const unsaid = [{ id: "old", room: "lobby", text: "old", since: 1 }, { id: "new", room: "lobby", text: "new", since: 7 * 86_400_000 }];
	client = connect("/", { unsaid }).client;
	await settled();
	const [socket] = Socket.made;
	socket.open();
	socket.hear(joined("lobby", 0));
	await settled();
	assert.deepEqual(socket.of("say").map((f) => f.id), ["new"]);
	assert.deepEqual(client.outbox.map((s) => s.state), ["failed", "sending"]);
	assert.deepEqual(client.unsaid, unsaid);
	client.close();

	client = connect("/", { via: "http", unsaid }).client;
	await settled();
	await polls()[0]?.answer({ log: "L", first: 1, messages: [], more: false });
	await streams()[0]?.stream();
	assert.deepEqual(asked.filter((a) => a.method === "POST").map((a) => a.headers["Idempotency-Key"]), ["new"]);
});

test("what is under way when a room is joined again does not stand there twice", async () => {
	const { room, socket } = await overSocket();
	socket.hear(said("lobby", 1));
	room.leave();
	const again = client.join("lobby");
	const heard = [];
	again.on("message", (m) => heard.push(m.n));
	socket.hear(said("lobby", 2)); // of the first time
	socket.hear({ type: "gap", room: "lobby", from: 3, to: 9 });
	socket.hear(joined("lobby", 2));
	for (const n of [1, 2, 3]) socket.hear(said("lobby", n));
	assert.deepEqual(heard, [1, 2, 3]);
	assert.equal(again.first, 1);
});

test("a request that hangs is as good as none", async () => {
	const { room } = await overSocket();
	const asking = room.history().then(() => null, (error) => error);
	await pass(29_000);
	assert.equal(polls().length, 1);
	await pass(1_000);
	assert.ok(await asking instanceof TypeError);
});

test("a POST that hangs is made again, with the same id", async () => {
	const room = await overHTTP();
	const sent = room.say("once");
	const again = room.say("and then");
	const posts = () => asked.filter((a) => a.method === "POST");
	await settled();
	const key = posts()[0].headers["Idempotency-Key"];
	await pass(30_000);
	assert.equal(posts().length, 0);
	assert.equal(sent.state, "waiting");
	await pass(2_000);
	assert.deepEqual(posts().map((p) => p.headers["Idempotency-Key"]), [key]);
	await posts()[0].answer({ n: 1, at: "" });
	assert.equal(sent.state, "saved");
	assert.deepEqual(posts().map((p) => p.headers["Idempotency-Key"]), [again.id]);
});

test("a stream that says nothing for a minute is begun anew, where it was", async () => {
	const room = await overHTTP();
	await streams()[0].stream();
	await streams()[0].say(joined("lobby", 1), said("lobby", 1));
	assert.equal(room.n, 1);
	await pass(61_000);
	assert.equal(client.state, "waiting");
	await pass(11_000);
	await polls()[0].answer({ log: "L", first: 1, messages: [], more: false });
	assert.deepEqual(streams().map((s) => s.url.searchParams.get("after")), ["L:1"]);
});

test("over HTTP one room is heard, and the others are polled", async () => {
	const names = ["b", "c", "d", "e", "f", "g", "h"];
	const room = await overHTTP(...names);
	assert.deepEqual(streams().map((s) => s.room), ["lobby"]);
	const heard = [];
	for (const r of client.rooms.values()) r.on("message", (m) => heard.push(m.room + m.n));
	for (const name of names) { // all of them at once, one after the other
		assert.deepEqual(polls().map((v) => v.room), [name]);
		await polls()[0].answer({ log: "L", first: 1, messages: [said(name, 1)], more: false });
		await pass(1);
	}
	assert.deepEqual(heard, names.map((n) => n + 1));
	assert.ok(names.every((n) => client.rooms.get(n)?.live));
	assert.equal(polls().length, 0);
	await pass(2_000); // then with a rest between
	assert.equal(polls().length, 1);
	const polled = client.rooms.get(polls()[0].room);
	assert.equal(polls()[0].url.searchParams.get("after"), "L:1");
	const gaps = [];
	polled?.on("gap", (g) => gaps.push(g));
	await polls()[0].answer({ log: "L", first: 4, messages: [said(polled?.name, 4), said(polled?.name, 5)], more: true });
	assert.deepEqual([polled?.n, polled?.first, gaps], [5, 4, [{ from: 2, to: 3 }]]);
	assert.ok(polled?.behind);

	client.rooms.get("h")?.focus();
	await settled();
	assert.deepEqual(streams().map((s) => [s.room, s.url.searchParams.get("after")]), [["h", "L:1"]]);
	assert.equal(client.state, "live");
	assert.equal(room.live, false); // it has not answered, and is polled now
	await pass(0);
});

test("of another history the newest come", async () => {
	await overHTTP("b");
	const b = client.rooms.get("b");
	await polls()[0].answer({ log: "L", first: 1, messages: [said("b", 7)], more: false });
	const resets = [];
	b?.on("joined", (j) => resets.push(j.reset));
	await pass(5_000);
	await polls()[0].answer({ log: "M", first: 1, reset: true, messages: [said("b", 2)], more: false });
	assert.deepEqual([resets, b?.log, b?.n], [[true], "M", 2]);
});

test("a position goes with the epoch in which it was heard", async () => {
	await overHTTP("b");
	const after = (/** @type {any} */ a) => a.url.searchParams.get("after");
	await polls()[0].answer({ log: "L", epoch: "one", first: 1, messages: [said("b", 7)], more: false });
	const old = client.join("d", { after: { log: "L", n: 3 } }); // kept by an earlier version of this program
	assert.deepEqual(old.position, { log: "L", epoch: "", n: 3 });
	await pass(0);
	assert.equal(after(polls()[0]), "L:3");
	await polls()[0].answer({ log: "L", epoch: "one", first: 1, messages: [], more: false });
	client.leave("d");
	const b = client.rooms.get("b");
	await pass(5_000);
	assert.equal(after(polls()[0]), "L:one:7");
	await polls()[0].answer({ log: "L", epoch: "two", first: 1, messages: [], more: false });
	assert.deepEqual(b?.position, { log: "L", epoch: "one", n: 7 });
	await pass(5_000);
	await polls()[0].answer({ log: "L", epoch: "three", first: 1, messages: [said("b", 8)], more: false });
	assert.deepEqual(b?.position, { log: "L", epoch: "three", n: 8 });
	await pass(5_000);
	await polls()[0].answer({ log: "L", epoch: "four", first: 1, reset: true, messages: [said("b", 2)], more: false });
	assert.deepEqual(b?.position, { log: "L", epoch: "four", n: 2 });
});

test("a stream that is refused for a while breaks nothing", async () => {
	const room = await overHTTP("b");
	await streams()[0].answer({ code: "rate_limited", reason: "too fast" }, 429, { "Retry-After": "7" });
	assert.equal(client.state, "live");
	await polls()[0].answer({ log: "L", first: 1, messages: [said("b", 1)], more: false });
	assert.equal(client.rooms.get("b")?.n, 1);
	const sent = room.say("meanwhile");
	await settled();
	await asked.find((a) => a.method === "POST")?.answer({ n: 1, at: "" });
	assert.equal(sent.state, "saved");
	assert.equal(streams().length, 0);
	await pass(7_000);
	assert.equal(streams().length, 1);
	await streams()[0].stream();
	await streams()[0].say(joined("lobby", 1));
	assert.ok(room.live);
});

test("polls become seldom where they are refused", async () => {
	await overHTTP("b");
	await streams()[0].stream();
	let seldom = 0;
	for (let i = 0; i < 10; i++) {
		await polls()[0].answer({ code: "rate_limited", reason: "too fast" }, 429, { "Retry-After": "1" });
		for (seldom = 0; polls().length === 0; seldom++) {
			await pass(1_000);
			await streams()[0].say(joined("lobby", 0)); // a sign of life
		}
	}
	assert.equal(client.state, "live");
	assert.ok(seldom > 200, `${seldom} s`);
});

// What answers in the server's place: a page to sign in at, a redirect to one, JSON of somebody else's, a password.
const gates = {
	page: () => new Response("<!doctype html>sign in", { headers: { "Content-Type": "text/html" } }),
	redirect: () => Object.defineProperties(Response.error(), { type: { value: "opaqueredirect" } }),
	json: () => new Response('{"login":"/"}', { headers: { "Content-Type": "application/json" } }),
	password: () => new Response("401", { status: 401, headers: { "Content-Type": "text/html" } }),
};

for (const [name, gate] of Object.entries(gates)) {
	test(`a gate that answers with a ${name} is told of`, async () => {
		const { room } = await overSocket();
		for (const ask of [() => room.history(), () => client.search("word")]) {
			const failed = ask().then(() => null, (error) => error);
			await settled();
			const [{ headers, credentials, redirect }] = asked;
			assert.deepEqual([headers.Authorization, headers["Ramai-Session"], credentials, redirect], [undefined, client.session, "same-origin", "manual"]);
			for (const a of asked) await a.respond(gate());
			assert.equal((await failed).code, "not_ramai");
		}
		assert.equal(client.intercepted, null); // the socket works
	});

	test(`behind a gate that answers with a ${name} what was said is kept`, async () => {
		const room = await overHTTP();
		const sent = room.say("kept");
		await settled();
		await asked.find((a) => a.method === "POST")?.respond(gate());
		assert.deepEqual([sent.state, client.outbox.length], ["waiting", 1]);
		await streams()[0].respond(gate());
		assert.deepEqual([client.state, client.intercepted?.code], ["waiting", "not_ramai"]);
		await pass(10_000);
		await polls()[0].respond(gate());
		assert.deepEqual([client.state, client.intercepted?.code], ["waiting", "not_ramai"]);
		await pass(10_000);
		await polls()[0].answer({ log: "L", first: 1, messages: [], more: false });
		assert.deepEqual([client.state, client.intercepted], ["live", null]);
		await asked.find((a) => a.method === "POST")?.answer({ n: 1, at: "" });
		assert.equal(sent.state, "saved");
	});
}

test("a server that stops says when to come back, and the usual retry says nothing", async () => {
	await overHTTP();
	await streams()[0].stream();
	const flow = streams()[0].flow;
	const write = (s) => { flow.enqueue(new TextEncoder().encode(s)); return settled(); };
	await write(`retry: 3000\nevent: joined\ndata: ${JSON.stringify(joined("lobby", 0))}\n\n`);
	await write("retry: 777\n\n");
	const before = Date.now();
	flow.close();
	await settled();
	assert.equal(client.retryAt - before, 777);
});

test("leaving a room over HTTP breaks nothing", async () => {
	const room = await overHTTP("b", "c");
	await streams()[0].stream();
	await streams()[0].say(joined("lobby", 0));
	room.leave();
	await settled();
	assert.equal(client.state, "live");
	assert.deepEqual(streams().map((s) => s.room), ["b"]);
	client.leave("c"); // while it is asked
	await polls()[0]?.answer({ log: "L", first: 1, messages: [said("c", 1)], more: false });
	client.leave("b");
	await pass(20_000);
	assert.deepEqual([client.state, streams().length, polls().length], ["live", 0, 0]);
});

test("a name that is refused for a while is asked for again", async () => {
	const { socket } = await overSocket();
	const refused = [];
	client.on("refused", (why) => refused.push(why.code));
	client.rename("ann");
	socket.hear({ type: "error", code: "unavailable", reason: "", retry_after_ms: 300, request: "name" });
	assert.equal(socket.of("name").length, 1);
	await pass(301);
	assert.deepEqual(socket.of("name").map((f) => f.name), ["ann", "ann"]);
	socket.hear({ type: "error", code: "bad_request", reason: "", request: "who" }); // of something else
	socket.hear({ type: "name", name: "ann" });
	assert.equal(client.name, "ann");
	client.rename("bob");
	socket.hear({ type: "error", code: "name_taken", reason: "", request: "name" });
	await pass(60_000);
	assert.equal(socket.of("name").length, 3);
	assert.deepEqual(refused, ["bad_request", "name_taken"]);
	assert.equal(client.wanted, "ann");
});

test("nothing is sent before the first frame", async () => {
	const room = connect("/");
	client = room.client;
	await settled();
	const [socket] = Socket.made;
	socket.readyState = 1;
	socket.onopen?.();
	room.say("early");
	room.typing();
	client.rename("ann");
	assert.deepEqual(socket.sent, []);
	socket.hear({ type: "welcome", by: "x", name: "", limits: client.limits });
	assert.deepEqual(socket.sent.map((f) => f.type), ["hello", "join", "say"]);
});

test("a server that accepts any protocol is a plain one", async () => {
	const room = connect("/");
	client = room.client;
	const heard = [];
	room.on("message", (m) => heard.push(m.text));
	const early = room.say("early");
	await settled();
	const [socket] = Socket.made;
	const plain = (s) => s.onmessage({ data: "Welcome to chat!" });
	socket.readyState = 1;
	socket.onopen?.();
	plain(socket);
	assert.equal(client.state, "live");
	assert.equal(client.via, "plain");
	const late = room.say("late");
	room.typing();
	assert.deepEqual(socket.sent, ["early", "late"]);
	socket.onmessage({ data: "early" });
	assert.equal((await early.saved).state, "saved");
	await pass(120_000); // it answers no pings
	assert.deepEqual(heard, ["Welcome to chat!", "early"]);
	assert.equal(Socket.made.length, 1);
	socket.drop(); // what was sent and not heard may have been said
	await pass(10_000);
	const again = Socket.made[1];
	again.readyState = 1;
	again.onopen?.();
	plain(again);
	await assert.rejects(late.saved, { code: "unavailable" });
	assert.deepEqual(again.sent, []);
});

test("what is said to a plain server while there is no connection is sent over the next one", async () => {
	const room = connect("/");
	client = room.client;
	await settled();
	const [first] = Socket.made;
	const open = (s) => { s.readyState = 1; s.onmessage({ data: "Welcome to chat!" }); };
	open(first);
	first.drop();
	const sent = room.say("meanwhile");
	assert.equal(sent.state, "waiting");
	await pass(10_000);
	open(Socket.made[1]);
	assert.deepEqual([sent.state, Socket.made[1].sent], ["sending", ["meanwhile"]]);
});
