// Sets of numbers. client/ranges.go is the same in Go.

/**
 * The numbers from the first to the second, both included.
 * @typedef {[number, number]} Range
 */

/** A set of numbers: ascending ranges that do not touch each other. */
export class Ranges {
	/** @type {Range[]} */
	list = [];

	/** The index of the first range that ends at n or later. @param {number} n */
	#find(n) {
		let [low, high] = [0, this.list.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.list[middle][1] < n) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	/** @param {number} from @param {number} to */
	add(from, to) {
		if (from > to) return;
		const i = this.#find(from - 1); // a range that ends right before from becomes part of the new one
		let j = i;
		for (; j < this.list.length && this.list[j][0] - 1 <= to; j++) {
			[from, to] = [Math.min(from, this.list[j][0]), Math.max(to, this.list[j][1])];
		}
		this.list.splice(i, j - i, [from, to]);
	}

	/** @param {number} from @param {number} to */
	remove(from, to) {
		if (from > to) return;
		const i = this.#find(from);
		let j = i;
		/** @type {Range[]} */
		const rest = [];
		for (; j < this.list.length && this.list[j][0] <= to; j++) {
			const [f, t] = this.list[j];
			if (f < from) rest.push([f, from - 1]);
			if (t > to) rest.push([to + 1, t]);
		}
		this.list.splice(i, j - i, ...rest);
	}

	/** The ranges between two numbers, both included, that are not in the set. @param {number} from @param {number} to */
	missing(from, to) {
		/** @type {Range[]} */
		const gaps = [];
		for (let i = this.#find(from); i < this.list.length && this.list[i][0] <= to && from <= to; i++) {
			const [f, t] = this.list[i];
			if (f > from) gaps.push([from, f - 1]);
			from = t + 1;
		}
		if (from <= to) gaps.push([from, to]);
		return gaps;
	}
}
