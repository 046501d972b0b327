// The message box. It grows with the text, and completes names and emoji.
import { focusBox, touchScreen } from "./focus.js";
import { Component, html } from "./html.js";
import { icon } from "./icons.js";
import { Later, lazy, loadLater } from "./lazy.js";
import { displayName, findNames, LARGE_ROOM } from "./people.js";
import { textSize } from "./ramai/protocol.js";
import { pieces } from "./text.js";
import { byName, plural, t } from "./i18n.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {{label: string, insert: string}} Choice
 */

const LONG_LINES = 20; // a longer paste, or one that does not fit into a message, needs confirmation
const CHOICES = 8;

/**
 * @typedef {object} ComposerProps
 * @property {Model} model
 * @property {RoomState} roomState
 * @property {(text: string, kind?: import("./model.js").SayOptions) => void} say
 * @property {(roomState: RoomState, n: number) => void} jump shows a message
 * @property {(n: number) => void} backTo gives the focus back to a message
 * @property {() => void} noFiles a file was pasted
 * @property {(lines: number, bytes: number, count: number, fits: boolean) => Promise<"one"|"many"|"">} ask about a long paste
 */

/** @extends {Component<ComposerProps, {text: string, choices: Choice[], chosen: number, from: number, picking: boolean}>} */
export class Composer extends Component {
	state = { text: this.props.roomState.box.text, choices: /** @type {Choice[]} */ ([]), chosen: 0, from: 0, picking: false };
	/** @type {HTMLTextAreaElement|null} */
	box = null;
	#stopListening = () => {};

	componentDidMount() {
		this.#fit();
		addEventListener("resize", this.#fit);
		const { model } = this.props;
		const stop = [model.on("insert", this.#insertWord), model.on("write", this.#write)];
		this.#stopListening = () => stop.forEach((f) => f());
		focusBox();
	}

	/** @param {ComposerProps} before @param {Composer["state"]} was */
	componentDidUpdate(before, was) {
		if (before.roomState !== this.props.roomState) this.#set(this.props.roomState.box.text);
		if (was.text !== this.state.text) this.#fit();
	}

	componentWillUnmount() {
		removeEventListener("resize", this.#fit);
		this.#stopListening();
	}

	#fit = () => {
		const box = this.box;
		if (!box) return;
		box.style.height = "auto";
		box.style.height = `${box.scrollHeight}px`;
	};

	/** @param {string} text @param {number} [caret] */
	#set(text, caret = text.length) {
		this.props.roomState.box.setText(text);
		this.setState({ text, choices: [] }, () => this.box?.setSelectionRange(caret, caret));
	}

	get over() {
		return textSize(this.state.text) - this.props.model.client.limits.text;
	}

	#send() {
		const text = this.state.text.replace(/\s+$/, "");
		const { roomState, say } = this.props;
		if (!text || this.over > 0 || lazy.parts?.silenceOf(roomState)) return;
		const { writing } = roomState.box;
		if (writing?.kind === "edit") {
			if (text !== writing.m.text) roomState.edit(writing.m, text);
			roomState.box.write(null);
			return;
		}
		this.#set("");
		roomState.box.writing = null;
		say(text, { re: writing?.m.n });
		this.box?.focus();
	}

	/** The reader begins to write something else. */
	#write = (/** @type {RoomState} */ roomState) => {
		if (roomState !== this.props.roomState) return;
		this.#set(roomState.box.text);
		this.box?.focus();
	};

