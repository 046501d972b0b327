// The dialogs: share, search, go to a date, settings, and the question about a long paste.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { dayName, fullTime, languages, loadError, number, setLanguage, t, timeOfDay } from "./i18n.js";
import { displayName } from "./message.js";
import { pathOf } from "./ramai/protocol.js";
import { shared } from "./storage.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Hit} Hit
 */

/** @param {{title: string, close: () => void, children?: any, wide?: boolean}} props */
export function Dialog({ title, close, children, wide }) {
	const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
	useLayoutEffect(() => { // before the next key press
		const from = /** @type {HTMLElement|null} */ (document.activeElement);
		ref.current?.showModal();
		return () => from?.focus?.();
	}, []);
	return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby="title" onClose=${close}
		onClick=${(/** @type {MouseEvent} */ e) => e.target === ref.current && close()}>
		<div class="sheet">
			<header><h2 id="title">${title}</h2><button type="button" class="icon" aria-label=${t.close} title=${t.close} onClick=${close}>
				<svg viewBox="0 0 24 24" aria-hidden="true"><path d="m6 6 12 12M18 6 6 18" /></svg></button></header>
			${children}
		</div>
	</dialog>`;
}

/** Copies a text to the clipboard. Resolves with false where the browser forbids that. @param {string} text */
async function copy(text) {
	try {
		await navigator.clipboard.writeText(text); // undefined without HTTPS
		return true;
	} catch {
		return false;
	}
}

/** @param {{room: string, close: () => void}} props */
export function Share({ room, close }) {
	const link = new URL(pathOf(room), location.href).href;
	const [path, setPath] = useState({ d: "", size: 0 });
	const [notice, setNotice] = useState("");
	const input = useRef(/** @type {HTMLInputElement|null} */ (null));
	useEffect(() => {
		import("./vendor/qr.js").then(({ generate }) => {
			const code = generate(link);
			let d = "";
			for (let y = 0; y < code.size; y++) for (let x = 0; x < code.size; x++) if (code.get(x, y)) d += `M${x} ${y}h1v1h-1z`;
			setPath({ d, size: code.size });
		});
	}, [link]);
	return html`<${Dialog} title=${t.share} close=${close}>
		<p>${t.shareText}</p>
		<svg class="qr" viewBox=${`-4 -4 ${path.size + 8} ${path.size + 8}`} role="img" aria-label=${t.qr}>
			<rect x="-4" y="-4" width="100%" height="100%" fill="#fff" /><path d=${path.d} fill="#000" />
		</svg>
		<div class="line"><input ref=${input} readonly value=${link} aria-label=${t.share} onFocus=${() => input.current?.select()} />
		<button type="button" class="primary" onClick=${async () => {
			const done = await copy(link);
			if (!done) input.current?.focus();
			setNotice(done ? t.copied : t.copyByHand);
		}}>${t.copy}</button></div>
		<p role="status">${notice}</p>
	<//>`;
}

/** The snippet of a hit with its marks, which count code points. @param {Hit} hit */
function highlight(hit) {
	const points = [...hit.snippet];
	const out = [];
	let end = 0;
	for (const [from, to] of hit.marks) {
		out.push(points.slice(end, from).join(""), html`<mark>${points.slice(from, to).join("")}</mark>`);
		end = to;
	}
	return [...out, points.slice(end).join("")];
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void, jump: () => void}} props */
export function Search({ model, close, show, jump }) {
	const [q, setQ] = useState("");
	const [only, setOnly] = useState(true);
	const [found, setFound] = useState(/** @type {{hits: Hit[], more: boolean, behind: number}|null} */ (null));
	const [error, setError] = useState("");
	const room = only ? model.current.name : undefined;
	const search = async (/** @type {Hit|undefined} */ last) => {
		if (!q.trim()) return setFound(null);
		setError("");
		try {
			const before = last && `${last.room}:${last.n}`;
			const answer = await model.client.search(q, { room, before, limit: 30 });
			setFound(last && found ? { ...answer, hits: [...found.hits, ...answer.hits] } : answer);
		} catch (e) {
			setError(loadError(e));
		}
	};
	return html`<${Dialog} title=${t.search} close=${close} wide>
		<form class="line" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); search(undefined); }}>
			<input type="search" autofocus value=${q} aria-label=${t.searchFor} placeholder=${t.searchFor} onInput=${(/** @type {any} */ e) => setQ(e.target.value)} />
			<button class="primary">${t.search}</button>
		</form>
		<label class="check"><input type="checkbox" checked=${only} onChange=${() => setOnly(!only)} /> ${t.searchHere(model.current.name)}</label>
		<button type="button" class="jump-to-date" onClick=${jump}>${t.jump}</button>
		<div role="status">
			${error && html`<p class="error-text">${error}</p>`}
			${found && found.hits.length === 0 && html`<p>${t.searchNone}</p>`}
			${found && found.behind > 0 && html`<p>${t.searchBehind(number(found.behind))}</p>`}
		</div>
		<ul class="hits">
			${found?.hits.map((hit) => html`<li key=${`${hit.room}:${hit.n}`}><button type="button" onClick=${() => { close(); show(hit.room, hit.n); }}>
				<span class="byline"><bdi>${displayName(hit)}</bdi> <time title=${fullTime(hit.at)}>${dayName(hit.at)}, ${timeOfDay(hit.at)}</time>${!only && html` <span>${hit.room}</span>`}</span>
				<span class="text" dir="auto">${highlight(hit)}</span>
			</button></li>`)}
		</ul>
		${found?.more && html`<button type="button" onClick=${() => search(found.hits.at(-1))}>${t.searchMore}</button>`}
	<//>`;
}

