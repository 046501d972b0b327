package tui

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// numbered returns a text of n words that contain their index, with one or more empty lines now and then.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "w%03d ", i)
		if i%50 == 49 {
			b.WriteString(strings.Repeat("\n", i/50%3+1))
		}
	}
	return b.String()
}

var numberedWord = regexp.MustCompile(`w\d\d\d`)

// top returns the first word on the screen, and whether the line at the top is empty.
func (st *harness) top() (string, bool) {
	rows := strings.Split(st.shown(), "\n")
	return numberedWord.FindString(st.shown()), strings.TrimSpace(rows[1]) == ""
}

// TestDragged: after a window was dragged through all its widths and back, the same text is at the top.
func TestDragged(t *testing.T) {
	for _, off := range []int{1, 5, 6, 10, 11, 23} { // 6, 10 and 11 are empty
		st := newHarness(t, 120, 24, nil)
		st.welcome("anna", 10)
		st.says("budi", numbered(600))
		for i := range 30 {
			st.says("dewi", fmt.Sprint("later ", i))
		}
		r := st.room()
		r.timeline.itemAt(10).expanded = true
		r.timeline.moveTo(10, off)
		before, empty := st.top()
		drag := func(from, to, step int) {
			for w := from; w != to; w += step {
				st.send(tea.WindowSizeMsg{Width: w, Height: 24})
				if w%7 == 0 {
					st.press("alt+i") // numbers are wider than times
				}
				if !strings.Contains(st.shown(), before) {
					t.Fatalf("%d lines down, %s is not on the screen at %d:\n%s", off, before, w, st.shown())
				}
			}
		}
		drag(120, 30, -3)
		drag(30, 120, 3)
		st.send(tea.WindowSizeMsg{Width: 120, Height: 24})
		if st.numbers {
			st.press("alt+i")
		}
		if after, still := st.top(); after != before || still != empty {
			t.Fatalf("%d lines down, the top was %s (empty: %v) and is now %s (%v)", off, before, empty, after, still)
		}
	}
}

// TestDraggedAndScrolled: scrolling continues from where the view is after resizing.
func TestDraggedAndScrolled(t *testing.T) {
	st := newHarness(t, 120, 24, nil)
	st.welcome("anna", 10)
	st.says("budi", numbered(600))
	for i := range 30 {
		st.says("dewi", fmt.Sprint("later ", i))
	}
	st.room().timeline.moveTo(10, 11)
	st.send(tea.WindowSizeMsg{Width: 60, Height: 24})
	st.press("shift+up", "shift+up", "shift+down")
	at, _ := st.top()
	st.send(tea.WindowSizeMsg{Width: 120, Height: 24})
	st.send(tea.WindowSizeMsg{Width: 60, Height: 24})
	if again, _ := st.top(); again != at {
		t.Errorf("the top was %s after scrolling, and is now %s", at, again)
	}
}

// TestScrolledBack: after scrolling to the beginning of a message, that beginning is the position to keep.
func TestScrolledBack(t *testing.T) {
	st := newHarness(t, 60, 12, nil)
	st.welcome("anna", 3)
	st.says("budi", numbered(15))
	for i := range 30 {
		st.says("dewi", fmt.Sprint("later ", i))
	}
	st.room().timeline.moveTo(3, 1)
	st.send(tea.WindowSizeMsg{Width: 140, Height: 12})
	st.press("shift+down", "shift+up")
	st.send(tea.WindowSizeMsg{Width: 60, Height: 12})
	if top, _ := st.top(); top != "w000" {
		t.Errorf("the top is %s", top)
	}
}

// TestEnlarged: a window that is enlarged until everything fits and then shrunk again shows the same text.
func TestEnlarged(t *testing.T) {
	st := newHarness(t, 60, 16, nil)
	st.welcome("anna", 3)
	st.says("budi", numbered(400))
	for range 20 {
		st.press("shift+up")
	}
	before, _ := st.top()
	st.send(tea.WindowSizeMsg{Width: 160, Height: 60})
	if st.room().timeline.anchor != nil {
		t.Fatal("not everything is visible")
	}
	st.send(tea.WindowSizeMsg{Width: 60, Height: 16})
	if after, _ := st.top(); after != before {
		t.Errorf("the top was %s, and is now %s", before, after)
	}
}