	#endWriting = () => {
		const { roomState, backTo } = this.props;
		const { writing } = roomState.box;
		roomState.box.write(null);
		if (writing?.focused) backTo(writing.m.n);
	};

	#input = () => {
		const box = this.box;
		if (!box) return;
		this.props.roomState.box.setText(box.value);
		this.setState({ text: box.value });
		if (box.value && this.props.roomState.box.writing?.kind !== "edit") this.props.roomState.room.typing();
		this.#offer(box.value, box.selectionStart);
	};

	/** Offers completions of the word before the caret. @param {string} text @param {number} caret */
	async #offer(text, caret) {
		const word = /(?:^|[\s(])([:@])([\p{L}\p{N}\p{M}_+-]*(?: [\p{L}\p{N}]*)?)$/u.exec(text.slice(0, caret));
		if (!word) {
			if (this.state.choices.length) this.setState({ choices: [] });
			return;
		}
		const [, trigger, typed] = word;
		const from = caret - typed.length - 1;
		const start = typed.toLowerCase();
		/** @type {Choice[]} */
		let choices = [];
		if (trigger === "@") {
			const known = this.#names().filter((n) => n.toLowerCase().startsWith(start));
			const offer = (/** @type {string[]} */ names) => names.slice(0, CHOICES).map((n) => ({ label: n, insert: `@${n} ` }));
			choices = offer(known);
			const { room } = this.props.roomState;
			if (start && known.length < CHOICES && room.count > LARGE_ROOM) {
				this.setState({ choices, chosen: 0, from });
				const { names } = await findNames(room, typed, CHOICES).catch(() => ({ names: [] }));
				if (this.box?.value !== text) return; // more was typed meanwhile
				choices = offer([...new Set([...known, ...names.filter((n) => n !== this.props.model.client.name)])]);
			}
		} else if (start.length > 1 && !start.includes(" ")) {
			const list = await loadLater().then((parts) => parts.loadEmoji()).catch(() => []);
			if (this.box?.value !== text) return; // more was typed meanwhile
			const rank = (/** @type {string[]} */ names) => (names.some((n) => n.startsWith(start)) ? 0 : names.some((n) => n.includes(start)) ? 1 : 2);
			choices = list.filter((e) => rank(e.names) < 2).sort((a, b) => rank(a.names) - rank(b.names))
				.map((e) => ({ label: `${e.emoji} ${e.names.find((n) => n.includes(start))}`, insert: e.emoji + " " }));
		}
		this.setState({ choices: choices.slice(0, CHOICES), chosen: 0, from });
	}

	/** Names to complete: recent senders first, then the others who are here. */
	#names() {
		const { roomState, model } = this.props;
		const names = new Set([...roomState.speakers(50), ...[...roomState.room.names].sort(byName)]);
		names.delete(model.client.name);
		return [...names];
	}

	/** @param {Choice} choice */
	#complete(choice) {
		const { text, from } = this.state;
		const caret = this.box?.selectionStart ?? text.length;
		this.#set(text.slice(0, from) + choice.insert + text.slice(caret), from + choice.insert.length);
		this.box?.focus();
	}

	/** Writes something at the caret. @param {string} what */
	#insert(what) {
		const [start, end] = [this.box?.selectionStart ?? 0, this.box?.selectionEnd ?? 0];
		const { text } = this.state;
		this.#set(text.slice(0, start) + what + text.slice(end), start + what.length);
		this.box?.focus();
	}

	#insertWord = (/** @type {string} */ word) => {
		const before = this.state.text.slice(0, this.box?.selectionStart ?? 0);
		this.#insert((/\S$/.test(before) ? " " : "") + word);
	};

	#pick = (/** @type {string} */ emoji) => {
		this.setState({ picking: false });
		this.#insert(emoji);
	};

	#closePicker = () => {
		this.setState({ picking: false });
		focusBox();
	};

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		if (event.isComposing || event.keyCode === 229) return; // the input method handles it
		const { choices, chosen } = this.state;
		if (choices.length > 0) {
			const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
			if (step) {
				event.preventDefault();
				this.setState({ chosen: (chosen + step + choices.length) % choices.length });
				return;
			}
			if (event.key === "Escape") {
				event.preventDefault();
				this.setState({ choices: [] });
				return;
			}
			if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) {
				event.preventDefault();
				this.#complete(choices[chosen]);
				return;
			}
		}
		if (event.key === "Enter" && !touchScreen.matches && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
			event.preventDefault();
			this.#send();
		} else if (event.key === "Escape" && this.props.roomState.box.writing) {
			event.preventDefault();
			event.stopPropagation(); // the focus may go back to the log, which Escape leaves
			this.#endWriting();
		} else if (event.key === "ArrowUp" && !this.state.text && !event.altKey && !this.props.roomState.box.writing && this.#editLast()) {
			event.preventDefault();
		}
	};

	/** Begins to edit the last message: takes it back if it was not sent. Returns false if there is none. */
	#editLast() {
		const { roomState, model: { client } } = this.props;
		const unsent = roomState.sent.findLast((s) => s.state !== "saved" && s.isMessage);
		if (unsent && client.withdraw(unsent)) {
			const re = unsent.re > 0 && roomState.room.replica.get(unsent.re);
			if (re) roomState.box.startReply(re);
			this.#set(unsent.text);
			return true;
		}
		const last = unsent?.state === "failed" || (unsent && client.via === "plain") ? undefined : unsent ?? roomState.lastOwn;
		if (last) roomState.box.startEdit(last);
		return last !== undefined;
	}

	/** @param {ClipboardEvent} event */
	#paste = async (event) => {
		const { roomState, model, ask, say, noFiles } = this.props;
		if (event.clipboardData?.files.length && !event.clipboardData.types.includes("text/plain")) {
			event.preventDefault();
			return noFiles();
		}
		const text = (event.clipboardData?.getData("text/plain") ?? "").replace(/\r\n?/g, "\n").replace(/\n$/, "");
		const limit = model.client.limits.text;
		const lines = text.split("\n").length;
		const bytes = textSize(text);
		const fits = bytes + textSize(this.state.text) <= limit;
		if (fits && lines <= LONG_LINES) return;
		event.preventDefault();
		const [start, end] = [this.box?.selectionStart ?? 0, this.box?.selectionEnd ?? 0];
		const many = pieces(text, limit);
		const how = await ask(lines, bytes, many.length, fits);
		const now = this.state.text;
		if (how === "one") this.#set(now.slice(0, start) + text + now.slice(end), start + text.length);
		if (how === "many" && roomState === this.props.roomState) for (const piece of many) say(piece, { re: piece === many[0] && roomState.box.writing?.kind === "reply" ? roomState.box.writing.m.n : undefined });
		this.box?.focus();
	};

	/** @param {ComposerProps} props */
	render({ roomState, jump }) {
		const { text, choices, chosen, picking } = this.state;
		const over = this.over;
		const label = roomState.box.writing?.kind === "edit" ? t.editBox : roomState.box.writing ? t.replyingTo(displayName(roomState.box.writing.m)) : t.writeTo(roomState.name);
		const silence = lazy.parts?.silenceOf(roomState) ?? null;
		return html`<form class=${lazy.parts?.closesBox(silence) ? "composer closed" : "composer"} onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); this.#send(); }}>
			${choices.length > 0 && html`<ul class="choices" id="choices" role="listbox" aria-label=${t.suggestions}>
				${choices.map((c, i) => html`<li key=${c.insert} id=${`choice${i}`} role="option" aria-selected=${i === chosen ? "true" : "false"}
					onMouseDown=${(/** @type {Event} */ e) => { e.preventDefault(); this.#complete(c); }}>${c.label}</li>`)}
			</ul>`}
			${silence && html`<${Later} part="Silence" silence=${silence} />`}
			<${Later} part="WritingBar" roomState=${roomState} jump=${(/** @type {number} */ n) => jump(roomState, n)} end=${this.#endWriting} />
			<textarea rows="1" dir="auto" value=${text} placeholder=${t.write} aria-label=${label} enterkeyhint=${touchScreen.matches ? "enter" : "send"} autocomplete="off"
				aria-haspopup="listbox" aria-autocomplete="list" aria-controls=${choices.length > 0 ? "choices" : undefined}
				aria-activedescendant=${choices.length > 0 ? `choice${chosen}` : undefined}
				ref=${(/** @type {HTMLTextAreaElement|null} */ el) => (this.box = el)}
				onInput=${this.#input} onKeyDown=${this.#key} onPaste=${this.#paste} onBlur=${() => this.setState({ choices: [] })} />
			${over > 0 && html`<span class="over" role="status">${plural(t.over, over)}</span>`}
			${roomState.knowsRecords && html`<${Later} part="AskButton" model=${this.props.model} />`}
			<button type="button" class="icon emoji" aria-label=${t.emoji} title=${t.emoji} aria-expanded=${picking ? "true" : "false"} onClick=${() => loadLater().then(() => this.setState({ picking: !picking }), () => {})}>${icon("emoji")}</button>
			${picking && lazy.parts && html`<${lazy.parts?.EmojiPicker} pick=${this.#pick} close=${this.#closePicker} />`}
			<button type="submit" class="send" aria-label=${t.send} title=${t.send} disabled=${!text.trim() || over > 0 || silence !== null}>
				<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12 20 4l-5 16-3.5-6.5z" /><path d="m11.5 13.5 8.5-9.5" /></svg>
			</button>
		</form>`;
	}
}
