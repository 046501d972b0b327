// node --test: the protocol client with a fake clock, WebSocket and network.
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
	/** Greets twice, as the server does. */
	open(name = "") {
		this.readyState = 1;
		this.onopen?.();
		for (let i = 0; i < 2; i++) this.receive({ type: "welcome", by: "me", name, limits: { text: 4000, frame: 25408, rate: 5, burst: 20, rooms: 8 } });
	}
	receive(frame) {
		this.onmessage({ data: JSON.stringify(frame) });
	}
	drop() {
		this.readyState = 3;
		this.onclose();
	}
	sentOf(type) {
		return this.sent.filter((f) => f.type === type);
	}
}
globalThis.WebSocket = Socket;

/** Requests that are not answered yet. @type {FakeRequest[]} */
let requests = [];
class FakeRequest {
	constructor(url, { signal, ...rest }) {
		this.url = url;
		this.room = url.pathname.split("/")[4];
		this.signal = signal;
		Object.assign(this, rest);
		this.response = new Promise((resolve, reject) => {
			this.resolve = resolve;
			signal.addEventListener("abort", () => {
				requests = requests.filter((a) => a !== this);
				reject(signal.reason);
				this.flow?.error(signal.reason);
			});
		});
	}
	answer(body, status = 200, headers = {}) {
		return this.respond(new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } }));
	}
	respond(response) {
		requests = requests.filter((a) => a !== this);
		this.resolve(response);
		return settled();
	}
	/** Answers with a stream; send adds events to it. */
	stream() {
		this.resolve(new Response(new ReadableStream({ start: (c) => { this.flow = c; } }), { headers: { "Content-Type": "text/event-stream; charset=utf-8" } }));
		return settled();
	}
	send(...events) {
		for (const e of events) this.flow.enqueue(new TextEncoder().encode(`event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`));
		return settled();
	}
}
globalThis.fetch = (url, init) => {
	const a = new FakeRequest(url, init);
	requests.push(a);
	return a.response;
};
AbortSignal.timeout = (ms) => {
	const c = new AbortController();
	setTimeout(() => c.abort(new DOMException("late", "TimeoutError")), ms);
	return c.signal;
};

const { connect } = await import("../../internal/web/page/ramai.js");
const immediate = setImmediate;
/** Waits until no promise is pending but those that need time or the network. */
const settled = async () => { for (let i = 0; i < 20; i++) await new Promise((done) => immediate(done)); };
const pass = async (ms) => { for (; ms > 0; ms -= 1000) { mock.timers.tick(Math.min(ms, 1000)); await settled(); } };
const streams = () => requests.filter((a) => a.url.pathname.endsWith("/stream"));
const polls = () => requests.filter((a) => a.url.pathname.endsWith("/messages") && !a.method);
const message = (room, n, by = "other") => ({ type: "message", room, n, by, from: "", id: `i${n}`, text: `m${n}`, at: "2026-11-25T10:00:00Z" });
const joined = (room, n) => ({ type: "joined", room, log: "L", n, first: 1, count: 1 });

