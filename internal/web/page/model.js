// The state of the page: the connection, the rooms, unsent messages. It draws nothing, and announces changes with the event
// "change", at most once per frame.
import { clock } from "./clock.js";
import { HiddenPeople } from "./hidden.js";
import { loadLater } from "./lazy.js";
import { Outage } from "./outage.js";
import { openRoom } from "./ramai/client.js";
import { Emitter } from "./ramai/emitter.js";
import { newSession, pathOf } from "./ramai/protocol.js";
import { RoomState } from "./roomstate.js";
import { perTab, shared } from "./storage.js";

/**
 * @typedef {import("./ramai/client.js").Client} Client
 * @typedef {import("./hidden.js").Person} Person
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Page} Page
 * @typedef {import("./ramai/room.js").Room} Room
 *
 * What is said, besides its text.
 * @typedef {NonNullable<Parameters<Room["say"]>[1]>} SayOptions
 */

// ms between two frames: while the page is hidden, and in a flood, so that there is time to react to the reader.
const HIDDEN = 250;
const FLOODED = 100;

/**
 * Events:
 * - change(): draw everything again
 * - mention(RoomState, Message): someone else mentioned the reader
 * - arrived(RoomState, Message[]): new messages of others
 * - edited(RoomState, Message[]): messages of others on screen or near were edited or deleted, as they are now
 * - settled(RoomState, Sent): a change of the reader is saved, or was refused
 * - write(RoomState): the reader begins or ends to write a reply or a new text of a message
 * - jump(RoomState, number): show this message
 * - replaced(string, [number, number][], string|null): messages of a room were edited, or deleted if the text is null
 * - setting(RoomState, {key, value, by, from}): a setting of a room was changed
 * - announce(RoomState, string, () => string): say this to screen readers; a later text with the same key replaces it
 * - dialog(string, object): open a part of later.js as a dialog
 * - problem(error): what the reader wanted was refused
 * - done(string, () => void): something was done, and how to undo it
 * - insert(string): write this into the message box
 */
export class Model extends Emitter {
	/** @type {Map<string, RoomState>} */
	roomStates = new Map();
	/** @type {Client} */
	client;
	/** @type {RoomState} the room on screen */
	current;
	outage = new Outage(this);
	hidden = new HiddenPeople();
	#scheduled = false;

