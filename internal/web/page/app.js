// The entry point: the layout of the page, URLs, and keys.
import { updateTitle } from "./alerts.js";
import { Composer } from "./composer.js";
import { focusBox, keepFocus, redirect, touchScreen } from "./focus.js";
import { Component, html, render } from "./html.js";
import { errorText, loadError, number, plural, setLanguage, t } from "./i18n.js";
import { icon } from "./icons.js";
import { Later, lazy, loadLater, loadWhenIdle, withLater } from "./lazy.js";
import { Log } from "./log.js";
import { Model } from "./model.js";
import { NameCard } from "./namecard.js";
import { displayName } from "./people.js";
import { pathOf, roomOf } from "./ramai/protocol.js";
import { Sidebar } from "./sidebar.js";
import { Status } from "./status.js";
import { shared } from "./storage.js";

/**
 * @typedef {import("./menu.js").MenuItem} MenuItem
 * @typedef {import("./menu.js").QuickItem} QuickItem
 * @typedef {import("./message.js").Acting} Acting
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {"one"|"many"|""} PasteChoice
 * @typedef {"Ask"|"Devices"|"ModerationPart"|"Questions"|"ReactionPicker"|"Report"|"RoomAbout"} DialogPart a part of later.js that is a dialog
 * @typedef {{kind: "share"|"search"|"jump"|"settings"} | {kind: "menu", title: string, items: MenuItem[], quick?: QuickItem[], at: DOMRect} | {kind: "part", part: DialogPart, props?: object} | {kind: "paste", lines: number, bytes: number, count: number, fits: boolean, done: (choice: PasteChoice) => void}} OpenDialog
 */

const query = new URLSearchParams(location.search);
const embedded = query.has("embed");
const onStage = query.get("view") === "stage"; // the page is on a projector
const urlOf = (/** @type {string} */ room) => pathOf(room) + (embedded ? "?embed" : "");

const NOTICE = 2500; // ms that a notice is shown
const UNDO = 8000; // the same with a way to undo

/** @param {string} theme */
function setTheme(theme) {
	document.documentElement.dataset.theme = theme;
}

/** @extends {Component<{model: Model}, {dialog: OpenDialog|null, menu: boolean, naming: boolean, refused: string, target: number, error: unknown, notice: string, undo: (() => void)|null}>} */
class App extends Component {
	state = { dialog: /** @type {OpenDialog|null} */ (null), menu: false, naming: false, refused: "", target: 0, error: /** @type {unknown} */ (""), notice: "", undo: /** @type {(() => void)|null} */ (null) };
	/** @type {Log|null} */
	log = null;
	wish = shared.get("name") || t.guestName(randomOf(t.adjectives), randomOf(t.animals));
	#guest = false; // the card was closed without a choice: it comes back with the next visit
	#renaming = false; // the server has not answered
	#followed = false; // the URL that the page was opened with
	/** @type {ReturnType<typeof setTimeout>|undefined} */
	#noticeTimer;

