// Package names says what a name in the chat may be, and when two names look
// so much alike that only one person may bear them.
//
// [Parse] turns what somebody asks for into a name's one spelling, or refuses
// it with a reason. It lets through every living script, and refuses what
// cannot be seen: a reader must be able to tell two names apart, and a name
// must not be able to act on the text around it. [Key] maps a name to its
// comparison key: names with equal keys count as the same name. [Reserved]
// tells the names that nobody may take because they speak for the server or
// for everyone.
//
// All of it is pure: who holds which name is the store's business. A key
// depends on the Unicode tables it was made with, so a later version of this
// package may give a stored name another key.
package names

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mau.fi/util/confusable"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxRunes is the longest name, in Unicode code points after normalising.
const MaxRunes = 32

const (
	// maxBytes bounds the work done on a name before it is known to be short
	// enough: a character decomposes into at most 4 code points of 4 bytes.
	maxBytes = MaxRunes * 4 * 4

	// maxMarks is how many nonspacing marks may be stacked on one character
	// (UTS #39 section 5.4). Burmese syllables need 4; text that spills over
	// the lines above and below needs more.
	maxMarks = 4
)

// Parse returns s in normal form C if it may be a name. The error says, in a
// sentence for the person who asked, what is wrong and what would be right; it
// repeats nothing of s but numbers, so it can be shown anywhere.
//
// A name has 1 to [MaxRunes] characters: letters, digits, punctuation, symbols
// with their combining marks, and single plain spaces between them. It has no
// colon, and does not begin with an exclamation mark (nor with or as anything
// that looks like these), because the plain protocol writes "name: text" for a
// message and "! " before a notice.
//
// Invisible characters are refused without exception, the joiner U+200D and
// the variation selector U+FE0F too. So an emoji that is one code point, one
// with a skin tone and a flag may be in a name, but a family or a red heart may
// not, and Persian words are written without the non-joiner U+200C.
func Parse(s string) (string, error) {
	if len(s) > maxBytes {
		return "", fmt.Errorf("a name of %d bytes is too long; use 1 to %d characters", len(s), MaxRunes)
	}
	if !utf8.ValidString(s) {
		return "", errors.New("the name is not valid UTF-8; send it in that encoding")
	}
	name := norm.NFC.String(s)
	n := utf8.RuneCountInString(name)
	if n == 0 {
		return "", fmt.Errorf("the name is empty; use 1 to %d characters", MaxRunes)
	}
	if n > MaxRunes {
		return "", fmt.Errorf("the name has %d characters; use 1 to %d", n, MaxRunes)
	}
	for _, r := range name {
		if err := checkRune(r); err != nil {
			return "", err
		}
	}
	if err := checkMarks(name); err != nil {
		return "", err
	}
	if err := checkShape(name); err != nil {
		return "", err
	}
	return name, nil
}

// checkRune refuses a character that may stand nowhere in a name.
func checkRune(r rune) error {
	switch {
	case unicode.IsControl(r):
		return fmt.Errorf("the name has the control character %U; leave it out", r)
	case isInvisible(r):
		return fmt.Errorf("the name has the invisible character %U; leave it out", r)
	case r != ' ' && unicode.Is(unicode.Z, r):
		return fmt.Errorf("the name has the separator %U; use a plain space", r)
	case !unicode.IsGraphic(r):
		return fmt.Errorf("%U is not a character with an agreed meaning; use letters, digits or symbols", r)
	case !unicode.IsMark(r) && strings.Contains(Key(string(r)), ":"):
		// Marks are spared for the visarga of Indian scripts, which looks
		// like a colon too.
		return fmt.Errorf("the name has a colon or its look-alike %U; leave it out, it ends a name where messages are plain text", r)
	}
	return nil
}

// checkMarks refuses marks that have nothing to stand on (they would attach to
// whatever is shown before the name), that hide behind an equal one, or that
// pile up. It looks at the decomposed name, where no mark hides inside a letter.
func checkMarks(name string) error {
	var last rune
	stacked := 0
	for i, r := range norm.NFD.String(name) {
		if unicode.IsMark(r) && (i == 0 || last == ' ') {
			return fmt.Errorf("the combining mark %U stands alone; put it after a letter", r)
		}
		if unicode.In(r, unicode.Mn, unicode.Me) {
			stacked++
			if r == last {
				return fmt.Errorf("the combining mark %U is doubled; use it once", r)
			}
			if stacked > maxMarks {
				return fmt.Errorf("more than %d combining marks on one character; use fewer", maxMarks)
			}
		} else {
			stacked = 0
		}
		last = r
	}
	return nil
}

// checkShape refuses what depends on the place in the name. Together with the
// checks before it, it sees to it that a name begins with something visible.
func checkShape(name string) error {
	switch {
	case strings.HasPrefix(name, " "), strings.HasSuffix(name, " "):
		return errors.New("the name begins or ends with a space; leave it out")
	case strings.Contains(name, "  "):
		return errors.New("the name has two spaces in a row; use one")
	case strings.HasPrefix(Key(name), "!"):
		return errors.New("the name begins with an exclamation mark or its look-alike; begin with another character, that one marks the server's notices")
	}
	return nil
}

