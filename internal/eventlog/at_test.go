package eventlog_test

import (
	"log/slog"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/local"
	"ramai/wire"
)

// TestAgreedTime: messages have the time on which the nodes agree, whatever the clock of this node shows.
func TestAgreedTime(t *testing.T) {
	agreed := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s := store(t)
	l := eventlog.NewLog(s, local.New(), eventlog.Options{
		Feed: func([]eventlog.Outcome, []eventlog.Submission) {}, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return agreed.AddDate(0, 0, 40) }, At: func() time.Time { return agreed },
	})
	if err := l.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "a", Text: "x"}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Step(); err != nil {
		t.Fatal(err)
	}
	if at := s.NewestTimes()["lobby"]; at != wire.TimeOf(agreed) {
		t.Errorf("the message has the time %v, want %v", at, wire.TimeOf(agreed))
	}
}
