// node --test: every language has all texts, and a form of each for every plural category of the language.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../internal/web/page/lang/", import.meta.url);
const english = ["en.js", "en-later.js"];
const [first, later] = await Promise.all(english.map(async (file) => (await import(new URL(file, folder))).default));
const en = { ...first, ...later };

test("no English text is in both files", () => assert.equal(Object.keys(en).length, Object.keys(first).length + Object.keys(later).length));

for (const file of readdirSync(folder)) {
	if (file === "en-later.js") continue;
	test(file, async () => {
		const texts = file === "en.js" ? en : (await import(new URL(file, folder))).default;
		const categories = new Intl.PluralRules(file.replace(".js", "")).resolvedOptions().pluralCategories.sort();
		assert.deepEqual(Object.keys(texts).sort(), Object.keys(en).sort());
		for (const [key, text] of Object.entries(texts)) {
			assert.equal(typeof text, typeof en[key], key);
			if (typeof text === "function") assert.ok(!text("1", "2").includes("undefined"), key);
			if (Array.isArray(text)) assert.equal(text.length, en[key].length, key);
			if (!en[key].other) continue;
			assert.deepEqual(Object.keys(text).sort(), categories, key);
			for (const form of Object.values(text)) assert.equal(form.split("#").length, 2, `${key}: ${form}`);
		}
	});
}
