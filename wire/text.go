package wire

import "strings"

// BOM is the byte order mark, which some editors and shells put in front of a text.
const BOM = "\ufeff"

// NormalizeText returns a text as it is said: a leading byte order mark is dropped, and a line that ends with CRLF ends
// with a newline. Every way in calls it once, before CheckText, so a retry from another system is the same text. It
// allocates nothing if there is nothing to change.
func NormalizeText(s string) string {
	s = strings.TrimPrefix(s, BOM)
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return s
}
