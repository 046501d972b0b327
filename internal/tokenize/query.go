package tokenize

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ramai/wire"
)

// Bounds of a query.
const (
	MaxQuery = 500 // bytes
	MaxWords = 16  // between spaces
)

// A Query asks for the texts that have all its phrases.
type Query struct{ phrases []phrase }

// phrase is what stood between two spaces of a query: words that follow each other in the text, too.
type phrase struct {
	words  []string
	prefix bool // the last word may go on in the text
}

// Parse reads a query. Between its spaces are words; a text is a hit if it has all of them, in any order. Of the last one
// the beginning is enough, if it has at least two letters. What stands together without a space ("don't", "foo-bar") has to
// follow each other in the text. Nothing has a meaning beyond that: quotes, AND, NEAR, * and : neither. Its errors say what
// would be right.
func Parse(q string) (*Query, *wire.CodedError) {
	if len(q) > MaxQuery {
		return nil, &wire.CodedError{Code: wire.TooLong, Reason: fmt.Sprintf("the query has %d bytes; at most %d can be searched for", len(q), MaxQuery)}
	}
	if !utf8.ValidString(q) {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the query is not UTF-8"}
	}
	query := new(Query)
	for field := range strings.FieldsSeq(q) {
		if p := phraseOf(split(field)); len(p.words) > 0 {
			query.phrases = append(query.phrases, p)
		}
	}
	switch n := len(query.phrases); {
	case n == 0:
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the query has no word; give at least one, of letters or digits"}
	case n > MaxWords:
		return nil, &wire.CodedError{Code: wire.TooLong, Reason: fmt.Sprintf("the query has %d words; at most %d can be searched for", n, MaxWords)}
	}
	if p := &query.phrases[len(query.phrases)-1]; utf8.RuneCountInString(p.words[len(p.words)-1]) > 1 {
		p.prefix = true // of a pair it changes nothing: a pair has no more characters
	}
	return query, nil
}

// phraseOf makes a phrase of what stood together. The last character of a run is a word in the text only where the run
// ends; in the query it is in the pair before it, or stands for every word that begins with it.
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

// Match returns the query in the language of SQLite's FTS5, for an index of what Index returns.
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

// Hits returns where in text the words of the query stand, as pairs of byte offsets, ascending, and apart from each other;
// nothing, if the text does not have all of them.
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

// at returns where the phrase ends in a text, if it begins with word i of it; otherwise 0.
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
		end++ // where its second character stands
	}
	return all[end].to
}
