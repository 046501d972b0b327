package tui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// glyph is one user-perceived character, and its width.
type glyph struct {
	text  string
	width int  // cells, 1 or more
	span  int  // the span it belongs to
	wide  bool // of a script without spaces, or an emoji: a line may end beside it
}

// glyphs splits a clean text into what is drawn. Characters without width are left out.
func glyphs(dst []glyph, text string, span int, method ansi.Method) []glyph {
	for len(text) > 0 {
		if c := text[0]; c < utf8.RuneSelf && (len(text) == 1 || text[1] < utf8.RuneSelf) {
			if c >= ' ' || c == '\n' {
				dst = append(dst, glyph{text: text[:1], width: 1, span: span})
			}
			text = text[1:]
			continue
		}
		cluster, width := ansi.FirstGraphemeCluster(text, method)
		text = text[len(cluster):]
		if width == 0 || cluster[0] < ' ' {
			if cluster == "\n" || cluster == "\r\n" {
				dst = append(dst, glyph{text: "\n", width: 1, span: span})
			}
			continue
		}
		if utf8.RuneCountInString(cluster) > maxCluster {
			runes := []rune(cluster)[:maxCluster]
			cluster = string(runes)
			width = method.StringWidth(cluster)
		}
		dst = append(dst, glyph{text: cluster, width: width, span: span, wide: width > 1 && wideRune(cluster, method)})
	}
	return dst
}

// wideRune reports whether a character is wide because of its first code point. A syllable of Devanagari may take two cells
// because it has several parts, and its word must not be broken there.
func wideRune(cluster string, method ansi.Method) bool {
	r, size := utf8.DecodeRuneInString(cluster)
	return method.StringWidth(cluster[:size]) > 1 || r >= 0x1f1e6 && r <= 0x1f1ff // a flag has two letters
}

// wrap breaks spans into lines of at most width cells, between words where possible; continued lines are hang cells
// shorter. width must be at least hang+2.
func wrap(spans []span, width, hang int, method ansi.Method) [][]span {
	var all []glyph
	for i, s := range spans {
		all = glyphs(all, s.text, i, method)
	}
	var lines [][]span
	limit := width
	for start := 0; ; {
		end := start
		for end < len(all) && all[end].text != "\n" {
			end++
		}
		for _, line := range breakLine(all[start:end], limit, width-hang) {
			lines = append(lines, join(line, spans))
		}
		limit = width - hang
		if end == len(all) {
			return lines
		}
		start = end + 1
	}
}

// breakLine breaks one line of a text. The first piece has at most first cells, the others rest.
func breakLine(all []glyph, first, rest int) [][]glyph {
	var lines [][]glyph
	for limit := first; ; limit = rest {
		used, i, chance := 0, 0, 0
		for ; i < len(all) && used+all[i].width <= limit; i++ {
			if used += all[i].width; i > 0 && breakable(all[i-1], all[i]) {
				chance = i
			}
		}
		if i == len(all) {
			return append(lines, all)
		}
		cut := max(i, 1)
		if all[i].text != " " && !breakable(all[max(i-1, 0)], all[i]) && chance > 0 {
			cut = chance
		}
		line := all[:cut]
		for len(line) > 0 && line[len(line)-1].text == " " {
			line = line[:len(line)-1]
		}
		for all = all[cut:]; len(all) > 0 && all[0].text == " "; {
			all = all[1:]
		}
		lines = append(lines, line)
		if len(all) == 0 {
			return lines
		}
	}
}

// breakable reports whether a line may end between two characters: after a space or a hyphen, and around wide
// characters.
func breakable(a, b glyph) bool {
	return a.text == " " && b.text != " " || a.text == "-" && b.text != "-" && b.text != " " || a.wide && b.text != " " || b.wide
}

// join combines glyphs into spans.
func join(line []glyph, spans []span) []span {
	var out []span
	for i := 0; i < len(line); {
		var text strings.Builder
		at := line[i].span
		for ; i < len(line) && line[i].span == at; i++ {
			text.WriteString(line[i].text)
		}
		s := spans[at]
		s.text = text.String()
		out = append(out, s)
	}
	return out
}

// fit returns s, truncated with an ellipsis if it has more than width cells, and its width.
func fit(s string, width int, method ansi.Method) (string, int) {
	w := method.StringWidth(s)
	if w <= width {
		return s, w
	}
	if width <= 0 {
		return "", 0
	}
	s = cut(s, width-1, method) + "…"
	return s, method.StringWidth(s)
}

// cut returns the first width cells of s, with all its styles. (ansi's Truncate measures graphemes, whatever the method.)
func cut(s string, width int, method ansi.Method) string {
	if method.StringWidth(s) <= width {
		return s
	}
	var b strings.Builder
	var state byte
	for len(s) > 0 {
		seq, w, n, next := method.DecodeSequenceInString(s, state, nil)
		if n == 1 && seq[0] >= ' ' && len(s) > 1 && s[1] >= utf8.RuneSelf { // it does not look at what belongs to ASCII
			seq, w = ansi.FirstGraphemeCluster(s, method)
			n = len(seq)
		}
		if w == 0 || w <= width {
			b.WriteString(seq)
		} else {
			width = 0
		}
		width -= w
		s, state = s[n:], next
	}
	return b.String()
}
