package search

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ramai/internal/eventlog"
	"ramai/internal/tokenize"
	"ramai/wire"
)

func TestFindsMessages(t *testing.T) {
	kinds(t, func(t *testing.T, path string) {
		p := newTestLog(t)
		p.publish("lobby",
			"Good morning, everybody",  // 1
			"Un CAFÉ à Paris",          // 2
			"東京都に行きます",                 // 3
			"我们今天去北京大学看朋友",             // 4
			"กินน้ำแข็งกับกาแฟ",        // 5
			"mixed 世界hello text",       // 6
			`say "hello" NEAR text:a*`, // 7
			"",                         // 8
			"!!! 😀",                    // 9
			"水",                        // 10
			"안녕하세요 여러분",                // 11
			"İSTANBUL ΣΊΣΥΦΟΣ ёлка",    // 12
			"_1 or __ or _lobby",       // 13
		)
		x := open(t, path, p)
		x.fill()
		for q, want := range map[string]string{
			"good":             "lobby:1",
			"MORNING good":     "lobby:1",
			"morn":             "lobby:1",
			"goo morning":      "",
			"cafe":             "lobby:2",
			"Cafe\u0301":       "lobby:2",
			"東京":               "lobby:3",
			"京都":               "lobby:3", // a part of a run is found wherever it begins
			"東都":               "",
			"行き":               "lobby:3",
			"北京":               "lobby:4",
			"朋友":               "lobby:4",
			"友":                "lobby:4",
			"京":                "lobby:4 lobby:3",
			"北京 朋友":            "lobby:4",
			"北京大学看朋友":          "lobby:4",
			"น้ำ":              "lobby:5",
			"กา":               "lobby:5",
			"แฟ":               "lobby:5",
			"世界":               "lobby:6",
			"hello":            "lobby:7 lobby:6",
			"世界hello":          "lobby:6",
			"hello世界":          "",
			`"hello"`:          "lobby:7 lobby:6",
			"NEAR":             "lobby:7",
			"NEAR(hello text)": "",
			"hello AND text":   "", // AND is an ordinary word that no text has
			"text:a":           "lobby:7",
			"a* OR b":          "",
			"*hel*":            "lobby:7 lobby:6",
			"水":                "lobby:10",
			"안녕":               "lobby:11",
			"istanbul σισυφος": "lobby:12",
			"елка":             "lobby:12",
			"_1":               "lobby:13", // not a room
			"lobby":            "lobby:13",
			"x":                "",
		} {
			x.want(Query{Words: q}, want)
			x.want(Query{Words: q, Room: "lobby"}, want)
			x.want(Query{Words: q, Room: "attic"}, "")
		}
		found := x.search(Query{Words: "cafe"})
		h := found.Hits[0]
		want := wire.Hit{Room: "lobby", N: 2, At: p.at - 11, SenderID: "anna", Snippet: "Un CAFÉ à Paris", Marks: [][2]int{{3, 7}}}
		if fmt.Sprint(h) != fmt.Sprint(want) || found.HistoryID != p.HistoryID() || found.More || found.Behind != 0 {
			t.Errorf("found %+v, want the hit %+v", found, want)
		}
	})
}

