package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ramai/internal/journal"
)

// A sweep lets go of what is too old or too much, of every room, in steps.
func TestSweep(t *testing.T) {
	for keep, want := range map[string]map[string]string{
		"all":           {"den": "1-1200", "lobby": "1-10"},
		"5 messages":    {"den": "1196-1200", "lobby": "6-10"},
		"1000 messages": {"den": "201-1200", "lobby": "1-10"},
		"1h":            {"den": "1201-1200", "lobby": "5-10"},
	} {
		t.Run(keep, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			cfg := Defaults()
			cfg.Memory, cfg.Log, cfg.Quiet = true, slog.New(slog.DiscardHandler), true
			cfg.Now = func() time.Time { return now }
			s, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			said := make(chan *journal.Outcome, 1)
			say := func(room string, n int) {
				for i := range n {
					e := journal.Event{Kind: journal.Say, By: "anna", Room: room, ID: fmt.Sprintf("%s-%d-%d", room, i, now.Unix()), Text: "x",
						Origin: &journal.Origin{Deliver: func(o *journal.Outcome) { said <- o }}}
					if err := s.orderer.Submit(e, nil); err != nil {
						t.Fatal(err)
					}
					<-said
				}
			}
			say("den", 1200)
			say("lobby", 4)
			now = now.Add(2 * time.Hour)
			say("lobby", 6)
			var log bytes.Buffer
			w := &sweeper{store: s.store, submit: s.orderer.Submit, now: cfg.Now, log: slog.New(slog.NewTextHandler(&log, nil))}
			if w.keep, err = journal.ParseKeep(keep); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := w.sweep(nil); err != nil {
					t.Fatal(err)
				}
			}
			if told := map[string]string{
				"5 messages": `messages=1200 rooms=2 by_room="den:1195 lobby:5"`, "1000 messages": `messages=200 rooms=1 by_room=den:200`,
				"1h": `messages=1204 rooms=2 by_room="den:1200 lobby:4"`,
			}[keep]; strings.Count(log.String(), "\n") != min(1, len(told)) || !strings.Contains(log.String(), told) {
				t.Errorf("the log has %q, want one line with %q", &log, told)
			}
			for room, want := range want {
				h := s.store.Head(room)
				if got := fmt.Sprintf("%d-%d", h.First, h.Last); got != want {
					t.Errorf("of %s is left %s, want %s", room, got, want)
				}
			}
			now = now.Add(31 * 24 * time.Hour) // nothing goes but ids
			w.keep = journal.Keep{}
			if err := w.sweep(nil); err != nil {
				t.Fatal(err)
			}
			e := journal.Event{Kind: journal.Say, By: "anna", Room: "den", ID: fmt.Sprintf("den-0-%d", now.Add(-31*24*time.Hour-2*time.Hour).Unix()), Text: "x",
				Origin: &journal.Origin{Deliver: func(o *journal.Outcome) { said <- o }}}
			s.orderer.Submit(e, nil)
			if o := <-said; (o.Verdict == journal.Saved) != (keep != "all") {
				t.Errorf("an id of 31 days ago: %v %d", o.Verdict, o.N)
			}
		})
	}
}