/** @type {import("../../internal/web/page/ramai/client.js").Client} */
let client;
beforeEach(() => {
	mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
	Socket.made = [];
	requests = [];
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
	socket.receive(joined("lobby", 0));
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

test("a lost network is noticed at once, unless the server is on the device", async () => {
	const { socket } = await overSocket();
	assert.equal(client.state, "live");
	window.dispatchEvent(new Event("offline"));
	socket.receive({ type: "pong", id: "1" });
	mock.timers.tick(600);
	assert.equal(client.state, "live");
	window.dispatchEvent(new Event("offline"));
	mock.timers.tick(600);
	assert.equal(client.state, "waiting");
});

test("a message refused after a later one: all are sent again, in order", async () => {
	const { room, socket } = await overSocket();
	const [a, b, c] = ["a", "b", "c"].map((text) => room.say(text));
	socket.receive({ type: "refused", room: "lobby", id: b.id, code: "rate_limited", reason: "", retry_after_ms: 100 });
	socket.receive({ type: "refused", room: "lobby", id: a.id, code: "unavailable", reason: "", retry_after_ms: 300 });
	socket.receive({ type: "refused", room: "lobby", id: c.id, code: "rate_limited", reason: "", retry_after_ms: 100 });
	assert.deepEqual(socket.sentOf("say").map((f) => f.text), ["a", "b", "c"]);
	await pass(301);
	assert.deepEqual(socket.sentOf("say").map((f) => f.id), [a, b, c, a, b, c].map((s) => s.id));
	for (const [i, s] of [a, b, c].entries()) socket.receive({ type: "saved", room: "lobby", id: s.id, n: i + 1, at: "" });
	assert.deepEqual([a.state, b.state, c.state, client.outbox.length], ["saved", "saved", "saved", 0]);
});

test("a message first sent too long ago is not sent again, over a WebSocket or HTTP", async () => {
	mock.timers.setTime(8 * 86_400_000);
	const unsaid = [{ id: "old", room: "lobby", text: "old", since: 1 }, { id: "new", room: "lobby", text: "new", since: 7 * 86_400_000 }];
	client = connect("/", { unsaid }).client;
	await settled();
	const [socket] = Socket.made;
	socket.open();
	socket.receive(joined("lobby", 0));
	await settled();
	assert.deepEqual(socket.sentOf("say").map((f) => f.id), ["new"]);
	assert.deepEqual(client.outbox.map((s) => s.state), ["failed", "sending"]);
	assert.deepEqual(client.unsaid, unsaid);
	client.close();

	client = connect("/", { via: "http", pending: unsaid }).client;
	await settled();
	await polls()[0]?.answer({ log: "L", first: 1, messages: [], more: false });
	await streams()[0]?.stream();
	assert.deepEqual(requests.filter((a) => a.method === "POST").map((a) => a.headers["Idempotency-Key"]), ["new"]);
});

test("frames in flight when a room is joined again do not repeat messages", async () => {
	const { room, socket } = await overSocket();
	socket.receive(message("lobby", 1));
	room.leave();
	const again = client.join("lobby");
	const received = [];
	again.on("message", (m) => received.push(m.n));
	socket.receive(message("lobby", 2)); // of the first join
	socket.receive({ type: "gap", room: "lobby", from: 3, to: 9 });
	socket.receive(joined("lobby", 2));
	for (const n of [1, 2, 3]) socket.receive(message("lobby", n));
	assert.deepEqual(received, [1, 2, 3]);
	assert.equal(again.first, 1);
});

test("a request without an answer fails", async () => {
	const { room } = await overSocket();
	const asking = room.history().then(() => null, (error) => error);
	await pass(29_000);
	assert.equal(polls().length, 1);
	await pass(1_000);
	assert.ok(await asking instanceof TypeError);
});

test("a POST without an answer is repeated with the same id", async () => {
	const room = await overHTTP();
	const sent = room.say("once");
	const again = room.say("and then");
	const posts = () => requests.filter((a) => a.method === "POST");
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

test("a stream without data for a minute is resumed", async () => {
	const room = await overHTTP();
	await streams()[0].stream();
	await streams()[0].send(joined("lobby", 1), message("lobby", 1));
	assert.equal(room.n, 1);
	await pass(61_000);
	assert.equal(client.state, "waiting");
	await pass(11_000);
	await polls()[0].answer({ log: "L", first: 1, messages: [], more: false });
	assert.deepEqual(streams().map((s) => s.url.searchParams.get("after")), ["L:1"]);
});

test("over HTTP, one room has a stream and the others are polled", async () => {
	const names = ["b", "c", "d", "e", "f", "g", "h"];
	const room = await overHTTP(...names);
	assert.deepEqual(streams().map((s) => s.room), ["lobby"]);
	const received = [];
	for (const r of client.rooms.values()) r.on("message", (m) => received.push(m.room + m.n));
	for (const name of names) { // at first without a pause
		assert.deepEqual(polls().map((v) => v.room), [name]);
		await polls()[0].answer({ log: "L", first: 1, messages: [message(name, 1)], more: false });
		await pass(1);
	}
	assert.deepEqual(received, names.map((n) => n + 1));
	assert.ok(names.every((n) => client.rooms.get(n)?.live));
	assert.equal(polls().length, 0);
	await pass(2_000); // then with pauses
	assert.equal(polls().length, 1);
	const polled = client.rooms.get(polls()[0].room);
	assert.equal(polls()[0].url.searchParams.get("after"), "L:1");
	const gaps = [];
	polled?.on("gap", (g) => gaps.push(g));
	await polls()[0].answer({ log: "L", first: 4, messages: [message(polled?.name, 4), message(polled?.name, 5)], more: true });
	assert.deepEqual([polled?.n, polled?.first, gaps], [5, 4, [{ from: 2, to: 3 }]]);
	assert.ok(polled?.behind);

	client.rooms.get("h")?.focus();
	await settled();
	assert.deepEqual(streams().map((s) => [s.room, s.url.searchParams.get("after")]), [["h", "L:1"]]);
	assert.equal(client.state, "live");
	assert.equal(room.live, false); // no answer yet; it is polled from now on
	await pass(0);
});

test("of another history, the newest messages arrive", async () => {
	await overHTTP("b");
	const b = client.rooms.get("b");
	await polls()[0].answer({ log: "L", first: 1, messages: [message("b", 7)], more: false });
	const resets = [];
	b?.on("joined", (j) => resets.push(j.reset));
	await pass(5_000);
	await polls()[0].answer({ log: "M", first: 1, reset: true, messages: [message("b", 2)], more: false });
	assert.deepEqual([resets, b?.log, b?.n], [[true], "M", 2]);
});

test("a position has the epoch in which it was received", async () => {
	await overHTTP("b");
	const after = (/** @type {any} */ a) => a.url.searchParams.get("after");
	await polls()[0].answer({ log: "L", epoch: "one", first: 1, messages: [message("b", 7)], more: false });
	const old = client.join("d", { after: { log: "L", n: 3 } }); // stored by an earlier version
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
	await polls()[0].answer({ log: "L", epoch: "three", first: 1, messages: [message("b", 8)], more: false });
	assert.deepEqual(b?.position, { log: "L", epoch: "three", n: 8 });
	await pass(5_000);
	await polls()[0].answer({ log: "L", epoch: "four", first: 1, reset: true, messages: [message("b", 2)], more: false });
	assert.deepEqual(b?.position, { log: "L", epoch: "four", n: 2 });
});

test("a stream that is refused for a while does not break the connection", async () => {
	const room = await overHTTP("b");
	await streams()[0].answer({ code: "rate_limited", reason: "too fast" }, 429, { "Retry-After": "7" });
	assert.equal(client.state, "live");
	await polls()[0].answer({ log: "L", first: 1, messages: [message("b", 1)], more: false });
	assert.equal(client.rooms.get("b")?.n, 1);
	const sent = room.say("meanwhile");
	await settled();
	await requests.find((a) => a.method === "POST")?.answer({ n: 1, at: "" });
	assert.equal(sent.state, "saved");
	assert.equal(streams().length, 0);
	await pass(7_000);
	assert.equal(streams().length, 1);
	await streams()[0].stream();
	await streams()[0].send(joined("lobby", 1));
	assert.ok(room.live);
});

test("polls become rare when they are refused", async () => {
	await overHTTP("b");
	await streams()[0].stream();
	let wait = 0;
	for (let i = 0; i < 10; i++) {
		await polls()[0].answer({ code: "rate_limited", reason: "too fast" }, 429, { "Retry-After": "1" });
		for (wait = 0; polls().length === 0; wait++) {
			await pass(1_000);
			await streams()[0].send(joined("lobby", 0)); // keeps the stream alive
		}
	}
	assert.equal(client.state, "live");
	assert.ok(wait > 200, `${wait} s`);
});

// Answers that are not the server's: a login page, a redirect to one, foreign JSON, a request for a password.
const proxies = {
	page: () => new Response("<!doctype html>sign in", { headers: { "Content-Type": "text/html" } }),
	redirect: () => Object.defineProperties(Response.error(), { type: { value: "opaqueredirect" } }),
	json: () => new Response('{"login":"/"}', { headers: { "Content-Type": "application/json" } }),
	password: () => new Response("401", { status: 401, headers: { "Content-Type": "text/html" } }),
};

for (const [name, proxy] of Object.entries(proxies)) {
	test(`a proxy response with a ${name} is recognized`, async () => {
		const { room } = await overSocket();
		for (const ask of [() => room.history(), () => client.search("word")]) {
			const failed = ask().then(() => null, (error) => error);
			await settled();
			const [{ headers, credentials, redirect }] = requests;
			assert.deepEqual([headers.Authorization, headers["Ramai-Session"], credentials, redirect], [undefined, client.session, "same-origin", "manual"]);
			for (const a of requests) await a.respond(proxy());
			assert.equal((await failed).code, "not_ramai");
		}
		assert.equal(client.intercepted, null); // the WebSocket works
	});

	test(`behind a proxy that answers with a ${name}, messages are kept`, async () => {
		const room = await overHTTP();
		const sent = room.say("kept");
		await settled();
		await requests.find((a) => a.method === "POST")?.respond(proxy());
		assert.deepEqual([sent.state, client.outbox.length], ["waiting", 1]);
		await streams()[0].respond(proxy());
		assert.deepEqual([client.state, client.intercepted?.code], ["waiting", "not_ramai"]);
		await pass(10_000);
		await polls()[0].respond(proxy());
		assert.deepEqual([client.state, client.intercepted?.code], ["waiting", "not_ramai"]);
		await pass(10_000);
		await polls()[0].answer({ log: "L", first: 1, messages: [], more: false });
		assert.deepEqual([client.state, client.intercepted], ["live", null]);
		await requests.find((a) => a.method === "POST")?.answer({ n: 1, at: "" });
		assert.equal(sent.state, "saved");
	});
}

test("a server that stops says when to reconnect; the usual retry field does not", async () => {
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

test("leaving a room over HTTP does not break the connection", async () => {
	const room = await overHTTP("b", "c");
	await streams()[0].stream();
	await streams()[0].send(joined("lobby", 0));
	room.leave();
	await settled();
	assert.equal(client.state, "live");
	assert.deepEqual(streams().map((s) => s.room), ["b"]);
	client.leave("c"); // during its poll
	await polls()[0]?.answer({ log: "L", first: 1, messages: [message("c", 1)], more: false });
	client.leave("b");
	await pass(20_000);
	assert.deepEqual([client.state, streams().length, polls().length], ["live", 0, 0]);
});

test("a name that is refused for a while is asked for again", async () => {
	const { socket } = await overSocket();
	const refused = [];
	client.on("refused", (why) => refused.push(why.code));
	client.rename("ann");
	socket.receive({ type: "error", code: "unavailable", reason: "", retry_after_ms: 300, request: "name" });
	assert.equal(socket.sentOf("name").length, 1);
	await pass(301);
	assert.deepEqual(socket.sentOf("name").map((f) => f.name), ["ann", "ann"]);
	socket.receive({ type: "error", code: "bad_request", reason: "", request: "who" }); // about another request
	socket.receive({ type: "name", name: "ann" });
	assert.equal(client.name, "ann");
	client.rename("bob");
	socket.receive({ type: "error", code: "name_taken", reason: "", request: "name" });
	await pass(60_000);
	assert.equal(socket.sentOf("name").length, 3);
	assert.deepEqual(refused, ["bad_request", "name_taken"]);
	assert.equal(client.wanted, "ann");
});

test("nothing is sent before the greeting", async () => {
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
	socket.receive({ type: "welcome", by: "x", name: "", limits: client.limits });
	assert.deepEqual(socket.sent.map((f) => f.type), ["hello", "join", "say"]);
});

test("a server that accepts any subprotocol is a plain one", async () => {
	const room = connect("/");
	client = room.client;
	const received = [];
	room.on("message", (m) => received.push(m.text));
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
	await pass(120_000); // it does not answer pings
	assert.deepEqual(received, ["Welcome to chat!", "early"]);
	assert.equal(Socket.made.length, 1);
	socket.drop(); // the unconfirmed message may have been posted
	await pass(10_000);
	const again = Socket.made[1];
	again.readyState = 1;
	again.onopen?.();
	plain(again);
	await assert.rejects(late.saved, { code: "unavailable" });
	assert.deepEqual(again.sent, []);
});

test("a message to a plain server without a connection is sent over the next one", async () => {
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

const changed = (room, n, of, text, id = "", by = "me") => ({ type: "changed", room, n, of, text, id, by, from: "", at: "2026-11-25T10:00:00Z" });

test("a reply, an edit and a deletion are sent in order, and settled by answers or echoes", async () => {
	const { room, socket } = await overSocket();
	const reply = room.say("yes", { re: 7 });
	const edit = room.edit(7, "new");
	const deletion = room.delete(8);
	assert.deepEqual(socket.sent.filter((f) => f.id).map(({ ref, id, ...f }) => f), [
		{ type: "say", room: "lobby", text: "yes", re: 7 },
		{ type: "change", room: "lobby", of: 7, text: "new" },
		{ type: "change", room: "lobby", of: 8, text: null },
	]);
	socket.receive({ ...message("lobby", 1, "me"), id: reply.id, re: 7 });
	socket.receive(changed("lobby", 2, 7, "new", edit.id));
	socket.receive({ type: "refused", room: "lobby", id: deletion.id, code: "gone", reason: "it is deleted" });
	assert.deepEqual([reply, edit, deletion].map((s) => [s.state, s.n, s.why?.code]), [["saved", 1, undefined], ["saved", 2, undefined], ["failed", 0, "gone"]]);
	assert.deepEqual(client.outbox, [deletion]);
	client.again(deletion);
	assert.deepEqual(socket.sent.at(-1).of, 8);
	assert.equal(socket.sent.at(-1).text, null);
});

test("a change of a message that has no number waits for it, across connections and reloads", async () => {
	const { room, socket } = await overSocket();
	const sent = room.say("teh");
	const edit = room.edit(sent, "the");
	room.say("next");
	assert.deepEqual(socket.sentOf("change"), []);
	assert.equal(socket.sentOf("say").length, 1, "what follows waits, too");
	const unsaid = client.pending;
	assert.deepEqual(unsaid.map(({ since, ...u }) => u)[1], { id: edit.id, room: "lobby", text: "the", ofId: sent.id });
	socket.drop();
	await pass(2_000);
	const again = Socket.made.at(-1);
	again.open();
	again.receive({ type: "saved", room: "lobby", id: sent.id, n: 5, at: "" });
	assert.deepEqual(again.sentOf("change").map((f) => [f.id, f.of, f.text]), [[edit.id, 5, "the"]]);
	assert.equal(again.sentOf("say").length, 2);

	client.close();
	const reloaded = connect("/", { unsaid: JSON.parse(JSON.stringify(unsaid)) });
	client = reloaded.client;
	await settled();
	const socket2 = Socket.made.at(-1);
	socket2.open();
	socket2.receive(joined("lobby", 0));
	socket2.receive({ type: "saved", room: "lobby", id: sent.id, n: 5, at: "" });
	assert.deepEqual(socket2.sentOf("change").map((f) => [f.id, f.of, f.text]), [[edit.id, 5, "the"]]);
});

test("the changes of a message that is refused or withdrawn fail with it", async () => {
	const { room, socket } = await overSocket();
	const sent = room.say("one");
	const deletion = room.delete(sent);
	socket.receive({ type: "refused", room: "lobby", id: sent.id, code: "too_long", reason: "long" });
	assert.deepEqual([sent.state, deletion.state, deletion.why?.code], ["failed", "failed", "too_long"]);
	assert.ok(client.withdraw(sent));
	assert.deepEqual(client.outbox, []);
	const next = room.say("two");
	socket.receive({ type: "saved", room: "lobby", id: next.id, n: 1, at: "" });
	assert.equal(next.state, "saved");
});

test("a server that does not know changes fails the change alone", async () => {
	const { room, socket } = await overSocket();
	const refused = [];
	client.on("refused", (why) => refused.push(why));
	const edit = room.edit(1, "x");
	socket.receive({ type: "error", code: "bad_request", reason: "unknown type", room: "lobby", ref: edit.id });
	assert.deepEqual([edit.state, edit.why?.code, refused], ["failed", "bad_request", []]);
});

test("changes move the position, and are no gap; the replica has them before their frames", async () => {
	const { room, socket } = await overSocket();
	const events = [];
	for (const event of ["message", "changed", "gap"]) room.on(event, (f) => events.push([event, f.n]));
	const { replica } = room;
	socket.receive(message("lobby", 1, "me"));
	socket.receive(message("lobby", 2));
	const edit = room.edit(1, "new");
	assert.deepEqual(replica.shown(client.outbox).map((m) => m.text), ["new", "m2"]);
	socket.receive({ type: "saved", room: "lobby", id: edit.id, n: 4, at: "" });
	assert.equal(replica.messages[0].text, "new");
	socket.receive({ type: "state", room: "lobby", n: 3, key: "topic", value: "x" });
	socket.receive(changed("lobby", 4, 1, "new", edit.id));
	socket.receive(changed("lobby", 5, 2, null, "x", "other"));
	socket.receive(changed("lobby", 5, 2, "late", "x", "other"));
	assert.deepEqual(events, [["message", 1], ["message", 2], ["changed", 4], ["changed", 5]]);
	assert.deepEqual([room.n, room.head, room.behind, replica.missing], [5, 5, 0, []]);
	assert.deepEqual(replica.messages.map((m) => [m.text, m.edited, m.gone]), [["new", 4, undefined], ["", 5, true]]);
});

test("the replay starts where the server says", async () => {
	const room = connect("/");
	client = room.client;
	await settled();
	Socket.made[0].open();
	Socket.made[0].receive({ ...joined("lobby", 1000), from: 3 });
	assert.deepEqual([room.n, room.behind], [3, 997]);
});

test("a page that was read before a change is loaded once the change is known", async () => {
	const { room, socket } = await overSocket();
	socket.receive({ type: "gap", room: "lobby", from: 1, to: 0 });
	const loaded = room.load({ limit: 10 });
	await settled();
	socket.receive(changed("lobby", 3, 1, null, "", "other"));
	await polls()[0].answer({ log: "L", first: 1, head: 2, messages: [{ ...message("lobby", 1), type: undefined }], skipped: [[2, 2]], more: false });
	await loaded;
	assert.deepEqual([room.replica.messages.map((m) => m.gone), room.replica.missing], [[true], []]);
	const behind = room.load({ limit: 10 });
	behind.catch(() => {});
	await settled();
	await polls()[0].answer({ log: "L", first: 1, head: 2, messages: [], more: false });
	await assert.rejects(behind, (error) => error.code === "unavailable" && error.retryAfter > 0);
});

test("over HTTP, changes are PATCH and DELETE, and fail where they are not supported", async () => {
	const room = await overHTTP();
	const sent = room.say("teh", { re: 2 });
	const edit = room.edit(sent, "the");
	const deletion = room.delete(9);
	const unsupported = room.delete(10);
	const request = async () => {
		await settled();
		const r = requests.find((a) => a.method);
		return [r, [r.method, r.url.pathname.split("/messages")[1], r.headers["Idempotency-Key"], r.body]];
	};
	let [r, what] = await request();
	assert.deepEqual(what, ["POST", "", sent.id, '{"text":"teh","re":2}']);
	await r.answer({ n: 5, at: "" });
	[r, what] = await request();
	assert.deepEqual(what, ["PATCH", "/5", edit.id, '{"text":"the"}']);
	await r.answer({ code: "rate_limited", reason: "too fast" }, 429, { "Retry-After": "1" });
	await pass(2_000);
	[r, what] = await request();
	assert.deepEqual(what, ["PATCH", "/5", edit.id, '{"text":"the"}'], "the same again");
	await r.answer({ n: 6, at: "" });
	[r, what] = await request();
	assert.deepEqual(what, ["DELETE", "/9", deletion.id, undefined]);
	await r.answer({ code: "gone", reason: "it is deleted" }, 410);
	[r] = await request();
	await r.respond(new Response("Method Not Allowed", { status: 405, headers: { "Content-Type": "text/plain" } }));
	assert.deepEqual([sent, edit, deletion, unsupported].map((s) => [s.state, s.why?.code]), [["saved", undefined], ["saved", undefined], ["failed", "gone"], ["failed", "bad_request"]]);
});

test("a polled room gets changes from a stream, which is not kept", async () => {
	await overHTTP("b");
	const b = client.rooms.get("b");
	const events = [];
	assert.deepEqual(b.replica.missing, []);
	for (const event of ["message", "changed", "gap"]) b.on(event, (f) => events.push([event, f.n]));
	await streams()[0].stream();
	await polls()[0].answer({ log: "L", first: 1, head: 3, messages: [message("b", 1), message("b", 3)], skipped: [[2, 2]], more: false });
	assert.deepEqual([b.n, b.replica.missing], [3, []]);
	await pass(3_000);
	await polls()[0].answer({ log: "L", first: 1, head: 5, messages: [message("b", 5)], skipped: [[4, 4]], more: false });
	const [, catchUp] = streams();
	assert.equal(catchUp.url.searchParams.get("after"), "L:3");
	await catchUp.stream();
	await catchUp.send(joined("b", 5), changed("b", 4, 1, "new", "", "other"), message("b", 5));
	assert.deepEqual(events, [["message", 1], ["message", 3], ["changed", 4], ["message", 5]]);
	assert.equal(streams().length, 1);
	await pass(3_000);
	await polls()[0].answer({ log: "L", first: 1, head: 5, messages: [], more: false });
	assert.deepEqual([b.n, b.replica.missing], [5, []]);
	assert.deepEqual(b.replica.messages.map((m) => m.text), ["new", "m3", "m5"]);
});

test("questions, polls and settings are sent in order with messages, and settled by answers or echoes", async () => {
	const { room, socket } = await overSocket();
	const question = room.say("why?", { as: "question" });
	const poll = room.say("which?", { as: "poll", options: ["a", "b"] });
	const topic = room.set("topic", "tea");
	const unset = room.set("stage", null);
	assert.deepEqual([question, poll, topic].map((s) => [s.isMessage, s.isChange]), [[true, false], [true, false], [false, false]]);
	assert.deepEqual(socket.sent.filter((f) => f.id).map(({ id, ...f }) => f), [
		{ type: "say", room: "lobby", text: "why?", as: "question" },
		{ type: "say", room: "lobby", text: "which?", as: "poll", options: ["a", "b"] },
		{ type: "set", room: "lobby", key: "topic", value: "tea", ref: topic.id },
		{ type: "set", room: "lobby", key: "stage", value: null, ref: unset.id },
	]);
	const { pending } = client;
	assert.deepEqual(pending.slice(1).map(({ since, id, ...p }) => p), [
		{ room: "lobby", text: "which?", as: "poll", options: ["a", "b"] },
		{ room: "lobby", text: "", key: "topic", value: "tea" },
		{ room: "lobby", text: "", key: "stage", value: null },
	]);
	assert.equal(room.setting("topic"), "tea", "as it will be");
	for (const [i, sent] of [question, poll].entries()) socket.receive({ type: "saved", room: "lobby", id: sent.id, n: i + 1, at: "" });
	socket.receive({ type: "state", room: "lobby", n: 3, at: "", key: "topic", value: "tea", by: "me", from: "", id: topic.id });
	socket.receive({ type: "error", code: "bad_request", reason: "unknown type", room: "lobby", ref: unset.id }); // an older server
	assert.deepEqual([question, poll, topic, unset].map((s) => [s.state, s.n]), [["saved", 1], ["saved", 2], ["saved", 3], ["failed", 0]]);
	client.close();

	client = connect("/", { pending: JSON.parse(JSON.stringify(pending)) }).client;
	await settled();
	const again = Socket.made.at(-1);
	again.open();
	assert.deepEqual(again.sent.filter((f) => f.id), socket.sent.filter((f) => f.id));
	const set = client.outbox[3];
	again.receive({ type: "refused", room: "lobby", id: set.id, code: "not_allowed", reason: "no" });
	client.again(set);
	assert.deepEqual([again.sent.at(-1).key, again.sent.at(-1).value], ["stage", null]);
});

test("marks are sent one at a time, and again after a break, unless another device was later", async () => {
	const { room, socket } = await overSocket();
	const told = [];
	room.on("marked", ({ of, key, on }) => told.push([of, key, on]));
	const answer = (s, { room, of, key, on, ref }) => s.receive({ type: "marked", room, of, key, on, ref });
	const settles = [room.mark(1, "up"), room.mark(1, "👍"), room.mark(2, "up"), room.mark(1, "👍", false), room.mark(3, 0), room.mark(3, 1)];
	assert.deepEqual(client.marks.map((m) => [m.of, m.key, m.on]), [[1, "up", true], [2, "up", true], [1, "👍", false], [3, "0", true], [3, "1", true]]);
	const [first, ...more] = socket.sentOf("mark");
	assert.deepEqual([more, first.of, first.key, first.on], [[], 1, "up", true]);
	socket.receive({ type: "marked", room: "lobby", of: 1, key: "up", on: false }); // of another device, and earlier
	assert.equal(client.marks.length, 5);
	answer(socket, first);
	await settles[0];
	await settles[1]; // replaced
	socket.drop();
	await pass(2_000);
	const again = Socket.made.at(-1);
	again.open();
	again.receive(joined("lobby", 0));
	const resent = () => again.sentOf("mark").at(-1);
	assert.deepEqual([resent().of, resent().key, resent().ref], [2, "up", socket.sentOf("mark")[1].ref], "it was not answered");
	again.receive({ type: "error", request: "mark", code: "rate_limited", reason: "slowly", room: "lobby", ref: resent().ref, retry_after_ms: 500 });
	again.receive({ type: "marked", room: "lobby", of: 2, key: "up", on: false }); // of another device, and later
	await settles[2];
	await pass(600);
	assert.deepEqual([resent().of, resent().key, resent().on], [1, "👍", false]);
	again.receive({ type: "error", request: "mark", code: "gone", reason: "deleted", room: "lobby", ref: resent().ref });
	await assert.rejects(settles[3], { code: "gone" });
	for (let i = 0; i < 2; i++) answer(again, resent());
	await Promise.all(settles.slice(4));
	assert.deepEqual(client.marks, []);
	assert.deepEqual(told, [[1, "up", false], [1, "up", true], [2, "up", false], [3, "0", true], [3, "1", true]]);
	assert.equal(again.sentOf("mark").length, 4);
});

test("the marks that wait are bounded", async () => {
	const room = connect("/");
	client = room.client;
	for (let n = 1; n <= 1000; n++) room.mark(n, "up");
	room.mark(1, "up", false);
	assert.deepEqual([client.marks.length, client.marks.at(-1).of, client.marks.at(-1).on], [1000, 1, false], "one of a key");
	await assert.rejects(room.mark(1001, "up"), { code: "unavailable" });
});

test("tallies and settings move the position, and the room shows them", async () => {
	const { room, socket } = await overSocket();
	const events = [];
	for (const event of ["message", "tally", "state", "gap"]) room.on(event, (f) => events.push([event, f.n]));
	assert.equal(room.replica.messages.length, 0);
	socket.receive({ ...message("lobby", 1), as: "poll", options: ["a", "b"] });
	socket.receive({ type: "tally", room: "lobby", n: 2, at: "", of: { 1: { 0: 3 } } });
	socket.receive({ type: "state", room: "lobby", n: 3, at: "", key: "poll/1", value: "hidden" });
	room.mark(1, 1);
	assert.deepEqual(events, [["message", 1], ["tally", 2], ["state", 3]]);
	assert.deepEqual([room.n, room.behind], [3, 0]);
	const [{ tally, mine, status, pending }] = room.shown;
	assert.deepEqual([tally, mine, status, pending], [{ 0: 3, 1: 1 }, ["1"], "hidden", true]);
	assert.equal(room.replica.shown()[0], room.replica.shown()[0], "the same object");
});

test("a preset changes settings that have no frames: all are loaded", async () => {
	const { room, socket } = await overSocket();
	let loaded = 0;
	room.on("settings", () => loaded++);
	room.replica;
	socket.receive({ type: "state", room: "lobby", n: 1, at: "", key: "preset", value: "announcement" });
	assert.equal(room.replica.staleSettings, true);
	await settled();
	const asked = requests.filter((a) => a.url.pathname.endsWith("/state"));
	assert.deepEqual(asked.map((a) => a.url.search), [""]);
	await asked[0].answer({ n: 1, settings: [{ key: "may.say", value: "moderator" }, { key: "preset", value: "announcement" }], more: false });
	await settled();
	assert.deepEqual([room.replica.staleSettings, room.setting("may.say"), loaded], [false, "moderator", 1]);
	socket.receive({ type: "state", room: "lobby", n: 2, at: "", key: "topic", value: "tea" });
	await settled();
	assert.equal(requests.filter((a) => a.url.pathname.endsWith("/state")).length, 0, "no more");
});

test("marks and settings over HTTP", async () => {
	const room = await overHTTP();
	await streams()[0].stream();
	await streams()[0].send({ ...joined("lobby", 1), state: { topic: "tea" } });
	const { replica } = room;
	const waiting = () => requests.find((a) => a.method);
	const mark = room.mark(1, "❤️");
	await settled();
	assert.deepEqual([waiting().method, decodeURIComponent(waiting().url.pathname)], ["PUT", "/api/v1/rooms/lobby/messages/1/marks/❤️"]);
	await waiting().answer({ code: "rate_limited", reason: "" }, 429, { "Retry-After": "1" });
	await pass(1_100);
	await waiting().answer({ of: 1, key: "❤️", on: true });
	await mark;
	const off = room.mark(1, "up", false);
	await settled();
	assert.equal(waiting().method, "DELETE");
	await waiting().answer({ code: "gone", reason: "deleted" }, 410);
	await assert.rejects(off, { code: "gone" });
	const settings = room.settings({ prefix: "poll/" });
	await settled();
	const asked = requests.find((a) => a.url.pathname.endsWith("/state"));
	assert.equal(asked.url.search, "?prefix=poll%2F");
	await asked.answer({ n: 9, settings: [{ key: "poll/1", value: "closed" }], more: false });
	assert.equal((await settings).n, 9);
	assert.deepEqual([replica.setting("poll/1"), replica.setting("stage")], ["closed", null]);
});

test("the plain protocol has no marks and no settings", async () => {
	const room = connect("/");
	client = room.client;
	await settled();
	const early = room.mark(1, "up");
	const [socket] = Socket.made;
	socket.readyState = 1;
	socket.onmessage({ data: "Welcome to chat! Type a message" });
	await assert.rejects(early, { code: "bad_request" });
	await assert.rejects(room.mark(1, "up"), { code: "bad_request" });
	const [set, question] = [room.set("topic", "tea"), room.say("why?", { as: "question" })];
	assert.deepEqual([set.state, question.state], ["failed", "failed"]);
	assert.deepEqual(socket.sent, []);
});

test("own marks of messages that came with the page are loaded once the room is joined", async () => {
	const room = connect("/");
	client = room.client;
	assert.equal(room.replica.messages.length, 0);
	const [one, two] = [{ ...message("lobby", 1), tally: { up: 2 }, tallied: 3 }, message("lobby", 2)];
	room.receivePage({ log: "L", first: 1, head: 3, messages: [one, two], more: false, skipped: [[3, 3]] });
	room.disconnected();
	await settled();
	const told = [];
	room.on("marked", ({ of, key, on }) => told.push([of, key, on]));
	const [socket] = Socket.made;
	socket.open();
	socket.receive(joined("lobby", 3));
	await settled();
	assert.equal(polls()[0].url.search, "?before=4&limit=2");
	await polls()[0].answer({ log: "L", first: 1, head: 3, messages: [one, two], more: false, skipped: [[3, 3]], mine: { 1: ["up"] } });
	assert.deepEqual([room.shown[0].mine, told], [["up"], [[1, "up", true]]]);
	socket.receive(joined("lobby", 3));
	await settled();
	assert.equal(polls().length, 0, "once");
});

test("a client that may not read a room any more forgets it, and joins it again once it may", async () => {
	const room = connect("http://chat.test/r/tea");
	client = room.client;
	await settled();
	const [socket] = Socket.made;
	socket.open();
	room.replica;
	socket.receive({ ...joined("tea", 1), role: "guest" });
	socket.receive(message("tea", 1));
	assert.deepEqual([room.role, room.n, room.replica.messages.length], ["guest", 1, 1]);
	socket.receive({ type: "left", room: "tea", code: "not_allowed", reason: "banned", rule: "person", params: { action: "ban" }, until: "2026-12-01T00:00:00Z" });
	assert.deepEqual([room.live, room.role, room.n, room.replica.messages.length], [false, "none", 0, 0]);
	assert.deepEqual([room.left.rule, room.left.params.action, room.left.until], ["person", "ban", "2026-12-01T00:00:00Z"]);
	socket.receive(message("tea", 2));
	assert.equal(room.replica.messages.length, 0, "late bytes of the room");
	socket.receive({ type: "role", room: "tea", role: "guest", until: "2027-01-01T00:00:00Z" });
	assert.deepEqual(socket.sentOf("join").map((f) => f.last), [50, 50]);
	socket.receive({ ...joined("tea", 2), role: "guest" });
	assert.deepEqual([room.left, room.live, room.role], [null, true, "guest"]);
});

test("a request that is not repeated settles with its answer, its refusal, or the end of the connection", async () => {
	const room = connect("http://chat.test/r/tea");
	client = room.client;
	await settled();
	const [socket] = Socket.made;
	socket.open();
	const asked = ["a", "b", "c"].map((what) => client.request({ type: "moderate", room: "tea", what }).then((f) => f.count, (why) => [why.code, why.rule]));
	const refs = socket.sentOf("moderate").map((f) => f.ref);
	socket.receive({ type: "preview", room: "tea", count: 3, ref: refs[1] });
	socket.receive({ type: "error", code: "not_allowed", reason: "no", rule: "role", params: { role: "owner" }, ref: refs[0] });
	socket.drop();
	assert.deepEqual(await Promise.all(asked), [["not_allowed", "role"], 3, ["unavailable", ""]]);
});

test("the end of a rule travels with it, and is kept with what is not sent", async () => {
	const room = connect("http://chat.test/r/tea");
	client = room.client;
	await settled();
	const sent = room.set("lock", "on", "2026-12-01T00:00:00Z");
	assert.deepEqual([client.pending[0].key, client.pending[0].until, room.settingEnd("lock")], ["lock", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"]);
	const [socket] = Socket.made;
	socket.open();
	socket.receive({ ...joined("tea", 4), state: { slow: 5 } });
	assert.deepEqual(socket.sentOf("set"), [{ type: "set", room: "tea", id: sent.id, key: "lock", value: "on", until: "2026-12-01T00:00:00Z", ref: sent.id }]);
	socket.receive({ type: "state", room: "tea", n: 5, at: "", key: "lock", value: "on", until: "2026-12-01T00:00:00Z", by: "me", from: "", id: sent.id });
	assert.equal((await sent.saved).n, 5);
	assert.deepEqual([room.setting("lock"), room.settingEnd("lock"), room.settingEnd("slow")], ["on", "2026-12-01T00:00:00Z", ""]);
	room.replica.addSettings({}, { n: 5, settings: [{ key: "lock", value: "on", until: "2026-12-01T00:00:00Z" }, { key: "slow", value: 5, until: "2026-12-02T00:00:00Z" }], more: false });
	assert.equal(room.settingEnd("slow"), "2026-12-02T00:00:00Z");
});

test("the address of a message is muted by its number, which is kept with what is not sent", async () => {
	const room = connect("http://chat.test/r/tea");
	client = room.client;
	await settled();
	const sent = room.setAddress(12);
	assert.deepEqual(client.pending[0].address_of, 12);
	const [socket] = Socket.made;
	socket.open();
	socket.receive(joined("tea", 4));
	assert.deepEqual(socket.sentOf("set"), [{ type: "set", room: "tea", id: sent.id, key: "address", value: "mute", address_of: 12, ref: sent.id }]);
});

test("the rooms of moderators and owners are rooms", async () => {
	for (const name of ["~tea", "~~tea"]) {
		const room = connect(`http://chat.test/r/${name}`);
		assert.equal(room.name, name);
		room.client.close();
	}
	const room = connect("http://chat.test/r/~~~tea");
	client = room.client;
	assert.equal(room.name, "lobby");
});

test("over HTTP, messages are reported, and held ones and reports are deleted", async () => {
	const room = await overHTTP();
	await streams()[0].stream();
	await streams()[0].send(joined("lobby", 1));
	const waiting = () => requests.find((a) => a.method);
	for (const [frame, method, path, answer] of [
		[{ type: "report", room: "lobby", of: 7, text: "spam" }, "POST", "lobby/reports", { of: 7 }],
		[{ type: "change", room: "lobby", id: "w", held: "h1", text: null }, "DELETE", "lobby/held/h1", { n: 0 }],
		[{ type: "change", room: "~lobby", id: "s", of: 3, text: null }, "DELETE", "~lobby/messages/3", { n: 4 }],
	]) {
		const asked = client.request(frame);
		await settled();
		assert.deepEqual([waiting().method, waiting().url.pathname], [method, `/api/v1/rooms/${path}`]);
		await waiting().answer(answer);
		assert.deepEqual(await asked, answer);
	}
	await assert.rejects(client.request({ type: "link" }), { code: "unavailable" });
	assert.equal(room.name, "lobby");
});

const sessionOf = (letter) => letter.repeat(22);
const welcome = (more) => ({ type: "welcome", by: "me", name: "", limits: client.limits, ...more });
const ended = { type: "error", code: "not_allowed", reason: "this session has ended", request: "hello" };

/** Connects, and receives the first welcome. @param {object} [options] */
async function greeted(options) {
	const room = connect("/", options);
	client = room.client;
	await settled();
	const socket = Socket.made.at(-1);
	socket.readyState = 1;
	socket.receive(welcome({ by: "first", session: sessionOf("F") }));
	return { room, socket };
}

test("after a session has ended, the client continues with the one that the server offers", async () => {
	const { socket } = await greeted({ session: sessionOf("A") });
	const changes = [];
	client.on("session", () => changes.push(client.session));
	assert.equal(socket.sentOf("hello")[0].session, sessionOf("A")); // the first welcome is of somebody else
	socket.receive(ended);
	socket.receive(welcome({ by: "new", session: sessionOf("B"), known: false }));
	assert.deepEqual([client.session, client.by, client.state], [sessionOf("B"), "new", "live"]);
	client.search("x").catch(() => {});
	assert.equal(requests[0].headers["Ramai-Session"], sessionOf("B"));
	socket.drop();
	await pass(1000);
	const again = Socket.made[1];
	again.open();
	assert.deepEqual(again.sentOf("hello"), [{ type: "hello", session: sessionOf("B"), held: true }]);
	again.receive(welcome({ session: sessionOf("B") }));
	assert.deepEqual(changes, [sessionOf("B")]);
});

test("a session that another page has stored is used at once", async () => {
	const { socket } = await greeted({ session: sessionOf("A") });
	socket.receive(welcome({ session: sessionOf("A") }));
	client.useSession(sessionOf("A"));
	await pass(1000);
	assert.equal(Socket.made.length, 1);
	client.useSession(sessionOf("B"));
	await pass(1000);
	Socket.made[1].open();
	assert.equal(Socket.made[1].sentOf("hello")[0].session, sessionOf("B"));
});

test("a token signs in, and its session takes its place", async () => {
	const { socket } = await greeted({ session: sessionOf("A"), token: "a.b.c" });
	assert.deepEqual(socket.sentOf("hello"), [{ type: "hello", session: sessionOf("A"), held: true, token: "a.b.c" }]);
	socket.receive(welcome({ session: sessionOf("B"), known: true }));
	client.search("x").catch(() => {});
	assert.deepEqual([requests[0].headers["Ramai-Session"], requests[0].headers.Authorization], [sessionOf("B"), undefined]);
	socket.drop();
	await pass(1000);
	Socket.made[1].open();
	assert.deepEqual(Socket.made[1].sentOf("hello"), [{ type: "hello", session: sessionOf("B"), held: true }]);
});

test("a token that is refused is not sent again, unless it could not be checked", async () => {
	const { socket } = await greeted({ session: sessionOf("A"), token: "a.b.c" });
	const refused = [];
	client.on("refused", (why) => refused.push(why.code));
	socket.receive({ type: "error", code: "unavailable", reason: "the key set cannot be read", request: "hello" });
	socket.receive(welcome({ session: sessionOf("A") }));
	socket.drop();
	await pass(1000);
	Socket.made[1].open();
	assert.equal(Socket.made[1].sentOf("hello")[0].token, "a.b.c");
	Socket.made[1].receive({ type: "error", code: "not_allowed", reason: "the token has expired", request: "hello" });
	Socket.made[1].receive(welcome({ session: sessionOf("A") }));
	Socket.made[1].drop();
	await pass(1000);
	Socket.made[2].open();
	assert.deepEqual(Socket.made[2].sentOf("hello"), [{ type: "hello", session: sessionOf("A"), held: true }]);
	assert.deepEqual(refused, ["unavailable", "not_allowed"]);
});

test("over HTTP, a request that is refused because the session has ended is repeated with a new one, once", async () => {
	const room = await overHTTP();
	const before = client.session;
	const changes = [];
	client.on("session", () => changes.push(client.session));
	const sent = room.say("hello");
	const posts = () => requests.filter((a) => a.method === "POST");
	assert.equal(posts()[0].headers["Ramai-Session"], before);
	await posts()[0].answer({ code: "not_allowed", reason: "this session has ended" }, 401);
	assert.deepEqual(changes, [client.session]);
	assert.notEqual(client.session, before);
	assert.equal(posts()[0].headers["Ramai-Session"], client.session);
	assert.equal(posts()[0].headers["Idempotency-Key"], sent.id);
	await posts()[0].answer({ code: "not_allowed", reason: "this session has ended" }, 401);
	assert.equal(posts().length, 0);
	assert.equal((await sent.saved.catch(() => sent)).state, "failed");
	assert.equal(changes.length, 1);
});

test("a proxy that asks for a password does not change the session", async () => {
	const room = await overHTTP();
	const before = client.session;
	room.say("hello");
	const posts = () => requests.filter((a) => a.method === "POST");
	await posts()[0].respond(new Response("sign in", { status: 401 }));
	assert.equal(client.session, before);
});

test("over HTTP, a token is used until it is refused", async () => {
	const room = connect("/", { via: "http", session: sessionOf("A"), token: "a.b.c" });
	client = room.client;
	await settled();
	const refused = [];
	client.on("refused", (why) => refused.push(why.reason));
	const identity = ({ headers }) => [headers.Authorization, headers["Ramai-Session"]];
	assert.deepEqual(identity(polls()[0]), ["Bearer a.b.c", undefined]);
	await polls()[0].answer({ code: "not_allowed", reason: "the token has expired" }, 401);
	assert.deepEqual(identity(polls()[0]), [undefined, sessionOf("A")]);
	assert.deepEqual(refused, ["the token has expired"]);
});

test("over HTTP, a refusal that is older than an invite does not close the room", async () => {
	const room = connect("http://chat.test/r/tea", { via: "http" });
	client = room.client;
	await settled();
	const refusal = { code: "not_allowed", reason: "only people with a role can read this room", rule: "room" };
	await polls()[0].answer(refusal, 403);
	const [old] = streams();
	const redeemed = client.request({ type: "redeem", room: "tea", invite: "I" });
	await requests.find((a) => a.method === "POST").answer({ role: "guest" });
	await redeemed;
	await old.answer(refusal, 403);
	const [stream] = streams();
	await stream.stream();
	await stream.send(joined("tea", 4));
	assert.deepEqual([room.left, room.live, room.head, streams().length], [null, true, 4, 1]);
	await stream.send({ type: "left", room: "tea", code: "not_allowed", reason: "banned", rule: "person" });
	assert.equal(room.left?.rule, "person");
});

test("a message that waits for a moderator is settled by the decision, which a new connection asks for", async () => {
	const { room, socket } = await overSocket();
	const [a, b, c] = ["a", "b", "c"].map((text) => room.say(text));
	const change = room.edit(a, "A");
	for (const s of [a, b, c]) socket.receive({ type: "held", room: "lobby", id: s.id });
	assert.deepEqual([a.state, b.state, c.state, change.state], ["held", "held", "held", "failed"]);
	client.withdraw(change);
	socket.receive({ type: "saved", room: "lobby", id: a.id, n: 1, at: "" });
	socket.receive({ type: "refused", room: "lobby", id: b.id, code: "held", reason: "", rule: "hold", params: { why: "rejected" } });
	assert.deepEqual([a.state, b.state, b.why?.params.why], ["saved", "failed", "rejected"]);
	socket.drop();
	await pass(1000);
	const next = Socket.made[1];
	next.open();
	next.receive(joined("lobby", 1));
	assert.deepEqual(next.sentOf("say").map((f) => f.id), [c.id]);
	assert.equal(c.state, "held");
	const later = room.say("later");
	assert.equal(later.state, "sending"); // what waits is not in the way
	assert.ok(client.withdraw(c));
	const [withdrawal] = next.sentOf("change");
	assert.deepEqual([withdrawal.held, withdrawal.text], [c.id, null]);
	next.receive({ type: "saved", room: "lobby", id: withdrawal.id, ref: withdrawal.ref });
	await settled();
	assert.deepEqual(client.outbox.map((s) => s.id), [b.id, later.id]);
});
