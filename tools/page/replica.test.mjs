// node --test: replica.js ends with the server's messages, whatever order frames and pages arrive in. The Go tests of client use
// the same cases, and write the generated ones. REPLICA_CASES names another file of them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Replica } from "../../internal/web/page/ramai/replica.js";

const testdata = new URL("../../client/testdata/", import.meta.url);
const files = [new URL("replica.json", testdata), process.env.REPLICA_CASES ?? new URL("replica-generated.json", testdata)];

/** Gives a replica the steps of a case. */
function run({ steps, messages, missing, mine = {}, state = {} }) {
	const replica = new Replica();
	const asked = new Map();
	const deleted = new Set(); // what was seen deleted since the last reset
	for (const [i, step] of steps.entries()) {
		if (step.frame) {
			if (step.frame.reset) deleted.clear();
			replica.apply(step.frame);
		} else if (step.saved) {
			const { n, at = "", of, text, key, value } = step.saved;
			replica.applySaved({ n, at, of, text: text ?? "", deletes: text === null, key, value });
		} else if (step.settings) {
			replica.addSettings({}, step.settings);
		} else if (step.ask) {
			const { id, ...params } = step.ask;
			asked.set(id, replica.ask(params));
		} else if (step.page) {
			assert.equal(replica.addPage(asked.get(step.page.id), step.page.page), step.page.used, `step ${i}: page ${step.page.id} is used`);
		} else if (step.cancel) {
			replica.cancel(asked.get(step.cancel));
		} else {
			replica.forget(...step.forget);
		}
		for (const [j, m] of replica.messages.entries()) {
			assert.ok(j === 0 || m.n > replica.messages[j - 1].n, `step ${i}: ascending`);
			if (step.page && !m.gone) deleted.delete(m.n); // a page may have restored messages
			assert.ok(m.gone || !deleted.has(m.n), `step ${i}: the deleted message ${m.n} is not back`);
			if (m.gone) deleted.add(m.n);
		}
	}
	assert.deepEqual(replica.messages.map(({ type, ...m }) => m), messages);
	assert.deepEqual(replica.missing, missing);
	const shown = replica.shown();
	assert.deepEqual(Object.fromEntries(shown.filter((m) => m.mine).map((m) => [m.n, m.mine])), mine);
	for (const [key, value] of Object.entries(state)) {
		const n = Number(/\d+$/.exec(key)?.[0]);
		assert.deepEqual(n ? shown.find((m) => m.n === n)?.status : replica.setting(key), value, key);
	}
}

for (const file of files) {
	const cases = JSON.parse(readFileSync(file, "utf8"));
	assert.ok(cases.length > 5);
	for (const c of cases) test(c.name, () => run(c));
}

test("changes that are not saved are shown, except on what is deleted", () => {
	const replica = new Replica();
	for (const [n, text] of [[1, "one"], [2, "two"], [3, "three"]]) replica.apply({ type: "message", n, text });
	replica.apply({ type: "changed", n: 4, of: 3, text: null });
	const shown = replica.shown([
		{ of: 1, text: "first", deletes: false }, { of: 1, text: "ONE", deletes: false }, { of: 2, text: "", deletes: true },
		{ of: 3, text: "x", deletes: false }, { of: 9, text: "x", deletes: false }, { of: 0, text: "a message", deletes: false },
	]);
	assert.deepEqual(shown.map((m) => [m.n, m.text, !!m.gone]), [[1, "ONE", false], [2, "", true], [3, "", true]]);
	assert.deepEqual(replica.messages.map((m) => m.text), ["one", "two", ""]);
});
