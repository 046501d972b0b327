package tokenize

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ramai/wire"
)

// Limits of a query.
const (
	MaxQuery = 500 // bytes
	MaxWords = 16  // separated by spaces
)

// A Query matches texts that contain all its phrases.
type Query struct{ phrases []phrase }

// phrase is a sequence of words that were not separated by spaces in the query. They must be consecutive in the text.
type phrase struct {
	words  []string
	prefix bool // the last word may be the start of a longer one
}

// Parse parses a query. Words are separated by spaces; a text matches if it contains all of them, in any order. Of the
// last word, a prefix of at least two letters is enough. Words joined without a space ("don't", "foo-bar") must be
// consecutive in the text. Nothing else has a meaning, neither quotes nor AND, NEAR, * or :. Errors say what would be
// right.
func Parse(q string) (*Query, *wire.CodedError) {
	if len(q) > MaxQuery {
		return nil, &wire.CodedError{Code: wire.TooLong, Reason: fmt.Sprintf("the query has %d bytes; at most %d are allowed", len(q), MaxQuery)}
	}
	if !utf8.ValidString(q) {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the query is not valid UTF-8"}
	}
	query := new(Query)
	for field := range strings.FieldsSeq(q) {
		if p := phraseOf(split(field)); len(p.words) > 0 {
			query.phrases = append(query.phrases, p)
		}
	}
	switch n := len(query.phrases); {
	case n == 0:
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the query has no words; use at least one letter or digit"}
	case n > MaxWords:
		return nil, &wire.CodedError{Code: wire.TooLong, Reason: fmt.Sprintf("the query has %d words; at most %d are allowed", n, MaxWords)}
	}
	if p := &query.phrases[len(query.phrases)-1]; utf8.RuneCountInString(p.words[len(p.words)-1]) > 1 {
		p.prefix = true // has no effect on a pair, which is never longer
	}
	return query, nil
}

// phraseOf returns the phrase of one field. The last character of a run is a word in the text only where the run ends;
// in a query it is part of the pair before it, or a prefix of all words that begin with it.
func phraseOf(all []word) (p phrase) {
	if n := len(all); n > 0 && all[n-1].kind == last {
		if n > 1 && all[n-2].kind == pair {
			all = all[:n-1]
		} else {
			p.prefix = true
		}
	}
	for _, w := range all {
		p.words = append(p.words, w.text)
	}
	return p
}

// Match returns the query in the syntax of SQLite's FTS5, for texts indexed with Index.
func (q *Query) Match() string {
	var b strings.Builder
	for i, p := range q.phrases {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(`"` + strings.Join(p.words, " ") + `"`)
		if p.prefix {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// Hits returns where the words of the query are in text, as disjoint pairs of byte offsets in ascending order, or
// nothing if the text does not match.
func (q *Query) Hits(text string) [][2]int {
	all := split(text)
	var hits [][2]int
	for _, p := range q.phrases {
		before := len(hits)
		for i := range all {
			if to := p.at(all, i); to > 0 {
				hits = append(hits, [2]int{all[i].from, to})
			}
		}
		if len(hits) == before {
			return nil
		}
	}
	slices.SortFunc(hits, func(a, b [2]int) int { return a[0] - b[0] })
	merged := hits[:1]
	for _, h := range hits[1:] {
		if end := &merged[len(merged)-1]; h[0] <= end[1] {
			end[1] = max(end[1], h[1])
		} else {
			merged = append(merged, h)
		}
	}
	return merged
}

// at returns where the phrase ends in a text if it begins with word i, otherwise 0.
func (p *phrase) at(all []word, i int) int {
	if len(all)-i < len(p.words) {
		return 0
	}
	for k, w := range p.words {
		if have := all[i+k].text; have != w && !(p.prefix && k == len(p.words)-1 && strings.HasPrefix(have, w)) {
			return 0
		}
	}
	end := i + len(p.words) - 1
	if all[end].kind == pair && utf8.RuneCountInString(p.words[len(p.words)-1]) > 1 {
		end++ // includes the second character of the pair
	}
	return all[end].to
}