/** @param {{model: Model, close: () => void, show: (room: string, n: number) => void}} props */
export function Jump({ model, close, show }) {
	const [date, setDate] = useState(new Date().toLocaleDateString("sv")); // YYYY-MM-DD, as the input wants it
	const [notice, setNotice] = useState("");
	const go = async () => {
		setNotice(t.loading);
		try {
			const n = await model.current.find(new Date(`${date}T00:00`).getTime());
			if (!n) return setNotice(t.jumpNone);
			close();
			show(model.current.name, n);
		} catch (error) {
			setNotice(loadError(error));
		}
	};
	return html`<${Dialog} title=${t.jump} close=${close}>
		<form class="line" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); go(); }}>
			<input type="date" required value=${date} aria-label=${t.jump} onInput=${(/** @type {any} */ e) => setDate(e.target.value)} />
			<button class="primary">${t.jumpGo}</button>
		</form>
		<p role="status">${notice}</p>
	<//>`;
}

/** @param {{model: Model, close: () => void, setTheme: (theme: string) => void}} props */
export function Settings({ model, close, setTheme }) {
	const [notice, setNotice] = useState("");
	const canNotify = "Notification" in window && window.isSecureContext;
	const [on, setOn] = useState(Boolean(shared.get(canNotify ? "notify" : "sound", false)));
	const toggle = async () => {
		if (canNotify && !on && (await Notification.requestPermission()) !== "granted") return setNotice(t.notifyDenied);
		shared.set(canNotify ? "notify" : "sound", !on);
		setOn(!on);
	};
	return html`<${Dialog} title=${t.settings} close=${close}>
		<label class="choice">${t.theme} <select value=${shared.get("theme", "auto")} onChange=${(/** @type {any} */ e) => { shared.set("theme", e.target.value); setTheme(e.target.value); }}>
			${Object.entries(t.themes).map(([key, name]) => html`<option value=${key} selected=${key === shared.get("theme", "auto")}>${name}</option>`)}
		</select></label>
		<label class="choice">${t.languageChoice} <select onChange=${async (/** @type {any} */ e) => { shared.set("language", e.target.value); await setLanguage(e.target.value); model.changed(); }}>
			<option value="" selected=${!shared.get("language")}>${t.languageAuto}</option>
			${languages.map((l) => html`<option value=${l} selected=${l === shared.get("language")}>${new Intl.DisplayNames([l], { type: "language" }).of(l)}</option>`)}
		</select></label>
		${!canNotify && html`<p>${t.notifyInsecure}</p>`}
		<label class="check"><input type="checkbox" checked=${on} onChange=${toggle} /> ${canNotify ? t.notify : t.sound}</label>
		<p role="status">${notice}</p>
		<h3>${t.keys}</h3>
		<dl class="keys">${t.keyList.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
	<//>`;
}

/** @param {{lines: number, bytes: number, count: number, fits: boolean, done: (choice: "one"|"many"|"") => void}} props */
export function LongPaste({ lines, bytes, count, fits, done }) {
	return html`<${Dialog} title=${t.longPaste} close=${() => done("")}>
		<p>${t.longPasteText(number(lines), number(bytes))}</p>
		<div class="buttons">
			${fits && html`<button type="button" class="primary" onClick=${() => done("one")}>${t.pasteOne}</button>`}
			${(!fits || count > 1) && html`<button type="button" onClick=${() => done("many")}>${t.pasteMany(number(count))}</button>`}
			<button type="button" onClick=${() => done("")}>${t.cancel}</button>
		</div>
	<//>`;
}
