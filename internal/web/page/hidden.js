// The people whom the reader has hidden, in this browser only. Their messages stay in the room, folded.
import { shared } from "./storage.js";

/** by: the sender; empty if only the name is known @typedef {{by: string, from: string}} Person */

export class HiddenPeople {
	/** @type {Person[]} */
	list = [];
	version = 0; // changes with the list

	constructor() {
		this.reload();
	}

	/** Another tab may have changed the list. */
	reload() {
		const stored = shared.get("hidden", []);
		this.list = Array.isArray(stored) ? stored : [];
		this.version++;
	}

	/** @param {Person} person */
	has(person) {
		return this.list.some((hidden) => isSame(hidden, person));
	}

	/** @param {Person} person */
	hide({ by, from }) {
		if (!this.has({ by, from })) this.#store([...this.list, { by, from }]);
	}

	/** @param {Person} person */
	show(person) {
		this.#store(this.list.filter((hidden) => !isSame(hidden, person)));
	}

	/** @param {Person[]} list */
	#store(list) {
		this.list = list;
		this.version++;
		shared.set("hidden", list);
	}
}

/** Whether two are the same sender, or the same name. @param {Person} a @param {Person} b */
const isSame = (a, b) => (a.by !== "" && a.by === b.by) || (a.from !== "" && a.from === b.from);
