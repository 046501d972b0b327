package tui

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// numbered is a text of n words that tell their places, with an empty line, or several, now and then.
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

// top is the first word on the screen, and whether the line at the top is empty.
func (st *harness) top() (string, bool) {
	rows := strings.Split(st.shown(), "\n")
	return numberedWord.FindString(st.shown()), strings.TrimSpace(rows[1]) == ""
}

// TestDragged: who drags a window through all its widths and back reads where they read before.
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
		drag(120, 30, -1)
		drag(30, 120, 1)
		st.send(tea.WindowSizeMsg{Width: 120, Height: 24})
		if st.numbers {
			st.press("alt+i")
		}
		if after, still := st.top(); after != before || still != empty {
			t.Fatalf("%d lines down, %s was at the top (empty: %v) and is %s (%v) now", off, before, empty, after, still)
		}
	}
}

// TestDraggedAndScrolled: scrolling goes on from where the view is by then.
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
		t.Errorf("%s was at the top after scrolling, and %s is", at, again)
	}
}

// TestScrolledBack: a message that was scrolled to its beginning is read from there, whatever was read of it before.
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
		t.Errorf("%s is at the top", top)
	}
}

// TestEnlarged: a window that is enlarged until all can be seen, and made small again, shows what it did.
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
		t.Fatal("not all can be seen")
	}
	st.send(tea.WindowSizeMsg{Width: 60, Height: 16})
	if after, _ := st.top(); after != before {
		t.Errorf("%s was at the top, and %s is", before, after)
	}
}
