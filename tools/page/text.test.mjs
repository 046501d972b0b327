// node --test: links, code and mentions in a text.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { initials, isEmojiOnly, mentionsName, parts, pieces } from "../../internal/web/page/text.js";

const brief = (text, me = "anna", names = ["Budi Satu"]) => parts(text, me, names).map((p) => `${p.kind}:${p.text}`);

test("only http and https URLs are links", () => {
	assert.deepEqual(brief("see https://example.org/a(b)?x=1, or (http://x.test)."), ["text:see ", "link:https://example.org/a(b)?x=1", "text:, or (", "link:http://x.test", "text:)."]);
	for (const bad of ["javascript:alert(1)", "data:text/html,x", "https://", "https:///", "http://[::", "vbscript:x", "file:///etc/passwd"]) {
		assert.deepEqual(brief(bad), [`text:${bad}`], bad);
	}
	for (const p of parts("https://a.test/\u202egnp.exe https://b.test/\u200b", "", [])) if (p.kind === "link") assert.match(p.text, /^[\x21-\x7e]+$/);
	assert.equal(parts("https://xn--e1afmkfd.test/", "", [])[0].kind, "link");
});

// The terminal client uses the same cases.
const cases = readFileSync(new URL("../../internal/tui/testdata/links.tsv", import.meta.url), "utf8").split("\n").filter((l) => l && l[0] !== "#")
	.map((line) => line.split("\t").map((field) => field.replace(/\\u([0-9a-f]{4})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))));

test("links and mentions in all scripts", () => {
	assert.ok(cases.length > 40);
	for (const [kind, text, want, yes] of cases) {
		if (kind === "link") assert.deepEqual(parts(text, "", []).filter((p) => p.kind === "link").map((p) => p.text), want ? [want] : [], text);
		else assert.equal(mentionsName(text, want), yes === "yes", `${text} mentions ${want}`);
	}
});

test("code contains no links or mentions", () => {
	assert.deepEqual(brief("a `https://x.test @anna` b"), ["text:a ", "code:https://x.test @anna", "text: b"]);
	assert.deepEqual(brief("```go\nx := 1\n```\nafter"), ["block:x := 1", "text:after"]);
	assert.deepEqual(brief("``` unfinished"), ["text:``` unfinished"]);
});

test("emphasis, quotes and lists", () => {
	const flat = (list) => list.map((p) => (p.kind === "list" ? `list${p.start}[${p.items.map(flat).join("|")}]` : p.parts ? `${p.kind}(${flat(p.parts)})` : p.kind === "text" ? p.text : `${p.kind}:${p.text}`)).join("");
	for (const [text, want] of [
		["a **bold** and *italic* and _it too_.", "a bold(bold) and italic(italic) and italic(it too)."],
		["snake_case_name and 2*3*4 and a * b * c", "snake_case_name and 2*3*4 and a * b * c"],
		["**not\nclosed** ** x **", "**not\nclosed** ** x **"],
		["**see https://x.test/a_b_c**", "bold(see link:https://x.test/a_b_c)"],
		["https://x.test/_a_", "link:https://x.test/_a"].map((s, i) => (i ? s + "_" : s)),
		["**hey @anna**", "bold(hey mention:@anna)"],
		["> one\n> two\nanswer", "quote(one\ntwo)answer"],
		["a:\n- one\n- `two`\nb", "a:list0[one|code:two]b"],
		["3. c\n4. d", "list3[c|d]"],
		["-5 and 1.5", "-5 and 1.5"],
		["```\n- x\n**y**\n```", "block:- x\n**y**"],
		["go to www.example.org/a_b, or www. or a.www.x.y", "go to link:www.example.org/a_b, or www. or a.www.x.y"],
		["<b>x</b> **<i>**", "<b>x</b> bold(<i>)"],
	]) assert.equal(flat(parts(text, "anna", [])), want, text);
	assert.equal(parts("www.example.org", "", [])[0].href, "https://www.example.org/");
	assert.ok(mentionsName("> **@anna**", "anna") && mentionsName("- hi @anna", "anna"));
});

test("a text of emoji alone", () => {
	for (const yes of ["👍", "👍🏽 🎉", "🇮🇩", "❤️"]) assert.ok(isEmojiOnly(yes), yes);
	for (const no of ["", " ", "1", "👍 ok", "*", "👍".repeat(30)]) assert.ok(!isEmojiOnly(no), no);
});

test("markers without an end are quick", () => {
	const start = process.cpuUsage().user;
	for (const s of ["*", " *a", " _a", "**a ", "> ", "- a\n", " (**x"]) parts(s.repeat(4000 / s.length), "anna", []);
	assert.ok(process.cpuUsage().user - start < 1_000_000);
});

test("mentions are of whole names", () => {
	assert.deepEqual(brief("@anna, @Budi Satu! a@anna.test @annabel"), ["mention:@anna", "text:, ", "mention:@Budi Satu", "text:! a@anna.test @annabel"]);
	assert.ok(mentionsName("hey @ANNA", "anna"));
	assert.ok(!mentionsName("hey `@anna`", "anna"));
	assert.ok(!mentionsName("hey @anna", ""));
});

test("thousands of @ signs are as quick as a few", () => {
	const names = Array.from({ length: 200 }, (_, i) => `name ${i}`);
	const start = process.cpuUsage().user;
	for (let i = 0; i < 50; i++) parts("@".repeat(4000), "anna", names);
	assert.ok(process.cpuUsage().user - start < 1_000_000, "50 such texts took more than a second");
	assert.equal(parts("@anna ".repeat(50), "anna", []).filter((p) => p.kind === "mention").length, 20);
});

test("the parts add up to the text", () => {
	for (const text of ["", "a", "`", "```", "@@@", "https://", "a`b`c```d```e", "https://a.test/`x`", "@anna@anna", "😀 https://x.test/😀"]) {
		const back = parts(text, "anna", []).map((p) => (p.kind === "code" ? `\`${p.text}\`` : p.kind === "block" ? `\`\`\`${p.text}\`\`\`` : p.text)).join("");
		assert.equal(back, text);
	}
});

test("pieces fit the limit and add up to the text", () => {
	const text = "word 😀 ".repeat(3000) + "\n" + "x".repeat(9000);
	const all = pieces(text, 4000);
	for (const p of all) assert.ok(new TextEncoder().encode(p).length <= 4000);
	assert.equal(all.join("").replace(/\s/g, ""), text.replace(/\s/g, ""));
});

test("initials", () => {
	const want = { anna: "A", "Budi Satu": "BS", "小雨": "小", "guest ab12": "GA", "maría del río": "MR", "x_y": "XY", "🎉": "🎉", "(:": "(", "": "" };
	for (const [name, letters] of Object.entries(want)) assert.equal(initials(name), letters, name);
});
