// Package nearest finds the word that was meant by a word with a typing error.
package nearest

import "slices"

const (
	maxDistance = 2   // of a word that may have been meant
	maxLength   = 100 // bytes of a word that is compared
)

// Word returns the word of known that is most like word, or nothing if none is like it: more than two letters would have to be
// changed, added, removed or swapped with their neighbours, or more than half of the shorter word. Of words that are equally like
// it, it is the first one in alphabetical order.
func Word(word string, known []string) (best string) {
	if len(word) > maxLength {
		return ""
	}
	known = slices.Sorted(slices.Values(known))
	least := maxDistance + 1
	for _, k := range known {
		if d := Distance(word, k); d < least && 2*d <= min(len(word), len(k)) {
			best, least = k, d
		}
	}
	return best
}

// Distance is the number of bytes to change, add, remove or swap with their neighbours to make one word of another. The time
// grows with the product of their lengths.
func Distance(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	last, before, now := row(), row(), row()
	for j := range before {
		before[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			now[j+1] = min(before[j]+change, before[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], last[j-1]+1)
			}
		}
		last, before, now = before, now, last
	}
	return before[len(b)]
}
