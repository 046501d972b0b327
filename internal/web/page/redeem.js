// Invites and passwords: getting into a room with one, and making an invite.
import { linkTo } from "./invite.js";
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, t } from "./i18n.js";
import { hasRole, randomToken } from "./ramai/protocol.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./roomstate.js").RoomState} RoomState
 */

/** Waits until the page is connected. @param {Model} model @returns {Promise<void>} */
const connected = ({ client }) => new Promise((resolve) => {
	const check = () => client.state === "live" && resolve();
	client.on("state", check);
	check();
});

/**
 * Redeems an invite or a password, again for as long as the server asks to wait. The room enters by itself once the answer has come.
 * @param {Model} model @param {string} room @param {{invite: string}|{password: string}} secret
 */
async function redeem({ client }, room, secret) {
	await client.withRetry(() => client.request({ type: "redeem", room, ...secret }));
}

/** Redeems the invite of the link that was opened. @param {Model} model @param {string} room @param {string} invite */
export async function redeemInvite(model, room, invite) {
	await connected(model);
	try {
		await redeem(model, room, { invite });
	} catch (error) {
		if (!hasRole(model.roomStates.get(room)?.room.role ?? "none", "guest")) model.emit("problem", error);
	}
}

/** Asks for the password of a room that the reader may not read. @param {{roomState: RoomState}} props */
export function PasswordForm({ roomState }) {
	const [state, setState] = useState({ busy: false, error: "" });
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		const input = /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (event.target).elements.namedItem("password"));
		if (!input.value) return;
		setState({ busy: true, error: "" });
		try {
			await redeem(roomState.model, roomState.name, { password: input.value });
			setState({ busy: false, error: "" });
		} catch (error) {
			setState({ busy: false, error: errorText(error) });
			input.select();
		}
	};
	return html`<form class="password-form" onSubmit=${submit} novalidate>
		<label for="room-password">${t.roomPassword}</label>
		<div class="line"><input id="room-password" name="password" type="password" autocomplete="off" maxlength="128" aria-invalid=${state.error ? "true" : undefined} aria-describedby=${state.error ? "password-error" : undefined} />
		<button class="primary" disabled=${state.busy}>${t.enterRoom}</button></div>
		${state.error && html`<p class="error-text" id="password-error" role="alert">${state.error}</p>`}
	</form>`;
}

const USES = [1, 10, 30, 100, 1000];
const DAYS = [1, 7, 30, 365];

/** Makes invites, for those who may. @param {{roomState: RoomState, show: (link: string) => void}} props */
export function InviteForm({ roomState, show }) {
	const { room, model } = roomState;
	const [error, setError] = useState("");
	if (!hasRole(room.role, "moderator")) return null;
	const owner = room.role === "owner";
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
		const role = String(form.get("role"));
		const limits = role === "owner" ? {} : { uses: Number(form.get("uses")), until: new Date(Date.now() + Number(form.get("days")) * 86_400_000).toISOString() };
		setError("");
		try {
			const { invite } = await model.client.request({ type: "invite", room: room.name, id: randomToken(9), role, ...limits });
			show(`${linkTo(room.name).link}#invite=${invite}`);
		} catch (error) {
			setError(errorText(error));
		}
	};
	const roles = ["reader", "guest", "trusted", ...(owner ? ["moderator", "owner"] : [])];
	return html`<form class="invite-form" onSubmit=${submit}>
		<h3>${t.inviteTitle}</h3>
		<p>${t.inviteText}</p>
		<div class="line">
			<label>${t.inviteRole} <select name="role">${roles.map((role) => html`<option value=${role} selected=${role === "guest"}>${role === "owner" ? t.inviteRecovery : t.roleNames[role] ?? role}</option>`)}</select></label>
			<label>${t.inviteUses} <select name="uses">${USES.map((n) => html`<option value=${n} selected=${n === 30}>${n}</option>`)}</select></label>
			<label>${t.inviteDays} <select name="days">${DAYS.map((n) => html`<option value=${n} selected=${n === 7}>${n}</option>`)}</select></label>
			<button>${t.inviteMake}</button>
		</div>
		${error && html`<p class="error-text" role="alert">${error}</p>`}
	</form>`;
}
