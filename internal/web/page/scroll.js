// The one owner of the scroll position of the log. It holds either the end in view, or a message where it is on the
// screen, whatever comes or goes above and below, and however high things turn out to be.

const NEAR = 24; // px from the end that count as the end

export class Scroller {
	/** @type {{n: number, top: number}|null} the message that is held, and where; null: the end is */
	anchor = null;
	#expected = -1; // the position that we set ourselves
	/** @type {HTMLElement} */
	#log;
	/** @type {() => void} */
	#moved;

	/** @param {HTMLElement} log what scrolls; messages in it have data-n @param {() => void} moved hears of what a person scrolled */
	constructor(log, moved) {
		this.#log = log;
		this.#moved = moved;
		log.addEventListener("scroll", this.#scrolled, { passive: true });
		this.observer = new ResizeObserver(() => this.hold());
		this.observer.observe(log);
		if (log.firstElementChild) this.observer.observe(log.firstElementChild);
	}

	close() {
		this.#log.removeEventListener("scroll", this.#scrolled);
		this.observer.disconnect();
	}

	/** Puts back in place what is held. To be called whenever the log has changed. */
	hold() {
		const log = this.#log;
		if (!this.anchor) {
			this.#set(log.scrollHeight - log.clientHeight);
			return;
		}
		const el = this.row(this.anchor.n);
		if (el) this.#set(log.scrollTop + this.#top(el) - this.anchor.top);
	}

	/** Holds the end. */
	toEnd() {
		this.anchor = null;
		this.hold();
	}

	/** Holds a message, in the upper third. False: it is not there. @param {number} n */
	to(n) {
		if (!this.row(n)) return false;
		this.anchor = { n, top: this.#log.clientHeight / 3 };
		this.hold();
		return true;
	}

	/** Holds the end instead, if it is in view. */
	settle() {
		if (this.#nearEnd) this.anchor = null;
	}

	get #nearEnd() {
		return this.#log.scrollHeight - this.#log.clientHeight - this.#log.scrollTop < NEAR;
	}

	/** @param {number} n @returns {HTMLElement|null} */
	row(n) {
		return this.#log.querySelector(`[data-n="${n}"]`);
	}

	/** The first and last message in view. */
	inView() {
		const rows = this.#log.querySelectorAll("[data-n]");
		const height = this.#log.clientHeight;
		let [low, high] = [0, rows.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.#bottom(rows[middle]) <= 0) low = middle + 1;
			else high = middle;
		}
		let last = low;
		while (last + 1 < rows.length && this.#bottom(rows[last + 1]) <= height + 4) last++;
		const n = (/** @type {Element|undefined} */ el) => Number(/** @type {HTMLElement|undefined} */ (el)?.dataset.n ?? 0);
		return { first: n(rows[low]), last: n(rows[last]), element: rows[low] };
	}

	/** @param {Element} el */
	#top(el) {
		return el.getBoundingClientRect().top - this.#log.getBoundingClientRect().top;
	}

	/** @param {Element} el */
	#bottom(el) {
		return el.getBoundingClientRect().bottom - this.#log.getBoundingClientRect().top;
	}

	/** @param {number} position */
	#set(position) {
		if (Math.abs(this.#log.scrollTop - position) >= 1) this.#log.scrollTop = position;
		this.#expected = this.#log.scrollTop;
	}

	#scrolled = () => {
		const log = this.#log;
		if (Math.abs(log.scrollTop - this.#expected) < 1) return; // our own
		this.#expected = log.scrollTop;
		if (this.#nearEnd) {
			this.anchor = null;
		} else {
			const { first, element } = this.inView();
			if (element) this.anchor = { n: first, top: this.#top(element) };
		}
		this.#moved();
	};
}
