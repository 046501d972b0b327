// The card of a person, for moderators: role, mute, ban, and erasing what the person has written.
import { Dialog } from "./dialogs.js";
import { durationText, timeLeft, when } from "./duration.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { changePerson, changeRule } from "./moderators.js";
import { LastDone } from "./outcome.js";
import { avatar, displayName } from "./people.js";
import { hasRole, ROLES } from "./ramai/protocol.js";
import { inSeconds } from "./ruleform.js";
import { owns } from "./rules.js";

/**
 * @typedef {import("./hidden.js").Person} Person
 * @typedef {import("./model.js").Model} Model
 */

const MUTES = [600, 3600]; // seconds
const GIVEN = ["reader", "trusted", "moderator"]; // roles that the card offers, besides none

/** @param {{model: Model, person: Person, close: () => void, open: (part: "ModerationPart", props: object) => void}} props */
export function PersonCard({ model, person, close, open }) {
	const roomState = model.current;
	const { room } = roomState;
	const { by } = person;
	const name = displayName(person);
	const [known, setKnown] = useState(false);
	const load = () => Promise.all([room.settings({ prefix: `person/${by}` }), room.settings({ prefix: `role/${by}` })]).then(() => {
		setKnown(true);
		model.changed();
	}, (error) => model.emit("problem", error));
	useEffect(() => {
		load();
		return room.on("state", (/** @type {any} */ f) => ["person", "role"].includes(f.key) && load());
	}, [by]);
	const current = (/** @type {string} */ key) => {
		const end = room.settingEnd(key);
		return end && timeLeft(end) <= 0 ? null : room.setting(key);
	};
	const penalty = current(`person/${by}`);
	const role = String(current(`role/${by}`) ?? "");
	const me = by === model.client.by;
	const above = role !== "" && hasRole(role, room.role);
	const until = room.settingEnd(`person/${by}`);
	const mute = (/** @type {number} */ s) => changePerson(roomState, person, "mute", s ? t.mutedFor(name, durationText(s)) : t.muted(name), s ? inSeconds(s) : undefined);
	const give = (/** @type {any} */ e) => {
		const to = e.target.value;
		changeRule(roomState, `role/${by}`, to || null, to ? t.roleGiven(name, t.roleNames[to]) : t.roleTaken(name));
	};
	const offered = [...GIVEN, ...(owns(roomState) ? ["owner"] : [])].filter((r) => r === "owner" || ROLES.indexOf(r) < ROLES.indexOf(room.role));
	if (role && !offered.includes(role)) offered.push(role);
	return html`<${Dialog} title=${t.personTitle} close=${close} drawer>
		<div class="person-head">${avatar(person)}<div><p><bdi>${name}</bdi></p><p class="note">${penalty ? `${t.penalties[String(penalty)]}${until ? ` · ${t.endsAt(when(until))}` : ""}` : t.roleNames[role] ?? t.noRole}</p></div></div>
		${me ? html`<p class="note">${t.thisIsYou}</p>` : above ? html`<p class="note">${t.refusedEqual}</p>` : html`
			<h3>${penalty ? t.penaltyTitle : t.mute}</h3>
			${penalty
				? html`<button type="button" class="primary wide-button" onClick=${() => changePerson(roomState, person, null, t.pardoned(name))}>${icon("undo")} ${penalty === "ban" ? t.unban : t.unmute}</button>`
				: html`<div class="buttons even">${MUTES.map((s) => html`<button type="button" key=${s} onClick=${() => mute(s)}>${durationText(s)}</button>`)}<button type="button" onClick=${() => mute(0)}>${t.untilChanged}</button></div>`}
			${penalty !== "ban" && html`<button type="button" class="danger outline wide-button" onClick=${() => changePerson(roomState, person, "ban", t.banned(name))}>${icon("ban")} ${t.ban}</button><p class="note">${t.banHint}</p>`}
			<h3>${t.messages}</h3>
			<button type="button" class="danger outline wide-button" onClick=${() => open("ModerationPart", { view: "ErasePreview", erase: { by }, who: name })}>${icon("trash")} ${t.eraseAll}</button>
			<label class="choice card-role">${t.role} <select disabled=${!known} onChange=${give}>
				<option value="" selected=${!role}>${t.noRole}</option>
				${offered.map((r) => html`<option key=${r} value=${r} selected=${r === role}>${t.roleNames[r]}</option>`)}
			</select></label>
			${owns(roomState) && html`<p class="note">${t.ownerHint}</p>
				<button type="button" class="danger outline wide-button" onClick=${() => open("ModerationPart", { view: "UndoPerson", person, who: name })}>${icon("undo")} ${t.undoPerson(name)}…</button>`}`}
		<${LastDone} model=${model} />
	<//>`;
}