	componentDidMount() {
		const { model } = this.props;
		model.on("change", () => this.setState({}));
		const alert = (/** @type {string} */ room, /** @type {Message} */ m) => withLater(({ notify }) => notify({ m: { ...m, room }, who: displayName(m), url: urlOf(room), opened: () => this.#open(room) }));
		model.on("replaced", (/** @type {string} */ room, /** @type {[number, number][]} */ ranges, /** @type {string|null} */ text) => withLater(({ replaceNotification }) => replaceNotification(room, ranges, text)));
		model.on("mention", (/** @type {RoomState} */ r, /** @type {Message} */ m) => r.notify === "mentions" && alert(r.name, m));
		model.on("jump", (/** @type {RoomState} */ r, /** @type {number} */ n) => this.#acting.jump(r, n));
		model.on("dialog", (/** @type {DialogPart} */ part, /** @type {object} */ props) => this.#openPart(part, props));
		model.on("problem", (/** @type {unknown} */ error) => this.setState({ error }));
		model.on("done", (/** @type {string} */ text, /** @type {() => void} */ undo) => document.querySelector(".last-done") ?? this.#notice(text, undo)); // a dialog shows it
		model.on("arrived", (/** @type {RoomState} */ r, /** @type {Message[]} */ messages) => r.notify === "all" && alert(r.name, messages[messages.length - 1]));
		model.client.on("refused", (error) => {
			if (!this.#renaming) return model.current.room.left ?? this.setState({ error });
			this.#renaming = false;
			const focus = () => /** @type {HTMLInputElement|null} */ (document.getElementById("name"))?.select();
			this.setState({ naming: true, refused: error.code === "bad_request" ? t.reasons.bad_name ?? errorText(error) : errorText(error) }, focus);
		});
		model.client.on("name", () => {
			noteVisitor();
			const named = document.activeElement?.id === "name" || document.activeElement?.closest(".name-form");
			this.#renaming = false;
			this.setState({ naming: false, refused: "", error: "" }, named ? () => focusBox(true) : undefined);
		});
		addEventListener("dragover", (event) => {
			if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); // or the browser would open the file instead of the page
		});
		addEventListener("drop", (event) => {
			if (!event.dataTransfer?.types.includes("Files")) return;
			event.preventDefault();
			this.#noFiles();
		});
		navigator.serviceWorker?.addEventListener("message", ({ data }) => this.#open(roomOf(new URL(data.open).pathname)));
		addEventListener("popstate", () => this.#follow());
		addEventListener("hashchange", () => this.#follow());
		addEventListener("keydown", this.#key);
		addEventListener("beforeunload", (event) => {
			if (model.client.outbox.some((s) => s.state !== "failed" && s.state !== "held")) event.preventDefault();
		});
		addEventListener("focus", () => model.changed());
		const viewport = window.visualViewport;
		viewport?.addEventListener("resize", () => { // an on-screen keyboard must not cover the last message
			document.documentElement.style.setProperty("--height", `${viewport.height}px`);
			this.log?.scroller?.hold();
		});
	}

	/** @param {unknown} _props @param {App["state"]} was */
	componentDidUpdate(_props, was) {
		const { model } = this.props;
		const inLog = (was.dialog?.kind === "menu" || was.dialog?.kind === "part") && document.activeElement?.matches(".log .time"); // reached by keyboard
		if (was.dialog && !this.state.dialog && !inLog) focusBox();
		keepFocus();
		const roomStates = [...model.roomStates.values()].filter((r) => r.notify !== "nothing");
		updateTitle(model.current.name, roomStates.reduce((n, r) => n + r.unread, 0), roomStates.some((r) => r.mentions.count > 0));
		if (!this.#followed && model.current.room.log) {
			this.#followed = true;
			loadWhenIdle();
			this.#follow();
		}
	}

	/** Shows the room and message of the URL. */
	#follow() {
		const { model } = this.props;
		if (!model.open(roomOf(location.pathname))) {
			this.#tooManyRooms();
			history.replaceState(null, "", urlOf(model.current.name));
		}
		takeInvite();
		const n = Number(/^#n(\d+)$/.exec(location.hash)?.[1] ?? 0);
		this.setState({ target: n, menu: false });
		if (n) requestAnimationFrame(() => this.log?.show(n));
	}

	#noFiles = () => this.setState({ error: t.noFiles });

	/** The reader has left the message that the URL points to. */
	#leaveTarget = () => {
		history.replaceState(null, "", urlOf(this.props.model.current.name));
		this.setState({ target: 0 });
	};

	#tooManyRooms() {
		this.setState({ menu: false, error: plural(t.roomsFull, this.props.model.client.limits.rooms) });
	}

	/** Opens or closes the menu of a narrow screen. @param {boolean} menu */
	#menu(menu) {
		this.setState({ menu }, () => /** @type {HTMLElement|null} */ (document.querySelector(menu ? ".side a" : ".header .menu"))?.focus());
	}

	/** @param {string} room @param {number} [n] a message in it */
	#open = (room, n = 0) => {
		if (!this.props.model.open(room)) {
			this.#tooManyRooms();
			return;
		}
		const url = urlOf(room) + (n ? `#n${n}` : "");
		if (url !== location.pathname + location.search + location.hash) history.pushState(null, "", url);
		this.#follow();
	};

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		const { model } = this.props;
		redirect(event);
		if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
			event.preventDefault();
			if (!this.state.dialog) this.setState({ dialog: { kind: "search" } });
		} else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
			event.preventDefault();
			const names = [...model.roomStates.keys()];
			const i = names.indexOf(model.current.name) + (event.key === "ArrowDown" ? 1 : names.length - 1);
			this.#open(names[i % names.length]);
		} else if (event.key === "End" && event.ctrlKey && !this.state.dialog) {
			event.preventDefault();
			this.log?.end();
		} else if (event.key === "Escape" && this.state.menu) {
			this.#menu(false);
		} else if (event.key === "Escape" && document.activeElement?.closest(".log")) {
			focusBox(true);
		} else if ((event.key === "PageUp" || event.key === "PageDown") && document.activeElement?.matches(".composer textarea")) {
			event.preventDefault();
			this.log?.scrollBy(event.key === "PageUp" ? -1 : 1);
		}
	};

	/** Shows a notice for a moment. undo: what undoes what it is about @param {string} notice @param {(() => void)|null} [undo] */
	#notice(notice, undo = null) {
		clearTimeout(this.#noticeTimer);
		this.setState({ notice, undo });
		this.#noticeTimer = setTimeout(() => this.setState({ notice: "", undo: null }), undo ? UNDO : NOTICE);
	}

	#undo = () => {
		this.state.undo?.();
		this.setState({ notice: "", undo: null });
	};

	#openMenu = (/** @type {string} */ title, /** @type {MenuItem[]} */ items, /** @type {DOMRect} */ at, /** @type {QuickItem[]} */ quick = []) => this.setState({ dialog: { kind: "menu", title, items, quick, at } });

	#openPart = (/** @type {DialogPart} */ part, /** @type {object} */ props = {}) => this.setState({ dialog: { kind: "part", part, props } });

	/** The actions of the reader on messages. @type {Acting} */
	#acting = {
		run: async (action, roomState, m) => {
			const notice = await action.run(roomState, m);
			if (notice) this.#notice(notice);
		},
		open: (roomState, saved, at) => {
			if (!lazy.parts) {
				withLater(() => this.#acting.open(roomState, saved, at));
				return !saved.gone;
			}
			const m = roomState.shown(saved.n) ?? saved;
			const actions = lazy.parts.actionsFor(roomState, m);
			if (actions.length === 0) return false;
			const items = actions.map((action) => ({ key: action.key, icon: action.icon, label: action.label(m, roomState), run: () => this.#acting.run(action, roomState, m) }));
			this.#openMenu(t.says(displayName(m), m.text.slice(0, 100)), items, at, lazy.parts.quickReactions(roomState, m));
			return true;
		},
		jump: (roomState, n) => {
			if (n < roomState.room.first && !roomState.timeline.has(n)) return this.#notice(t.tooOld);
			if (document.activeElement?.matches(".log .time")) /** @type {HTMLElement|null} */ (document.querySelector(".log"))?.focus({ preventScroll: true });
			this.#open(roomState.name, n);
		},
		backTo: (n) => {
			const time = /** @type {HTMLElement|null} */ (document.querySelector(`[data-n="${n}"] .time`));
			if (time && !touchScreen.matches) time.focus({ preventScroll: true });
			else focusBox();
		},
	};

	#say = (/** @type {string} */ text, /** @type {import("./model.js").SayOptions|undefined} */ kind) => {
		const { model } = this.props;
		if (!model.client.name && !this.#guest && !shared.get("nameless") && model.client.via === "socket" && this.wish.trim()) this.#rename(this.wish.trim());
		const sent = model.say(text, kind);
		this.log?.end();
		return sent;
	};

	#rename(/** @type {string} */ name) {
		const { client } = this.props.model;
		shared.set("nameless", !name);
		noteVisitor();
		this.setState({ error: "", refused: "" });
		if (!name) shared.set("name", "");
		this.#renaming = client.name !== name;
		if (this.#renaming) client.rename(name);
		if (!this.#renaming || !name) this.#closeNameCard();
	}

	/** Closes the card, and keeps the name as it is. */
	#closeNameCard = () => {
		this.#guest = true;
		this.setState({ naming: false, refused: "" }, () => focusBox(true));
	};

	#changeName = () => {
		const { client } = this.props.model;
		this.wish = client.name || this.wish;
		this.setState({ naming: true, refused: "", menu: false }, () => /** @type {HTMLInputElement|null} */ (document.getElementById("name"))?.select());
	};

	#askAboutPaste = (/** @type {number} */ lines, /** @type {number} */ bytes, /** @type {number} */ count, /** @type {boolean} */ fits) =>
		/** @type {Promise<PasteChoice>} */ (new Promise((resolve) => {
			const done = (/** @type {PasteChoice} */ choice) => {
				this.setState({ dialog: null });
				resolve(choice);
			};
			this.setState({ dialog: { kind: "paste", lines, bytes, count, fits, done } });
		}));

	// Parts of the layout.

	#jumpButtons() {
		if (!this.log) return null;
		const { unreadAbove, below, atEnd } = this.log;
		return html`<div class="jump-buttons">
			${unreadAbove.count > 0 && html`<span class="pair"><button type="button" onClick=${() => this.log?.show(unreadAbove.first)}>${icon("up")} ${t.toUnread(number(unreadAbove.count))}</button>
				<button type="button" class="mark-read" aria-label=${t.markRead} title=${t.markRead} onClick=${() => this.props.model.current.markAllRead()}>${icon("leave")}</button></span>`}
			${!atEnd && html`<button type="button" onClick=${() => this.log?.end()}>${icon("down")} ${below > 0 ? t.newBelow(number(below)) : t.toLatest}</button>`}
		</div>`;
	}

	#nameCard() {
		const { model, model: { client } } = this.props;
		const mayAsk = client.state === "live" ? client.via !== "http" : !shared.get("name"); // a name that is stored is not confirmed yet
		const firstTime = !client.name && !this.#guest && !shared.get("nameless") && mayAsk;
		if (!this.state.naming && !firstTime) return null;
		const input = (/** @type {string} */ wish) => {
			this.wish = wish;
			this.setState({ refused: "" });
		};
		return html`<${NameCard} model=${model} wish=${this.wish} refused=${this.state.refused} input=${input} rename=${(/** @type {string} */ name) => this.#rename(name)} cancel=${this.#closeNameCard} />`;
	}

	#typing() {
		const { client, current, hidden } = this.props.model;
		const others = current.room.typists.filter((p) => p.by !== client.by && !hidden.has(p));
		const [one, other] = others.map(displayName);
		const text = others.length > 2 ? t.manyTyping(number(others.length)) : other ? t.twoTyping(one, other) : one ? t.typing(one) : "";
		return html`<p class="typing" aria-hidden="true">${text}</p>`;
	}

	#dialog() {
		const { model } = this.props;
		const { dialog } = this.state;
		if (!dialog) return null;
		const close = () => this.setState({ dialog: null });
		if (!lazy.parts) {
			loadLater().then(() => this.setState({}), () => this.setState({ dialog: null, error: t.failedToLoad(t.unreachable) }));
			return null;
		}
		const { Jump, LongPaste, Menu, Search, Settings, Share } = lazy.parts;
		switch (dialog.kind) {
			case "share":
				return html`<${Share} roomState=${model.current} close=${close} />`;
			case "search":
				return html`<${Search} model=${model} close=${close} show=${this.#open} jump=${() => this.setState({ dialog: { kind: "jump" } })} />`;
			case "jump":
				return html`<${Jump} model=${model} close=${close} show=${this.#open} />`;
			case "settings":
				return html`<${Settings} model=${model} close=${close} setTheme=${setTheme} />`;
			case "menu":
				return html`<${Menu} title=${dialog.title} items=${dialog.items} quick=${dialog.quick} at=${dialog.at} close=${close} choose=${(/** @type {MenuItem|QuickItem} */ item) => this.setState({ dialog: null, menu: false }, item.run)} />`;
			case "part":
				return html`<${lazy.parts[dialog.part]} model=${model} close=${close} say=${this.#say} show=${this.#open} jump=${this.#acting.jump} open=${this.#openPart} ...${dialog.props} />`;
			case "paste":
				return html`<${LongPaste} ...${dialog} />`;
		}
		return null;
	}

