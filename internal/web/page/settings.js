// The settings, and the list of keys.
import { IdentityPart } from "./devices.js";
import { Dialog } from "./dialogs.js";
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { languages, setLanguage, t } from "./i18n.js";
import { alertKind, beep } from "./notifications.js";
import { displayName } from "./people.js";
import { shared } from "./storage.js";

/** @typedef {import("./model.js").Model} Model */

/** @param {{model: Model, close: () => void, setTheme: (theme: string) => void}} props */
export function Settings({ model, close, setTheme }) {
	const [notice, setNotice] = useState("");
	const kind = alertKind();
	const denied = "Notification" in window && Notification.permission === "denied";
	const why = kind === "none" ? t.alertsMissing : kind === "notification" ? "" : denied ? t.notifyDenied : t.notifyMissing;
	const [on, setOn] = useState({ notification: shared.get("notify", false), sound: shared.get("sound", false), none: false });
	const toggle = async () => {
		const wanted = !on[kind];
		setNotice("");
		if (kind === "notification" && wanted && (await Notification.requestPermission()) !== "granted") return setOn({ ...on }); // the sound is offered now
		shared.set(kind === "sound" ? "sound" : "notify", wanted);
		setOn({ ...on, [kind]: wanted });
		if (kind === "sound" && wanted && !(await beep())) setNotice(t.soundBlocked);
	};
	return html`<${Dialog} title=${t.settings} close=${close}>
		<label class="choice">${t.theme} <select value=${shared.get("theme", "auto")} onChange=${(/** @type {any} */ e) => { shared.set("theme", e.target.value); setTheme(e.target.value); }}>
			${Object.entries(t.themes).map(([key, name]) => html`<option value=${key} selected=${key === shared.get("theme", "auto")}>${name}</option>`)}
		</select></label>
		<label class="choice">${t.languageChoice} <select onChange=${async (/** @type {any} */ e) => { shared.set("language", e.target.value); await setLanguage(e.target.value); model.changed(); }}>
			<option value="" selected=${!shared.get("language")}>${t.languageAuto}</option>
			${languages.map((l) => html`<option value=${l} selected=${l === shared.get("language")}>${new Intl.DisplayNames([l], { type: "language" }).of(l)}</option>`)}
		</select></label>
		${why && html`<p class="note">${why}</p>`}
		${kind !== "none" && html`<label class="check"><input type="checkbox" checked=${on[kind]} onChange=${toggle} /> ${kind === "sound" ? t.sound : t.notify}</label>`}
		<label class="choice">${t.notifyRoom(model.current.name)} <select onChange=${(/** @type {any} */ e) => model.current.setNotify(e.target.value)}>
			${Object.entries(t.notifyLevels).map(([key, name]) => html`<option value=${key} selected=${key === model.current.notify}>${name}</option>`)}
		</select></label>
		<p role="status">${notice}</p>
		${model.hidden.list.length > 0 && html`<h3>${t.hiddenPeople}</h3>
			<ul>${model.hidden.list.map((person) => html`<li class="choice" key=${person.by + person.from}><bdi>${displayName(person)}</bdi> <button type="button" aria-label=${t.unhide(displayName(person))} onClick=${() => model.unhide(person)}>${t.reveal}</button></li>`)}</ul>`}
		<${IdentityPart} model=${model} />
		<h3 class="keys-title">${t.keys}</h3>
		<dl class="keys">${t.keyList.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
	<//>`;
}
