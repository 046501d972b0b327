package client

import (
	"strings"
	"unicode/utf8"
)

// Printable returns s as a terminal may show it: without control characters (C0, DEL, C1) other than newline and tab,
// without whole escape sequences (ECMA-48, including those that C1 characters begin), and without characters that
// reorder, hide or break lines: U+061C, U+200E, U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF, U+FFF9 to U+FFFB
// and the tags from U+E0000 to U+E007F. Bytes that are not UTF-8 become U+FFFD.
//
// Texts, names and reasons that come from a server have to pass through it before a terminal shows them.
func Printable(s string) string {
	if plainASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if n := sequence(r, s[i+size:]); n >= 0 {
			i += size + n
			continue
		}
		if showable(r) {
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// OneLine is Printable for the middle of a line: newlines and tabs are spaces.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, Printable(s))
}

// Shortened is OneLine, cut after 60 code points with "…".
func Shortened(s string) string {
	const most = 60
	runes := []rune(OneLine(s))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c >= 0x7f) && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// Introducers of ECMA-48 (section 8.3) in their C1 form; ESC followed by the character 0x40 below is equivalent.
const (
	esc = 0x1b
	dcs = 0x90
	sos = 0x98
	csi = 0x9b
	st  = 0x9c
	osc = 0x9d
	pm  = 0x9e
	apc = 0x9f
)

// sequence returns how many bytes of rest belong to the escape sequence that r begins, or -1 if r begins none.
func sequence(r rune, rest string) int {
	used := 0
	if r == esc {
		next, size := utf8.DecodeRuneInString(rest)
		switch {
		case next >= '@' && next <= '_': // the C1 characters, spelled with ESC
			r, rest, used = next+0x40, rest[size:], size
		case next >= ' ' && next <= '~':
			return shortSequence(rest)
		default:
			return 0 // ESC alone
		}
	}
	switch r {
	case csi:
		return used + controlSequence(rest)
	case dcs, sos, osc, pm, apc:
		return used + controlString(rest)
	}
	if used > 0 {
		return used
	}
	return -1
}

// shortSequence is ESC, any number of intermediates and a final (ECMA-35 section 13).
func shortSequence(s string) int {
	i := 0
	for i < len(s) && s[i] >= ' ' && s[i] <= '/' {
		i++
	}
	if i < len(s) && s[i] >= '0' && s[i] <= '~' {
		i++
	}
	return i
}

// controlSequence is what follows CSI: parameters, intermediates, a final (ECMA-48 section 5.4).
func controlSequence(s string) int {
	i := 0
	for i < len(s) && s[i] >= ' ' && s[i] <= '?' {
		i++
	}
	if i < len(s) && s[i] >= '@' && s[i] <= '~' {
		i++
	}
	return i
}

// controlString returns the length of what follows OSC, DCS and the like, up to ST, or BEL as xterm allows. Without a
// terminator it extends to the end, as in a terminal.
func controlString(s string) int {
	for i, r := range s {
		switch {
		case r == '\a':
			return i + 1
		case r == st:
			return i + 2 // bytes of U+009C
		case r == esc && strings.HasPrefix(s[i+1:], `\`):
			return i + 2
		}
	}
	return len(s)
}

func showable(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return true
	case r < ' ', r >= 0x7f && r < 0xa0,
		r == 0x061c, r == 0x200e, r == 0x200f,
		r >= 0x2028 && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f,
		r == 0xfeff,
		r >= 0xfff9 && r <= 0xfffb,
		r >= 0xe0000 && r <= 0xe007f:
		return false
	}
	return true
}
