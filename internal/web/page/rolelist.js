// The people of a room who have a role, or were muted or banned.
import { timeLeft, when } from "./duration.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { loadError, t } from "./i18n.js";
import { avatar, displayName } from "./people.js";

/**
 * @typedef {import("./ramai/protocol.js").Value} Value
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {{by: string, from: string, role: string, penalty: string, until: string}} Listed somebody with a role, or a penalty that ends at until
 */

/** The name that a sender has used last, as far as it is known here. @param {RoomState} roomState @param {string} by */
export const nameOf = ({ room }, by) => room.replica.messages.findLast((m) => m.by === by && m.from)?.from ?? "";

/** All settings of one kind, by sender. @param {RoomState} roomState @param {string} prefix */
async function settingsOf({ room }, prefix) {
	const all = [];
	for (let after = ""; ;) {
		const page = await room.client.withRetry(() => room.settings({ prefix, ...(after && { after }) }));
		all.push(...page.settings);
		after = page.settings.at(-1)?.key ?? "";
		if (!page.more || !after) return all;
	}
}

/** The people who have a role or a penalty that is not over: those with a penalty first. @param {RoomState} roomState @returns {Promise<Listed[]>} */
export async function listPeople(roomState) {
	const [roles, penalties] = [await settingsOf(roomState, "role/"), await settingsOf(roomState, "person/")];
	/** @type {Map<string, Listed>} */
	const people = new Map();
	const entry = (/** @type {string} */ key) => {
		const by = key.split("/")[1];
		const person = people.get(by) ?? { by, from: nameOf(roomState, by), role: "", penalty: "", until: "" };
		people.set(by, person);
		return person;
	};
	const isOver = (/** @type {string|undefined} */ until) => until !== undefined && until !== "" && timeLeft(until) <= 0;
	for (const { key, value, until } of penalties) if (!isOver(until)) Object.assign(entry(key), { penalty: value, until: until ?? "" });
	for (const { key, value, until } of roles) if (!isOver(until)) entry(key).role = String(value);
	return [...people.values()];
}

/** @param {{roomState: RoomState, open: (part: "ModerationPart", props: object) => void}} props */
export function RoleList({ roomState, open }) {
	const { room } = roomState;
	const [people, setPeople] = useState(/** @type {Listed[]|null} */ (null));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const load = () => listPeople(roomState).then((list) => { setPeople(list); setError(null); }, setError);
	useEffect(() => {
		load();
		return room.on("state", (/** @type {any} */ f) => ["person", "role"].includes(f.key.split("/")[0]) && load()); // its subject is not in the frame
	}, [roomState]);
	if (error) return html`<p class="error-text" role="alert">${loadError(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`;
	if (!people) return html`<p class="note">${t.loading}</p>`;
	if (people.length === 0) return html`<p class="note">${t.nobodyListed}</p>`;
	const row = (/** @type {Listed} */ p) => html`<li key=${p.by}><button type="button" class="listed" onClick=${() => open("ModerationPart", { view: "PersonCard", person: { by: p.by, from: p.from } })}>
		${avatar(p)}<span class="who"><bdi>${displayName(p)}</bdi>${p.by === room.client.by && html` <span class="you">${t.you}</span>`}<span class="note">${[p.penalty && t.penalties[p.penalty], p.until && t.endsAt(when(p.until)), p.role && t.roleNames[p.role]].filter(Boolean).join(" · ")}</span></span></button></li>`;
	return html`<ul class="listed-people">${people.map(row)}</ul><p class="note">${t.peopleHint}</p>`;
}
