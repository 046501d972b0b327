// Decides which transport to use: a WebSocket, or HTTP where WebSockets are blocked. It only counts successes and failures.

const SOCKET_AGAIN = 60_000; // ms over HTTP until a WebSocket is tried again
const SOCKET_FAILURES = 2; // in a row, until HTTP is used

export class TransportChoice {
	#how;
	#trying = false; // a WebSocket that has not received an answer yet
	#failures = 0; // in a row
	#tried = 0; // the last attempt with a WebSocket, by Date.now()
	#reachedOverHTTP = false; // since the last WebSocket that worked

	/** @param {"auto"|"socket"|"http"} how */
	constructor(how) {
		this.#how = how;
	}

	/** Whether the next connection is over HTTP. */
	get http() {
		return this.#how === "http" || (this.#how === "auto" && this.#failures >= SOCKET_FAILURES && !this.#due);
	}

	/** Whether a connection over HTTP should be replaced, because WebSockets may work again. */
	get upgrade() {
		return this.#how === "auto" && this.#due;
	}

	get #due() {
		return Date.now() - this.#tried > SOCKET_AGAIN;
	}

	socketBegins() {
		this.#tried = Date.now();
		this.#trying = true;
	}

	socketWorks() {
		this.#trying = false;
		[this.#failures, this.#reachedOverHTTP] = [0, false];
	}

	/** A connection has ended, of either transport. */
	ended() {
		if (this.#trying) this.#failures++;
		this.#trying = false;
	}

	/** The server cannot be reached at all, which says nothing about WebSockets. */
	noServer() {
		[this.#failures, this.#reachedOverHTTP] = [0, false];
	}

	/**
	 * The server was reached over HTTP. Returns whether to stay there: the first time, the server may just have come back, and
	 * a WebSocket is tried once more.
	 */
	reachedOverHTTP() {
		if (this.#how !== "auto" || this.#reachedOverHTTP) return true;
		[this.#reachedOverHTTP, this.#failures] = [true, SOCKET_FAILURES - 1];
		return false;
	}
}