// isInvisible reports whether r shows nothing by itself: Unicode's format
// characters (bidi controls and zero-width ones among them), its
// Default_Ignorable_Code_Point property, and a few that have neither property
// but are blank all the same.
func isInvisible(r rune) bool {
	switch r {
	case 0x2800, // BRAILLE PATTERN BLANK
		0xFFFC,           // OBJECT REPLACEMENT CHARACTER
		0x1107F,          // BRAHMI NUMBER JOINER
		0x13441, 0x13442, // EGYPTIAN HIEROGLYPH FULL BLANK, HALF BLANK
		0x16FE4, // KHITAN SMALL SCRIPT FILLER
		0x1BC9D, // DUPLOYAN THICK LETTER SELECTOR
		0x1D159: // MUSICAL SYMBOL NULL NOTEHEAD
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Key returns the comparison key of a name that Parse returned. Names with
// equal keys look alike, or differ in case or composition alone, and count as
// the same. A key is for comparing, never for showing.
//
// It is a function of the name's skeleton (UTS #39 section 4), so names that
// Unicode calls confusable always have equal keys. On top of that come
// compatibility forms (full-width, circled: NFKD) and case folding. Being the
// same name is transitive, and that decides the rest: ian is IAN by case, and
// IAN looks like lAN and 1AN, so i, l, I, 1 and | are one character here, as
// are o, O and 0. It costs that Lia and Ila cannot both be in the room; the
// other way, paypaI could be there beside paypal.
//
// It takes more than one pass, because what one step yields may have
// look-alikes of its own: M is its own skeleton, but m looks like rn. Three are
// enough; a test holds that a fourth changes nothing.
//
// Where looks and case contradict each other, looks win: Greek Ν looks like N
// but its small ν like v, and n is not v. So the Greek letters Β, Γ, Ν and Υ,
// and some of rare alphabets, differ from their small letters.
func Key(name string) string {
	for range 3 {
		name = norm.NFKD.String(skeleton(name))
		// In x/text v0.43.0 Fold swaps the two cases of Cherokee instead
		// of joining them; ToLower settles them.
		name = strings.ToLower(cases.Fold().String(name))
		name = joined.Replace(name)
	}
	return name
}

// skeleton is the skeleton of UTS #39 section 4 for names without ignorable
// characters. The library's own Skeleton also drops what Go's older Unicode
// tables do not know, and so loses its own newer replacements (those of the
// Devanagari vowel sign e, for one) when it is applied twice.
func skeleton(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		if like := confusable.GetReplacement(r); like != "" {
			b.WriteString(like)
		} else {
			b.WriteRune(r)
		}
	}
	return norm.NFD.String(b.String())
}

// joined completes the classes that looks and case span together: where the
// two cases of a letter have different skeletons, left stands the folded
// skeleton of one, right that of the other. The letters are those of living
// alphabets.
var joined = strings.NewReplacer(
	// ian, IAN, lAN. A dot above i or j is drawn in the place of its own.
	"l\u0307", "l", "i", "l", "j\u0307", "j",
	// Cyrillic: small letters drawn like small capitals. Г folds to γ, as its
	// skeleton is the Greek Γ; a small Greek γ is y by now.
	"ʙ", "b", "γ", "r", "ɜ", "3", "ȝ", "3", "ĸ", "k", "л", "ʌ", "ʍ", "rn", "ʜ", "h", "ᴛ", "t",
	"ҳ", "x\u0329", "ƅ", "b", "ю", "lo", "b\u0304", "6",
	// Greek; ʃ is what the skeleton of Σ folds to, n̩ the skeleton of η.
	"ꞓ", "e", "ζ", "z", "n\u0329", "h", "λ", "ʌ", "μ", "rn", "ʃ", "o", "χ", "x",
	// Armenian.
	"ի", "ኮ", "մ", "ሆ", "ɰ", "ጣ", "ቡ", "n", "տ", "s", "փ", "ɸ",
	// Icelandic ð; ɓ, ɗ, ƙ, ƴ, ɖ, ƒ, ɲ of West Africa.
	"∂\u0335", "d\u0335", "b\u0314", "'b", "d\u0314", "'d", "k\u0314", "k'", "y\u0314", "'y",
	"d\u0328", "d\u0335", "f\u0326", "f", "ɲ", "n\u0326",
)

// Reserved reports whether a name that Parse returned, or one that looks like
// it, speaks for the server or for everyone, and so may be taken by nobody.
// Names that only contain such a word are free.
func Reserved(name string) bool {
	// By its key "all" would take the name of everyone called Ali.
	return reserved[Key(name)] || strings.EqualFold(name, "all")
}

var reserved = keysOf(
	"server", "system", "ramai", "root", "host", "support", "official",
	"admin", "administrator", "moderator", "mod", "operator", "owner",
	"everyone", "here", "channel", "nobody", "anonymous", "guest",
)

func keysOf(names ...string) map[string]bool {
	keys := make(map[string]bool, len(names))
	for _, name := range names {
		keys[Key(name)] = true
	}
	return keys
}
