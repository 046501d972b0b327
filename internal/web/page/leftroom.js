// What stands in place of a room that the reader may not read.
import { useEffect } from "./hooks.js";
import { html } from "./html.js";
import { errorText, t } from "./i18n.js";
import { icon } from "./icons.js";
import { timeLeft } from "./duration.js";
import { PasswordForm, refusedInvite } from "./redeem.js";
import { isRecordRoom } from "./rules.js";

/** @typedef {import("./roomstate.js").RoomState} RoomState */

/** @param {{roomState: RoomState, show: (room: string) => void}} props */
export function LeftRoom({ roomState, show }) {
	const { room } = roomState;
	const why = room.left;
	useEffect(() => { // a ban that ends
		if (!why?.until) return;
		const timer = setTimeout(() => room.joinAgain(), Math.min(Math.max(timeLeft(why.until), 0) + 1000, 2 ** 31 - 1));
		return () => clearTimeout(timer);
	}, [why]);
	const banned = why?.rule === "person";
	return html`<div class="log left-room" role="region" aria-label=${t.log}><div class="page"><div class="empty">
		<span class="big-icon">${icon("lock")}</span>
		<h2>${banned ? t.leftBanned : t.leftPrivate}</h2>
		<p role="status">${why && errorText(why)}</p>
		${!banned && refusedInvite(roomState) && html`<p class="error-text" role="alert">${refusedInvite(roomState)}</p>`}
		${!banned && !isRecordRoom(roomState) && html`<p>${t.leftInvite}</p><${PasswordForm} roomState=${roomState} />`}
		<div class="buttons"><button type="button" class="primary" onClick=${() => room.joinAgain()}>${t.leftAgain}</button>
			${room.name !== "lobby" && html`<button type="button" onClick=${() => show("lobby")}>${t.leftLobby}</button>`}</div>
	</div></div></div>`;
}
