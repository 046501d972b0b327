package eventlog

import (
	"slices"
	"strings"
	"testing"
)

// A range contains exactly the keys that have the prefix and are above after.
func TestEntryRange(t *testing.T) {
	keys := []string{"\x00", "a", "a\x00", "ab", "ab\xff", "ab\xffz", "ac", "b", "\xff", "\xff\xff", "\xff\xffa"}
	slices.Sort(keys)
	for _, prefix := range append([]string{""}, keys...) {
		for _, after := range append([]string{""}, keys...) {
			from, below := EntryRange(prefix, after)
			for _, key := range keys {
				want := strings.HasPrefix(key, prefix) && key > after
				if got := key >= from && key < below; got != want {
					t.Errorf("the prefix %q after %q: contains %q is %v, want %v", prefix, after, key, got, want)
				}
			}
		}
	}
}