func TestBadQueries(t *testing.T) {
	p := newTestLog(t)
	p.publish("lobby", "hello")
	x := open(t, "", p)
	x.fill()
	for name, c := range map[string]struct {
		q    Query
		code wire.Code
	}{
		"no words":        {Query{}, wire.BadRequest},
		"signs":           {Query{Words: `"*:`}, wire.BadRequest},
		"too long":        {Query{Words: strings.Repeat("a", 1<<20)}, wire.TooLong},
		"too many":        {Query{Words: strings.Repeat("a ", 17)}, wire.TooLong},
		"a bad room":      {Query{Words: "a", Room: "../x"}, wire.BadRequest},
		"a bad limit":     {Query{Words: "a", Limit: -1}, wire.BadRequest},
		"a high limit":    {Query{Words: "a", Limit: 101}, wire.BadRequest},
		"bad before":      {Query{Words: "a", Before: "x"}, wire.BadRequest},
		"negative before": {Query{Words: "a", Room: "lobby", Before: "-1"}, wire.BadRequest},
		"before without":  {Query{Words: "a", Before: "1"}, wire.BadRequest},
		"before nowhere":  {Query{Words: "a", Before: ":1"}, wire.BadRequest},
	} {
		if _, err := x.Search(t.Context(), c.q); err == nil || err.Code != c.code || err.Reason == "" {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	for _, before := range []string{"9", "lobby:9", "lobby:18446744073709551615", "attic:1"} {
		x.want(Query{Words: "hello", Room: "lobby", Before: before}, "lobby:1")
	}
}

// TestNewestFirst: hits of several rooms are ordered by time, in whatever order they were indexed.
func TestNewestFirst(t *testing.T) {
	p := newTestLog(t)
	for i := range 20 {
		p.publish([]string{"a", "b", "c"}[i%3], "hit", "miss")
	}
	p.publishAt(p.at, "b", "hit") // at the same time as another one
	x := open(t, "", p)
	x.fill()
	all := "b:15 b:13 a:13 c:11 b:11 a:11 c:9 b:9 a:9 c:7 b:7 a:7 c:5 b:5 a:5 c:3 b:3 a:3 c:1 b:1 a:1"
	x.want(Query{Words: "hit"}, all)
	x.want(Query{Words: "hit", Room: "c"}, "c:11 c:9 c:7 c:5 c:3 c:1")
	// Before may be a message that is not a hit, or does not exist.
	x.want(Query{Words: "hit", Room: "c", Before: "4"}, "c:3 c:1")
	x.want(Query{Words: "hit", Room: "c", Before: "3"}, "c:1")
	x.want(Query{Words: "hit", Room: "c", Before: "1"}, "")
	x.want(Query{Words: "hit", Room: "c", Before: "0"}, "")
	x.want(Query{Words: "hit", Before: "c:3"}, "b:3 a:3 c:1 b:1 a:1")
	x.want(Query{Words: "hit", Room: "a", Before: "c:3"}, "a:3 a:1")

	var pages []string
	for q := (Query{Words: "hit", Limit: 4}); ; {
		found := x.search(q)
		pages = append(pages, sortKeys(found))
		if !found.More {
			break
		}
		q.Before = pages[len(pages)-1][strings.LastIndex(pages[len(pages)-1], " ")+1:]
	}
	if got := strings.Join(pages, " "); got != all || len(pages) != 6 {
		t.Errorf("%d pages have %q, want %q", len(pages), got, all)
	}
}

func TestLimits(t *testing.T) {
	p := newTestLog(t)
	p.publishAt(p.at, "lobby", slices.Repeat([]string{"hit"}, 150)...)
	x := open(t, "", p)
	x.fill()
	for limit, want := range map[int]int{0: 50, 1: 1, 100: 100} {
		if found := x.search(Query{Words: "hit", Limit: limit}); len(found.Hits) != want || !found.More {
			t.Errorf("limit %d finds %d, more %v; want %d and more", limit, len(found.Hits), found.More, want)
		}
	}
	if found := x.search(Query{Words: "hit", Before: "lobby:51"}); len(found.Hits) != 50 || found.More {
		t.Errorf("the last page has %d hits, more %v; want 50", len(found.Hits), found.More)
	}
}

// TestReportsProgress: the number reported for a room covers everything up to it.
func TestReportsProgress(t *testing.T) {
	p := newTestLog(t)
	p.publishAt(p.at, "long", slices.Repeat([]string{"hit"}, turnRows)...)
	p.publishAt(p.at, "long", slices.Repeat([]string{"hit"}, turnRows)...)
	x := open(t, "", p)
	if _, err := x.Search(t.Context(), Query{Words: "hit"}); err == nil || err.Code != wire.Unavailable || err.RetryAfter == 0 {
		t.Errorf("before it is open: %v, want unavailable", err)
	}
	if _, err := x.turn(); err != nil {
		t.Fatal(err)
	}
	p.publish("short", "hit")
	p.publish("empty", "")
	for _, c := range []struct {
		room, to string
		behind   uint64
	}{{"", "map[empty:0 long:500 short:0]", 502}, {"long", "map[long:500]", 500}, {"short", "map[short:0]", 1}, {"attic", "map[attic:0]", 0}} {
		found := x.search(Query{Words: "hit", Room: c.room})
		if fmt.Sprint(found.IndexedTo) != c.to || found.Behind != c.behind {
			t.Errorf("room %q: %v, behind %d, want %s, %d", c.room, found.IndexedTo, found.Behind, c.to, c.behind)
		}
	}
	x.fill()
	for room, to := range map[string]string{"": "map[]", "long": "map[long:1000]", "short": "map[short:1]", "empty": "map[empty:1]"} {
		found := x.search(Query{Words: "hit", Room: room})
		if fmt.Sprint(found.IndexedTo) != to || found.Behind != 0 {
			t.Errorf("room %q: %v, behind %d, want %s, 0", room, found.IndexedTo, found.Behind, to)
		}
	}
}

func TestManyRoomsBehind(t *testing.T) {
	p := newTestLog(t)
	for i := range wire.MaxNotIndexed + 50 {
		p.publish(fmt.Sprint("room", i), "hit")
	}
	x := open(t, "", p)
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	if found := x.search(Query{Words: "hit"}); len(found.IndexedTo) != wire.MaxNotIndexed || found.Behind != wire.MaxNotIndexed+50 {
		t.Errorf("%d rooms are named, %d messages behind", len(found.IndexedTo), found.Behind)
	}
	x.fill()
	if found := x.search(Query{Words: "hit", Limit: 100}); len(found.Hits) != 100 || found.Hits[0].Room != "room149" || found.Behind != 0 {
		t.Errorf("found %s, behind %d", sortKeys(found), found.Behind)
	}
}

// TestRetention: trimmed messages are no longer found, and are deleted from the index.
func TestRetention(t *testing.T) {
	kinds(t, func(t *testing.T, path string) {
		p := newTestLog(t)
		p.publish("lobby", slices.Repeat([]string{"hit old"}, 3*turnDeletes)...)
		p.publish("lobby", "hit new")
		p.publish("other", "hit old")
		x := open(t, path, p)
		x.fill()
		p.trimTo("lobby", 3*turnDeletes)
		all := fmt.Sprintf("other:1 lobby:%d lobby:%d", 3*turnDeletes+1, 3*turnDeletes)
		x.want(Query{Words: "hit"}, all)
		rows := func() (n int) {
			if err := x.file.db.QueryRow("SELECT count(*) FROM texts WHERE texts MATCH 'hit'").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := rows(); n != 3*turnDeletes+2 {
			t.Fatalf("the index has %d rows before it is told of the trimming", n)
		}
		x.fill()
		if n := rows(); n != 3 {
			t.Errorf("the index has %d rows, want 3", n)
		}
		x.want(Query{Words: "hit"}, all)
		x.want(Query{Words: "hit", Before: "lobby:5"}, "") // the oldest message left takes its place
		p.publish("lobby", "hit newest")
		p.trimTo("lobby", 3*turnDeletes+3) // all, including some never indexed
		p.trimTo("other", 2)
		x.fill()
		x.want(Query{Words: "hit"}, "")
		p.publish("lobby", "hit again")
		p.publish("gone", "hit") // and trimmed before it was indexed
		p.trimTo("gone", 2)
		if found := x.search(Query{Words: "hit", Room: "gone"}); found.Behind != 0 || found.IndexedTo["gone"] != 1 {
			t.Errorf("a room without messages is behind %d, at %v", found.Behind, found.IndexedTo)
		}
		if found := x.search(Query{Words: "hit", Room: "lobby"}); found.Behind != 1 {
			t.Errorf("behind %d, want 1", found.Behind)
		}
		x.fill()
		x.want(Query{Words: "hit"}, fmt.Sprint("lobby:", 3*turnDeletes+3))
		if path != "" {
			x.close()
			x = open(t, path, p)
			x.fill()
			x.want(Query{Words: "hit"}, fmt.Sprint("lobby:", 3*turnDeletes+3))
		}
	})
}

// TestRemovedRooms: a removed room leaves nothing in the index, and its id can be reused.
func TestRemovedRooms(t *testing.T) {
	kinds(t, func(t *testing.T, path string) {
		p := newTestLog(t)
		p.publish("den", slices.Repeat([]string{"hit secret"}, 2*turnDeletes+1)...)
		p.publish("lobby", "hit")
		x := open(t, path, p)
		x.fill()
		p.publish("attic", "hit")
		x.fill()
		remove := func(room string, last uint64) {
			t.Helper()
			o, err := p.Apply(&eventlog.Batch{At: p.at, Commands: []eventlog.Command{{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: last}}}}, p.Position()+1)
			if err != nil || o[0].Status != eventlog.Saved {
				t.Fatal(o, err)
			}
		}
		rows := func(query string, want int) {
			t.Helper()
			var n int
			if err := x.file.db.QueryRow(query).Scan(&n); err != nil || n != want {
				t.Errorf("%s: %d, %v, want %d", query, n, err, want)
			}
		}
		remove("den", 2*turnDeletes+1)
		x.fill()
		rows("SELECT count(*) FROM texts WHERE texts MATCH 'secret'", 0)
		rows("SELECT count(*) FROM messages", 2)
		rows("SELECT count(*) FROM rooms", 2)
		p.publish("den", "hit")
		p.publish("garret", "hit")
		x.fill()
		x.want(Query{Words: "hit"}, fmt.Sprintf("garret:1 den:%d attic:1 lobby:1", 2*turnDeletes+2))
		remove("garret", 1)
		p.publish("garret", "hit") // before the index has seen it
		x.fill()
		x.want(Query{Words: "hit", Room: "garret"}, "garret:2")
		if path != "" {
			remove("attic", 1)
			x.close()
			x = open(t, path, p)
			x.fill()
			x.want(Query{Words: "hit"}, fmt.Sprintf("garret:2 den:%d lobby:1", 2*turnDeletes+2))
			rows("SELECT count(*) FROM rooms", 3)
			if x.logged.Len() > 0 {
				t.Errorf("the log has %q", x.logged)
			}
		}
	})
}

// TestMatchesAFullScan compares the index with a scan of all messages, for odd texts and queries.
func TestMatchesAFullScan(t *testing.T) {
	parts := []string{"a", "ab", "B", "é", "e\u0301", "東", "京", "都", "น้ำ", "ก", "ｶﾞ", "カ", " ", "  ", "-", "_", "'", `"`, "*", ":", "OR", "1", "가", "\u0301", "😀", "_1"}
	text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 8), func(s []string) string { return strings.Join(s, "") })
	rapid.Check(t, func(r *rapid.T) {
		p := newTestLog(t)
		x := open(t, "", p)
		var newest []eventlog.Record // newest first
		for i := range rapid.IntRange(1, 8).Draw(r, "messages") {
			room := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "room")
			p.publish(room, text.Draw(r, "text"))
			all, _, _ := p.Read(room, p.Bounds(room).Last-1, 1)
			newest = append(all, newest...)
			if i == 3 {
				x.fill()
			}
		}
		x.fill()
		for range 3 {
			q := text.Draw(r, "query")
			query, err := tokenize.Parse(q)
			if err != nil {
				continue
			}
			var want []string
			for _, m := range newest {
				if text, _ := m.SearchText(); query.Hits(text) != nil {
					want = append(want, fmt.Sprint(m.Room, ":", m.N))
				}
			}
			if got := sortKeys(x.search(Query{Words: q})); got != strings.Join(want, " ") {
				r.Fatalf("%q finds %q, a scan %q, in %+v", q, got, want, newest)
			}
			var rows int // without checking the text in the log
			if err := x.file.db.QueryRow("SELECT count(*) FROM texts WHERE texts MATCH ?", query.Match()).Scan(&rows); err != nil || rows != len(want) {
				r.Fatalf("%q has %d rows in the index, want %d: %v", q, rows, len(want), err)
			}
		}
		x.close()
	})
}

