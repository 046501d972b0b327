// A terminal that reports what the bytes written to it did: one case per line on stdin, as JSON, and one result per line on
// stdout. It knows nothing about Go or the screen; internal/tui compares the results with what it expects.
//
// A case: {cols, rows, bytes: base64 of all that is written, pieces: [lengths of the writes], newlines: whether a newline is
// also a carriage return, as with the line discipline of a terminal}
// A result: {screen: [rows], cursor: [x, y], alternate, effects: [what a screen must not do], links: [addresses], replies}
import { createInterface } from "node:readline";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import xterm from "@xterm/headless";

// OSC commands that set, query or announce something.
const OSC = [0, 1, 2, 4, 5, 7, 9, 10, 12, 50, 52, 99, 104, 105, 110, 111, 112, 133, 633, 777, 1337];

/** @param {{cols: number, rows: number, bytes: string, pieces: number[], newlines: boolean}} c */
async function render(c) {
	const term = new xterm.Terminal({ cols: c.cols, rows: c.rows, allowProposedApi: true, scrollback: 0, convertEol: c.newlines });
	term.loadAddon(new Unicode11Addon());
	term.unicode.activeVersion = "11";
	const effects = [];
	const links = [];
	let replies = 0;
	term.onBell(() => effects.push("bell"));
	term.onTitleChange((title) => effects.push(`title ${title}`));
	term.onData(() => replies++);
	term.onBinary(() => replies++);
	for (const n of OSC) term.parser.registerOscHandler(n, (data) => (effects.push(`OSC ${n};${data}`), false));
	term.parser.registerOscHandler(8, (data) => (links.push(data.slice(data.indexOf(";") + 1)), false));
	for (const final of "tn") term.parser.registerCsiHandler({ final }, (p) => (effects.push(`CSI ${p.join(";")} ${final}`), false));
	term.parser.registerDcsHandler({ final: "q", intermediates: "$" }, (data) => (effects.push(`DCS ${data}`), false));

	const bytes = Buffer.from(c.bytes, "base64");
	const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // xterm's own decoder loses a character whose bytes are split
	let at = 0;
	for (const n of [...c.pieces, bytes.length]) {
		const piece = bytes.subarray(at, at + n);
		at += piece.length;
		await new Promise((done) => term.write(decoder.decode(piece, { stream: true }), () => done(undefined)));
	}
	const buffer = term.buffer.active;
	const screen = Array.from({ length: c.rows }, (_, y) => buffer.getLine(buffer.baseY + y)?.translateToString(true) ?? "");
	const seen = { screen, cursor: [buffer.cursorX, buffer.cursorY], alternate: buffer.type === "alternate", effects, links: links.filter(Boolean), replies };
	term.dispose();
	return seen;
}

for await (const line of createInterface({ input: process.stdin })) {
	if (line) console.log(JSON.stringify(await render(JSON.parse(line))));
}
