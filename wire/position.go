package wire

import (
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
