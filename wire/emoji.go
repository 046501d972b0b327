package wire

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// isEmoji reports whether s is one emoji, by the grammar of UTS #51 (section 1.4.9, "possible emoji"): a character or a
// flag, with a variation selector, a skin tone or tags, or several of them joined by U+200D. Emoji that this version does
// not know are accepted too, because Unicode reserves their code points.
func isEmoji(s string) bool {
	for {
		rest, ok := cutEmoji(s)
		if !ok {
			return false
		}
		if rest == "" {
			return true
		}
		r, size := utf8.DecodeRuneInString(rest)
		if r != '\u200d' { // ZERO WIDTH JOINER
			return false
		}
		s = rest[size:]
	}
}

// cutEmoji cuts the first emoji of a sequence off s.
func cutEmoji(s string) (rest string, ok bool) {
	first, size := utf8.DecodeRuneInString(s)
	s = s[size:]
	next, size := utf8.DecodeRuneInString(s)
	switch {
	case isRegional(first): // a flag
		return s[size:], isRegional(next)
	case first == '#' || first == '*' || first >= '0' && first <= '9': // a key
		if next == '\ufe0f' {
			s = s[size:]
			next, size = utf8.DecodeRuneInString(s)
		}
		return s[size:], next == '\u20e3' // COMBINING ENCLOSING KEYCAP
	case !isPictographic(first):
		return s, false
	case next == '\ufe0f' || next >= 0x1f3fb && next <= 0x1f3ff: // shown as an emoji; a skin tone
		return s[size:], true
	case !isTag(next):
		return s, true
	}
	for isTag(next) { // a flag of a part of a country
		s = s[size:]
		next, size = utf8.DecodeRuneInString(s)
	}
	return s[size:], next == 0xe007f // CANCEL TAG
}

func isRegional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

func isTag(r rune) bool { return r >= 0xe0020 && r <= 0xe007e }

func isPictographic(r rune) bool {
	i, found := slices.BinarySearchFunc(pictographic, r, func(span [2]rune, r rune) int { return cmp.Compare(span[0], r) })
	return found || i > 0 && r <= pictographic[i-1][1]
}

// pictographic has the first and the last code point of each span with the property Extended_Pictographic of Unicode 15,
// ascending. It includes code points that are reserved. It is not a table of package unicode, which changes with Go.
var pictographic = [][2]rune{
	{0xa9, 0xa9}, {0xae, 0xae}, {0x203c, 0x203c}, {0x2049, 0x2049}, {0x2122, 0x2122}, {0x2139, 0x2139},
	{0x2194, 0x2199}, {0x21a9, 0x21aa}, {0x231a, 0x231b}, {0x2328, 0x2328}, {0x2388, 0x2388}, {0x23cf, 0x23cf},
	{0x23e9, 0x23f3}, {0x23f8, 0x23fa}, {0x24c2, 0x24c2}, {0x25aa, 0x25ab}, {0x25b6, 0x25b6}, {0x25c0, 0x25c0},
	{0x25fb, 0x25fe}, {0x2600, 0x2605}, {0x2607, 0x2612}, {0x2614, 0x2685}, {0x2690, 0x2705}, {0x2708, 0x2712},
	{0x2714, 0x2714}, {0x2716, 0x2716}, {0x271d, 0x271d}, {0x2721, 0x2721}, {0x2728, 0x2728}, {0x2733, 0x2734},
	{0x2744, 0x2744}, {0x2747, 0x2747}, {0x274c, 0x274c}, {0x274e, 0x274e}, {0x2753, 0x2755}, {0x2757, 0x2757},
	{0x2763, 0x2767}, {0x2795, 0x2797}, {0x27a1, 0x27a1}, {0x27b0, 0x27b0}, {0x27bf, 0x27bf}, {0x2934, 0x2935},
	{0x2b05, 0x2b07}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2b55, 0x2b55}, {0x3030, 0x3030}, {0x303d, 0x303d},
	{0x3297, 0x3297}, {0x3299, 0x3299}, {0x1f000, 0x1f0ff}, {0x1f10d, 0x1f10f}, {0x1f12f, 0x1f12f}, {0x1f16c, 0x1f171},
	{0x1f17e, 0x1f17f}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f1ad, 0x1f1e5}, {0x1f201, 0x1f20f}, {0x1f21a, 0x1f21a},
	{0x1f22f, 0x1f22f}, {0x1f232, 0x1f23a}, {0x1f23c, 0x1f23f}, {0x1f249, 0x1f3fa}, {0x1f400, 0x1f53d}, {0x1f546, 0x1f64f},
	{0x1f680, 0x1f6ff}, {0x1f774, 0x1f77f}, {0x1f7d5, 0x1f7ff}, {0x1f80c, 0x1f80f}, {0x1f848, 0x1f84f}, {0x1f85a, 0x1f85f},
	{0x1f888, 0x1f88f}, {0x1f8ae, 0x1f8ff}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1faff}, {0x1fc00, 0x1fffd},
}