	/**
	 * @param {string} room the room to start with @param {Page|null} served its newest messages, if they came with the page
	 * @param {boolean} stage it is only shown, on a projector: no other rooms are joined, and nothing is read
	 */
	constructor(room, served, stage) {
		super();
		this.stage = stage;
		const session = shared.get("session") ?? newSession();
		shared.set("session", session);
		const first = openRoom(pathOf(room), { session, name: stage ? "" : shared.get("name", ""), pending: perTab.get("unsaid", []) }, async () => (await loadLater()).HTTPConnection);
		this.client = first.client;
		/** @type {string[]} */
		const others = (stage ? [] : shared.get("rooms", [])).filter((/** @type {string} */ name) => name !== room).slice(0, this.client.limits.rooms - 1);
		const place = shared.get("rooms", []).indexOf(room); // rooms keep their order, whichever the page starts with
		others.splice(place < 0 ? others.length : place, 0, room);
		for (const name of others) this.#add(name === room ? first : this.client.join(name));
		this.current = /** @type {RoomState} */ (this.roomStates.get(room));
		if (served) this.#showServed(first, served);
		if (!stage) this.#storeRooms();
		this.client.on("state", () => {
			this.outage.update(this.client.state === "live");
			this.changed();
		});
		this.client.on("name", () => {
			if (this.client.name) shared.set("name", this.client.name);
			this.changed();
		});
		this.client.on("session", () => shared.set("session", this.client.session));
		this.client.on("sent", (sent) => this.#sentChanged(sent));
		document.addEventListener("visibilitychange", () => this.#lookedAway());
		addEventListener("blur", () => this.#lookedAway());
		addEventListener("storage", ({ key }) => this.#storageChanged(key?.replace(/^ramai\./, "") ?? ""));
		addEventListener("pagehide", () => this.#storeReadMarks());
		setInterval(() => {
			this.#storeReadMarks();
			this.changed(); // the day may have changed, or a flood ended
		}, 1000);
	}

	/** Shows messages that came with the page. The connection resumes after them. @param {Room} room @param {Page} served */
	#showServed(room, served) {
		this.client.name = shared.get("name", ""); // for mentions
		room.receivePage(served);
		room.disconnected();
		this.client.name = "";
		this.current.update(performance.now());
	}

	/**
	 * Draws everything at the next frame. A hidden page, or an embedded one that is scrolled out of view, has no frames, and
	 * must not pile up messages meanwhile: hence the timer.
	 */
	changed() {
		if (this.#scheduled) return;
		this.#scheduled = true;
		const draw = () => {
			if (!this.#scheduled) return;
			this.#scheduled = false;
			clearTimeout(late);
			const now = performance.now();
			for (const roomState of this.roomStates.values()) roomState.update(now);
			this.emit("change");
		};
		const late = setTimeout(draw, HIDDEN);
		if (this.current.sampler.flooded) setTimeout(() => requestAnimationFrame(draw), FLOODED);
		else requestAnimationFrame(draw);
	}

	#lookedAway() {
		if (!this.current.seen) this.current.leaveOff();
		this.changed();
	}

	#storeReadMarks() {
		if (this.stage) return;
		for (const { read } of this.roomStates.values()) read.store();
	}

	/** Another tab of the same person has stored something. @param {string} key */
	#storageChanged(key) {
		const value = shared.get(key);
		if (key === "name") this.client.name = this.client.wanted = value ?? "";
		if (key === "session" && value) this.client.useSession(value);
		if (key === "hidden") this.hidden.reload();
		const roomState = this.roomStates.get(/^read\.(.*)$/.exec(key)?.[1] ?? "");
		if (roomState && value?.log === roomState.room.log) roomState.markRead(value.n);
		this.changed();
	}

	/** @param {Room} room */
	#add(room) {
		const roomState = new RoomState(this, room);
		roomState.sent = this.client.outbox.filter((s) => s.room === room.name);
		this.roomStates.set(room.name, roomState);
		return roomState;
	}

	/** Stores which rooms are open, together with those that other tabs have joined. @param {string} [left] */
	#storeRooms(left = "") {
		const all = new Set([...shared.get("rooms", []), ...this.roomStates.keys()]);
		all.delete(left);
		let others = this.client.limits.rooms - this.roomStates.size;
		shared.set("rooms", [...all].filter((name) => this.roomStates.has(name) || others-- > 0));
	}

	/** Shows a room, and joins it if necessary. Returns false if there are too many. @param {string} name */
	open(name) {
		let roomState = this.roomStates.get(name);
		if (!roomState) {
			if (this.roomStates.size >= this.client.limits.rooms) return false;
			roomState = this.#add(this.client.join(name));
			this.#storeRooms();
		}
		if (roomState !== this.current) {
			this.current = roomState;
			roomState.updateDivider();
		}
		roomState.room.focus();
		this.changed();
		return true;
	}

	/** @param {string} name */
	leave(name) {
		const roomState = this.roomStates.get(name);
		if (!roomState || this.roomStates.size < 2) return;
		roomState.room.leave();
		roomState.read.store();
		this.roomStates.delete(name);
		this.#storeRooms(name);
		if (roomState === this.current) this.current = [...this.roomStates.values()][0];
		this.changed();
	}

	/** @param {string} text @param {SayOptions} [kind] */
	say(text, kind) {
		this.current.resume();
		return this.current.room.say(text, kind);
	}

	/** Says something to screen readers. key: a later text with the same key replaces it @param {RoomState} roomState @param {string} key @param {() => string} text */
	announce(roomState, key, text) {
		this.emit("announce", roomState, key, text);
	}

	/** Writes a mention into the message box. @param {string} name */
	mention(name) {
		this.emit("insert", `@${name} `);
	}

	/** Hides somebody for this reader alone. @param {Person} person */
	hide(person) {
		this.hidden.hide(person);
		this.current.revealed.clear();
		this.changed();
	}

	/** @param {Person} person */
	unhide(person) {
		this.hidden.show(person);
		this.changed();
	}

	/** @param {Sent} sent */
	#sentChanged(sent) {
		const roomState = this.roomStates.get(sent.room);
		if (roomState && sent.state !== "saved") {
			if (!this.client.outbox.includes(sent)) roomState.sent = roomState.sent.filter((s) => s !== sent);
			else if (!roomState.sent.includes(sent)) roomState.sent.push(sent);
		}
		if (sent.state === "saved") clock.ahead = Date.now() - Date.parse(sent.at);
		if (roomState && sent.state === "failed" && sent.isMessage && sent.why?.rule && sent.why.code !== "held") roomState.takeBack(sent);
		if (roomState && sent.isChange && sent.state === "saved") {
			roomState.refresh();
			this.dropHits(sent.room, [[sent.of, sent.of]], sent.deletes ? null : sent.text);
		}
		if (roomState && sent.isChange && (sent.state === "saved" || sent.state === "failed") && this.client.outbox.includes(sent) === (sent.state === "failed")) this.emit("settled", roomState, sent);
		perTab.set("unsaid", this.client.pending);
		this.changed();
	}

	/**
	 * Messages were edited, or deleted if text is null: results of a search show the new text, or go.
	 * @param {string} room @param {[number, number][]} ranges @param {string|null} text
	 */
	dropHits(room, ranges, text) {
		for (const { search } of this.roomStates.values()) {
			if (!search.found) continue;
			const is = (/** @type {import("./ramai/protocol.js").Hit} */ hit) => hit.room === room && ranges.some(([from, to]) => from <= hit.n && hit.n <= to);
			const current = (/** @type {import("./ramai/protocol.js").Hit[]} */ hits) => hits.filter((hit) => text !== null || !is(hit)).map((hit) => (is(hit) ? { ...hit, snippet: String(text).slice(0, 200), marks: [] } : hit));
			search.found = { ...search.found, hits: current(search.found.hits), readers: search.found.readers?.map((r) => ({ ...r, waiting: current(r.waiting) })) };
		}
		this.emit("replaced", room, ranges, text);
	}
}
