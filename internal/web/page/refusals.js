// Why a rule of a room refuses something, in the language of the page.
import { durationText, when } from "./duration.js";
import { explainWith, t } from "./i18n.js";

/** Empty: it was no rule of a room. The text counts the time down if it is asked for again. @param {import("./ramai/protocol.js").Refusal} refusal */
export function refusalText({ code, rule, params, until, request, retryAfter }) {
	const from = until ? when(until) : "";
	const again = (/** @type {(when: string) => string} */ text) => (from ? ` ${text(from)}` : "");
	const least = t.atLeast[String(params.role)] ?? "";
	if (code === "held") return t.refusedHeld[String(params.why)] ?? t.refusedHeld.waits;
	if (code === "not_allowed" && request === "hello") return t.sessionEnded;
	if (code === "rate_limited" && retryAfter) return t.tooManyTries(durationText(Math.ceil(retryAfter / 1000)));
	switch (rule) {
		case "person":
			return params.action === "ban" ? t.refusedBan + again(t.backWhen) : t.refusedMute + again(t.writeWhen);
		case "role":
			return !params.role ? t.refusedEqual : params.role === "reader" ? t.refusedReader : params.role === "guest" ? t.refusedGuest : t.refusedRole(least);
		case "lock":
			return t.refusedLock + again(t.opensWhen);
		case "may.say":
			return t.refusedSay(least) + again(t.writeWhen);
		case "may.react":
			return t.refusedReact(least);
		case "may.link":
			return t.refusedLink(least);
		case "newcomer":
			return t.refusedNewcomer + again(t.writeWhen);
		case "slow":
			return t.refusedSlow(durationText(Number(params.seconds) || 1)) + again(t.writeWhen);
		case "hold":
			return t.refusedHeld.full;
		case "password":
			return t.refusedPassword;
		case "invite":
			return t.refusedInvite[String(params.why)] ?? t.refusedInvite.unknown;
		case "address":
			return t.refusedAddress + again(t.writeWhen);
	}
	return "";
}

explainWith(refusalText);
