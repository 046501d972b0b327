// What a moderator does in a raid: the room is locked, new people have to wait, and what newcomers have posted can be erased.
import { Dialog } from "./dialogs.js";
import { HOUR, MINUTE } from "./duration.js";
import { erasedText, moderateRoom } from "./erasure.js";
import { useEffect, useState } from "./hooks.js";
import { html } from "./html.js";
import { errorText, number, plural, t } from "./i18n.js";
import { icon } from "./icons.js";
import { changeSetting } from "./marks.js";
import { LastDone } from "./outcome.js";
import { displayName } from "./people.js";
import { inSeconds } from "./ruleform.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./ramai/protocol.js").Message} Message
 * @typedef {import("./roomstate.js").RoomState} RoomState
 * @typedef {{by: string, from: string, count: number, text: string}} Newcomer count: of the messages; text: of the newest
 */

const RAID_TIME = 10 * MINUTE; // seconds in which a newcomer has posted
const OLDER = 500; // messages before that, whose senders are no newcomers

/**
 * Who has posted lately and not before: those with the most messages first.
 * @param {Message[]} recent ascending @param {Message[]} older @param {string} me
 * @returns {Newcomer[]}
 */
export function newcomersOf(recent, older, me) {
	const known = new Set([me, ...older.map((m) => m.by)]);
	/** @type {Map<string, Newcomer>} */
	const people = new Map();
	for (const m of recent) {
		if (m.gone || known.has(m.by)) continue;
		people.set(m.by, { by: m.by, from: m.from, count: (people.get(m.by)?.count ?? 0) + 1, text: m.text });
	}
	return [...people.values()].sort((a, b) => b.count - a.count);
}

/** The newcomers of the last minutes, as the server's history has them. @param {RoomState} roomState @param {number} since ms */
async function loadNewcomers({ room, model }, since) {
	const ask = (/** @type {import("./ramai/replica.js").PageParams} */ params) => room.client.withRetry(() => room.history({ limit: OLDER, ...params }));
	/** @type {Message[]} */
	const recent = [];
	let start = 0;
	for (let before = room.head + 1; ;) { // backwards to the time
		const page = await ask({ before });
		const later = page.messages.filter((m) => Date.parse(m.at) >= since);
		recent.unshift(...later);
		start = later[0]?.n ?? before;
		if (later.length < page.messages.length || !page.more || later.length === 0) break;
		before = start;
	}
	return newcomersOf(recent, (await ask({ before: start })).messages, model.client.by);
}

/** Locks the room, and lets new people wait. Returns what undoes it. @param {RoomState} roomState */
function shut(roomState) {
	const { room } = roomState;
	const rules = [["lock", "on", inSeconds(10 * MINUTE)], ["newcomer", 10 * MINUTE, inSeconds(HOUR)]];
	const before = rules.map(([key]) => [key, room.setting(String(key)), room.settingEnd(String(key))]);
	const set = (/** @type {any[][]} */ list) => list.forEach(([key, value, until]) => changeSetting(roomState, key, value, until));
	set(rules);
	return () => set(before);
}

/** @param {{model: Model, close: () => void}} props */
export function Raid({ model, close }) {
	const roomState = model.current;
	const [since] = useState(() => new Date(Date.now() - RAID_TIME * 1000).toISOString());
	const [people, setPeople] = useState(/** @type {Newcomer[]|null} */ (null));
	const [spared, setSpared] = useState(/** @type {string[]} */ ([]));
	const [error, setError] = useState(/** @type {unknown} */ (null));
	const [erasing, setErasing] = useState(false);
	const [held, setHeld] = useState(0); // messages of newcomers that wait
	const load = () => {
		loadNewcomers(roomState, Date.parse(since)).then(setPeople, setError);
		moderateRoom(roomState, { erase: { newcomers: true, since }, dry: true }).then((preview) => setHeld(preview.held ?? 0), setError);
	};
	useEffect(() => {
		model.emit("done", t.raidShut, shut(roomState));
		load();
	}, []);
	const chosen = (people ?? []).filter((p) => !spared.includes(p.by));
	const count = chosen.reduce((sum, p) => sum + p.count, 0);
	const toggle = (/** @type {string} */ by) => setSpared(spared.includes(by) ? spared.filter((other) => other !== by) : [...spared, by]);
	const erase = async () => {
		setErasing(true);
		setError(null);
		/** @type {number[]} */
		const erasures = [];
		let [erased, rejected] = [0, 0];
		try {
			const all = spared.length === 0 ? [{ newcomers: true, since }] : chosen.map(({ by }) => ({ by, since }));
			for (const erase of all) {
				const what = { erase };
				const { to, held_to, count, held = 0 } = await moderateRoom(roomState, { ...what, dry: true });
				if (count + held === 0) continue;
				const { n } = await moderateRoom(roomState, { ...what, to, held_to });
				if (count > 0) erasures.push(n);
				erased += count;
				rejected += held;
			}
		} catch (why) {
			setError(why);
		}
		setErasing(false);
		const undo = erasures.length > 0 && (() => erasures.forEach((n) => moderateRoom(roomState, { undo: n }).catch((why) => model.emit("problem", why))));
		if (erased + rejected > 0) model.emit("done", erasedText(erased, rejected), undo || null);
		load();
	};
	return html`<${Dialog} title=${t.raidTitle} close=${close} drawer>
		<p class="note">${t.raidHint}</p>
		${error !== null && html`<p class="error-text" role="alert">${errorText(error)} <button type="button" class="plain" onClick=${load}>${t.tryNow}</button></p>`}
		${people?.length === 0 && html`<p role="status">${t.raidNobody}</p>`}
		<ul class="newcomers">${(people ?? []).map((p) => html`<li key=${p.by}><label class="check"><input type="checkbox" checked=${!spared.includes(p.by)} onChange=${() => toggle(p.by)} /> <span class="who"><bdi>${displayName(p)}</bdi> <span class="note">${number(p.count)} · <span dir="auto">${p.text.slice(0, 60)}</span></span></span></label></li>`)}</ul>
		${held > 0 && spared.length === 0 && html`<p>${plural(t.eraseHeld, held)}</p>`}
		${(count > 0 || (held > 0 && spared.length === 0)) && html`<button type="button" class="danger wide-button" disabled=${erasing} onClick=${erase}>${icon("trash")} ${count > 0 ? plural(t.eraseNow, count) : plural(t.rejectNow, held)}</button>`}
		${count > 0 && html`<p class="note">${t.eraseHint}</p>`}
		<${LastDone} model=${model} />
	<//>`;
}
