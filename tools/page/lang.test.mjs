// node --test: every language has all texts.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../internal/web/page/lang/", import.meta.url);
const { default: en } = await import(new URL("en.js", folder));

for (const file of readdirSync(folder)) {
	test(file, async () => {
		const { default: texts } = await import(new URL(file, folder));
		assert.deepEqual(Object.keys(texts).sort(), Object.keys(en).sort());
		for (const [key, text] of Object.entries(texts)) {
			assert.equal(typeof text, typeof en[key], key);
			if (typeof text === "function") assert.ok(!text("1", "2").includes("undefined"), key);
			if (Array.isArray(text)) assert.equal(text.length, en[key].length, key);
		}
	});
}
