package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxPositionPart is the maximum length of a history or epoch in a position, in bytes.
const maxPositionPart = 64

// AppendPosition appends p as used in event ids and queries: LOG:EPOCH:N, or LOG:N without an epoch.
func AppendPosition(dst []byte, p Position) []byte {
	dst = append(append(dst, p.HistoryID...), ':')
	if p.Epoch != "" {
		dst = append(append(dst, p.Epoch...), ':')
	}
	return strconv.AppendUint(dst, p.N, 10)
}

// ParsePosition parses the output of AppendPosition, or a number alone, which has no history. It returns false for
// anything else.
func ParsePosition(s string) (p Position, ok bool) {
	prefix, number, hasPrefix := cutLast(s)
	if hasPrefix {
		p.HistoryID, p.Epoch, _ = strings.Cut(prefix, ":")
		if p.HistoryID == "" || len(p.HistoryID) > maxPositionPart || len(p.Epoch) > maxPositionPart || strings.HasSuffix(prefix, ":") || strings.Contains(p.Epoch, ":") {
			return Position{}, false
		}
	}
	n, err := strconv.ParseUint(number, 10, 64)
	p.N = n
	return p, err == nil
}

// cutLast cuts s around its last colon.
func cutLast(s string) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// Position is a position in a room: everything up to number N of history HistoryID, where N was received in epoch
// Epoch.
type Position struct {
	HistoryID string `json:"log"`
	Epoch     string `json:"epoch,omitempty"` // empty from clients without epochs, whose position is not checked
	N         uint64 `json:"n"`
}

// Bare reports whether p is a number alone, without history and epoch.
func (p Position) Bare() bool { return p.HistoryID == "" && p.Epoch == "" }

// A Range is the numbers From to To, both included. In JSON it is an array of both.
type Range struct{ From, To uint64 }

// MarshalJSON implements json.Marshaler.
func (r Range) MarshalJSON() ([]byte, error) { return json.Marshal([2]uint64{r.From, r.To}) }

// UnmarshalJSON implements json.Unmarshaler.
func (r *Range) UnmarshalJSON(b []byte) error {
	var ends []uint64
	if err := json.Unmarshal(b, &ends); err != nil {
		return err
	}
	if len(ends) != 2 || ends[0] > ends[1] {
		return fmt.Errorf("invalid range %.60s (want two ascending numbers)", b)
	}
	r.From, r.To = ends[0], ends[1]
	return nil
}

// Targets are the messages that a frame is about. In JSON, a single number stands for itself, and everything else is an
// array of ranges.
type Targets []Range

// Target returns n as the only target.
func Target(n uint64) Targets { return Targets{{n, n}} }

// One returns the number of a single target, or 0.
func (t Targets) One() uint64 {
	if len(t) == 1 && t[0].From == t[0].To {
		return t[0].From
	}
	return 0
}

// MarshalJSON implements json.Marshaler.
func (t Targets) MarshalJSON() ([]byte, error) {
	if n := t.One(); n > 0 {
		return json.Marshal(n)
	}
	return json.Marshal(append([]Range{}, t...)) // never null
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Targets) UnmarshalJSON(b []byte) error {
	var n uint64
	if json.Unmarshal(b, &n) == nil {
		*t = Target(n)
		return nil
	}
	var ranges []Range
	if err := json.Unmarshal(b, &ranges); err != nil {
		return err
	}
	*t = ranges
	return nil
}
