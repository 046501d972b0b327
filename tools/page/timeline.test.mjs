// node --test: which messages of a room the page has, and which it does not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FLOOD, FloodSampler, SHOWN } from "../../internal/web/page/flood.js";
import { Replica } from "../../internal/web/page/ramai/replica.js";
import { KEPT, Timeline } from "../../internal/web/page/timeline.js";

const T0 = Date.parse("2026-11-25T10:00:00Z");
const message = (n, by = "a", at = T0 + n * 1000) => ({ room: "lobby", n, at: new Date(at).toISOString(), by, from: "", id: `i${n}`, text: `m${n}` });
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));

/**
 * What the rows say of each number: m (message), h (missing), g (gone), s (skipped). Fails if a number comes twice or out
 * of order.
 */
function covered(t, head, first = 1) {
	let s = "";
	const put = (from, to, c) => {
		assert.equal(from, s.length + t.start(first), "each row begins where the last one ended");
		s += c.repeat(to - from + 1);
	};
	for (const row of t.rows({ first, head, unreadDivider: -1 })) {
		if (row.kind === "message") {
			if (row.skipped) put(row.m.n - row.skipped, row.m.n - 1, "s");
			put(row.m.n, row.m.n, "m");
		}
		if (row.kind === "missing") put(row.from, row.to, "h");
		if (row.kind === "gone") put(row.from, row.to, "g");
	}
	return s;
}

test("rows cover every number", () => {
	const t = new Timeline();
	t.add(range(5, 6));
	t.add(range(9, 10));
	assert.equal(covered(t, 12), "hhhhmmhhmmhh");
	t.markGone(7, 7);
	assert.equal(covered(t, 12), "hhhhmmghmmhh");
	t.add(range(3, 8)); // some are here already
	assert.equal(covered(t, 12), "hhmmmmmmmmhh");
	t.sampled.add(3);
	assert.equal(covered(t, 12), "ssmmmmmmmmhh");
});

test("messages stay when the server has deleted them", () => {
	const t = new Timeline();
	t.add(range(5, 6));
	t.markGone(7, 9);
	t.add(range(10, 11));
	assert.equal(covered(t, 11, 10), "mmgggmm");
	t.reset();
	t.add(range(12, 13));
	assert.equal(covered(t, 13, 10), "hhmm");
});

test("a page marks the numbers below the oldest as gone", () => {
	const t = new Timeline();
	t.addPage([message(5), message(8)], 1, 4);
	assert.equal(covered(t, 9), "ggghmhhmh");
});

test("messages that arrive out of order or twice are in order and once", () => {
	const t = new Timeline();
	t.add([message(101), message(52), message(53), message(101)]);
	assert.deepEqual(t.messages.map((m) => m.n), [52, 53, 101]);
	assert.equal(t.last, 101);
	t.markGone(50, 60); // overlaps with messages that are here
	const keys = t.rows({ first: 1, head: 101, unreadDivider: -1 }).map((r) => r.key);
	assert.equal(new Set(keys).size, keys.length);
});

test("ranges of deleted numbers are merged", () => {
	const t = new Timeline();
	t.add([message(20)]);
	for (const [from, to] of [[3, 4], [8, 9], [5, 5], [10, 12], [1, 2]]) t.markGone(from, to);
	assert.deepEqual(t.gone, [[1, 5], [8, 12]]);
	assert.equal(covered(t, 20), "gggggh" + "h" + "ggggg" + "hhhhhhh" + "m");
});

test("rows cover every number after any order of adding, deleting and trimming", () => {
	for (let seed = 1; seed < 300; seed++) {
		let x = seed;
		const random = (n) => (x = (x * 48271) % 2147483647) % n;
		const t = new Timeline();
		for (let i = 0; i < 40; i++) {
			const from = 1 + random(2990);
			if (random(4) === 0) t.markGone(from, from + random(10));
			else t.add(range(from, Math.min(3000, from + random(300))));
			if (random(3) === 0) {
				const onScreen = random(2) ? 0 : t.messages[random(t.messages.length || 1)]?.n ?? 0;
				t.trim(onScreen);
				if (onScreen) assert.ok(t.has(onScreen), "messages on screen stay");
				assert.ok(t.messages.length <= KEPT * 1.5 + 100);
			}
			if (t.messages.length > 0) assert.equal(covered(t, 3000).length, 3000);
		}
	}
});

test("the end stays when other messages are on screen", () => {
	const t = new Timeline();
	t.add(range(1, 2000));
	t.trim(100);
	assert.ok(t.has(100) && t.has(1) && t.has(2000) && t.has(1990) && !t.has(1000));
});

