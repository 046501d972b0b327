package wire

import "strings"

// BOM is the byte order mark, which some editors and shells put in front of texts.
const BOM = "\ufeff"

// NormalizeText normalizes the text of a message: it drops a leading byte order mark and replaces CRLF by a newline.
// Every transport calls it once before CheckText, so a retry from another system has the same text. It allocates
// nothing if nothing changes.
func NormalizeText(s string) string {
	s = strings.TrimPrefix(s, BOM)
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return s
}
