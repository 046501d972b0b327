// Package names defines which names are valid, and which names look so much alike that only one person may have them.
//
// [Parse] normalizes a name or refuses it with a reason. It accepts every living script and refuses what cannot be
// seen: readers must be able to tell two names apart, and a name must not affect the text around it. [Key] returns the
// key by which names are compared. [Reserved] reports which names nobody may take because they appear to be the server or
// everyone.
//
// The package is pure: it does not know who has which name. Keys depend on Unicode tables, so a later version of this
// package may return another key for a stored name.
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

// MaxRunes is the maximum length of a name, in Unicode code points after normalization.
const MaxRunes = 32

const (
	// maxBytes limits the work for a name before its length is checked: a character decomposes into at most 4 code
	// points of 4 bytes.
	maxBytes = MaxRunes * 4 * 4

	// maxMarks is how many nonspacing marks one character may have (UTS #39 section 5.4). Burmese syllables need 4;
	// text that spills over adjacent lines needs more.
	maxMarks = 4
)

// Parse returns s in normal form C if it is a valid name. The error says what is wrong and what would be right, in a
// sentence for the person who asked. It repeats nothing of s but numbers, so it can be shown anywhere.
//
// A name has 1 to [MaxRunes] characters: letters, digits, punctuation and symbols with their combining marks, and
// single plain spaces between them. It has no colon, and does not begin with an exclamation mark or anything that looks
// like one, because the plain protocol writes "name: text" for a message and "! " before a notice.
//
// Invisible characters are refused without exception, including the joiner U+200D and the variation selector U+FE0F. So
// a name may contain an emoji that is one code point, one with a skin tone, or a flag, but not a family or a red heart,
// and Persian words are written without the non-joiner U+200C.
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

// checkRune refuses characters that are not allowed anywhere in a name.
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
		// Marks are exempt because of the visarga of Indian scripts, which looks like a colon.
		return fmt.Errorf("the name has a colon or its look-alike %U; leave it out, because a colon ends the name in plain text", r)
	}
	return nil
}

// checkMarks refuses marks without a base character (they would attach to whatever is shown before the name), marks
// that hide behind an equal one, and too many marks on one character. It checks the decomposed name, where no mark is
// part of a letter.
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

// checkShape refuses what depends on the position in the name. Together with the checks before it, it ensures that a
// name begins with something visible.
func checkShape(name string) error {
	switch {
	case strings.HasPrefix(name, " "), strings.HasSuffix(name, " "):
		return errors.New("the name begins or ends with a space; leave it out")
	case strings.Contains(name, "  "):
		return errors.New("the name has two spaces in a row; use one")
	case strings.HasPrefix(broad(name), "!"):
		return errors.New("the name begins with an exclamation mark or its look-alike; begin with another character, because that one marks notices of the server")
	}
	return nil
}

// isInvisible reports whether r is invisible by itself: Unicode's format characters, including bidi controls and
// zero-width characters, its Default_Ignorable_Code_Point property, and a few blank characters that have neither
// property.
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

// Key returns the key by which names are compared, for a name returned by Parse. It has two parts, separated by a NUL:
// the case-folded name and its skeleton (UTS #39 section 4, case kept), both in compatibility form (NFKD). Two names
// clash if their first or their second parts are equal: anna and ANNA do, and so do Ali and AIi (with a capital i), or
// Anna in Latin and Аnna with a Cyrillic А. Ian and Lan do not, although ian and lan in capitals look alike, because
// readers see two different names.
//
// Clashing is not transitive (Ian looks like lan, and lan is Lan in small letters), so a single key for both parts
// is not enough. Keys are for comparing, never for showing.
func Key(name string) string {
	compatible := norm.NFKD.String(name)
	return fold(compatible) + "\x00" + norm.NFKD.String(skeleton(compatible))
}

// fold returns the case-folded name in NFKD, without the dot of a Turkish capital I.
func fold(name string) string {
	// In x/text v0.43.0 Fold swaps the two cases of Cherokee instead of joining them; ToLower joins them.
	name = norm.NFKD.String(strings.ToLower(cases.Fold().String(name)))
	return strings.ReplaceAll(name, "i\u0307", "i")
}

// broad maps characters to one if look-alikes and case together connect them: ian is IAN by case, and IAN looks like
// lAN and 1AN, so i, l, I, 1 and | become one character, and so do o, O and 0. That is too much for comparing names,
// and right for finding names that pass for a reserved one.
//
// One pass is not enough, because a result may have look-alikes of its own: M is its own skeleton, but m looks like rn.
// Three passes are enough; a test checks that a fourth changes nothing.
//
// Where appearance and case contradict each other, appearance decides: Greek Ν looks like N but its small ν like v, and n is not v.
func broad(name string) string {
	for range 3 {
		name = joined.Replace(fold(norm.NFKD.String(skeleton(name))))
	}
	return name
}

// skeleton returns the skeleton of UTS #39 section 4 for names without ignorable characters. The library's own Skeleton
// also drops what Go's older Unicode tables do not know, so applied twice it loses its own newer replacements, such as
// those of the Devanagari vowel sign e.
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

// joined completes the classes that appearance and case form together. Where the two cases of a letter have different
// skeletons, it maps the folded skeleton of one to that of the other. The letters are those of living alphabets.
var joined = strings.NewReplacer(
	// ian, IAN, lAN. The dot above i or j is a mark of its own.
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

// Reserved reports whether a name returned by Parse passes for the server or for everyone, so that nobody may take it:
// it is a reserved word in look-alike letters, or decorated with signs that are not letters (admin🛡, @admin, Server™).
// Names with such a word among others are free.
func Reserved(name string) bool {
	// In broad form, "all" would be taken by everyone called Ali.
	return reserved[broad(name)] || reserved[broad(bare(name))] || strings.EqualFold(bare(name), "all")
}

// bare returns a name without decoration: punctuation, symbols and raised letters. A sign that looks like one letter or
// digit, such as Ⓡ or |, becomes that.
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
