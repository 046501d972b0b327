// Makes the vendored files of the page from the npm packages: node vendor.mjs after npm ci. With --check it changes
// nothing, and fails if a file differs.
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { gemoji } from "gemoji";

const here = (path) => new URL(path, import.meta.url);
const page = (path) => here("../../internal/web/page/" + path);
const screen = "../../tui/emoji.txt"; // the terminal client completes the same names
const read = (path) => readFileSync(here("node_modules/" + path), "utf8");
const version = (name) => JSON.parse(read(`${name}/package.json`)).version;

const module = (name, path, change = (s) => s) =>
	`// ${name} ${version(name)}; see LICENSES.txt\n` + change(read(`${name}/${path}`)).replace(/\n\/\/# sourceMappingURL=.*\n?/, "\n");

const licence = (name, path = "LICENSE") => `${name} ${version(name)}\n\n${read(`${name}/${path}`).trim()}\n`;

const emoji = gemoji
	.filter((e) => e.category !== "Flags" || e.names[0].length < 20)
	.map((e) => `${e.emoji} ${e.names.join(" ")}`)
	.join("\n");

const files = {
	"vendor/preact.js": module("preact", "dist/preact.mjs"),
	"vendor/hooks.js": module("preact", "hooks/dist/hooks.mjs", (s) => s.replace('from"preact"', 'from"./preact.js"')),
	"vendor/htm.js": module("htm", "dist/htm.mjs"),
	"vendor/qr.js": module("lean-qr", "nano.mjs"),
	"vendor/emoji.js": `// The names of gemoji ${version("gemoji")}; see LICENSES.txt. A line each: the emoji, its names.\nexport default \`${emoji}\`;\n`,
	[screen]: emoji + "\n",
	"vendor/LICENSES.txt": [licence("preact"), licence("htm"), licence("lean-qr"), licence("gemoji", "license")].join("\n" + "-".repeat(80) + "\n\n"),
};

const check = process.argv.includes("--check");
let stale = 0;
mkdirSync(page("vendor"), { recursive: true });
for (const [path, content] of Object.entries(files)) {
	if (check) {
		let is = "";
		try {
			is = readFileSync(page(path), "utf8");
		} catch {}
		if (is !== content) {
			console.error(`internal/web/page/${path} differs from the pinned packages: run make vendor`);
			stale++;
		}
	} else {
		writeFileSync(page(path), content);
	}
}
process.exit(stale ? 1 : 0);
