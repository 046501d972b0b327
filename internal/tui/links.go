package tui

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/text/unicode/norm"

	"ramai/client"
)

const (
	longest   = 32     // code points that a name can have
	mentions  = 20     // signs of a text that are looked at: thousands would cost every reader
	invisible = 0x200b // stands for a character that clean drops and that ends a link
)

var (
	links = regexp.MustCompile(`(?i)https?://`)
	codes = regexp.MustCompile("(?s)```[^\n`]*\n(.*?)\n?```|```(.+?)```|`([^`\n]+)`")
)

// parse returns a text that others wrote as it may be shown (see clean), in parts: links, code, mentions and the rest. me is
// the own name or empty, names are others'.
//
// A link ends at an invisible character, so the parts are found before those are dropped.
func parse(text, me string, names []string, method ansi.Method) []span {
	found := spansOf(visible(text), me, names)
	spans := found[:0]
	for _, s := range found {
		if s.text = clean(s.text, method); s.text != "" {
			spans = append(spans, s)
		}
	}
	return spans
}

// visible is client.Printable with a zero-width space where it drops a character that ends a link.
func visible(text string) string {
	if isPlainASCII(text) {
		return text
	}
	marked := client.Printable(strings.Map(func(r rune) rune {
		if r != 0x200d && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == 0x85 {
			return invisible
		}
		return r
	}, text))
	return strings.TrimLeft(marked, string(rune(invisible)))
}

// spansOf finds links, code and mentions in a visible text.
func spansOf(text, me string, names []string) []span {
	var out []span
	if who := addressed(text, me, names); who != "" {
		out, text = append(out, span{text: who, kind: mentionKind(who, me)}), text[len(who):]
	}
	end := 0
	for _, at := range codes.FindAllStringSubmatchIndex(text, -1) {
		out = prose(out, text[end:at[0]], me, names)
		for group := 2; group < len(at); group += 2 {
			if at[group] >= 0 {
				out = append(out, span{text: text[at[group]:at[group+1]], kind: code})
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
		if at[0] < end {
			continue // within the link before
		}
		shown := linkAt(text[at[0]:], at[1]-at[0])
		href := address(shown)
		if href == "" {
			continue
		}
		out = mentioned(out, text[end:at[0]], me, names)
		out = append(out, span{text: shown, kind: link, href: href})
		end = at[0] + len(shown)
	}
	return mentioned(out, text[end:], me, names)
}

// linkAt returns the link that a text begins with, without the punctuation of the sentence around it. A closing bracket
// belongs to it only if the opening one does. host is where its host begins.
func linkAt(text string, host int) string {
	var open []rune // closing brackets that are awaited
	end := len(text)
	for i, r := range text[host:] {
		if closer, ok := closers[r]; ok {
			open = append(open, closer)
		} else if unicode.Is(unicode.Pe, r) && len(open) > 0 && open[len(open)-1] == r {
			open = open[:len(open)-1]
		} else if unicode.Is(unicode.Pe, r) || endsLink(r) {
			end = host + i
			break
		}
	}
	return strings.TrimRight(text[:end], ".,;:!?…*_~")
}

// closers are the brackets that a link can have, by the opening one.
var closers = func() map[rune]rune {
	pairs := []rune("()[]{}（）［］｛｝「」『』【】〔〕〈〉《》〖〗〘〙｢｣")
	closers := make(map[rune]rune)
	for i := 0; i < len(pairs); i += 2 {
		closers[pairs[i]] = pairs[i+1]
	}
	return closers
}()

// endsLink reports whether no link contains r: white space, controls, invisible and bidi characters (they would make it look
// like another), quotation marks, and what ends a sentence in other scripts than the Latin one.
func endsLink(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("<>\"'`", r)
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.White_Space, unicode.Pi, unicode.Pf, unicode.Terminal_Punctuation)
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
	for i := strings.IndexByte(text, '@'); i >= 0 && looks > 0; {
		if before, _ := utf8.DecodeLastRuneInString(text[:i]); i == 0 || !joins(before) { // otherwise an e-mail address
			looks--
			if who := nameOf(text[i+1:], me, names, func(after rune) bool { return !joins(after) }); who != "" {
				if i > end {
					out = append(out, span{text: text[end:i]})
				}
				out = append(out, span{text: text[i : i+1+len(who)], kind: mentionKind(who, me)})
				end = i + 1 + len(who)
			}
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

func mentionKind(who, me string) spanKind {
	if me != "" && comparable(who) == comparable(me) {
		return mine
	}
	return mention
}

// addressed returns who a text is for that begins with a name, as in "anna: hello". A name that is a word, too, may begin
// a text without calling anybody, so that the sign after it is needed.
func addressed(text, me string, names []string) string {
	return nameOf(text, me, names, func(after rune) bool { return strings.ContainsRune(":,?!：，？！", after) })
}

// nameOf returns the longest of the names that a text begins with, as it is written there, if it may end before what
// comes after it.
func nameOf(text, me string, names []string, ends func(after rune) bool) (best string) {
	var found map[string]string // the beginnings that can be a name, by what names are compared by
	for i := 0; i < len(text); {
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if after, size := utf8.DecodeRuneInString(text[i:]); size > 0 && (unicode.IsMark(after) || !ends(after)) {
			continue
		}
		name := comparable(text[:i])
		if utf8.RuneCountInString(name) > longest {
			break
		}
		if found == nil {
			found = make(map[string]string)
		}
		found[name] = text[:i]
	}
	if found == nil {
		return "" // most texts begin with no name, and there may be many names
	}
	try := func(name string) {
		if written := found[comparable(name)]; len(written) > len(best) {
			best = written
		}
	}
	try(me)
	for _, name := range names {
		try(name)
	}
	return best
}

// comparable is what names are compared by here.
func comparable(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// joins reports whether a word goes on at r, where names stand beside other words: not in scripts whose words no spaces set
// off, or that add endings to names without one.
func joins(r rune) bool {
	return wordRune(r) &&
		r != 'ー' && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// wordRune reports whether words have r.
func wordRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// mentionsMe reports whether a text speaks to me. Most do not, and are not looked at in full.
func mentionsMe(text, me string) bool {
	if me == "" {
		return false
	}
	if !strings.Contains(text, "@") {
		return addressed(visible(text[:min(len(text), beginning)]), me, nil) != ""
	}
	for _, s := range spansOf(visible(text), me, nil) {
		if s.kind == mine {
			return true
		}
	}
	return false
}
