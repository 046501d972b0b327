package wire

// HasLink reports whether a text has something that the page shows as a link: http:// or https:// and a character after it,
// or a word that begins with "www.". It uses no tables of Unicode, and so also reports what is in code or lacks a valid host.
func HasLink(text string) bool {
	for i := 0; i+4 < len(text); i++ {
		switch text[i] | 0x20 {
		case 'h':
			rest, ok := cutFold(text[i:], "http")
			if !ok {
				continue
			}
			if s, ok := cutFold(rest, "s"); ok {
				rest = s
			}
			if after, ok := cutFold(rest, "://"); ok && startsWord(after) {
				return true
			}
		case 'w':
			if i > 0 && (only(text[i-1:i], idByte) || text[i-1] == '.' || text[i-1] == '@' || text[i-1] == '/') {
				continue
			}
			if after, ok := cutFold(text[i:], "www."); ok && startsWord(after) {
				return true
			}
		}
	}
	return false
}

// cutFold returns s without a prefix, which is in lower case, and whether s begins with it in any case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) {
		return s, false
	}
	for i := range len(prefix) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[i] {
			return s, false
		}
	}
	return s[len(prefix):], true
}

func startsWord(s string) bool { return s != "" && s[0] > ' ' && s[0] != '.' }
