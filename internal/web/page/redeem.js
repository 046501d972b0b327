// Invites and passwords: getting into a room with one, and making an invite.
import { linkTo } from "./invite.js";
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, t } from "./i18n.js";
import { hasRole, randomToken } from "./ramai/protocol.js";
import { refusalText } from "./refusals.js";

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

const UNSAID_WAIT = 2_000; // ms that a reader waits without being told why

/**
 * Redeems an invite or a password, again if the server asks to wait a moment. The room enters by itself once the answer has come.
 * @param {Model} model @param {string} room @param {{invite: string}|{password: string}} secret
 */
async function redeem({ client }, room, secret) {
	await client.withRetry(() => client.request({ type: "redeem", room, ...secret }).catch((error) => {
		throw error.code === "rate_limited" && error.retryAfter > UNSAID_WAIT ? new Error(refusalText(error)) : error;
	}));
}

/** Why the invite with which a room was opened was refused. @type {WeakMap<RoomState, unknown>} */
const refusedInvites = new WeakMap();

/** Empty: no invite was refused. @param {RoomState} roomState */
export const refusedInvite = (roomState) => (refusedInvites.has(roomState) ? errorText(refusedInvites.get(roomState)) : "");

/** Redeems the invite of the link that was opened. @param {Model} model @param {string} room @param {string} invite */
export async function redeemInvite(model, room, invite) {
	await connected(model);
	try {
		await redeem(model, room, { invite });
	} catch (error) {
		const roomState = model.roomStates.get(room);
		if (!roomState || hasRole(roomState.room.role || "none", "guest")) return;
		if (roomState.room.log) return model.emit("problem", error);
		refusedInvites.set(roomState, error);
		model.changed();
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
