// A page without a browser, for TestClientsConverge of cmd/ramai: node --experimental-websocket peer.mjs URL COUNT SEED.
// It says, asks, edits, deletes and sets COUNT times, and prints how many of that are saved. When "end N" arrives on stdin, it waits for number N,
// prints its copy of the room, and ends.
import { createInterface } from "node:readline";

const [url, count, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
Object.assign(globalThis, { window: new EventTarget(), document: Object.assign(new EventTarget(), { visibilityState: "visible" }), location: new URL(url) });
/** In browsers a connection that breaks is closed; in Node 20 it only has an error. */
globalThis.WebSocket = class extends WebSocket {
	/** @param {string|URL} address @param {string} protocol */
	constructor(address, protocol) {
		super(address, protocol);
		this.addEventListener("error", () => setTimeout(() => this.onclose?.(/** @type {any} */ (null))));
	}
};
const { connect } = await import("../../internal/web/page/ramai.js");

let state = seed;
/** A random number below n. @param {number} n */
const random = (n) => {
	state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
	return (state >> 8) % n;
};
const pause = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

const via = seed === 1 ? "socket" : "http";
const room = connect(url, { last: 500, name: `page${seed}`, via });
const { client, replica } = room;
await new Promise((done) => room.on("joined", done));
/** @type {any[]} messages that can be changed */
const own = [];
/** @type {any[]} polls and questions, by turns, which are kept */
const asked = [];
/** Sets something. @param {any} message a poll or a question @param {boolean} poll */
async function set({ saved }, poll) {
	const { n } = await saved;
	const k = random(6);
	if (k < 3 && poll) return room.set(`poll/${n}`, ["open", "closed", "hidden"][k]);
	if (k < 3) return room.set(`question/${n}`, ["open", "answered", "answered"][k]);
	return k === 3 ? room.set("pin", [n]) : k === 4 ? room.set("stage", n) : room.set("topic", `topic ${n}`);
}
let saved = 0;
/** @type {Error[]} */
const errors = [];
for (let i = 0; i < count; i++) {
	while (client.outbox.length > 20) await pause(5);
	const k = random(14);
	const [at, turn] = [random(Math.max(own.length, 1)), random(Math.max(asked.length, 1))];
	let sent;
	if (k < 2 || asked.length === 0) asked.push((sent = room.say(`page ${seed} asks ${i}`, asked.length % 2 === 0 ? { as: "poll", options: ["one", "two"] } : { as: "question" })));
	else if (k < 4 && via === "socket") sent = await set(asked[turn], turn % 2 === 0); // the API over HTTP has no request for it
	else if (k < 9 || own.length === 0) own.push((sent = room.say(`page ${seed} says ${i}`, replica.messages.length > 0 && k === 4 ? { re: replica.messages[0].n } : {})));
	else if (k < 12) sent = room.edit(own[at], `page ${seed} edits ${i}`);
	else sent = room.delete(own.splice(at, 1)[0]);
	sent.saved.then(() => console.log(`saved ${++saved}`), (error) => errors.push(error));
	await pause(random(6));
}
while (client.outbox.length > 0 && errors.length === 0) await pause(5);
if (errors.length > 0) throw errors[0];
for await (const line of createInterface({ input: process.stdin })) {
	const n = Number(/^end (\d+)$/.exec(line)?.[1]);
	while (room.n < n) await pause(5);
	const state = { topic: room.setting("topic") ?? "", pin: room.setting("pin"), stage: room.setting("stage") ?? 0 };
	for (const m of room.shown) if (m.status) state[m.n] = m.status;
	console.log(JSON.stringify({ messages: replica.messages.map(({ type, ...m }) => m), state, missing: replica.missing }));
	break;
}
client.close();
process.exit(0);