	/** @param {"share"|"search"|"jump"|"settings"} kind */
	#dialogButton(kind) {
		return html`<button type="button" class=${`icon ${kind}`} aria-label=${t[kind]} title=${t[kind]} onClick=${() => this.setState({ dialog: { kind } })}>${icon(kind)}</button>`;
	}

	#header() {
		const { model } = this.props;
		const { menu } = this.state;
		return html`<header class="header">
			${!embedded && html`<button type="button" class="icon menu" aria-label=${t.menu} aria-expanded=${menu ? "true" : "false"} onClick=${() => this.#menu(!menu)}>${icon("menu")}</button>`}
			<div class="heading"><h1><button type="button" class="plain room-name" title=${t.aboutRoom(model.current.name)} onClick=${() => this.#openPart("RoomAbout")}><span class="name-line"><span>${model.current.name}</span><${Later} part="RuleMarks" roomState=${model.current} /></span><${Later} part="Topic" roomState=${model.current} /></button></h1><${Status} model=${model} showPeople=${embedded ? null : () => this.#menu(!menu)} /></div>
			${embedded && model.client.via === "socket" && html`<button type="button" class="my-name" title=${t.nameNew} onClick=${this.#changeName}><bdi>${model.client.name || t.nameOffer}</bdi></button>`}
			<${Later} part="ModerationButton" roomState=${model.current} />
			${this.#dialogButton("search")}
			${!embedded && this.#dialogButton("jump")}
			${this.#dialogButton("share")}
			${!embedded && this.#dialogButton("settings")}
		</header>`;
	}

	#error() {
		const { current } = this.props.model;
		const error = this.state.error ? errorText(this.state.error) : current.pages.error ? loadError(current.pages.error) : "";
		if (!error) return null;
		const close = () => {
			current.pages.error = null;
			this.setState({ error: "" });
		};
		return html`<p class="error-text" role="alert">${error} <button type="button" class="plain" onClick=${close}>${t.close}</button></p>`;
	}

	#sidebar() {
		return html`<${Sidebar} model=${this.props.model} open=${this.state.menu} urlOf=${urlOf} show=${this.#open} changeName=${this.#changeName} openMenu=${this.#openMenu} />`;
	}

	/** @param {{model: Model}} props @param {App["state"]} state */
	render({ model }, { menu }) {
		const { current } = model;
		return html`<div class=${embedded ? "app embedded" : "app"}>
			${!embedded && this.#sidebar()}
			${menu && html`<div class="backdrop" onClick=${() => this.#menu(false)}></div>`}
			<main class="room">
				${this.#header()}
				<${Later} part="Banner" model=${model} />
				<${Later} part="RoomBar" roomState=${current} jump=${(/** @type {number} */ n) => this.#acting.jump(current, n)} open=${this.#openPart} />
				${current.room.left ? html`<${Later} part="LeftRoom" roomState=${current} show=${this.#open} />` : this.#conversation()}
				<${Later} part="Announcer" model=${model} />
			</main>
			${this.#dialog()}
		</div>`;
	}

	/** The messages, and what is below them. */
	#conversation() {
		const { model, model: { current } } = this.props;
		const { target } = this.state;
		return html`<${Log} key=${current.name} model=${model} roomState=${current} target=${target} acting=${this.#acting} leaveTarget=${this.#leaveTarget} ready=${(/** @type {Log} */ log) => { this.log = log; }} />
			<div class="footer">
				${this.#jumpButtons()}
				<p class="notice-text" role="status">${this.state.notice}${this.state.undo && html` <button type="button" class="plain" onClick=${this.#undo}>${t.undo}</button>`}</p>
				${this.#error()}
				${this.#nameCard()}
				${this.#typing()}
				<${Composer} model=${model} roomState=${current} say=${this.#say} jump=${this.#acting.jump} backTo=${this.#acting.backTo} ask=${this.#askAboutPaste} noFiles=${this.#noFiles} />
			</div>`;
	}
}

/**
 * Registers the service worker, where pages may have one. The URL has to be a trusted type, so that nothing else can become
 * a script.
 */
function registerWorker() {
	if (embedded || !("serviceWorker" in navigator)) return; // not with plain HTTP
	/** @type {any} */
	const policy = /** @type {any} */ (window).trustedTypes?.createPolicy("worker", { createScriptURL: () => "/sw.js" });
	navigator.serviceWorker.register(policy?.createScriptURL("") ?? "/sw.js").catch((error) => console.warn("no service worker:", error));
}

/** Tells the server that this page will not ask for a name, so that it reserves no space for the question. */
function noteVisitor() {
	if (!shared.get("name") && !shared.get("nameless")) return;
	document.cookie = `ramai-visitor=1; path=/; max-age=31536000; samesite=${embedded && location.protocol === "https:" ? "none; secure; partitioned" : "lax"}`;
}

/** @template T @param {T[]} list */
function randomOf(list) {
	return list[Math.floor(Math.random() * list.length)];
}

/** Takes an invite out of the address bar, and redeems it. */
function takeInvite() {
	const invite = location.hash.split("#invite=")[1];
	if (!invite) return;
	history.replaceState(null, "", location.pathname + location.search);
	withLater(({ redeemInvite }) => redeemInvite(model, roomOf(location.pathname), invite));
}

/** The messages that the server has put into the page; null: there are none. @returns {import("./ramai/protocol.js").Page|null} */
function servedPage() {
	try {
		return JSON.parse(document.getElementById("served")?.textContent ?? "null");
	} catch {
		return null;
	}
}

setTheme(shared.get("theme", "auto"));
if (!onStage) noteVisitor();
const model = new Model(roomOf(location.pathname), servedPage(), onStage); // connects while the language loads
takeInvite();
await setLanguage(shared.get("language", ""));
const root = document.getElementById("app");
if (root) {
	const box = root.querySelector("textarea"); // the reader may have begun to write before the script ran
	if (box?.value) model.current.box.setDraft(box.value);
	const writing = box !== null && document.activeElement === box;
	root.replaceChildren();
	render(onStage ? html`<${Later} part="Stage" model=${model} />` : html`<${App} model=${model} />`, root);
	if (writing) root.querySelector("textarea")?.focus();
}
registerWorker();
