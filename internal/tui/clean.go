package tui

import (
	"net/url"
	"regexp"
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

// clean returns what may be shown of a text that others wrote: client.Printable, tabs as spaces, and nothing that has no
// width of its own. With newlines, unless oneLine is wanted.
//
// Terminals without mode 2027 do not agree on how wide a joined emoji is, so there it is drawn as what it is joined of, and
// without colours of skin.
func clean(s string, method ansi.Method) string {
	s = client.Printable(s)
	if simple(s) {
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
			if method == ansi.GraphemeWidth || r == 0x200d && unicode.IsOneOf(joined, last) {
				b.WriteRune(r)
			}
			continue
		case method == ansi.WcWidth && r >= 0x1f3fb && r <= 0x1f3ff && last >= 0x261d: // a colour of the skin of what is before
		case r == 0x00ad, r == 0x200b, r == 0x180e,
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		default:
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}

// joined is what joiners shape, in the scripts of India and in Arabic.
var joined = []*unicode.RangeTable{unicode.Letter, unicode.Mark}

// simple tells whether s is nothing but visible ASCII and newlines.
func simple(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c == '\t' {
			return false
		}
	}
	return true
}

// oneLine is clean for what stands in the middle of a line.
func oneLine(s string, method ansi.Method) string {
	return strings.ReplaceAll(clean(s, method), "\n", " ")
}

// look is how a part of a text looks.
type look uint8

const (
	plain   look = iota
	link         // leads to its href
	code         // between backquotes
	mention      // somebody's name after an @
	mine         // one's own
	name         // of the sender, within the text on narrow screens
	dim          // of less interest
	bad          // what went wrong
	found        // what was searched for
)

// span is a part of a text with one look.
type span struct {
	text string
	look look
	href string
}

var (
	links    = regexp.MustCompile(`(?i)https?://[^\s<>"'` + "`" + `]+`)
	codes    = regexp.MustCompile("(?s)```[^\n`]*\n(.*?)\n?```|```(.+?)```|`([^`\n]+)`")
	mentions = 20 // signs of a text that are looked at: thousands would cost every reader
)

// spansOf finds links, code and mentions in a cleaned text. me is the own name or empty, names are others'.
func spansOf(text, me string, names []string) []span {
	var out []span
	if who := addressed(text, me, names); who != "" {
		out, text = append(out, span{text: who, look: lookOf(who, me)}), text[len(who):]
	}
	end := 0
	for _, at := range codes.FindAllStringSubmatchIndex(text, -1) {
		out = prose(out, text[end:at[0]], me, names)
		for group := 2; group < len(at); group += 2 {
			if at[group] >= 0 {
				out = append(out, span{text: text[at[group]:at[group+1]], look: code})
			}
		}
		end = at[1]
	}
	return prose(out, text[end:], me, names)
}

// prose is spansOf without code.
func prose(out []span, text, me string, names []string) []span {
	end := 0
	for _, at := range links.FindAllStringIndex(text, -1) {
		shown := trimmed(text[at[0]:at[1]])
		href := address(shown)
		if href == "" {
			continue
		}
		out = mentioned(out, text[end:at[0]], me, names)
		out = append(out, span{text: shown, look: link, href: href})
		end = at[0] + len(shown)
	}
	return mentioned(out, text[end:], me, names)
}

// trimmed is a link without the punctuation of the sentence it stands in.
func trimmed(s string) string {
	for {
		r, size := utf8.DecodeLastRuneInString(s)
		switch {
		case strings.ContainsRune(".,;:!?…*_~", r),
			r == ')' && !strings.Contains(s, "("), r == ']' && !strings.Contains(s, "["):
			s = s[:len(s)-size]
		default:
			return s
		}
	}
}

// address returns where a link leads, as printable ASCII, or nothing if it is none: only http and https are.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https") {
		return ""
	}
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c >= 0x7f {
			b.WriteString("%")
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// mentioned is prose without links.
func mentioned(out []span, text, me string, names []string) []span {
	end, looks := 0, mentions
	for i := strings.IndexByte(text, '@'); i >= 0 && looks > 0; looks-- {
		if who := nameAt(text, i, me, names); who != "" {
			if i > end {
				out = append(out, span{text: text[end:i]})
			}
			out = append(out, span{text: text[i : i+1+len(who)], look: lookOf(who, me)})
			end = i + 1 + len(who)
		}
		next := strings.IndexByte(text[i+1:], '@')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	if end < len(text) {
		out = append(out, span{text: text[end:]})
	}
	return out
}

func lookOf(who, me string) look {
	if strings.EqualFold(who, me) {
		return mine
	}
	return mention
}

// nameAt returns the longest of the names that stands behind the @ at i, as it is written there.
func nameAt(text string, i int, me string, names []string) string {
	if before, _ := utf8.DecodeLastRuneInString(text[:i]); i > 0 && wordRune(before) {
		return "" // an address of mail
	}
	return nameOf(text[i+1:], me, names, func(after rune) bool { return !wordRune(after) })
}

// addressed returns who a text is for that begins with a name, as in "anna: hello". A name that is a word, too, may begin
// a text without calling anybody, so that the sign after it is needed.
func addressed(text, me string, names []string) string {
	return nameOf(text, me, names, func(after rune) bool { return strings.ContainsRune(":,?!：，？！", after) })
}

// nameOf returns the longest of the names that a text begins with, as it is written there, if it may end before what
// comes after it.
func nameOf(text, me string, names []string, ends func(after rune) bool) (best string) {
	try := func(n string) {
		if n == "" || len(n) <= len(best) || len(n) > len(text) || !utf8.ValidString(text[:len(n)]) || !strings.EqualFold(text[:len(n)], n) {
			return
		}
		if after, size := utf8.DecodeRuneInString(text[len(n):]); size == 0 || ends(after) {
			best = text[:len(n)]
		}
	}
	try(me)
	for _, n := range names {
		try(n)
	}
	return best
}

func wordRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// mentionsMe tells whether a text speaks to me. Most do not, and are not looked at in full.
func mentionsMe(text, me string, method ansi.Method) bool {
	if me == "" {
		return false
	}
	if !strings.Contains(text, "@") {
		begin := text[:min(len(text), beginning)]
		return addressed(clean(begin, method), me, nil) != ""
	}
	for _, s := range spansOf(clean(text, method), me, nil) {
		if s.look == mine {
			return true
		}
	}
	return false
}
