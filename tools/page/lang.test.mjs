// node --test: every language says everything.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../internal/web/page/lang/", import.meta.url);
const { default: en } = await import(new URL("en.js", folder));

for (const file of readdirSync(folder)) {
	test(file, async () => {
		const { default: words } = await import(new URL(file, folder));
		assert.deepEqual(Object.keys(words).sort(), Object.keys(en).sort());
		for (const [key, word] of Object.entries(words)) {
			assert.equal(typeof word, typeof en[key], key);
			if (typeof word === "function") assert.ok(!word("1", "2").includes("undefined"), key);
			if (Array.isArray(word)) assert.equal(word.length, en[key].length, key);
		}
	});
}
