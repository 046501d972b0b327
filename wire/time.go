package wire

import (
	"fmt"
	"strings"
	"time"
)

// Time is a point in time in milliseconds since 1970, UTC. It is sent as RFC 3339 with milliseconds.
type Time int64

const timeLayout = "2006-01-02T15:04:05.000Z"

// TimeOf truncates t to milliseconds.
func TimeOf(t time.Time) Time { return Time(t.UnixMilli()) }

// Std returns t as a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMilli(int64(t)).UTC() }

// String returns t as it is sent, without quotes.
func (t Time) String() string { return t.Std().Format(timeLayout) }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return t.appendJSON(nil), nil }

func (t Time) appendJSON(dst []byte) []byte {
	dst = append(dst, '"')
	dst = t.Std().AppendFormat(dst, timeLayout)
	return append(dst, '"')
}

// UnmarshalJSON implements json.Unmarshaler. It accepts any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("time %.40q is not an RFC 3339 string", b)
	}
	std, err := time.Parse(time.RFC3339, string(b[1:len(b)-1]))
	if err != nil {
		return fmt.Errorf("time %.40q is not RFC 3339: %w", b, err)
	}
	*t = TimeOf(std)
	return nil
}

// ParseTime parses an RFC 3339 time from outside.
func ParseTime(s string) (Time, *CodedError) {
	std, err := time.Parse(time.RFC3339, s)
	if err != nil {
		hint := ""
		if strings.Contains(s, " ") {
			hint = "; in a query, write + as %2B"
		}
		return 0, &CodedError{Code: BadRequest, Reason: fmt.Sprintf("invalid time %.40q (want RFC 3339, for example 2026-01-31T09:00:00Z%s)", s, hint)}
	}
	return TimeOf(std), nil
}
