package eventlog_test

import (
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// bounded is a store whose rooms have numbers, and no records.
type bounded struct {
	eventlog.Store
	b eventlog.Bounds
}

func (b bounded) Bounds(string) eventlog.Bounds { return b.b }

// TestLogMax: the room of moderators does not grow without limit, also while the clock is not trusted, and other rooms keep what is set.
func TestLogMax(t *testing.T) {
	const eachDay = eventlog.MaxReportsOfDay + 2*eventlog.MaxWithdrawnOfDay // a withdrawn message has been a record, and is deleted by one
	if days := uint64(eventlog.LogLife / (24 * time.Hour)); days*eachDay > eventlog.LogMax/3 {
		t.Errorf("guests add %d records to a room of moderators in %d days, and it keeps %d", days*eachDay, days, eventlog.LogMax)
	}
	keep := eventlog.Retention{Newest: 10}
	for _, c := range []struct {
		room        string
		first, last uint64
		want        uint64
	}{
		{"~den", 1, eventlog.LogMax, 0}, {"~den", 1, eventlog.LogMax + 7, 7}, {"~~den", 1, eventlog.LogMax + 7, 7}, {"den", 1, 17, 7}, {"den", 1, 10, 0},
	} {
		got, err := keep.TrimTo(bounded{b: eventlog.Bounds{First: c.first, Last: c.last}}, c.room, time.Time{})
		if err != nil || got != c.want {
			t.Errorf("%s with %d to %d is trimmed to %d, %v; want %d", c.room, c.first, c.last, got, err, c.want)
		}
	}
}
