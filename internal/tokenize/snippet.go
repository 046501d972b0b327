package tokenize

import (
	"unicode/utf8"
)

// Sizes of a snippet, in characters.
const (
	MaxSnippet    = 200 // without ellipses
	contextBefore = 60  // before the first hit
)

const ellipsis = "…"

// Snippet returns the part of text around the first hit, with "…" for omitted parts, and where the words of the query
// are in it: for each the index of its first character (code point) and of the one after it. A text that does not match
// is cut at its end.
func (q *Query) Snippet(text string) (snippet string, marks [][2]int) {
	hits := q.Hits(text)
	from, to := 0, len(text)
	if utf8.RuneCountInString(text) > MaxSnippet {
		if len(hits) > 0 {
			from = runesBack(text, hits[0][0], contextBefore)
		}
		if to = runesForward(text, from, MaxSnippet); to == len(text) {
			from = runesBack(text, to, MaxSnippet)
		}
	}
	shift := -utf8.RuneCountInString(text[:from])
	snippet = text[from:to]
	if from > 0 {
		snippet = ellipsis + snippet
		shift++
	}
	if to < len(text) {
		snippet += ellipsis
	}
	at, count := 0, shift // index of the character at byte at
	number := func(i int) int {
		count += utf8.RuneCountInString(text[at:i])
		at = i
		return count
	}
	for _, h := range hits {
		if h[0] < from || h[0] >= to {
			continue
		}
		marks = append(marks, [2]int{number(h[0]), number(min(h[1], to))})
	}
	return snippet, marks
}

// runesBack returns the byte offset n characters before offset i, or 0.
func runesBack(text string, i, n int) int {
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
	}
	return i
}

// runesForward returns the byte offset n characters after offset i, or the end.
func runesForward(text string, i, n int) int {
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return i
}