// A query ends after its timeout, while it waits and inside of SQLite.
func TestTimeIsBounded(t *testing.T) {
	kinds(t, func(t *testing.T, path string) {
		p := newTestLog(t)
		p.publish("lobby", slices.Repeat([]string{"hit"}, 300)...)
		x := open(t, path, p)
		x.fill()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range x.queue.Slots() {
			x.queue.Enter(t.Context(), prefix(byte(i)))
		}
		if _, err := x.Search(ctx, Query{Words: "hit"}); err == nil || err.Code != wire.Unavailable {
			t.Errorf("waiting for others: %v, want unavailable", err)
		}
		for i := range x.queue.Slots() {
			x.queue.Leave(prefix(byte(i)))
		}
		s, refused := x.prepare(&Query{Words: "hit"})
		if refused != nil {
			t.Fatal(refused)
		}
		ctx, cancel = context.WithCancel(t.Context())
		rows := 0
		s.response = new(wire.SearchResponse)
		err := x.file.match(ctx, s.query.Match(), 1<<62, func(string, uint64) (bool, error) {
			cancel()
			rows++
			return true, nil
		})
		if err == nil || rows == 300 || isDamage(err) {
			t.Errorf("a query that was given up ended with %v after %d rows", err, rows)
		}
		if _, err := x.Search(ctx, Query{Words: "hit"}); err == nil || err.Code != wire.Unavailable {
			t.Errorf("with no time left: %v, want unavailable", err)
		}
		if found := x.search(Query{Words: "hit", Limit: 100}); len(found.Hits) != 100 {
			t.Errorf("after that, %d are found", len(found.Hits))
		}
	})
}

func prefix(i byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 32) }
