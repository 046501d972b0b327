package wire

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Sizes that are part of the protocol. What operators can set is in [Limits].
const (
	MaxRoom     = 64       // characters of a room name
	MaxID       = 64       // characters of an id
	MaxLast     = 500      // messages that a join may ask for
	MaxPage     = 500      // messages in a page
	PageBytes   = 64 << 10 // bytes of a page, as sent
	MaxWho      = 500      // names in the answer to who
	MaxPrefix   = 128      // bytes of the prefix of who
	MaxNamed    = 200      // largest room whose presence lists names
	DefaultJoin = 50       // messages that a join replays without after or last
)

// MaxRequest returns the maximum size of a request, for texts of at most text bytes. JSON may escape each byte of the
// text, the room and the ids as \u0000, with six bytes.
func MaxRequest(text int) int { return 6*(text+MaxRoom+2*MaxID) + 256 }

// IDLife is how long the server remembers an id after its message was saved, at least. A message first sent longer ago
// must not be sent again, because it might be posted twice.
const IDLife = 7 * 24 * time.Hour

// Lobby is the room of the path "/".
const Lobby = "lobby"

// CheckRoom checks the name of a room: [a-z0-9][a-z0-9_-]{0,63}.
func CheckRoom(s string) *CodedError {
	if len(s) == 0 || len(s) > MaxRoom || !only(s, roomByte) || s[0] == '_' || s[0] == '-' {
		return &CodedError{Code: BadRequest, Reason: "a room name has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or digit"}
	}
	return nil
}

// CheckID checks the id of a message: 1 to 64 of [A-Za-z0-9_-].
func CheckID(s string) *CodedError {
	if len(s) == 0 || len(s) > MaxID || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: "an id has 1 to 64 of A-Z, a-z, 0-9, _ and -"}
	}
	return nil
}

// CheckPrefix checks the prefix of a Who: at most MaxPrefix bytes of UTF-8.
func CheckPrefix(s string) *CodedError {
	if len(s) > MaxPrefix || !utf8.ValidString(s) {
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("invalid prefix %.40q (want the beginning of a name: UTF-8 of at most %d bytes)", s, MaxPrefix)}
	}
	return nil
}

// CheckRef checks the ref of a request: 1 to 64 of [A-Za-z0-9_-].
func CheckRef(s string) *CodedError {
	if len(s) == 0 || len(s) > MaxID || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: "a ref has 1 to 64 of A-Z, a-z, 0-9, _ and -"}
	}
	return nil
}

// CheckText checks the text of a message: at most max bytes of UTF-8 without control characters (C0, DEL, C1) other
// than newline and tab. It may be empty.
func CheckText(s string, max int) *CodedError {
	if len(s) > max {
		return &CodedError{Code: TooLong, Reason: fmt.Sprintf("the text has %d bytes; at most %d are allowed", len(s), max)}
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("the text is not valid UTF-8 at byte %d", i)}
		}
		if r < 0xa0 { // C0, DEL or C1
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("the text has the control character U+%04X; only newline and tab are allowed", r)}
		}
		i += size
	}
	return nil
}

func roomByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

func idByte(c byte) bool { return roomByte(c) || c >= 'A' && c <= 'Z' }

func only(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}
