package client

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ramai/wire"
)

// TestMarksModel steps a client that marks messages through random cuts and refusals. In the end the server has what was asked for
// last, also of two votes in a poll, and the client knows it.
func TestMarksModel(t *testing.T) {
	rooms := []string{"lobby", "tea"}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for _, r := range rooms {
			w.core.join(room{name: r})
			w.server.store(r, "somebody else", "poll", "which one?")
		}
		w.settle(rooms...)
		asked := newFakeServer()
		mark := rapid.Custom(func(t *rapid.T) wire.Mark {
			return wire.Mark{Room: rapid.SampledFrom(rooms).Draw(t, "room"), Of: 1, Key: rapid.SampledFrom([]string{"up", "0", "1"}).Draw(t, "key"), On: rapid.Bool().Draw(t, "on")}
		})
		w.walk(t, rooms, func() {
			m := mark.Draw(t, "mark")
			if err := w.core.mark(m); err != nil {
				t.Fatal(err)
			}
			asked.setMark(m)
		})

		if k := &w.core.marks; len(k.waiting) > 0 || k.sent {
			t.Fatalf("%+v are not settled", k.waiting)
		}
		for _, name := range rooms {
			if got, want := w.server.room(name).marks, asked.room(name).marks; !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: the server has %v, want %v", name, got, want)
			}
		}
	})
}

// TestMarks: which marks are sent again.
func TestMarks(t *testing.T) {
	up := wire.Mark{Room: "lobby", Of: 1, Key: "up", On: true}
	mark := func(key string, on bool) wire.Mark { return wire.Mark{Room: "lobby", Of: 1, Key: key, On: on} }
	answer := func(m wire.Mark, ref string) wire.Marked {
		return wire.Marked{Room: m.Room, Of: m.Of, Key: m.Key, On: m.On, Ref: ref}
	}
	busy := wire.Error{Code: wire.RateLimited, Reason: "slowly", RetryAfterMS: 5, Request: "mark", Room: "lobby", Ref: "id-m1"}
	for _, test := range []struct {
		name   string
		marks  []wire.Mark
		frames []wire.Frame
		cut    bool
		want   []wire.Mark // that are sent after that
	}{
		{"one at a time", []wire.Mark{up, mark("👍", true)}, nil, false, nil},
		{"the next one after the answer", []wire.Mark{up, mark("👍", true)}, []wire.Frame{answer(up, "id-m1")}, false, []wire.Mark{mark("👍", true)}},
		{"answered once", []wire.Mark{up}, []wire.Frame{answer(up, "id-m1")}, true, nil},
		{"not answered", []wire.Mark{up}, nil, true, []wire.Mark{up}},
		{"another device's is earlier", []wire.Mark{up}, []wire.Frame{answer(mark("up", false), "")}, true, []wire.Mark{up}},
		{"the second answers nothing", []wire.Mark{up, mark("up", false)}, []wire.Frame{answer(up, "id-m1")}, true, []wire.Mark{mark("up", false)}},
		{"the newest of a key", []wire.Mark{up, mark("👍", true), mark("❤️", true), mark("👍", false)}, []wire.Frame{answer(up, "id-m1")}, false, []wire.Mark{mark("❤️", true), mark("👍", false)}},
		{"all votes", []wire.Mark{up, mark("0", true), mark("1", true), mark("0", true)}, []wire.Frame{answer(up, "id-m1")}, false, []wire.Mark{mark("0", true), mark("1", true), mark("0", true)}},
		{"refused for now", []wire.Mark{up}, []wire.Frame{busy}, false, []wire.Mark{up}},
		{"refused for now, and another device's is later", []wire.Mark{up}, []wire.Frame{busy, answer(mark("up", false), "")}, false, nil},
		{"refused", []wire.Mark{up}, []wire.Frame{wire.Error{Code: wire.Gone, Ref: "id-m1"}}, true, nil},
		{"an error about something else", []wire.Mark{up}, []wire.Frame{wire.Error{Code: wire.Gone}}, true, []wire.Mark{up}},
	} {
		c, now := opened(t, 1), time.Unix(1e9, 0)
		for _, m := range test.marks {
			if err := c.mark(m); err != nil {
				t.Fatal(err)
			}
			if m == test.marks[0] {
				if got := sent(c, now); len(got) != 1 || got[0] != `{"type":"mark","room":"lobby","of":1,"key":"up","on":true,"ref":"id-m1"}` {
					t.Fatalf("%s: sends %q", test.name, got)
				}
			}
		}
		feed(t, c, now, test.frames...)
		if test.cut {
			c.disconnected(now, errCut)
			c.connected()
			feed(t, c, now, welcome(""), welcome(""))
			sent(c, now.Add(-time.Second)) // hello and the join
			c.marks.disconnected()
		}
		var got []wire.Mark
		for range len(test.marks) + 1 {
			for _, b := range sent(c, now.Add(time.Second)) {
				r, bad := wire.ParseRequest([]byte(b))
				if bad != nil {
					t.Fatal(bad)
				}
				if m, ok := r.Frame.(wire.Mark); ok {
					got = append(got, m)
					feed(t, c, now, answer(m, r.Ref))
				}
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: then sends %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestMarkEvents: a program learns of its own marks, of those of the sender's other devices, and of refusals.
func TestMarkEvents(t *testing.T) {
	c := opened(t, 1)
	for _, key := range []string{"up", "👍"} {
		if err := c.mark(wire.Mark{Room: "lobby", Of: 1, Key: key, On: true}); err != nil {
			t.Fatal(err)
		}
	}
	sent(c, time.Time{})
	failed := wire.Error{Code: wire.NotAllowed, Reason: "no", Request: "mark", Room: "lobby", Ref: "id-m1"}
	other := wire.Marked{Room: "lobby", Of: 2, Key: "up"}
	own := wire.Marked{Room: "lobby", Of: 1, Key: "👍", On: true, Ref: "id-m2"}
	got := feed(t, c, time.Time{}, failed, other)
	sent(c, time.Time{})
	got = append(got, feed(t, c, time.Time{}, own)...)
	want := []wire.Frame{RequestFailed{Request: wire.Mark{Room: "lobby", Of: 1, Key: "up", On: true}, Error: failed}, other, own}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events %+v, want %+v", got, want)
	}
}

// TestTooManyMarks: the marks that wait are bounded, and those of one key are one.
func TestTooManyMarks(t *testing.T) {
	c := newCore()
	for n := range uint64(maxMarks) {
		if err := c.mark(wire.Mark{Room: "lobby", Of: n + 1, Key: "up", On: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.mark(wire.Mark{Room: "lobby", Of: maxMarks, Key: "up"}); err != nil {
		t.Errorf("a later mark of the same key: %v", err)
	}
	if err := c.mark(wire.Mark{Room: "lobby", Of: maxMarks + 1, Key: "up", On: true}); err == nil {
		t.Error("one more mark than allowed waits")
	}
}
