package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

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

// CheckJSON reports whether a JSON text is UTF-8 and its strings are Unicode: encoding/json replaces bytes that are not
// UTF-8, and escaped surrogates without their other half, with U+FFFD, and what was said would not be what was meant. It
// does not look for other faults of the JSON.
func CheckJSON(b []byte) *Error {
	if !utf8.Valid(b) {
		return &Error{Code: BadRequest, Reason: "the JSON is not UTF-8"}
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' { // in JSON it stands only in strings
			continue
		}
		i++ // what is escaped
		switch r := escaped(b, i); {
		case r < 0xd800 || r > 0xdfff:
		case r < 0xdc00 && i+5 < len(b) && b[i+5] == '\\' && escaped(b, i+6)>>10 == 0xdc00>>10:
			i += 10
		default:
			return &Error{Code: BadRequest, Reason: "the JSON has the escape \\u" + strconv.FormatInt(int64(r), 16) + ", which is half of a surrogate pair and no character; send both halves, or the character itself"}
		}
	}
	return nil
}

// escaped returns the code unit of the escape "uXXXX" at b[i]; -1: there is none.
func escaped(b []byte, i int) rune {
	if i+5 > len(b) || b[i] != 'u' {
		return -1
	}
	r := rune(0)
	for _, c := range b[i+1 : i+5] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
