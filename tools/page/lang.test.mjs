// node --test: every language has all texts, and a form of each for every plural category of the language.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../internal/web/page/lang/", import.meta.url);
const textsOf = async (/** @type {string} */ file) => (await import(new URL(file, folder))).default;
const files = readdirSync(folder);
const parts = files.filter((file) => file.startsWith("en")).map((file) => file.replace(/^en|\.js$/g, ""));

test("no English text is in two files", async () => {
	const keys = (await Promise.all(parts.map((part) => textsOf(`en${part}.js`)))).flatMap((texts) => Object.keys(texts));
	assert.deepEqual(keys, [...new Set(keys)]);
});

for (const language of files.filter((file) => !file.includes("-")).map((file) => file.replace(".js", ""))) for (const part of parts) {
	test(language + part, async () => {
		const [texts, en] = [await textsOf(`${language}${part}.js`), await textsOf(`en${part}.js`)];
		const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
		assert.deepEqual(Object.keys(texts).sort(), Object.keys(en).sort());
		for (const [key, text] of Object.entries(texts)) {
			assert.equal(typeof text, typeof en[key], key);
			if (typeof text === "function") assert.ok(!text("1", "2").includes("undefined"), key);
			if (Array.isArray(text)) assert.equal(text.length, en[key].length, key);
			if (!en[key].other) {
				if (typeof text === "object") for (const k of Object.keys(en[key])) assert.equal(typeof text[k], typeof en[key][k], `${key}.${k}`);
				continue;
			}
			assert.deepEqual(Object.keys(text).sort(), categories, key);
			for (const form of Object.values(text)) assert.equal(form.split("#").length, 2, `${key}: ${form}`);
		}
	});
}
