package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ramai/wire"
)

// An export goes on if the server is restarted between two pages. It stops with an
// error if the server was reset to an older state, or messages were deleted meanwhile.
func TestExportPages(t *testing.T) {
	const last = 9
	page := func(epoch string, from, to uint64, skipped ...uint64) wire.Page {
		p := wire.Page{Room: "den", HistoryID: "log", Epoch: epoch, Head: last, More: to < last}
		for _, n := range skipped {
			p.Skipped = append(p.Skipped, wire.Range{From: n, To: n})
		}
		for n := from; n <= to; n++ {
			if len(skipped) == 0 || n < skipped[0] || n > skipped[len(skipped)-1] {
				p.Messages = append(p.Messages, wire.Message{Room: "den", N: n, SenderID: "anna", ID: fmt.Sprint(n), Text: "x"})
			}
		}
		return p
	}
	reset := page("two", 1, last)
	reset.Reset = true
	other := page("two", 5, last)
	other.HistoryID = "another"
	for _, c := range []struct {
		what    string
		pages   []wire.Page
		written int
		err     string
	}{
		{"two pages", []wire.Page{page("one", 1, 4), page("one", 5, last)}, 9, ""},
		{"a restart in between", []wire.Page{page("one", 1, 4), page("two", 5, 7), page("three", 8, last)}, 9, ""},
		{"changes at both ends of pages", []wire.Page{page("one", 1, 4, 3, 4), page("one", 5, 7, 5, 6), page("one", 8, last)}, 5, ""},
		{"only changes in a page", []wire.Page{page("one", 1, 4), page("one", 5, 6, 5, 6), page("one", 7, last)}, 7, ""},
		{"deleted before", []wire.Page{page("one", 4, 5), page("one", 6, last)}, 6, ""},
		{"more than the last", []wire.Page{page("one", 1, 4), page("one", 5, last+3)}, 9, ""},
		{"reset to an older state", []wire.Page{page("one", 1, 4), reset}, 4, "older state after 4 messages"},
		{"another history", []wire.Page{page("one", 1, 4), other}, 4, "older state after 4 messages"},
		{"deleted meanwhile", []wire.Page{page("one", 1, 4), page("one", 6, last)}, 4, "5 to 5 were deleted"},
		{"all deleted meanwhile", []wire.Page{page("one", 1, 4), page("one", 1, 0)}, 4, "5 to 9 were deleted"},
	} {
		asked := []string{"one 0"}
		for _, p := range c.pages {
			to := uint64(0)
			if k := len(p.Messages); k > 0 {
				to = p.Messages[k-1].N
			}
			if k := len(p.Skipped); k > 0 {
				to = max(to, p.Skipped[k-1].To)
			}
			asked = append(asked, fmt.Sprint(p.Epoch, " ", to))
		}
		k := 0
		read := func(h wire.History) (wire.Page, error) {
			if got := fmt.Sprint(h.After.Epoch, " ", h.After.N); h.Room != "den" || h.After.HistoryID != "log" || got != asked[k] {
				t.Errorf("%s: page %d is asked for after %s of %s, want %s", c.what, k, got, h.After.HistoryID, asked[k])
			}
			k++
			return c.pages[k-1], nil
		}
		var out bytes.Buffer
		written, err := exportTo(read, &wire.Page{HistoryID: "log", Epoch: "one"}, "den", last, &out)
		if written != c.written || bytes.Count(out.Bytes(), []byte(`"text"`)) != written || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d messages (%v), want %d (%q):\n%s", c.what, written, err, c.written, c.err, &out)
		}
	}
}
