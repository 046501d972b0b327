package tokenize

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The language of Match, written again: phrases of words that SQLite's ascii tokenizer takes as they are.
var (
	expression = regexp.MustCompile(`^P( AND P)*$`)
	quoted     = regexp.MustCompile(`"[a-z0-9\x{80}-\x{10FFFF}]+( [a-z0-9\x{80}-\x{10FFFF}]+)*"\*?`)
)

// FuzzQuery checks that every query becomes nothing but phrases, that it finds itself between spaces, and that marks
// lie within the text.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"hello", `"one" OR NEAR(two three, 5) NOT text:four* ^five`, "東京都 à la carte", "น้ำ", "ｶﾞ", "㍿", "e\u0301\u0301", "\u0301", "don't",
		"\u1100\u1161\u11a8", "İ ß ﬁ", "a\x00b", "\xff", "\u3099", "க்ஷ", "𠮷野家", "a\u00adb", "\u1d15e", "﷽", "1\u20e3",
	} {
		f.Add(q, "before ")
	}
	f.Fuzz(func(t *testing.T, q, text string) {
		query, err := Parse(q)
		if err != nil {
			return
		}
		match := query.Match()
		if !expression.MatchString(quoted.ReplaceAllString(match, "P")) || !utf8.ValidString(match) {
			t.Fatalf("%q becomes %s", q, match)
		}
		text = strings.ToValidUTF8(text, "?")
		text = text[:min(len(text), 5000)]
		if strings.ContainsFunc(Index(text), func(r rune) bool {
			return r != ' ' && r < utf8.RuneSelf && !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9')
		}) {
			t.Fatalf("the index of %q is %q", text, Index(text))
		}
		if first, _ := utf8.DecodeRuneInString(q); !unicode.Is(unicode.M, first) { // a combining mark belongs to what precedes it
			if long := text + " " + q + " " + text; query.Hits(long) == nil {
				t.Fatalf("%q is not found in %q", q, long)
			}
		}
		end := 0
		for _, h := range query.Hits(text) {
			if h[0] < end || h[1] <= h[0] || h[1] > len(text) || !utf8.RuneStart(text[h[0]]) {
				t.Fatalf("%q in %q stands at %v", q, text, query.Hits(text))
			}
			end = h[1] + 1
		}
		snippet, marks := query.Snippet(text)
		n := utf8.RuneCountInString(snippet)
		if n > MaxSnippet+2 || (len(query.Hits(text)) > 0) != (len(marks) > 0) {
			t.Fatalf("%q in %q: %q, %v", q, text, snippet, marks)
		}
		for _, m := range marks {
			if m[0] < 0 || m[0] >= m[1] || m[1] > n {
				t.Fatalf("%q in %q: %q, %v", q, text, snippet, marks)
			}
		}
	})
}
