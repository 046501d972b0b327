package sqlite

import (
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/names"
)

// Every name that a client can hold can be stored, backed up and restored, also one whose key is much longer than itself.
func TestLongestNameKey(t *testing.T) {
	for r := rune(' '); r < 0x20000; r++ {
		name := strings.Repeat(string(r), names.MaxRunes)
		if norm, err := names.Parse(string(r)); err != nil || len(norm) == 0 {
			continue
		}
		if n := len(names.Key(string(r))) * names.MaxRunes; n > eventlog.MaxNameKey {
			t.Errorf("the key of %d times %U has %d bytes, at most %d are allowed", names.MaxRunes, r, n, eventlog.MaxNameKey)
		}
		if r == '\uFDFA' {
			if err := checkHolder("AAAAAAAAAAAAAAAA", name, names.Key(name)); err != nil {
				t.Error(err)
			}
		}
	}
}
