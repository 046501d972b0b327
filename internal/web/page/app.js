// The page: what stands around the log, and how it all hangs together.
import { call, title } from "./alerts.js";
import { Composer } from "./composer.js";
import { Jump, LongPaste, Search, Settings, Share } from "./dialogs.js";
import { Component, html, render } from "./html.js";
import { shared } from "./storage.js";
import { displayName, Log } from "./log.js";
import { Model } from "./model.js";
import { isRoom, pathOf, roomOf } from "./ramai/protocol.js";
import { timeOfDay, loadError, number, errorText, setLanguage, t } from "./i18n.js";

/** @typedef {import("./model.js").RoomState} RoomState */
/** @typedef {import("./ramai/protocol.js").Message} Message */

const SPOKEN = 3; // messages at once that are read out; of more only the number

const embedded = new URLSearchParams(location.search).has("embed");
const addressOf = (/** @type {string} */ room) => pathOf(room) + (embedded ? "?embed" : "");

/** @param {string} theme */
function appear(theme) {
	document.documentElement.dataset.theme = theme;
}

/** @param {string} d */
const icon = (d) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${d} /></svg>`;
const ICONS = {
	menu: "M4 7h16M4 12h16M4 17h16",
	search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
	share: "M12 15V4M8 7.5 12 3.5 16 7.5M6 11v8h12v-8",
	day: "M5 6h14v14H5zM5 10h14M9 3v4M15 3v4",
	settings: "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
	down: "M12 5v14M6 13l6 6 6-6",
	up: "M12 19V5M6 11l6-6 6 6",
	leave: "m7 7 10 10M17 7 7 17",
};

/** @typedef {{kind: "share"|"search"|"jump"|"settings"} | {kind: "paste", lines: number, bytes: number, count: number, fits: boolean, done: (how: "one"|"many"|"") => void}} Open */

/** Who is here; drawn only when that has changed. @extends {Component<{names: string[], more: string}, {}>} */
class People extends Component {
	/** @param {{names: string[], more: string}} next */
	shouldComponentUpdate({ names, more }) {
		return names !== this.props.names || more !== this.props.more;
	}

	/** @param {{names: string[], more: string}} props more: those without a name, in words */
	render({ names, more }) {
		return html`<ul class="people">${names.map((n) => html`<li key=${n}><bdi>${n}</bdi></li>`)}${more && html`<li class="none">${more}</li>`}</ul>`;
	}
}

/** @extends {Component<{model: Model}, {dialog: Open|null, menu: boolean, naming: boolean, target: number, trouble: string}>} */
class App extends Component {
	state = { dialog: /** @type {Open|null} */ (null), menu: false, naming: false, target: 0, trouble: "" };
	/** @type {Log|null} */
	log = null;
	wish = shared.get("name") || t.guestName(any(t.adjectives), any(t.animals));
	#followed = false; // the address that it began with
	#spoken = /** @type {{id: number, line: string}[]} */ ([]);
	#pending = /** @type {Message[]} */ ([]); // are to be read out, unless there are too many
	#unspoken = 0; // how many there are
	#speaking = /** @type {ReturnType<typeof setTimeout>|undefined} */ (undefined);

	componentDidMount() {
		const { model } = this.props;
		model.on("change", () => this.setState({}));
		model.on("mention", (/** @type {RoomState} */ roomState, /** @type {Message} */ m) => call(displayName(m), m.text, () => this.#open(roomState.name)));
		model.on("told", (/** @type {RoomState} */ roomState, /** @type {Message[]} */ incoming) => this.#speak(roomState, incoming));
		model.client.on("refused", (error) => this.setState({ trouble: error.message, naming: error.code === "name_taken" || this.state.naming }));
		model.client.on("name", () => this.setState({ naming: false, trouble: "" }));
		addEventListener("popstate", () => this.#follow());
		addEventListener("hashchange", () => this.#follow());
		addEventListener("keydown", this.#key);
		addEventListener("beforeunload", (event) => {
			if (model.client.outbox.some((s) => s.state !== "failed")) event.preventDefault();
		});
		addEventListener("focus", () => model.changed());
		const viewport = window.visualViewport;
		viewport?.addEventListener("resize", () => { // a keyboard has come up: the last message stays above it
			document.documentElement.style.setProperty("--height", `${viewport.height}px`);
			this.log?.scroller?.hold();
		});
	}

	componentDidUpdate() {
		const { model } = this.props;
		let unread = 0;
		let mentioned = false;
		for (const roomState of model.roomStates.values()) {
			unread += roomState.unread;
			mentioned ||= roomState.mentioned > 0;
		}
		title(model.current.name, unread, mentioned);
		if (!this.#followed && model.current.room.log) {
			this.#followed = true;
			this.#follow();
		}
	}

	/** Goes where the address says. */
	#follow() {
		const { model } = this.props;
		if (!model.open(roomOf(location.pathname))) {
			this.#full();
			history.replaceState(null, "", addressOf(model.current.name));
		}
		const n = Number(/^#n(\d+)$/.exec(location.hash)?.[1] ?? 0);
		this.setState({ target: n, menu: false });
		if (n) requestAnimationFrame(() => this.log?.show(n));
	}

	#full() {
		this.setState({ trouble: t.roomsFull(number(this.props.model.client.limits.rooms)) });
	}

	/** Opens the menu, where it is not there anyway, or closes it. @param {boolean} menu */
	#menu(menu) {
		this.setState({ menu }, () => /** @type {HTMLElement|null} */ (document.querySelector(menu ? ".side a" : ".header .menu"))?.focus());
	}

	/** @param {string} room @param {number} [n] a message of it */
	#open = (room, n = 0) => {
		if (!this.props.model.open(room)) {
			this.#full();
			return;
		}
		const address = addressOf(room) + (n ? `#n${n}` : "");
		if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
		this.#follow();
	};

	/** Has what incoming read out: not all of a flood, and nothing twice. @param {RoomState} roomState @param {Message[]} incoming */
	#speak(roomState, incoming) {
		if (roomState !== this.props.model.current) return;
		this.#unspoken += incoming.length;
		if (this.#unspoken <= SPOKEN) this.#pending.push(...incoming);
		this.#speaking ??= setTimeout(() => {
			const [said, count] = [this.#pending, this.#unspoken];
			this.#pending = [];
			this.#unspoken = 0;
			this.#speaking = undefined;
			const lines = count > SPOKEN ? [t.newMessages(number(count))] : said.map((m) => t.says(displayName(m), m.text.slice(0, 300)));
			const next = (this.#spoken.at(-1)?.id ?? 0) + 1;
			this.#spoken = [...this.#spoken, ...lines.map((line, i) => ({ id: next + i, line }))].slice(-10);
			this.setState({});
		}, 500);
	}

	/** @param {KeyboardEvent} event */
	#key = (event) => {
		const { model } = this.props;
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
			/** @type {HTMLElement|null} */ (document.querySelector(".composer textarea"))?.focus();
		}
	};

	#say = (/** @type {string} */ text) => {
		const { model } = this.props;
		if (!model.client.name && !shared.get("nameless") && model.client.via === "socket") this.#rename(this.wish);
		model.say(text);
		this.log?.end();
	};

	#rename(/** @type {string} */ name) {
		const { client } = this.props.model;
		shared.set("nameless", !name);
		this.setState({ trouble: "" });
		if (!name) shared.set("name", "");
		if (client.name !== name) client.rename(name);
		else this.setState({ naming: false });
	}

	#ask = (/** @type {number} */ lines, /** @type {number} */ bytes, /** @type {number} */ count, /** @type {boolean} */ fits) =>
		/** @type {Promise<"one"|"many"|"">} */ (new Promise((resolve) => {
			const done = (/** @type {"one"|"many"|""} */ how) => {
				this.setState({ dialog: null });
				resolve(how);
			};
			this.setState({ dialog: { kind: "paste", lines, bytes, count, fits, done } });
		}));

	// The parts.

	#status() {
		const { client, current: roomState, lost } = this.props.model;
		const unsent = client.unsaid.length;
		let [kind, text] = ["live", t.live];
		if (client.state !== "live" && lost && roomState.room.log) [kind, text] = ["off", t.offlineSince(timeOfDay(lost))];
		else if (client.state !== "live" || !roomState.room.live) [kind, text] = ["wait", t.connecting];
		else if (roomState.room.behind > 0) [kind, text] = ["wait", t.behind(number(roomState.room.behind))];
		return html`<p class=${`status ${kind}`}>
			<span>${text}</span>
			${kind === "live" && client.via === "http" && html` · <span title=${t.nameSocket}>${t.overHTTP}</span>`}
			${unsent > 0 && html` · <span>${t.unsent(number(unsent))}</span>`}
			${kind !== "off" && roomState.room.count > 0 && (embedded ? html` · <span>${t.here(number(roomState.room.count))}</span>`
				: html` · <button type="button" class="plain" onClick=${() => this.#menu(!this.state.menu)}>${t.here(number(roomState.room.count))}</button>`)}
		</p>`;
	}

	#banner() {
		const { model } = this.props;
		const { client, current: roomState } = model;
		if (model.offline) {
			const seconds = Math.max(0, Math.ceil((client.retryAt - Date.now()) / 1000));
			if (client.intercepted) {
				return html`<div class="banner" role="status"><span>${errorText(client.intercepted)}</span>
					<button type="button" onClick=${() => location.reload()}>${t.reload}</button></div>`;
			}
			return html`<div class="banner" role="status"><span>${client.unsaid.length ? t.lostKept : t.lost}</span>
				<span aria-hidden="true">${client.state === "waiting" ? t.againIn(number(seconds)) : t.trying}</span>
				${client.state === "waiting" && html`<button type="button" onClick=${() => client.reconnectNow()}>${t.tryNow}</button>`}</div>`;
		}
		if (model.caught) {
			const { new: n, gone } = model.caught;
			return html`<div class="banner good" role="status">${gone ? t.caughtUpGone(number(n), number(gone)) : n ? t.caughtUpNew(number(n)) : t.caughtUp}</div>`;
		}
		if (roomState.wasReset) {
			return html`<div class="banner" role="status"><span>${t.reset}</span>
				<button type="button" onClick=${() => { roomState.wasReset = false; this.setState({}); }}>${t.close}</button></div>`;
		}
		const { sampler } = roomState;
		if (sampler.paused) {
			return html`<div class="banner flood"><span>${t.paused(number(roomState.paused))}</span><button type="button" onClick=${() => roomState.resume()}>${t.resume}</button></div>`;
		}
		if (sampler.flooded) {
			return html`<div class="banner flood"><span>${t.flood(number(sampler.shown), number(sampler.rate))}</span><button type="button" onClick=${() => roomState.pause()}>${t.pause}</button></div>`;
		}
		return null;
	}

	#jumps() {
		const { current: roomState } = this.props.model;
		const t0 = roomState.timeline;
		const below = this.log?.below ?? 0;
		const first = Math.max(t0.unread + 1, t0.first);
		const above = t0.unread >= 0 && (t0.kept.length === 0 || !t0.has(first) || (this.log?.scroller?.inView().first ?? 0) > first) ? t0.head - t0.unread : 0;
		return html`<div class="jump-buttons">
			${above > 0 && html`<button type="button" onClick=${() => { this.log?.show(first); }}>${icon(ICONS.up)} ${t.toUnread(number(above))}</button>`}
			${this.log && !this.log.atEnd && html`<button type="button" onClick=${() => this.log?.end()}>${icon(ICONS.down)} ${below > 0 ? t.newBelow(number(below)) : t.toLatest}</button>`}
		</div>`;
	}

	#naming() {
		const { client } = this.props.model;
		const first = !client.name && !shared.get("nameless") && client.state === "live";
		if (!this.state.naming && !first) return null;
		if (client.via === "http") return this.state.naming ? html`<div class="name-form"><p class="said" role="status">${t.nameSocket}
			<button type="button" onClick=${() => this.setState({ naming: false })}>${t.close}</button></p></div>` : null;
		return html`<form class="name-form" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); this.#rename(this.wish.trim()); }}>
			<label for="name">${t.nameOffer}</label>
			<div class="line"><input id="name" maxlength="64" autocomplete="nickname" dir="auto" value=${this.wish}
				onInput=${(/** @type {any} */ e) => { this.wish = e.target.value; }} />
			<button class="primary">${t.nameUse}</button>
			<button type="button" onClick=${() => { this.#rename(""); this.setState({ naming: false }); }}>${t.nameNone}</button></div>
		</form>`;
	}

	#typing() {
		const { client, current: roomState } = this.props.model;
		const others = roomState.room.typists.filter((p) => p.by !== client.by);
		return html`<p class="typing" aria-hidden="true">${others.length > 0 && t.typing(others.slice(0, 3).map(displayName).join(", "))}</p>`;
	}

	#side() {
		const { model } = this.props;
		const { client, current: roomState } = model;
		const nameless = roomState.room.count > 200 ? 0 : roomState.room.count - roomState.room.names.length; // of more the server gives no names
		return html`<nav class=${this.state.menu ? "side open" : "side"} aria-label=${t.menu}>
			<h2>${t.rooms}</h2>
			<ul class="rooms">${[...model.roomStates.values()].map((p) => html`<li key=${p.name} class=${p === roomState ? "current" : ""}>
				<a href=${addressOf(p.name)} aria-current=${p === roomState ? "page" : undefined} onClick=${(/** @type {MouseEvent} */ e) => {
					if (e.ctrlKey || e.metaKey || e.shiftKey) return;
					e.preventDefault();
					this.#open(p.name);
				}}>${p.name}</a>
				${p.unread > 0 && html`<span class=${p.mentioned ? "count mentioned" : "count"} aria-label=${t.unread(number(p.unread))}>${number(p.unread)}</span>`}
				${model.roomStates.size > 1 && html`<button type="button" class="icon" aria-label=${t.leave(p.name)} title=${t.leave(p.name)} onClick=${() => {
					model.leave(p.name);
					this.#open(model.current.name);
				}}>${icon(ICONS.leave)}</button>`}
			</li>`)}</ul>
			${client.via === "http" && model.roomStates.size > 1 && html`<p class="hint">${t.roomsHTTP}</p>`}
			<form class="line" onSubmit=${(/** @type {any} */ e) => {
				e.preventDefault();
				const input = e.target.elements.room;
				const name = input.value.trim().toLowerCase();
				if (!isRoom(name)) return this.setState({ trouble: t.joinBad });
				input.value = "";
				this.setState({ trouble: "" });
				this.#open(name);
			}}><input name="room" aria-label=${t.join} placeholder=${t.joinPlaceholder} autocapitalize="none" autocomplete="off" spellcheck=${false} />
			<button>${t.join}</button></form>
			${roomState.room.live && html`<h2>${t.allHere(number(roomState.room.count))}</h2>
			<${People} names=${roomState.room.names} more=${nameless > 0 && roomState.room.count > 0 ? (roomState.room.names.length > 0 ? t.guests : t.onlyGuests)(number(nameless)) : ""} />`}
			<div class="me"><bdi class=${client.name ? "" : "none"}>${client.name || t.nameless}</bdi>
				<button type="button" onClick=${() => this.setState({ naming: true, menu: false }, () => document.getElementById("name")?.focus())}>${t.nameChange}</button></div>
		</nav>`;
	}

	#dialog() {
		const { model } = this.props;
		const { dialog } = this.state;
		const close = () => this.setState({ dialog: null });
		switch (dialog?.kind) {
			case "share":
				return html`<${Share} room=${model.current.name} close=${close} />`;
			case "search":
				return html`<${Search} model=${model} close=${close} show=${this.#open} day=${() => this.setState({ dialog: { kind: "jump" } })} />`;
			case "jump":
				return html`<${Jump} model=${model} close=${close} show=${this.#open} />`;
			case "settings":
				return html`<${Settings} model=${model} close=${close} appear=${appear} />`;
			case "paste":
				return html`<${LongPaste} ...${dialog} />`;
		}
		return null;
	}

	/** @param {"share"|"search"|"jump"|"settings"} kind @param {string} label @param {string} d */
	#button(kind, label, d) {
		return html`<button type="button" class=${`icon ${kind}`} aria-label=${label} title=${label} onClick=${() => this.setState({ dialog: { kind } })}>${icon(d)}</button>`;
	}

	/** @param {{model: Model}} props @param {App["state"]} state */
	render({ model }, { menu, target, trouble }) {
		const { current: roomState } = model;
		if (roomState.trouble) trouble ||= loadError(roomState.trouble);
		return html`<div class=${embedded ? "app embedded" : "app"}>
			${!embedded && this.#side()}
			${menu && html`<div class="backdrop" onClick=${() => this.#menu(false)}></div>`}
			<main class="room">
				<header class="header">
					${!embedded && html`<button type="button" class="icon menu" aria-label=${t.menu} aria-expanded=${menu ? "true" : "false"} onClick=${() => this.#menu(!menu)}>${icon(ICONS.menu)}</button>`}
					<div class="heading"><h1>${roomState.name}</h1>${this.#status()}</div>
					${this.#button("search", t.search, ICONS.search)}
					${!embedded && this.#button("jump", t.jump, ICONS.day)}
					${this.#button("share", t.share, ICONS.share)}
					${!embedded && this.#button("settings", t.settings, ICONS.settings)}
				</header>
				${this.#banner()}
				<${Log} key=${roomState.name} model=${model} roomState=${roomState} target=${target} ready=${(/** @type {Log} */ log) => { this.log = log; }} />
				<div class="footer">
					${this.#jumps()}
					${trouble && html`<p class="error-text" role="alert">${trouble}
						<button type="button" class="plain" onClick=${() => { roomState.trouble = null; this.setState({ trouble: "" }); }}>${t.close}</button></p>`}
					${this.#naming()}
					${this.#typing()}
					<${Composer} model=${model} roomState=${roomState} say=${this.#say} ask=${this.#ask} />
				</div>
				<div class="announcer" role="log" aria-live="polite" aria-relevant="additions">${this.#spoken.map((s) => html`<p key=${s.id}>${s.line}</p>`)}</div>
			</main>
			${this.#dialog()}
		</div>`;
	}
}

/** @template T @param {T[]} list */
function any(list) {
	return list[Math.floor(Math.random() * list.length)];
}

appear(shared.get("theme", "auto"));
const model = new Model(roomOf(location.pathname)); // it connects while the language comes
await setLanguage(shared.get("language", ""));
const root = document.getElementById("app");
if (root) {
	root.replaceChildren();
	render(html`<${App} model=${model} />`, root);
}
