// One WebSocket connection: the greeting, frames or plain text, and whether it is alive.

const PROTOCOL = "ramai.v1";
const SILENCE = 20_000; // ms without a frame until the server is pinged
const DEAD = 15_000; // ms after a ping until the connection counts as broken
const DEAD_AFTER_WAKE = 4_000; // the same after the device slept or changed its network
const DEAD_OFFLINE = 500; // the same after the device lost its network: only a server on the device itself answers
const FRESH = 2_000; // ms after a frame in which waking up needs no ping

/** The first frame of a server that speaks ramai.v1. */
const GREETINGS = new Set(["welcome", "restarting", "error"]);

/**
 * @typedef {object} SocketHandlers
 * @property {(frame: any) => void} greeted the first welcome: from now on, frames can be sent
 * @property {(frame: any) => void} frame every other frame
 * @property {(line: string) => void} plain the first frame of a server that speaks only the plain protocol
 * @property {(line: string) => void} line what else that server sends
 * @property {() => void} closed
 */

export class SocketConnection {
	#socket;
	#plain = false;
	#greeted = false;
	#lastReceived = Date.now();
	#answerBy = 0; // when a ping must be answered; 0: there is none
	#closed = false;

	/** @param {URL} base @param {SocketHandlers} handlers */
	constructor(base, handlers) {
		const url = new URL("/", base);
		url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
		this.#socket = new WebSocket(url, PROTOCOL);
		this.#socket.onmessage = (event) => {
			if (this.#closed) return;
			this.#lastReceived = Date.now();
			this.#answerBy = 0;
			this.#receive(event.data, handlers);
		};
		this.#socket.onclose = () => {
			if (!this.#closed) handlers.closed();
		};
	}

	/** @param {string} data @param {SocketHandlers} handlers */
	#receive(data, handlers) {
		if (this.#plain) {
			handlers.line(data);
			return;
		}
		let frame;
		try {
			frame = JSON.parse(data);
		} catch {}
		if (this.#greeted) {
			if (frame) handlers.frame(frame);
		} else if (!GREETINGS.has(frame?.type)) {
			this.#plain = true;
			handlers.plain(data);
		} else if (frame.type === "welcome") {
			this.#greeted = true;
			handlers.greeted(frame);
		} else {
			handlers.frame(frame);
		}
	}

	/** Sends a frame of ramai.v1. Nothing is sent before the greeting: a plain server would show it to everyone. @param {object} frame */
	send(frame) {
		return this.#greeted && this.#write(JSON.stringify(frame));
	}

	/** Sends a text to a plain server. @param {string} text */
	sendPlain(text) {
		return this.#plain && this.#write(text);
	}

	/** @param {string} data */
	#write(data) {
		if (this.#socket.readyState !== WebSocket.OPEN) return false;
		this.#socket.send(data);
		return true;
	}

	/** To be called once a second. Returns false if the connection is dead. */
	checkAlive() {
		if (this.#plain) return true; // it does not answer pings
		const now = Date.now();
		if (this.#answerBy) return now <= this.#answerBy;
		if (now - this.#lastReceived > SILENCE) this.#ping(DEAD);
		return true;
	}

	/** The device woke up, or has another network: find out soon whether the connection survived. */
	wake() {
		if (!this.#plain && !this.#answerBy && Date.now() - this.#lastReceived > FRESH) this.#ping(DEAD_AFTER_WAKE);
	}

	/** @param {number} within ms */
	#ping(within) {
		this.#answerBy = Date.now() + within;
		this.send({ type: "ping", id: "1" });
	}

	/** The device lost its network. @param {() => void} dead called soon if the connection did not survive */
	offline(dead) {
		if (this.#plain) return;
		this.#ping(DEAD_OFFLINE);
		setTimeout(() => {
			if (!this.#closed && this.#answerBy) dead();
		}, DEAD_OFFLINE);
	}

	close() {
		this.#closed = true;
		this.#socket.close();
	}
}
