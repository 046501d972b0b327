// ramai.js: rooms of a ramai server, for pages.
//
//   import { connect } from "https://chat.example.org/ramai.js";
//   const room = connect("https://chat.example.org/r/lobby");
//   room.on("message", (m) => console.log(m.from, m.text));
//   room.say("Hello!");
//
// It speaks ramai.v1 over a WebSocket, or server-sent events and POST where WebSockets are blocked. After a break it
// reconnects and resumes exactly where it stopped. Messages are sent in order and stored once, however often the
// connection breaks. See docs/PAGE.md.
//
// The server joins this module and those it imports into one file when another site asks for /ramai.js: see join.go.
import { openRoom } from "./ramai/client.js";
import { HTTPConnection } from "./ramai/http.js";

/** @typedef {import("./ramai/client.js").Options} Options */

/**
 * Joins a room: https://host/ is the lobby, https://host/r/ROOM any other. Use room.client.join to join more rooms over
 * the same connection.
 * @param {string|URL} url @param {Options} [options]
 */
export function connect(url, options = {}) {
	return openRoom(url, options, async () => HTTPConnection);
}
