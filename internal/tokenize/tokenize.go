// Package words says what the words of a text are, for searching: what an index stores of a text, what a query asks the
// index for, and where in a text a query hits, all by one rule.
//
//   - A word is a run of letters, digits and their marks, without case, accents and width: "Ｃafé" is "cafe", "Łódź" is
//     "lodz" and "Straße" is "strasse". Compared are the compatibility forms of Unicode (NFKC). Hebrew points, Arabic vowel
//     signs, the tatweel and joiners are left out. Everything else separates words.
//   - Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are written without spaces, or with endings that no space
//     sets off. There, each two characters that follow each other are a word, and so is the last one of a run: "東京都" is
//     "東京", "京都", "都". So whatever part of a run somebody looks for is found, from one character on.
//
// The words have only letters, digits and marks, so nothing in them means anything to the language of an index.
package tokenize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// kind is how a word came about.
type kind uint8

const (
	whole kind = iota // between separators
	pair              // two characters of a run; stands where the first of them does
	last              // the last character of a run
)

// word is one word of a text, and where in the text it stands, in bytes.
type word struct {
	text     string
	from, to int
	kind     kind
}

// Index returns the words of a text, with a space between each two: what an index is given.
func Index(text string) string {
	var b strings.Builder
	for _, w := range split(text) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}

// split returns the words of a text in their order.
func split(text string) []word {
	s := splitter{}
	for i := 0; i < len(text); {
		// ASCII that no mark follows is as it is.
		if c := text[i]; c < utf8.RuneSelf && (i+1 == len(text) || text[i+1] < utf8.RuneSelf) {
			s.ascii(c, i)
			i++
			continue
		}
		end := i + norm.NFKC.NextBoundaryInString(text[i:], true)
		s.segment = norm.NFKC.AppendString(s.segment[:0], text[i:end])
		for rest := s.segment; len(rest) > 0; {
			r, size := utf8.DecodeRune(rest)
			s.rune(r, i, end)
			rest = rest[size:]
		}
		i = end
	}
	s.endWhole()
	s.endRun()
	return s.words
}

// splitter collects words.
type splitter struct {
	words            []word
	segment          []byte // of the text, in normal form
	letters, scratch []byte // of the whole word that is under way
	from, to         int    // where it stands
	run              rune   // the newest character of the run that is under way; 0: none is
	runFrom, runTo   int    // where it stands
}

func (s *splitter) ascii(c byte, at int) {
	switch {
	case c >= 'A' && c <= 'Z':
		c += 'a' - 'A'
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
	default:
		s.endWhole()
		s.endRun()
		return
	}
	s.begin(at, at+1)
	s.letters = append(s.letters, c)
}

// rune takes the next character, which is or comes from text[from:to].
func (s *splitter) rune(r rune, from, to int) {
	switch {
	case isDropped(r):
		if len(s.letters) > 0 {
			s.to = to
		}
	case !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Co):
		s.endWhole()
		s.endRun()
	case isUnspaced(r):
		s.endWhole()
		if s.run != 0 {
			s.words = append(s.words, word{string([]rune{s.run, r}), s.runFrom, s.runTo, pair})
		}
		s.run, s.runFrom, s.runTo = r, from, to
	default:
		s.begin(from, to)
		s.scratch = norm.NFD.AppendString(s.scratch[:0], string(r))
		for rest := s.scratch; len(rest) > 0; {
			r, size := utf8.DecodeRune(rest)
			if !isDropped(r) {
				s.letters = appendFolded(s.letters, r)
			}
			rest = rest[size:]
		}
	}
}

// begin begins a whole word at from, unless one is under way, and has it reach to to.
func (s *splitter) begin(from, to int) {
	s.endRun()
	if len(s.letters) == 0 {
		s.from = from
	}
	s.to = to
}

func (s *splitter) endWhole() {
	if len(s.letters) > 0 {
		s.words = append(s.words, word{string(s.letters), s.from, s.to, whole})
		s.letters = s.letters[:0]
	}
}

func (s *splitter) endRun() {
	if s.run != 0 {
		s.words = append(s.words, word{string(s.run), s.runFrom, s.runTo, last})
		s.run = 0
	}
}

// appendFolded appends r without case, and as the plain letters that people type for it.
func appendFolded(letters []byte, r rune) []byte {
	r = unicode.ToLower(unicode.ToUpper(r))
	if plain, ok := plainLetters[r]; ok {
		return append(letters, plain...)
	}
	return utf8.AppendRune(letters, r)
}

// plainLetters are Latin letters that have no decomposition, so that leaving out accents does not make them plain.
var plainLetters = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ð': "d", 'ł': "l", 'đ': "d", 'ø': "o", 'ħ': "h", 'ŧ': "t",
	'ɓ': "b", 'ɗ': "d", 'ƙ': "k", 'ƴ': "y",
}

// isDropped reports whether r is left out: a mark that goes with many scripts, and so belongs to the spelling of none, a point
// of Hebrew, Arabic or Syriac, which most people do not write, or a sign that only joins, lengthens or may break a word. The
// vowels of Indian scripts, for instance, are marks too, and stay.
func isDropped(r rune) bool {
	switch r {
	case 0x00ad, 0x0640, 0x200c, 0x200d, 0x2060, 0xfeff: // soft hyphen, tatweel, joiners
		return true
	}
	return r >= 0x300 && (unicode.Is(unicode.Inherited, r) ||
		unicode.Is(unicode.Mn, r) && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac))
}

// isUnspaced tells whether r belongs to a script whose words no spaces set off. U+30FC lengthens vowels of Japanese.
func isUnspaced(r rune) bool {
	return r >= 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || r == 0x30fc
}