test("groups, days and the unread divider", () => {
	const t = new Timeline();
	t.add([message(1), message(2), message(3, "b"), message(4, "b", T0 + 400_000), message(5, "b", T0 + 90_000_000)]);
	const rows = t.rows({ first: 1, head: 5, unreadDivider: 2 });
	assert.deepEqual(rows.map((r) => (r.kind === "message" ? r.m.n + (r.head ? "h" : "") : r.kind)), ["day", "1h", "2", "unread", "3h", "4h", "day", "5h"]);
});

test("below the limit of a flood, every message is shown", () => {
	const s = new FloodSampler();
	let n = 0;
	for (let now = 0; now < 5000; now += 100) {
		const incoming = range(n + 1, (n += (FLOOD - 10) / 10));
		assert.deepEqual(s.sample(now, incoming, () => false).shown, incoming);
	}
});

test("a flood shows a sample, all important messages, and the newest when it ends", () => {
	const s = new FloodSampler();
	const t = new Timeline();
	let n = 0;
	let count = 0;
	const pass = (now, incoming) => {
		const { shown, sampled } = s.sample(now, incoming, (m) => m.n % 777 === 0);
		t.add(shown);
		if (sampled) for (const m of shown) t.sampled.add(m.n);
		count += shown.length;
	};
	for (let now = 0; now < 10_000; now += 20) pass(now, range(n + 1, (n += 20)));
	assert.ok(s.flooded);
	assert.ok(count < SHOWN * 10 + 100 && count > SHOWN * 5, `${count} of ${n} shown`);
	for (let i = 777; i < n; i += 777) assert.ok(t.has(i), `${i} is important`);
	for (let now = 10_000; now < 12_000; now += 200) pass(now, []);
	assert.ok(!s.flooded);
	for (let i = n - 50; i <= n; i++) assert.ok(t.has(i), `${i} is among the newest`);
	assert.equal(covered(t, n).length, n);
});

test("a pause shows important messages, and its end returns what arrived meanwhile", () => {
	const s = new FloodSampler();
	s.paused = true;
	const shown = [];
	for (let now = 0; now < 1000; now += 100) shown.push(...s.sample(now, range(now / 10 + 1, now / 10 + 10), (m) => m.n === 55).shown.map((m) => m.n));
	assert.deepEqual(shown, [55]);
	assert.deepEqual(s.resume().map((m) => m.n), range(1, 100).map((m) => m.n));
});

test("numbers that are not messages are no rows, and do not end a group", () => {
	const replica = new Replica();
	const t = new Timeline(replica);
	for (const m of [message(1), message(2), message(4), message(9)]) replica.apply({ type: "message", ...m });
	for (const n of [3, 5, 6]) replica.apply({ type: "changed", n, of: [], text: null });
	t.add([...replica.messages]);
	const rows = t.rows({ first: 1, head: 9, unreadDivider: -1 }).filter((row) => row.kind !== "day");
	assert.deepEqual(rows.map((row) => (row.kind === "message" ? [row.m.n, row.head] : [row.kind, row.from, row.to])), [[1, true], [2, false], [4, false], ["missing", 7, 8], [9, true]]);
	assert.deepEqual([t.isEmpty(3, 3), t.isEmpty(5, 7), t.isEmpty(4, 5)], [true, false, false]);
	t.markGone(7, 8);
	assert.ok(t.isEmpty(5, 8));
});

test("one row stands for the missing messages around numbers that are none", () => {
	const replica = new Replica();
	const t = new Timeline(replica);
	replica.apply({ type: "changed", n: 3, of: [], text: null });
	t.add([message(1), message(6)]);
	assert.deepEqual(t.rows({ first: 1, head: 6, unreadDivider: -1 }).filter((row) => row.kind === "missing").map(({ from, to, count }) => [from, to, count]), [[2, 5, 3]]);
});

test("a timeline follows a replica", () => {
	const replica = new Replica();
	const t = new Timeline(replica);
	const all = range(1, 4);
	for (const m of all) replica.apply({ type: "message", ...m });
	t.add(all.slice(0, 3));
	assert.deepEqual(t.refresh(), []);
	replica.apply({ type: "changed", n: 5, of: 1, text: "new" });
	replica.apply({ type: "changed", n: 6, of: 2, text: null });
	replica.apply({ type: "changed", n: 7, of: 4, text: "unseen" });
	assert.deepEqual(t.refresh().map(({ before, after }) => [before.text, after.text]), [["m1", "new"], ["m2", ""]]);
	t.add(all.slice(3)); // as it was before the edit
	assert.deepEqual(t.messages.map((m) => [m.n, m.text, m.gone === true]), [[1, "new", false], [2, "", true], [3, "m3", false], [4, "unseen", false]]);
	const rows = t.rows({ first: 1, head: 7, unreadDivider: -1 }).filter((row) => row.kind === "message");
	assert.deepEqual(rows.map((row) => row.head), [true, false, true, false], "a deleted message has no header, and the next one has");
});
