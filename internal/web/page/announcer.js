// New messages, for screen readers. Of many at once, only the number is read out.
import { Component, html } from "./html.js";
import { plural, t } from "./i18n.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

const EVERY = 500; // ms
const READ_OUT = 3; // messages; of more, only the number
const LENGTH = 300; // characters of a message
const KEPT_LINES = 10; // lines

/** @extends {Component<{model: Model}, {lines: {id: number, text: string}[]}>} */
export class Announcer extends Component {
	state = { lines: /** @type {{id: number, text: string}[]} */ ([]) };
	/** @type {Message[]} */
	#pending = [];
	#count = 0; // of the pending messages and those that are too many
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#timer;
	#nextId = 1;

	componentDidMount() {
		this.props.model.on("arrived", (/** @type {RoomState} */ roomState, /** @type {Message[]} */ messages) => {
			if (roomState === this.props.model.current) this.#add(messages);
		});
	}

	/** @param {Message[]} messages */
	#add(messages) {
		this.#count += messages.length;
		if (this.#count <= READ_OUT) this.#pending.push(...messages);
		this.#timer ??= setTimeout(() => {
			const texts = this.#count > READ_OUT ? [plural(t.newMessages, this.#count)] : this.#pending.map((m) => t.says(displayName(m), m.text.slice(0, LENGTH)));
			this.#pending = [];
			this.#count = 0;
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
