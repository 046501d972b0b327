package eventlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

// Retention says which messages of a room are kept: those for which both hold. The zero value: all.
type Retention struct {
	Newest uint64        // this many; 0: any number
	Age    time.Duration // those of at most this age; 0: any age
}

// What the rooms of moderators and owners keep where retention keeps a number of messages. Anybody whose messages are held, or who reports
// some, adds records there, and these must not displace the records of what moderators did. So LogLife is what usually counts: guests add
// less than a third of LogMax in that time, see MaxReportsOfDay and MaxWithdrawnOfDay.
const (
	LogLife = 90 * 24 * time.Hour
	LogMax  = 1_000_000
)

// Of returns what is kept of a room.
func (r Retention) Of(room string) Retention {
	if r.Newest > 0 && !counted(room) {
		return Retention{Newest: LogMax, Age: LogLife}
	}
	return r
}

// ParseRetention parses the value of the setting: a number of messages ("100000 messages"), an age in days or hours ("30d",
// "12h"), or "all". A number without a unit is an error: 30 days and 30 messages are far apart.
func ParseRetention(s string) (Retention, error) {
	if s == "all" {
		return Retention{}, nil
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseUint(s[:digits], 10, 63)
	unit := time.Duration(0)
	switch suffix := strings.TrimPrefix(s[digits:], " "); {
	case err != nil || n == 0:
		err = errors.New("invalid number")
	case suffix == "":
		return Retention{}, fmt.Errorf("%q has no unit: want %sd (days), %sh (hours), or \"%s messages\"", s, s, s, s)
	case suffix == "messages" || suffix == "message" && n == 1:
		return Retention{Newest: n}, nil
	case s[digits:] == "d":
		unit = 24 * time.Hour
	case s[digits:] == "h":
		unit = time.Hour
	default:
		err = errors.New("unknown unit")
	}
	if err != nil || n > uint64(100*365*24*time.Hour/unit) {
		return Retention{}, fmt.Errorf("invalid retention %q (want an age such as 30d or 12h, at most 100 years; a number such as \"100000 messages\"; or all)", s)
	}
	return Retention{Age: time.Duration(n) * unit}, nil
}

// String returns the form that ParseRetention parses.
func (r Retention) String() string {
	switch {
	case r.Newest > 0:
		return strconv.FormatUint(r.Newest, 10) + " messages"
	case r.Age == 0:
		return "all"
	case r.Age%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", r.Age/(24*time.Hour))
	}
	return fmt.Sprintf("%dh", r.Age/time.Hour)
}

// TrimTo returns the highest number of a room to delete; 0: none. If now is zero, because the time is not known, age does not count.
func (r Retention) TrimTo(store Store, room string, now time.Time) (to uint64, err error) {
	bounds := store.Bounds(room)
	r = r.Of(room)
	if r.Newest > 0 && bounds.Last > r.Newest {
		to = bounds.Last - r.Newest
	}
	if bounds.First = max(bounds.First, to+1); r.Age > 0 && !now.IsZero() && bounds.First <= bounds.Last {
		old, err := r.lastBefore(store, room, bounds, wire.TimeOf(now.Add(-r.Age)))
		return max(to, old), err
	}
	return to, nil
}

// lastBefore finds the highest number of a message from before a time, by bisection: the times of a room never go backwards.
func (r Retention) lastBefore(store Store, room string, bounds Bounds, before wire.Time) (uint64, error) {
	low, high := bounds.First-1, bounds.Last // low is too old, or below First; everything above high is not
	for first := true; low < high; first = false {
		middle := low + (high-low+1)/2
		if first { // usually there is nothing to delete
			middle = bounds.First
		}
		one, _, err := store.Read(room, middle-1, 1)
		if err != nil {
			return 0, err
		}
		if len(one) > 0 && one[0].N == middle && one[0].At >= before {
			high = middle - 1
		} else {
			low = middle
		}
	}
	if low < bounds.First {
		return 0, nil
	}
	return low, nil
}
