// The identity of the reader on other devices: a code that links one, and signing out.
import { Dialog } from "./dialogs.js";
import { durationText } from "./duration.js";
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, t } from "./i18n.js";
import { perTab, shared } from "./storage.js";

/** @typedef {import("./model.js").Model} Model */

/** What another device calls this one, as far as the browser says. @param {string} agent navigator.userAgent */
export function deviceName(agent) {
	const first = (/** @type {string[]} */ names) => names.find((name) => agent.includes(name)) ?? "";
	const browser = { Edg: "Edge", OPR: "Opera", CriOS: "Chrome", FxiOS: "Firefox" };
	const [program, system] = [first(["Edg", "OPR", "Firefox", "FxiOS", "Chrome", "CriOS", "Safari"]), first(["Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux"])];
	return [browser[/** @type {keyof typeof browser} */ (program)] ?? program, { Macintosh: "Mac", CrOS: "Chromebook" }[system] ?? system].filter(Boolean).join(", ") || "a browser";
}

/** A code in two halves, which are easier to type. @param {string} code */
const halves = (code) => `${code.slice(0, code.length / 2)}-${code.slice(code.length / 2)}`;

/** Why a device was not linked. @param {any} error */
const linkError = (error) => (error.code === "bad_request" ? t.linkUnknown : error.code === "not_allowed" ? t.linkSignedIn : errorText(error));

/** Begins again, with the session and the name that are stored: nothing of the former identity stays on the page. @param {Model} model @param {string} name */
function beginAgain(model, name) {
	shared.set("name", name);
	model.client.close();
	perTab.set("unsaid", []);
	location.reload();
}

/** Lets a device in that shows a code, after the reader has compared what it is called. @param {{model: Model}} props */
function LetIn({ model }) {
	const [state, setState] = useState({ code: "", name: "", linked: false, busy: false, error: "" });
	const link = async (/** @type {string} */ code, /** @type {boolean} */ confirm) => {
		setState({ ...state, busy: true, error: "" });
		try {
			const { name, linked = false } = await model.client.request({ type: "link", code, ...(confirm && { confirm }) });
			setState({ code, name, linked, busy: false, error: "" });
		} catch (error) {
			setState({ code: "", name: "", linked: false, busy: false, error: linkError(error) });
		}
	};
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		const code = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("code")).trim();
		if (!code) return;
		await link(code, false);
		document.querySelector(/** @type {"input"} */ ("#device-code"))?.select();
	};
	if (state.linked) return html`<p role="status">${t.deviceLinked(state.name)}</p>`;
	if (state.code) {
		return html`<p role="status">${t.deviceConfirm(state.name)}</p>
			<div class="buttons"><button type="button" class="primary" disabled=${state.busy} onClick=${() => link(state.code, true)}>${t.deviceLetIn}</button>
				<button type="button" onClick=${() => setState({ ...state, code: "" })}>${t.cancel}</button></div>`;
	}
	return html`<form onSubmit=${submit} novalidate><label for="device-code">${t.deviceCode}</label>
		<div class="line"><input id="device-code" name="code" autocomplete="off" autocapitalize="characters" spellcheck=${false} maxlength="12" placeholder="ABCD-2345" aria-invalid=${state.error ? "true" : undefined} aria-describedby=${state.error ? "device-error" : undefined} />
		<button class="primary" disabled=${state.busy}>${t.deviceNext}</button></div>
		${state.error && html`<p class="error-text" id="device-error" role="alert">${state.error}</p>`}</form>`;
}

/** Shows a code for a device that has the reader's identity. The page begins again once that device has let it in. @param {{model: Model}} props */
function ShowCode({ model }) {
	const [state, setState] = useState({ code: "", life: 0, error: "" });
	const show = async () => {
		const { client } = model;
		const { by } = client;
		try {
			const { code, expires_in_ms } = await client.request({ type: "link", name: deviceName(navigator.userAgent) });
			setState({ code, life: expires_in_ms, error: "" });
			const stop = client.on("name", () => {
				if (client.by === by) return;
				stop();
				beginAgain(model, client.name);
			});
		} catch (error) {
			setState({ code: "", life: 0, error: linkError(error) });
		}
	};
	if (!state.code) {
		return html`<p>${t.deviceNewHint}</p><button type="button" onClick=${show}>${t.deviceShowCode}</button>
			${state.error && html`<p class="error-text" role="alert">${state.error}</p>`}`;
	}
	return html`<p>${t.deviceType}</p><p class="link-code" role="status">${halves(state.code)}</p><p class="note">${t.deviceCodeLife(durationText(state.life / 1000))}</p>`;
}

/** @param {{model: Model, close: () => void}} props */
export const Devices = ({ model, close }) => html`<${Dialog} title=${t.devices} close=${close}>
	<h3>${t.deviceHere}</h3>
	<p>${t.deviceHint}</p>
	<${LetIn} model=${model} />
	<h3>${t.deviceNew}</h3>
	<${ShowCode} model=${model} />
<//>`;

/** The part of the settings about the reader's identity. @param {{model: Model}} props */
export function IdentityPart({ model }) {
	const { client } = model;
	const [asking, setAsking] = useState(/** @type {""|"here"|"all"} */ (""));
	const [error, setError] = useState("");
	const leave = async () => {
		try {
			await client.signOut(asking === "all");
			for (const key of ["rooms", "hidden"]) shared.set(key, []);
			for (const { name } of model.roomStates.values()) shared.set(`draft.${name}`, "");
			shared.set("nameless", false);
			beginAgain(model, "");
		} catch (why) {
			setError(errorText(why));
			setAsking("");
		}
	};
	if (client.via !== "socket") return html`<h3>${t.identity}</h3><p class="note">${t.identitySocket}</p>`;
	return html`<h3>${t.identity}</h3>
		${asking
			? html`<p role="status">${asking === "all" ? t.signOutAllAsk : t.signOutAsk}</p>
				<div class="buttons"><button type="button" class="danger" onClick=${leave}>${asking === "all" ? t.signOutAll : t.signOut}</button><button type="button" onClick=${() => setAsking("")}>${t.cancel}</button></div>`
			: html`<div class="buttons"><button type="button" onClick=${() => model.emit("dialog", "Devices", {})}>${t.devices}</button>
				<button type="button" onClick=${() => setAsking("here")}>${t.signOut}</button>
				<button type="button" onClick=${() => setAsking("all")}>${t.signOutAll}</button></div>`}
		${error && html`<p class="error-text" role="alert">${error}</p>`}`;
}
