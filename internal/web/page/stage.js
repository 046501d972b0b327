// The page for a projector: what is on the stage of a room, in large letters, and nothing else.
import { QRCode } from "./dialogs.js";
import { Component, html } from "./html.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { linkTo } from "./invite.js";
import { displayName } from "./people.js";
import { Poll, Upvotes } from "./polls.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/replica.js").ShownMessage} Message
 */

const OPTION_LENGTH = 30; // characters for which a short option of a poll counts: it takes a line

/** @extends {Component<{model: Model}, {}>} */
export class Stage extends Component {
	#stop = () => {};

	componentDidMount() {
		this.#stop = this.props.model.on("change", () => this.setState({}));
	}

	componentWillUnmount() {
		this.#stop();
	}

	/** How large the letters are, so that a message fills the screen and no more. @param {Message} m */
	#size({ text, options = [] }) {
		const length = text.length + options.reduce((sum, option) => sum + Math.max(OPTION_LENGTH, option.length), 0);
		return length < 60 ? "huge" : length < 200 ? "big" : length < 600 ? "medium" : "small";
	}

	/** @param {Message} m */
	#message(m) {
		const { current } = this.props.model;
		return html`<article class=${`on-stage ${this.#size(m)}`} key=${m.n} aria-live="polite">
			<h1 class="label">${t.onStage}</h1><p class="stage-by"><bdi>${displayName(m)}</bdi></p>
			<p class="stage-text" dir="auto">${m.text}</p>
			${m.as === "poll" && html`<${Poll} roomState=${current} m=${m} inert />`}
			${m.as === "question" && html`<p class="stage-state"><${Upvotes} roomState=${current} m=${m} inert />${m.status === "answered" && html`<span class="tag good">${icon("check")} ${t.answered}</span>`}</p>`}
		</article>`;
	}

	/** @param {{model: Model}} props */
	render({ model }) {
		const { current, client } = model;
		const { stage, topic } = current;
		const m = stage > 0 ? current.quotes.get(stage) : null;
		const { link, onlyHere } = linkTo(current.name);
		const shown = m && !m.gone;
		document.title = `${current.name} · ${t.stage}`;
		return html`<main class="stage">
			${shown ? this.#message(current.shown(m.n) ?? m) : current.room.log && m !== undefined && html`<div class="on-stage empty-stage"><h1>${current.name}</h1><p class="stage-text">${topic || t.stageEmpty}</p><p class="stage-link">${link.replace(/^https?:\/\//, "")}</p>${!onlyHere && html`<${QRCode} link=${link} />`}</div>`}
			<footer><span>${link.replace(/^https?:\/\//, "")}</span>${client.state !== "live" && html`<span class="stage-offline" role="status">${t.offline}</span>`}</footer>
		</main>`;
	}
}
