package eventlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

// Retention says which messages of a room are kept. The zero value: all of them.
type Retention struct {
	Newest uint64        // so many; 0: any number
	Age    time.Duration // those that are not older; 0: of any age
}

// ParseRetention reads what an operator writes: a number of messages ("100000 messages"), an age in days or hours ("30d",
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
		err = errors.New("the number is wrong")
	case suffix == "":
		return Retention{}, fmt.Errorf("%q has no unit: give %sd (days), %sh (hours) or \"%s messages\"", s, s, s, s)
	case suffix == "messages" || suffix == "message" && n == 1:
		return Retention{Newest: n}, nil
	case s[digits:] == "d":
		unit = 24 * time.Hour
	case s[digits:] == "h":
		unit = time.Hour
	default:
		err = errors.New("the unit is unknown")
	}
	if err != nil || n > uint64(100*365*24*time.Hour/unit) {
		return Retention{}, fmt.Errorf("%q is not an age (30d, 12h; at most 100 years), a number of messages (\"100000 messages\"), or all", s)
	}
	return Retention{Age: time.Duration(n) * unit}, nil
}

// String is what ParseRetention reads.
func (k Retention) String() string {
	switch {
	case k.Newest > 0:
		return strconv.FormatUint(k.Newest, 10) + " messages"
	case k.Age == 0:
		return "all"
	case k.Age%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", k.Age/(24*time.Hour))
	}
	return fmt.Sprintf("%dh", k.Age/time.Hour)
}

// TrimTo returns the newest number of a room that is not to be kept any more; 0: none.
func (k Retention) TrimTo(store Store, room string, now time.Time) (uint64, error) {
	head := store.Bounds(room)
	switch {
	case k.Newest > 0 && head.Last > k.Newest:
		return head.Last - k.Newest, nil
	case k.Age > 0 && head.First <= head.Last:
		return k.lastBefore(store, room, head, wire.TimeOf(now.Add(-k.Age)))
	}
	return 0, nil
}

// lastBefore finds the newest number that is of before some time: times never go backwards in a room.
func (k Retention) lastBefore(store Store, room string, head Bounds, before wire.Time) (uint64, error) {
	low, high := head.First-1, head.Last // low is too old, or there is nothing; what is above high is not
	for first := true; low < high; first = false {
		middle := low + (high-low+1)/2
		if first { // mostly there is nothing to do
			middle = head.First
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
	if low < head.First {
		return 0, nil
	}
	return low, nil
}
