// node --test: what of a room is here, and what is not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FLOOD, KEPT, SHOWN, FloodSampler, Timeline } from "../../internal/web/page/timeline.js";

const T0 = Date.parse("2026-11-25T10:00:00Z");
const message = (n, by = "a", at = T0 + n * 1000) => ({ room: "lobby", n, at: new Date(at).toISOString(), by, from: "", id: `i${n}`, text: `m${n}` });
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));

/** What the rows say of each number: m (here), h (a hole), g (gone), s (not shown). Fails if one is said twice or out of order. */
function told(t) {
	let s = "";
	const put = (from, to, c) => {
		assert.equal(from, s.length + t.first, "rows follow each other");
		s += c.repeat(to - from + 1);
	};
	for (const row of t.rows()) {
		if (row.kind === "message") {
			if (row.skipped) put(row.m.n - row.skipped, row.m.n - 1, "s");
			put(row.m.n, row.m.n, "m");
		}
		if (row.kind === "hole") put(row.from, row.to, "h");
		if (row.kind === "gone") put(row.from, row.to, "g");
	}
	return s;
}

test("rows tell of every number", () => {
	const t = new Timeline();
	t.head = 12;
	t.add(range(5, 6));
	t.add(range(9, 10));
	assert.equal(told(t), "hhhhmmhhmmhh");
	t.lose(7, 7);
	assert.equal(told(t), "hhhhmmghmmhh");
	t.add(range(3, 8)); // some are here already
	assert.equal(told(t), "hhmmmmmmmmhh");
	t.sampled.add(3);
	assert.equal(told(t), "ssmmmmmmmmhh");
});

test("what comes in no order, or twice, stands in order and once", () => {
	const t = new Timeline();
	t.add([message(101), message(52), message(53), message(101)]);
	assert.deepEqual(t.kept.map((m) => m.n), [52, 53, 101]);
	assert.equal(t.head, 101);
	t.lose(50, 60); // more than what is missing
	const keys = t.rows().map((r) => r.key);
	assert.equal(new Set(keys).size, keys.length);
});

test("losses that touch are one", () => {
	const t = new Timeline();
	t.add([message(20)]);
	for (const [f, to] of [[3, 4], [8, 9], [5, 5], [10, 12], [1, 2]]) t.lose(f, to);
	assert.deepEqual(t.gone, [[1, 5], [8, 12]]);
	assert.equal(told(t), "gggggh" + "h" + "ggggg" + "hhhhhhh" + "m");
});

test("any order of adding, losing and trimming tells of every number", () => {
	for (let seed = 1; seed < 300; seed++) {
		let x = seed;
		const random = (n) => (x = (x * 48271) % 2147483647) % n;
		const t = new Timeline();
		t.head = 3000;
		for (let i = 0; i < 40; i++) {
			const from = 1 + random(2990);
			if (random(4) === 0) t.lose(from, from + random(10));
			else t.add(range(from, Math.min(3000, from + random(300))));
			if (random(3) === 0) {
				const looked = random(2) ? 0 : t.kept[random(t.kept.length || 1)]?.n ?? 0;
				t.trim(looked);
				if (looked) assert.ok(t.has(looked), "what is looked at stays");
				assert.ok(t.kept.length <= KEPT * 1.5 + 100);
			}
			if (t.kept.length > 0) assert.equal(told(t).length, 3000);
		}
	}
});

test("the end stays when something else is looked at", () => {
	const t = new Timeline();
	t.add(range(1, 2000));
	t.trim(100);
	assert.ok(t.has(100) && t.has(1) && t.has(2000) && t.has(1990) && !t.has(1000));
});

test("headers, days and the rule", () => {
	const t = new Timeline();
	t.add([message(1), message(2), message(3, "b"), message(4, "b", T0 + 400_000), message(5, "b", T0 + 90_000_000)]);
	t.unread = 2;
	assert.deepEqual(t.rows().map((r) => (r.kind === "message" ? r.m.n + (r.head ? "h" : "") : r.kind)), ["day", "1h", "2", "unread", "3h", "4h", "day", "5h"]);
});

test("nothing is held back while a person could follow", () => {
	const s = new FloodSampler();
	let n = 0;
	for (let now = 0; now < 5000; now += 100) {
		const came = range(n + 1, (n += (FLOOD - 10) / 10));
		assert.deepEqual(s.sample(now, came, () => false).through, came);
	}
});

test("of a flood some are shown, all that is important, and the newest at its end", () => {
	const s = new FloodSampler();
	const t = new Timeline();
	let n = 0;
	let through = 0;
	const take = (now, came) => {
		const out = s.sample(now, came, (m) => m.n % 777 === 0);
		t.add(out.through);
		if (came.length) t.head = came[came.length - 1].n;
		if (out.sampled) for (const m of out.through) t.sampled.add(m.n);
		through += out.through.length;
	};
	for (let now = 0; now < 10_000; now += 20) take(now, range(n + 1, (n += 20)));
	assert.ok(s.flooded);
	assert.ok(through < SHOWN * 10 + 100 && through > SHOWN * 5, `${through} of ${n} shown`);
	for (let i = 777; i < n; i += 777) assert.ok(t.has(i), `${i} is important`);
	for (let now = 10_000; now < 12_000; now += 200) take(now, []);
	assert.ok(!s.flooded);
	for (let i = n - 50; i <= n; i++) assert.ok(t.has(i), `${i} is among the newest`);
	assert.equal(told(t).length, n);
});

test("what came in a pause is at hand after it", () => {
	const s = new FloodSampler();
	s.paused = true;
	for (let now = 0; now < 1000; now += 100) assert.deepEqual(s.sample(now, range(now / 10 + 1, now / 10 + 10), () => true).through, []);
	assert.deepEqual(s.resume().map((m) => m.n), range(1, 100).map((m) => m.n));
});
