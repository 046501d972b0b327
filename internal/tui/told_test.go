package tui

import (
	"fmt"
	"testing"

	"ramai/wire"
)

// twoRooms is a stage in the lobby and in team, of which the past is as long as asked for.
func twoRooms(t *testing.T, width, height int, change func(*Config, *fakeChat)) *stage {
	st := newStage(t, width, height, func(c *Config, f *fakeChat) {
		c.Rooms = []string{"team"}
		if change != nil {
			change(c, f)
		}
	})
	st.welcome("anna", 10)
	return st
}

// inTeam makes somebody say something in team.
func (st *stage) inTeam(n int, by, from, text string) {
	st.hear(wire.Message{Room: "team", N: uint64(n), At: wire.TimeOf(st.now), By: by, From: from, ID: fmt.Sprint("t", n), Text: text})
}

// TestUnreadGone: what the server keeps no more is not unread, and the rule stands above the first that there is.
func TestUnreadGone(t *testing.T) {
	st := twoRooms(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.Memory = Memory{Rooms: []Place{{Name: "team", Log: "log", Read: 10}}}
	})
	st.hear(wire.Joined{Room: "team", Log: "log", N: 10_000, First: 9981, Count: 3})
	for n := 9981; n <= 10_000; n++ {
		st.inTeam(n, "b", "budi", fmt.Sprint("kept ", n))
	}
	st.has("team 20 ")
	st.press("ctrl+n")
	st.has("Alt-U what is new")
	st.press("alt+u")
	st.has("── new ──", "kept 9981")
	st.hasNot("Alt-U")
	st.press("end")
	if r := st.room(); r.fresh() != 9981 || r.behind() != 0 {
		t.Errorf("new is from %d on, and %d are to come", r.fresh(), r.behind())
	}
	for n := 10_001; n <= 10_040; n++ {
		st.inTeam(n, "b", "budi", fmt.Sprint("kept ", n))
	}
	st.has("Alt-U what is new")
	st.press("alt+u")
	st.has("── new ──", "kept 9981")
	st.hasNot("Alt-U")

	// Nor is there anything new in a room of which nothing is left.
	st = twoRooms(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.Memory = Memory{Rooms: []Place{{Name: "team", Log: "log", Read: 10}}}
	})
	st.hear(wire.Joined{Room: "team", Log: "log", N: 50, First: 51, Count: 3})
	if r := st.rooms[1]; r.unread() != 0 || r.ruled || r.behind() != 0 {
		t.Errorf("of nothing, %d are unread and %d to come; a rule: %v", r.unread(), r.behind(), r.ruled)
	}
}

// TestUnreadOwn: what was said elsewhere by oneself is not unread, nor is what cannot be shown.
func TestUnreadOwn(t *testing.T) {
	st := twoRooms(t, 80, 16, nil)
	st.hear(wire.Joined{Room: "team", Log: "log", N: 0, First: 1, Count: 3})
	unread := func(want uint64) {
		t.Helper()
		if got := st.rooms[1].unread(); got != want {
			t.Fatalf("%d are unread, not %d", got, want)
		}
	}
	st.inTeam(1, "me", "anna", "from my telephone")
	unread(0)
	st.hear(wire.Unknown{Room: "team", N: 2})
	unread(0)
	st.inTeam(3, "b", "budi", "hello")
	st.inTeam(4, "me", "anna", "hello, budi")
	unread(1)
	st.hasNot("team 2")
	st.press("ctrl+n")
	unread(0)
	st.press("ctrl+p")
	st.inTeam(5, "me", "anna", "more")
	st.inTeam(6, "b", "budi", "more")
	unread(1)
	st.hear(wire.Unknown{Room: "team", N: 6}) // once more
	unread(1)
}

// TestWhoSpeaks tells under which name one speaks, or that it is under none, on every size.
func TestWhoSpeaks(t *testing.T) {
	for _, test := range []struct {
		width, height  int
		named, without string
	}{{200, 60, "as anna   3 here   live", "without a name   3 here   live"}, {80, 24, "› say something in lobby as anna", "› say something in lobby without a name"}, {20, 6, "› as anna", "› without a name"}} {
		st := newStage(t, test.width, test.height, func(c *Config, _ *fakeChat) { c.Wish = "anna" })
		st.hasNot("anna", "without") // it is not known yet
		st.welcome("", 10)
		st.has(test.without)
		st.hear(wire.Name{Name: "anna"})
		st.has(test.named)
		if st.types("a"); test.width < roomy {
			st.hasNot("anna", "without")
		}
		st.press("ctrl+u")
		st.hear(wire.Name{})
		st.has(test.without)
	}
	// The plain door has no names.
	st := newStage(t, 80, 24, func(_ *Config, f *fakeChat) { f.plain = true })
	st.hear(wire.Welcomed{Text: wire.Welcome})
	st.has("› say something in lobby\n")
}
