// Package tokenize splits texts into words for searching. Indexing a text, querying the index, and finding hits in a
// text follow the same rules:
//
//   - A word is a run of letters, digits and their marks, regardless of case, accents and width: "Ｃafé" is "cafe",
//     "Łódź" is "lodz" and "Straße" is "strasse". Texts are compared in normal form NFKC. Hebrew points, Arabic vowel
//     signs, the tatweel and joiners are dropped. All other characters separate words.
//   - Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese do not separate words, or endings, by spaces. There, each
//     two consecutive characters are a word, and so is the last one of a run: "東京都" is "東京", "京都", "都". So every
//     part of a run can be found, from one character on.
//
// Words consist of letters, digits and marks only, so they have no special meaning in the query language of an index.
// The package knows nothing about indexes.
package tokenize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// kind is the origin of a word.
type kind uint8

const (
	whole kind = iota // between separators
	pair              // two characters of a run, at the position of the first
	last              // last character of a run
)

// word is one word of a text and its position in bytes.
type word struct {
	text     string
	from, to int
	kind     kind
}

// Index returns the words of a text, separated by spaces, for an index.
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

// split returns the words of a text in order.
func split(text string) []word {
	s := splitter{}
	for i := 0; i < len(text); {
		// ASCII without a following mark needs no normalization.
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
	letters, scratch []byte // of the whole word in progress
	from, to         int    // its position
	run              rune   // newest character of the run in progress; 0: none
	runFrom, runTo   int    // its position
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

// rune handles the next character, which comes from text[from:to].
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

// begin begins a whole word at from, or extends the one in progress, to to.
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

// appendFolded appends r folded to lower case and to plain letters.
func appendFolded(letters []byte, r rune) []byte {
	r = unicode.ToLower(unicode.ToUpper(r))
	if plain, ok := plainLetters[r]; ok {
		return append(letters, plain...)
	}
	return utf8.AppendRune(letters, r)
}

// plainLetters maps Latin letters without a decomposition to what people type for them.
var plainLetters = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ð': "d", 'ł': "l", 'đ': "d", 'ø': "o", 'ħ': "h", 'ŧ': "t",
	'ɓ': "b", 'ɗ': "d", 'ƙ': "k", 'ƴ': "y",
}

// isDropped reports whether r is dropped: a mark used with many scripts, which is not essential in any of them; a
// Hebrew, Arabic or Syriac point, which most people do not write; or a character that only joins, lengthens or may
// break a word. Other marks, such as the vowels of Indian scripts, are kept.
func isDropped(r rune) bool {
	switch r {
	case 0x00ad, 0x0640, 0x200c, 0x200d, 0x2060, 0xfeff: // soft hyphen, tatweel, joiners
		return true
	}
	return r >= 0x300 && (unicode.Is(unicode.Inherited, r) ||
		unicode.Is(unicode.Mn, r) && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac))
}

// isUnspaced reports whether r belongs to a script that does not separate words by spaces. U+30FC lengthens Japanese
// vowels.
func isUnspaced(r rune) bool {
	return r >= 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || r == 0x30fc
}
