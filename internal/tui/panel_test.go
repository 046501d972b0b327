package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ramai/client"
	"ramai/wire"
)

// TestPanelRows: every row of a panel can be read to its end, and the chosen one is fully visible.
func TestPanelRows(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {57, 10}, {20, 6}} {
		st := newHarness(t, size[0], size[1], nil)
		st.welcome("anna", 10)
		st.press("f1")
		var read strings.Builder
		for range 200 {
			rows := strings.Split(st.shown(), "\n")
			read.WriteString(rows[2] + " ") // the first one below the title
			st.press("down")
		}
		got := strings.Join(strings.Fields(read.String()), " ")
		for range 40 {
			got += " " + strings.Join(strings.Fields(st.shown()), " ")
			st.press("pgdown")
		}
		for _, a := range actions() {
			if !strings.Contains(got, a.help) {
				t.Errorf("%v: the help does not contain %q", size, a.help)
			}
		}
		st.hasNot("…\n")

		var hits wire.SearchResponse
		for i := range 30 {
			hits.Hits = append(hits.Hits, wire.Hit{Room: wire.Lobby, N: uint64(i + 1), DisplayName: "budi", At: wire.TimeOf(start), Snippet: fmt.Sprintf("begin%d %s end%d.", i, strings.Repeat("word ", i%7), i)})
		}
		st.openPanel(showPanel{panel: st.foundPanel("word", hits)})
		for _, keys := range [][2]string{{"down", "up"}, {"pgdown", "pgup"}} {
			for _, key := range keys {
				for n := 0; ; n++ {
					p := st.panel
					if size[1] > 6 {
						st.has(fmt.Sprintf("begin%d ", p.chosen), fmt.Sprintf("end%d.", p.chosen))
					}
					before := p.chosen
					if st.press(key); before == p.chosen {
						break
					}
					if n > 40 {
						t.Fatal("the panel never ends")
					}
				}
				if want := map[bool]int{true: 29, false: 0}[strings.HasSuffix(key, "down")]; st.panel.chosen != want {
					t.Errorf("%v: %s ends at %d, want %d", size, key, st.panel.chosen, want)
				}
			}
		}
	}
}

// TestHidden: mentions and new messages in rooms that do not fit are indicated by a sign.
func TestHidden(t *testing.T) {
	for _, size := range [][2]int{{30, 8}, {20, 6}, {12, 6}} {
		st := twoRooms(t, size[0], size[1], func(c *Config, _ *fakeChat) { c.Rooms = []string{"team", "kitchen", "pantry"} })
		tabs := func() string { return strings.Split(st.View().Content, "\n")[0] }
		for _, name := range []string{"team", "kitchen", "pantry"} {
			st.receive(wire.Joined{Room: name, HistoryID: "log", N: 0, First: 1, Count: 3})
		}
		st.has("…")
		if !strings.Contains(tabs(), st.style.other.Styled("…")) {
			t.Errorf("%v: tabs are %q while nothing is new", size, tabs())
		}
		say := func(room, text string) {
			t.Helper()
			st.receive(wire.Message{Room: room, N: 1, At: wire.TimeOf(st.now), SenderID: "b", DisplayName: "budi", ID: "1", Text: text})
			if w := st.method.StringWidth(st.roomsRow()); w != size[0] {
				t.Errorf("%v: the first row has %d cells: %q", size, w, tabs())
			}
		}
		say("pantry", "hello")
		if !strings.Contains(tabs(), st.style.fresh.Styled("…")) {
			t.Errorf("%v: tabs are %q while something is new", size, tabs())
		}
		say("kitchen", "@anna: hello")
		if !strings.Contains(tabs(), st.style.calls.Styled("…@")) {
			t.Errorf("%v: tabs are %q while there is a mention", size, tabs())
		}
		st.press("ctrl+n", "ctrl+n")
		st.hasNot("…@")
	}
}

// TestPlainHistory: the plain protocol has no history, and the screen does not mention one.
func TestPlainHistory(t *testing.T) {
	st := newHarness(t, 80, 24, func(_ *Config, f *fakeChat) { f.plain = true })
	st.receive(wire.Welcome{Text: wire.Greeting})
	st.has("No messages since you joined")
	st.hasNot("Alt-S")
	broken := client.Disconnected{Err: errors.New("gone"), Wait: time.Second}
	st.receive(broken, wire.Welcome{})
	st.hasNot("the connection broke here") // nothing was received before
	st.receive(client.Line{Text: "before"})
	st.hasNot("the beginning")
	st.now = st.now.Add(24 * time.Hour)
	st.receive(broken)
	st.now = st.now.Add(24 * time.Hour)
	st.receive(broken, wire.Welcome{}, broken, wire.Welcome{}, client.Line{Text: "after"})
	st.has("before", "the connection broke here; messages may be missing", "after", "Wednesday, 25", "Friday, 27")
	st.hasNot("Thursday")
	if n := strings.Count(st.shown(), "broke here"); n != 1 {
		t.Errorf("%d notes say that the connection broke", n)
	}
	if r := st.room(); r.timeline.received != 2 || r.unread() != 0 {
		t.Errorf("%d lines were received, %d are unread", r.timeline.received, r.unread())
	}
	for n := range 2 * maxItems {
		st.receive(client.Line{Text: fmt.Sprint("line ", n)})
	}
	for range 100 {
		st.press("pgup")
	}
	st.has("line 1000")
	st.hasNot("earlier")

	// With ramai.v1 nothing is missing.
	st = newLobby(t, 10, nil)
	st.receive(broken)
	st.hasNot("broke here")
	st.has("Alt-S search")
}

// TestCommandHint: the hint for a command is to run it, not to post it.
func TestCommandHint(t *testing.T) {
	st := newLobby(t, 10, nil)
	for text, want := range map[string]string{"/join tea": "Enter run it", "/x": "Enter run it", "//x": "Enter post", "x": "Enter post"} {
		st.types(text)
		st.has(want)
		st.press("ctrl+u")
	}
}
