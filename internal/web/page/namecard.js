// The card that asks for a name, and later changes it. A person without a name is a guest.
import { Component, html } from "./html.js";
import { t } from "./i18n.js";

/**
 * @typedef {import("./model.js").Model} Model
 *
 * @typedef {object} NameCardProps
 * @property {Model} model
 * @property {string} wish the initial content of the field
 * @property {string} refused why the server refused the last name; empty: it did not
 * @property {(wish: string) => void} input
 * @property {(name: string) => void} rename an empty name gives it up
 * @property {() => void} cancel
 */

/** @extends {Component<NameCardProps, {empty: boolean}>} */
export class NameCard extends Component {
	state = { empty: false };

	#submit = (/** @type {Event} */ event) => {
		event.preventDefault();
		const name = this.props.wish.trim();
		this.setState({ empty: !name });
		if (name) this.props.rename(name);
		else document.getElementById("name")?.focus();
	};

	#key = (/** @type {KeyboardEvent} */ event) => {
		if (event.key !== "Escape" || event.isComposing) return;
		event.stopPropagation();
		this.props.cancel();
	};

	/** @param {NameCardProps} props */
	render({ model: { client }, wish, refused, input, rename, cancel }) {
		if (client.via === "http") {
			return html`<div class="name-form" onKeyDown=${this.#key}><p class="unavailable" role="status">${t.nameSocket} <button type="button" onClick=${cancel}>${t.close}</button></p></div>`;
		}
		const error = this.state.empty ? t.nameEmpty : refused;
		return html`<form class="name-form" onSubmit=${this.#submit} onKeyDown=${this.#key} novalidate>
			<label for="name">${client.name ? t.nameNew : t.nameOffer}</label>
			<div class="line"><input id="name" maxlength="64" autocomplete="nickname" dir="auto" value=${wish}
				aria-invalid=${error ? "true" : undefined} aria-describedby=${error ? "name-error" : undefined}
				onInput=${(/** @type {any} */ e) => { this.setState({ empty: false }); input(e.target.value); }} />
			<button class="primary">${client.name ? t.nameSave : t.nameUse}</button>
			${client.name
				? html`<button type="button" onClick=${cancel}>${t.cancel}</button>`
				: html`<button type="button" onClick=${() => rename("")}>${t.nameNone}</button>`}</div>
			${error && html`<p class="error-text" id="name-error" role="alert">${error}</p>`}
			${client.name && html`<p class="hint"><button type="button" class="plain" onClick=${() => rename("")}>${t.nameDrop}</button></p>`}
		</form>`;
	}
}
