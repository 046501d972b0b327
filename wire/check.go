package wire

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Sizes that are part of the protocol. What an operator may set is in [Limits].
const (
	MaxRoom     = 64       // characters of a room's name
	MaxID       = 64       // characters of an id
	MaxLast     = 500      // messages a join may ask for
	MaxPage     = 500      // messages of a page
	PageBytes   = 64 << 10 // bytes of a page, as it travels
	MaxWho      = 500      // names in the answer to who
	MaxNamed    = 200      // the largest room whose presence lists names
	DefaultJoin = 50       // messages a join replays if it names neither after nor last
)

// MaxRequest is how many bytes a request may have where a text may have text bytes: what the longest say needs that JSON
// can make of it. Each byte of a text may be escaped as \u0000, with six bytes, and so may those of the room and the ids.
func MaxRequest(text int) int { return 6*(text+MaxRoom+2*MaxID) + 256 }

// IDLife is how long the server knows an id at least, after its message was saved. What was sent first so long ago is not to
// be sent again: it might be said twice.
const IDLife = 7 * 24 * time.Hour

// Lobby is the room of the path "/".
const Lobby = "lobby"

// CheckRoom tells whether s can be a room's name: [a-z0-9][a-z0-9_-]{0,63}.
func CheckRoom(s string) *CodedError {
	if len(s) == 0 || len(s) > MaxRoom || !only(s, roomByte) || s[0] == '_' || s[0] == '-' {
		return &CodedError{Code: BadRequest, Reason: "a room's name is 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or digit"}
	}
	return nil
}

// CheckID tells whether s can be a message's id: 1 to 64 of [A-Za-z0-9_-].
func CheckID(s string) *CodedError {
	if len(s) == 0 || len(s) > MaxID || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: "an id is 1 to 64 of A-Z, a-z, 0-9, _ and -, of the sender's choosing"}
	}
	return nil
}

// CheckRef tells whether s can be a client's word for a request: 1 to 64 of [A-Za-z0-9_-].
func CheckRef(s string) *CodedError {
	if len(s) == 0 || len(s) > MaxID || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: "a ref is 1 to 64 of A-Z, a-z, 0-9, _ and -, of the client's choosing"}
	}
	return nil
}

// CheckText tells whether s can be said: at most max bytes of UTF-8 without control characters (C0, DEL, C1) other
// than newline and tab. An empty text can be said.
func CheckText(s string, max int) *CodedError {
	if len(s) > max {
		return &CodedError{Code: TooLong, Reason: fmt.Sprintf("the text has %d bytes; at most %d can be said at once", len(s), max)}
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("the text is not UTF-8 at byte %d", i)}
		}
		if r < 0xa0 { // what is left below: C0, DEL and C1
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("the text has the control character U+%04X; only newline and tab can be said", r)}
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
