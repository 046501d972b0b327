// node --test: formats follow the browser's variant of the language.
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { documentElement: { dataset: { languages: "en id" } } };
Object.defineProperty(globalThis, "navigator", { value: { languages: ["en-GB", "en"] } });
const { language, setLanguage, timeOfDay } = await import("../../internal/web/page/i18n.js");

test("times are in the format of the browser", async () => {
	await setLanguage("");
	assert.equal(language, "en");
	assert.equal(timeOfDay("2026-11-25T09:14:00"), "09:14");
	navigator.languages = ["en-US"];
	await setLanguage("");
	assert.match(timeOfDay("2026-11-25T09:14:00"), /^9:14\sAM$/); // which space depends on the engine
	navigator.languages = ["id-ID"];
	await setLanguage("");
	assert.equal(timeOfDay("2026-11-25T09:14:00"), "09.14");
});
