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
	longest   = 32     // code points of a name
	mentions  = 20     // @ signs of a text that are examined: thousands would slow down every reader
	invisible = 0x200b // replaces a character that clean drops and that ends a link
)

var (
	links = regexp.MustCompile(`(?i)https?://`)
	codes = regexp.MustCompile("(?s)```[^\n`]*\n(.*?)\n?```|```(.+?)```|`([^`\n]+)`")
)

// parse prepares a text written by others for display (see clean), and splits it into links, code, mentions and other text.
// me is this user's name or empty; names are those of others.
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

// visible is client.Printable with a zero-width space in place of each dropped character that ends a link.
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

// prose is spansOf for text without code.
func prose(out []span, text, me string, names []string) []span {
	end := 0
	for _, at := range links.FindAllStringIndex(text, -1) {
		if at[0] < end {
			continue // inside the previous link
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

// linkAt returns the link at the beginning of a text, without the punctuation of the surrounding sentence. A closing
// bracket belongs to it only if the opening one does. host is where its host begins.
func linkAt(text string, host int) string {
	var open []rune // closing brackets that are expected
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

// closers maps the opening brackets that a link can contain to the closing ones.
var closers = func() map[rune]rune {
	pairs := []rune("()[]{}（）［］｛｝「」『』【】〔〕〈〉《》〖〗〘〙｢｣")
	closers := make(map[rune]rune)
	for i := 0; i < len(pairs); i += 2 {
		closers[pairs[i]] = pairs[i+1]
	}
	return closers
}()

// endsLink reports whether r cannot be part of a link: white space, controls, invisible and bidi characters (they would
// make it look like another), quotation marks, and sentence punctuation of non-Latin scripts.
func endsLink(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("<>\"'`", r)
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.White_Space, unicode.Pi, unicode.Pf, unicode.Terminal_Punctuation)
}

// address returns the address of a link as printable ASCII, or "" if it is not one: only http and https are.
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

// mentioned is prose for text without links.
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

// addressed returns the name that a text begins with and thereby addresses, as in "anna: hello". Names may be ordinary
// words, so the punctuation mark after the name is required.
func addressed(text, me string, names []string) string {
	return nameOf(text, me, names, func(after rune) bool { return strings.ContainsRune(":,?!：，？！", after) })
}

// nameOf returns the longest of the names at the beginning of a text, as spelled there, if the character after it may
// follow a name.
func nameOf(text, me string, names []string, ends func(after rune) bool) (best string) {
	var found map[string]string // prefixes that can be a name, by their comparable form
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

// comparable returns the form in which names are compared here.
func comparable(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// joins reports whether r continues a word next to a name. It does not in scripts without spaces between words, or that
// attach endings to names.
func joins(r rune) bool {
	return wordRune(r) &&
		r != 'ー' && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// wordRune reports whether r is part of words.
func wordRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// mentionsMe reports whether a text mentions me. Most texts do not, and are not parsed in full.
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
