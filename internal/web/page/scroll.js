// The only code that sets the scroll position of the log. It keeps either the end in view or one message where it is on
// screen, whatever is added or removed above and below, and whatever its final height is.

const NEAR = 24; // px from the end that count as the end

export class Scroller {
	/** @type {{n: number, top: number}|null} the message that is held, and where; null: the end is */
	anchor = null;
	#expected = -1; // the position that was set here, not by a person
	/** @type {HTMLElement} */
	#log;
	/** @type {() => void} */
	#scrolledByPerson;

	/** @param {HTMLElement} log scrolls; its messages have data-n @param {() => void} scrolledByPerson */
	constructor(log, scrolledByPerson) {
		this.#log = log;
		this.#scrolledByPerson = scrolledByPerson;
		log.addEventListener("scroll", this.#scrolled, { passive: true });
		this.observer = new ResizeObserver(() => this.hold());
		this.observer.observe(log);
		if (log.firstElementChild) this.observer.observe(log.firstElementChild);
	}

	close() {
		this.#log.removeEventListener("scroll", this.#scrolled);
		this.observer.disconnect();
	}

	/** Restores the position. To be called whenever the log has changed. */
	hold() {
		const moved = this.#log.scrollTop - this.#expected;
		if (this.#expected < 0 || Math.abs(moved) < 1 || this.#distanceToEnd < 1) { // at the end, the browser may have moved it: the log got shorter
			this.#apply();
		} else if (this.anchor) { // a person has scrolled, and the event is still to come
			this.anchor.top -= moved;
			this.#apply();
			this.#anchorInView();
			this.#scrolledByPerson();
		} else {
			this.#scrolled();
		}
	}

	#apply() {
		const log = this.#log;
		if (!this.anchor) {
			this.#set(log.scrollHeight - log.clientHeight);
			return;
		}
		const el = this.row(this.anchor.n);
		if (el) this.#set(log.scrollTop + this.#top(el) - this.anchor.top);
	}

	/** Scrolls to the end and stays there. */
	toEnd() {
		this.anchor = null;
		this.#apply();
	}

	/** Scrolls to a message and keeps it in the upper third. Returns false if it is not in the log. @param {number} n */
	to(n) {
		if (!this.row(n)) return false;
		this.anchor = { n, top: this.#log.clientHeight / 3 };
		this.#apply();
		return true;
	}

	/** Holds the end instead of a message if the end is in view. */
	holdEndIfNear() {
		if (this.#distanceToEnd < NEAR) this.anchor = null;
	}

	get #distanceToEnd() {
		return this.#log.scrollHeight - this.#log.clientHeight - this.#log.scrollTop;
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
		if (Math.abs(log.scrollTop - this.#expected) < 1) return;
		this.#expected = log.scrollTop;
		this.#anchorInView();
		this.#scrolledByPerson();
	};

	/** Holds what is in view now. */
	#anchorInView() {
		if (this.#distanceToEnd < NEAR) {
			this.anchor = null;
			return;
		}
		const { first, element } = this.inView();
		if (element) this.anchor = { n: first, top: this.#top(element) };
	}
}
