package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"ramai/wire"
)

// selected returns the text of the selected message.
func (st *harness) selected() string {
	if it := st.room().timeline.selectedItem(); it != nil {
		return it.text
	}
	return ""
}

// selects fails unless this message is selected and in view.
func (st *harness) selects(want string) {
	st.t.Helper()
	if got := st.selected(); got != want {
		st.t.Fatalf("%q is selected, want %q:\n%s", got, want, st.shown())
	}
	if want != "" {
		line, _, _ := strings.Cut(want, "\n")
		st.has(line)
	}
}

// TestSelect: keys select messages and end the selection; the selected one is always in view, and nothing is typed
// meanwhile.
func TestSelect(t *testing.T) {
	for _, size := range [][2]int{{200, 60}, {120, 40}, {80, 24}, {40, 15}, {20, 6}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			st := newHarness(t, size[0], size[1], func(c *Config, _ *fakeChat) { c.Clipboard = true })
			st.press("alt+v")
			st.selects("")
			st.welcome("anna", 300)
			st.types("a draft")
			st.press("alt+v")
			st.selects("message 300")
			if st.View().Cursor != nil {
				t.Error("the composer has the cursor")
			}
			st.types("x")
			st.selects("message 300")
			st.send(clearNotice{})
			st.press("down")
			st.selects("message 300")
			for i := 299; i >= 180; i-- { // those not in memory are fetched
				st.press([]string{"up", "k", "ctrl+p"}[i%3])
				st.selects(fmt.Sprint("message ", i))
			}
			st.press("down", "j", "ctrl+n")
			st.selects("message 183")
			st.says("budi", "more")
			st.selects("message 183")
			st.press("pgup")
			above := st.selected()
			st.selects(above)
			page := func(key, last string) {
				t.Helper()
				for range 300 {
					if st.press(key); st.selected() == last {
						break
					}
				}
				st.selects(last)
			}
			page("pgup", "message 1")
			page("pgdown", "more")
			st.press("home")
			st.selects(st.selected())
			st.press("G")
			st.selects(st.selected())
			st.press("esc")
			st.selects("")
			if got := st.room().editor.String(); got != "a draft" {
				t.Errorf("the draft is %q", got)
			}
			if st.View().Cursor == nil {
				t.Error("the composer has no cursor")
			}
			st.types("!")
			if got := st.room().editor.String(); got != "a draft!" {
				t.Errorf("the draft is %q", got)
			}
		})
	}
}

// TestSelectEnds: every key that is not for the selection ends it, and has its usual effect.
func TestSelectEnds(t *testing.T) {
	st := newLobby(t, 300, func(c *Config, _ *fakeChat) { c.Rooms = []string{"tea"} })
	for _, end := range []func(){
		func() { st.press("alt+1") },
		func() { st.press("alt+i") },
		func() { st.press("ctrl+c") },
		func() { st.press("q") },
		func() { st.send(tea.PasteMsg{Content: "pasted"}) },
		func() { st.press("alt+2", "alt+1") },
		func() { st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "other", N: 0, First: 1, Reset: true}) },
	} {
		st.press("alt+v", "up")
		if st.selected() == "" {
			t.Fatal("nothing is selected")
		}
		end()
		st.selects("")
	}
	if got := st.room().editor.String(); got != "pasted" {
		t.Errorf("the draft is %q", got)
	}
}

// TestSelectStays: a selected message stays in view when others arrive, and its row is highlighted.
func TestSelectStays(t *testing.T) {
	st := newHarness(t, 80, 12, nil)
	st.welcome("anna", 20)
	st.press("alt+v", "up")
	st.selects("message 19")
	for i := range 30 {
		st.says("budi", fmt.Sprint("more ", i))
		st.selects("message 19")
	}
	st.has("new ↓", "message 19 ·")
	row := ""
	for line := range strings.Lines(st.View().Content) {
		if strings.Contains(line, "message 19") && !strings.Contains(line, "·") {
			row = line
		}
	}
	if !strings.Contains(row, "\x1b[7m") {
		t.Errorf("the row of the selected message is %q", row)
	}
	st.press("esc", "end")
	st.has("more 29")
}

// TestSelectActions: a selected message is copied, its address is shown, and a long one is unfolded.
func TestSelectActions(t *testing.T) {
	st := newLobby(t, 20, func(c *Config, _ *fakeChat) { c.Clipboard = true })
	st.says("budi", "first"+strings.Repeat("\nmore", 40)+"\nlast")
	st.press("alt+v")
	st.has("r reply", "c copy", "l link", "Enter show in full")
	st.hasNot("last")
	st.press("enter", "pgdown", "pgdown")
	st.has("last", "Enter fold")
	st.press("enter")
	st.has("first", "Enter show in full")
	st.press("up", "l")
	st.selects("")
	st.has("http://127.0.0.1:2000/#n20")
	st.press("esc", "end", "alt+v", "up")
	st.selects("message 20")
	copied := ""
	_, cmd := st.Update(keyPress("c"))
	if batch, ok := cmd().(tea.BatchMsg); ok {
		for _, c := range batch {
			if c != nil {
				copied += fmt.Sprint(c())
			}
		}
	} else {
		copied = fmt.Sprint(cmd())
	}
	if !strings.Contains(copied, "message 20") {
		t.Errorf("copied %q", copied)
	}
	st.has("copied 10 characters")

	st = newHarness(t, 80, 24, nil) // no clipboard
	st.welcome("anna", 20)
	st.press("alt+v")
	st.hasNot("c copy")
	st.press("c")
	st.has("Esc goes back")
}

// TestSelectTarget: the target of a jump is selected first.
func TestSelectTarget(t *testing.T) {
	st := newLobby(t, 300, nil)
	st.types("/history 150")
	st.press("enter", "alt+v")
	st.selects("message 150")
}
