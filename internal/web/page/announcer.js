// Announces new messages to screen readers. If there are many at once, only their number is read out.
import { Component, html } from "./html.js";
import { beginning } from "./changes.js";
import { settledText } from "./changing.js";
import { plural, t } from "./i18n.js";
import { displayName } from "./people.js";
import { settingText } from "./roombar.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/outbox.js").Sent} Sent
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const EVERY = 500; // ms
const READ_OUT = 3; // messages; beyond that, only the number is read out
const LENGTH = 300; // characters of a message
const KEPT_LINES = 10; // lines

/** @extends {Component<{model: Model}, {lines: {id: number, text: string}[]}>} */
export class Announcer extends Component {
	state = { lines: /** @type {{id: number, text: string}[]} */ ([]) };
	/** @type {Message[]} */
	#pending = [];
	#count = 0; // of the pending messages and those that are too many
	/** @type {RoomState|null} */
	#room = null;
	/** @type {Map<number|string, () => string>} announcements of edits and deletions, by message */
	#changes = new Map();
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#timer;
	#nextId = 1;

	componentDidMount() {
		this.props.model.on("arrived", (/** @type {RoomState} */ roomState, /** @type {Message[]} */ messages) => {
			if (roomState === this.props.model.current) this.#add(roomState, messages);
		});
		this.props.model.on("edited", (/** @type {RoomState} */ roomState, /** @type {Message[]} */ messages) => {
			if (roomState !== this.props.model.current) return;
			for (const { n } of messages) this.#changes.set(n, () => changeText(roomState, n));
			if (messages.length > 0) this.#soon();
		});
		this.props.model.on("settled", (/** @type {RoomState} */ roomState, /** @type {Sent} */ sent) => {
			if (roomState !== this.props.model.current) return;
			this.#changes.set(sent.id, () => settledText(roomState, sent));
			this.#soon();
		});
		this.props.model.on("announce", (/** @type {RoomState} */ roomState, /** @type {string} */ key, /** @type {() => string} */ text) => {
			if (roomState !== this.props.model.current) return;
			this.#changes.set(key, text);
			this.#soon();
		});
		this.props.model.on("setting", (/** @type {RoomState} */ roomState, /** @type {any} */ f) => this.props.model.announce(roomState, f.key, () => settingText(roomState, f)));
		this.props.model.on("write", (/** @type {RoomState} */ { box: { writing } }) => {
			if (!writing) return;
			this.#changes.set("writing", () => `${writing.kind === "edit" ? t.editing : t.replyingTo(displayName(writing.m))} ${beginning(writing.m.text)}`);
			this.#soon();
		});
	}

	/** @param {RoomState} roomState @param {Message[]} messages */
	#add(roomState, messages) {
		this.#room = roomState;
		this.#count += messages.length;
		if (this.#count <= READ_OUT) this.#pending.push(...messages);
		this.#soon();
	}

	/** The texts to read out. */
	#texts() {
		const messages = this.#pending.map((m) => this.#room?.currentForm(m) ?? m).filter((m) => !m.gone);
		for (const m of this.#pending) this.#changes.delete(m.n); // its present text is read out
		const texts = this.#count > READ_OUT ? [plural(t.newMessages, this.#count)] : messages.map((m) => t.says(displayName(m), m.text.slice(0, LENGTH)));
		const changes = [...this.#changes.values()].map((text) => text()).filter(Boolean);
		return [...texts, ...(changes.length > READ_OUT ? [t.manyChanges] : changes)];
	}

	#soon() {
		this.#timer ??= setTimeout(() => {
			const texts = this.#texts();
			this.#pending = [];
			this.#count = 0;
			this.#changes.clear();
			this.#timer = undefined;
			const lines = texts.map((text) => ({ id: this.#nextId++, text }));
			this.setState({ lines: [...this.state.lines, ...lines].slice(-KEPT_LINES) });
		}, EVERY);
	}

	shouldComponentUpdate(/** @type {any} */ _, /** @type {Announcer["state"]} */ next) {
		return next.lines !== this.state.lines;
	}

	render() {
		return html`<div class="announcer" role="log" aria-live="polite" aria-relevant="additions">${this.state.lines.map((l) => html`<p key=${l.id}>${l.text}</p>`)}</div>`;
	}
}

/** @param {RoomState} roomState @param {number} n */
function changeText(roomState, n) {
	const m = roomState.room.replica.get(n);
	if (!m) return "";
	return m.gone ? t.saysDeleted(displayName(m)) : t.saysEdited(displayName(m), m.text.slice(0, LENGTH));
}
