// Times to come, and durations, in words.
import { clock } from "./clock.js";
import { fullDay, inUnit, t, timeOfDay } from "./i18n.js";

// In seconds.
export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;

/** ms until a time of the server. @param {string} until */
export const timeLeft = (until) => Date.parse(until) - (Date.now() - clock.ahead);

/** A number of seconds in the largest unit that has a whole number of them. @param {number} seconds */
export function durationText(seconds) {
	for (const [unit, size] of /** @type {[string, number][]} */ ([["day", DAY], ["hour", HOUR], ["minute", MINUTE]])) if (seconds % size === 0) return inUnit(seconds / size, unit);
	return inUnit(seconds, "second");
}

/** A number of seconds as a clock that runs down. @param {number} seconds */
export const clockText = (seconds) => `${Math.floor(seconds / MINUTE)}:${String(seconds % MINUTE).padStart(2, "0")}`;

/** From when on: in minutes and seconds, which run down, or at a time of day, or on a day. @param {string} until */
export function when(until) {
	const seconds = Math.max(0, Math.ceil(timeLeft(until) / 1000));
	if (seconds < HOUR) return t.whenIn(clockText(seconds));
	if (seconds < DAY) return t.whenAt(timeOfDay(until));
	return t.whenOn(fullDay(until));
}
