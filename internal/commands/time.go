package commands

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// MaxTime is the longest time that a command takes.
const MaxTime = 366 * 24 * time.Hour

var units = []struct {
	letter    byte
	time      time.Duration
	one, many string
}{
	{'w', 7 * 24 * time.Hour, "week", "weeks"}, {'d', 24 * time.Hour, "day", "days"}, {'h', time.Hour, "hour", "hours"},
	{'m', time.Minute, "minute", "minutes"}, {'s', time.Second, "second", "seconds"},
}

// ParseTime parses a time such as 30s, 10m, 1h30m, 2d or 1w. It is at least a second and at most MaxTime. ok is false if s does not look
// like a time.
func ParseTime(s string) (d time.Duration, ok bool, err error) {
	rest := strings.ToLower(s)
	if rest == "" {
		return 0, false, nil
	}
	total := 0.0
	for rest != "" {
		n, digits := 0.0, 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			n = n*10 + float64(rest[digits]-'0')
			digits++
		}
		if digits == 0 || digits == len(rest) {
			return 0, false, nil
		}
		found := false
		for _, u := range units {
			if u.letter == rest[digits] {
				total, found = total+n*float64(u.time), true
			}
		}
		if !found {
			return 0, false, nil
		}
		rest = rest[digits+1:]
	}
	if total < float64(time.Second) || total > float64(MaxTime) || math.IsNaN(total) {
		return 0, true, fmt.Errorf("invalid time %.20s (want 1s to %dd, for example 10m, 2h or 1d)", s, MaxTime/(24*time.Hour))
	}
	return time.Duration(total), true, nil
}

// Words returns a time in words, in two units at most: 1 hour 30 minutes. It is rounded up to seconds.
func Words(d time.Duration) string {
	d = (d + time.Second - 1) / time.Second * time.Second
	var parts []string
	for _, u := range units[1:] { // people say 10 days, not 1 week 3 days
		n := d / u.time
		d -= n * u.time
		switch {
		case n == 1:
			parts = append(parts, "1 "+u.one)
		case n > 1:
			parts = append(parts, fmt.Sprint(int64(n), " ", u.many))
		}
		if len(parts) == 2 || n == 0 && len(parts) == 1 {
			break
		}
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}
