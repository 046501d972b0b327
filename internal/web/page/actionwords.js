// What a moderator has done, in the language of the page.
import { durationText } from "./duration.js";
import { html } from "./html.js";
import { fullDay, number, plural, t } from "./i18n.js";
import { displayName } from "./people.js";

/**
 * @typedef {import("./ramai/protocol.js").Action} Action
 * @typedef {import("./ramai/protocol.js").Value} Value
 */

/** The value of a rule, in words. @param {string} key @param {Value|undefined} value */
export function valueText(key, value = null) {
	if (key === "slow" || key === "newcomer") return value === null ? t.off : durationText(Number(value));
	if (value === null) return t.ruleUnset[key] ?? t.off;
	if (key === "lock") return t.locked;
	if (key === "preset") return t.presets[String(value)] ?? String(value);
	if (key === "everyone") return { none: t.everyoneNothing, reader: t.everyoneReads, guest: t.everyoneWrites }[String(value)] ?? String(value);
	if (key === "hold") return t.holds[String(value)] ?? String(value);
	return t.atLeast[String(value)] ?? String(value);
}

/** What was set. @param {Action} a @param {string} whom */
function setText({ key = "", value = null, before = null }, whom) {
	switch (key.split("/")[0]) {
		case "person":
			return value === null ? t.didPardon(whom) : value === "ban" ? t.didBan(whom) : t.didMute(whom);
		case "role":
			return value === null ? t.didTakeRole(whom, t.roleNames[String(before)] ?? String(before ?? "")) : t.didGiveRole(whom, t.roleNames[String(value)] ?? String(value));
		case "address":
			return value === null ? t.didPardonAddress : t.didMuteAddress;
		case "password":
			return value === null ? t.didRemovePassword : t.didSetPassword;
		case "lock":
			return value === null ? t.didOpen : t.didLock;
	}
	return t.ruleSet(t.ruleLabels[key] ?? key, valueText(key, value)).replace(/\.$/, "");
}

/** What was done, without who did it. @param {Action} action */
export function actionText(action) {
	const { by = "", from = "", of = 0, count = 0, until = "", value } = action;
	const whom = by ? displayName({ by, from }) : "";
	const role = t.roleNames[String(value)] ?? String(value ?? "");
	const did = () => {
		switch (action.do) {
			case "set":
				return setText(action, whom);
			case "erase":
				return whom ? t.didEraseOf(whom, plural(t.messageCount, count)) : t.didErase(plural(t.messageCount, count));
			case "undo":
				return t.didUndo;
			case "approve":
				return t.didApprove(whom, number(of));
			case "reject":
				return count ? t.didRejectAll(plural(t.messageCount, count), whom) : t.didReject(whom);
			case "settle":
				return t.didSettle(whom, number(of));
			case "delete":
				return t.didDelete(whom, number(of));
			case "invite":
				return t.didInvite(role, number(count));
			case "redeem":
				return t.didRedeem(role);
		}
		return action.do;
	};
	return did() + (until ? ` · ${t.untilDay(fullDay(until))}` : "");
}

/** The same as a part of the log. @param {{action: Action}} props */
export const Did = ({ action }) => html`<p>${actionText(action)}</p>`;
