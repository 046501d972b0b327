package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"ramai/client"
)

const (
	tab        = "    "
	maxCluster = 16  // code points of one character; real ones have at most 11
	maxName    = 32  // cells
	beginning  = 512 // bytes at the beginning of a text in which a name is searched
)

// clean returns a text written by others as it may be shown: client.Printable, with tabs as spaces and without characters
// that have no width of their own. Newlines stay.
//
// Terminals without mode 2027 do not agree on the width of a joined emoji. There it is drawn as its parts, and without
// skin tones.
func clean(s string, method ansi.Method) string {
	s = client.Printable(s)
	if isPlainASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	last := rune(0)
	for _, r := range s {
		switch {
		case (last == 0 || last == '\n') && (unicode.In(r, unicode.Mn, unicode.Me) || r == 0x200d || r == 0xfe0f):
			continue // it would change the character before the text
		case r == '\t':
			b.WriteString(tab)
		case r == 0x200d || r == 0xfe0f: // joins emoji, or selects the emoji form
			if method == ansi.GraphemeWidth || r == 0x200d && unicode.IsOneOf(joiningScripts, last) {
				b.WriteRune(r)
			}
			continue
		case method == ansi.WcWidth && r >= 0x1f3fb && r <= 0x1f3ff && last >= 0x261d: // the skin tone of the character before
		case r == 0x00ad, r == 0x200b, r == 0x180e,
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		default:
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}

// joiningScripts are those in which joiners shape letters, such as Arabic and the scripts of India.
var joiningScripts = []*unicode.RangeTable{unicode.Letter, unicode.Mark}

// isPlainASCII reports whether s is visible ASCII and newlines only.
func isPlainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c == '\t' {
			return false
		}
	}
	return true
}

// oneLine is clean for text inside a line.
func oneLine(s string, method ansi.Method) string {
	return strings.ReplaceAll(clean(s, method), "\n", " ")
}

// spanKind determines how a part of a text looks.
type spanKind uint8

const (
	plain   spanKind = iota
	link             // leads to its href
	code             // between backquotes
	mention          // somebody's name after an @
	mine             // this user's own name
	name             // of the sender, inside the text on narrow screens
	dim              // less important
	bad              // an error
	found            // a match of a search
	alert            // what nobody is to overlook
)

// span is a part of a text with one kind.
type span struct {
	text string
	kind spanKind
	href string
}
