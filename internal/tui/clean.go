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
	maxCluster = 16  // code points of one character; what a person writes has 11 at most
	maxName    = 32  // cells
	beginning  = 512 // bytes of a text that have a name, if it begins with one
)

// clean returns a text of others as it may be shown: client.Printable, with tabs as spaces and without characters that
// have no width of their own. Newlines stay.
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
			continue // it would change what stands before the text
		case r == '\t':
			b.WriteString(tab)
		case r == 0x200d || r == 0xfe0f: // what joins, and what asks for an emoji
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

// oneLine is clean for text within a line.
func oneLine(s string, method ansi.Method) string {
	return strings.ReplaceAll(clean(s, method), "\n", " ")
}

// spanKind is what a part of a text is, and so how it looks.
type spanKind uint8

const (
	plain   spanKind = iota
	link             // leads to its href
	code             // between backquotes
	mention          // somebody's name after an @
	mine             // one's own
	name             // of the sender, within the text on narrow screens
	dim              // of less interest
	bad              // what went wrong
	found            // what was searched for
)

// span is a part of a text of one kind.
type span struct {
	text string
	kind spanKind
	href string
}
