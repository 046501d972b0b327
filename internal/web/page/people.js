// How senders are shown, and the names of people whom the page does not know.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { hue, initials } from "./text.js";

/** @typedef {import("./ramai/room.js").Room} Room */

export const LARGE_ROOM = 200; // people in a room, above which the server sends names only on request

/** The sender's name, or a substitute. @param {{by: string, from: string}} m */
export const displayName = (m) => m.from || t.guest(m.by.slice(0, 4));

/** The initials of a sender, in the sender's color. @param {{by: string, from: string}} m */
export const avatar = (m) => html`<span class=${m.from ? "avatar" : "avatar none"} style=${{ "--hue": hue(m.by) }} aria-hidden="true">${initials(displayName(m))}</span>`;

/**
 * Asks the server for the names in a room that begin with a prefix, the latest speakers first.
 * @param {Room} room @param {string} prefix @param {number} limit @returns {Promise<{names: string[], matching: number}>}
 */
export const findNames = (room, prefix, limit) => room.client.withRetry(() => room.client.get(`/api/v1/rooms/${room.name}/people`, "names", { prefix, limit }));
