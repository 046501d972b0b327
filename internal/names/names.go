// Package names says what a name in the chat may be, and when two names look
// so much alike that only one person may bear them.
//
// [Parse] turns what somebody asks for into a name's one spelling, or refuses
// it with a reason. It lets through every living script, and refuses what
// cannot be seen: a reader must be able to tell two names apart, and a name
// must not be able to act on the text around it. [Key] returns what names are
// compared by. [Reserved] reports which names nobody may take because they
// speak for the server or for everyone.
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
	case !unicode.IsMark(r) && strings.Contains(broad(string(r)), ":"):
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
	case strings.HasPrefix(broad(name), "!"):
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

// Key returns what a name that Parse returned is compared by. It has two parts, split by a NUL: the name's case-folded
// form and its skeleton (UTS #39 section 4, case kept), both over compatibility forms (NFKD). Two names clash if their
// first parts are equal or their second parts are: anna and ANNA do, and so do Ali and AIi (with a capital i), or Anna in
// Latin and Аnna with a Cyrillic А. Ian and Lan do not, although ian and lan in capitals look alike: whoever reads them
// sees two names.
//
// Clashing is not transitive (Ian looks like lan, and lan is Lan in small letters), so one key for both parts cannot say
// it. A key is for comparing, never for showing.
func Key(name string) string {
	compatible := norm.NFKD.String(name)
	return fold(compatible) + "\x00" + norm.NFKD.String(skeleton(compatible))
}

// fold returns the case-folded form of a name in NFKD. The dot that a Turkish capital I keeps is dropped.
func fold(name string) string {
	// In x/text v0.43.0 Fold swaps the two cases of Cherokee instead of joining them; ToLower settles them.
	name = norm.NFKD.String(strings.ToLower(cases.Fold().String(name)))
	return strings.ReplaceAll(name, "i\u0307", "i")
}

// broad joins everything that look-alikes and case can be combined into: ian is IAN by case, and IAN looks like lAN and
// 1AN, so i, l, I, 1 and | are one character here, as are o, O and 0. That is too much for telling people apart, and just
// right for what nobody may pass for.
//
// It takes more than one pass, because what one step yields may have look-alikes of its own: M is its own skeleton, but m
// looks like rn. Three are enough; a test holds that a fourth changes nothing.
//
// Where looks and case contradict each other, looks win: Greek Ν looks like N but its small ν like v, and n is not v.
func broad(name string) string {
	for range 3 {
		name = joined.Replace(fold(norm.NFKD.String(skeleton(name))))
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

// Reserved reports whether a name that Parse returned passes for the server or for everyone, and so may be taken by
// nobody: it is a reserved word in other letters, or with signs around it that are no letters (admin🛡, @admin, Server™).
// Names that contain such a word beside others are free.
func Reserved(name string) bool {
	// By its broad form "all" would take the name of everyone called Ali.
	return reserved[broad(name)] || reserved[broad(bare(name))] || strings.EqualFold(bare(name), "all")
}

// bare returns a name without what decorates it: punctuation, symbols and raised letters. A sign that stands for one
// letter or digit, as Ⓡ and | do, becomes that.
func bare(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Lm, r):
			return -1
		case r == ' ' || unicode.In(r, unicode.L, unicode.M, unicode.N):
			return r
		}
		if like := []rune(skeleton(norm.NFKD.String(string(r)))); len(like) == 1 && unicode.In(like[0], unicode.L, unicode.N) {
			return like[0]
		}
		return -1
	}, name))
}

var reserved = keysOf(
	"server", "system", "ramai", "root", "host", "support", "official",
	"admin", "administrator", "moderator", "mod", "operator", "owner",
	"everyone", "here", "channel", "nobody", "anonymous", "guest",
)

func keysOf(names ...string) map[string]bool {
	keys := make(map[string]bool, len(names))
	for _, name := range names {
		keys[broad(name)] = true
	}
	return keys
}
