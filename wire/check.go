package wire

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Sizes that are part of the protocol. Configurable ones are in [Limits].
const (
	MaxRoom     = 64       // characters of a room name, without the prefix of BaseRoom
	MaxID       = 64       // characters of an id
	MaxLast     = 500      // messages that a join may request
	MaxPage     = 500      // messages in a page
	PageBytes   = 64 << 10 // bytes of a page, as sent
	MaxWho      = 500      // names in the answer to who
	MaxPrefix   = 128      // bytes of the prefix of who
	MaxNamed    = 200      // largest room whose presence lists names
	DefaultJoin = 50       // messages that a join replays without after or last
	MaxOptions  = 12       // options of a poll
	MaxOption   = 80       // bytes of an option
	MaxMarkKey  = 64       // bytes of the key of a mark
	MaxKeys     = 20       // different keys of the marks of a message
	MaxOwnKeys  = 12       // keys of the marks that one sender has on a message
	StateBytes  = 16 << 10 // bytes of the state in Joined, and of the counts in a Tally
)

// Values of Say.As and Message.As, which say what a message is besides its text.
const (
	Question = "question" // others can upvote it
	Poll     = "poll"     // others choose one of its options
	Notice   = "notice"   // shown so that nobody overlooks it
)

// Upvote is the key of a mark that is an upvote.
const Upvote = "up"

// MaxRequest returns the maximum size of a request, for texts of at most text bytes. JSON may escape each byte of the
// text, the options, the room and the ids as \u0000, with six bytes.
func MaxRequest(text int) int {
	return 6*(text+MaxOptions*MaxOption+MaxRoom+2*MaxID) + 512
}

// IDLife is the minimum time for which the server remembers an id after its message was saved. A message first sent longer
// ago must not be sent again, because it might be posted twice.
const IDLife = 7 * 24 * time.Hour

// Lobby is the room of the path "/".
const Lobby = "lobby"

// CheckRoom checks the name of a room: [a-z0-9][a-z0-9_-]{0,63}, or that of the room of its moderators or owners, see BaseRoom.
func CheckRoom(s string) *CodedError {
	base, _ := BaseRoom(s)
	if len(base) > 0 && len(base) <= MaxRoom && only(base, roomByte) && base[0] != '_' && base[0] != '-' {
		return nil
	}
	reason := "a room name has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or digit"
	if like := SuggestRoom(s); like != "" {
		reason += "; try " + like
	}
	return &CodedError{Code: BadRequest, Reason: reason}
}

// SuggestRoom returns a valid room name that is like an invalid one, as kelas-7a is like "Kelas 7A". It is empty if there is none.
func SuggestRoom(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case b.Len() == MaxRoom:
			return strings.TrimRight(b.String(), "-_")
		case c < utf8.RuneSelf && roomByte(byte(c)) && c != '-' && (c != '_' || b.Len() > 0):
			b.WriteByte(byte(c))
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimRight(b.String(), "-_")
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

// CheckAs checks what a message is besides its text, and the options of a poll: 2 to MaxOptions different lines of 1 to
// MaxOption bytes.
func CheckAs(as string, options []string) *CodedError {
	switch as {
	case Poll:
		return checkOptions(options)
	case "", Question, Notice:
	default:
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("unknown %.40q; use %s, %s or %s", as, Question, Poll, Notice)}
	}
	if options != nil {
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("only a %s has options", Poll)}
	}
	return nil
}

func checkOptions(options []string) *CodedError {
	if len(options) < 2 || len(options) > MaxOptions {
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("a poll has 2 to %d options, not %d", MaxOptions, len(options))}
	}
	for i, o := range options {
		if len(o) < 1 || len(o) > MaxOption {
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("option %d has %d bytes; an option has 1 to %d", i, len(o), MaxOption)}
		}
		if bad := checkLine(o); bad != nil {
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("option %d: %s", i, bad.Reason)}
		}
		if slices.Contains(options[:i], o) {
			return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("option %d is the same as another one", i)}
		}
	}
	return nil
}

// CheckMarkKey checks the key of a mark: Upvote, the index of an option of a poll, or one emoji.
func CheckMarkKey(s string) *CodedError {
	if s == Upvote {
		return nil
	}
	if _, ok := OptionOf(s); ok {
		return nil
	}
	if len(s) <= MaxMarkKey && isEmoji(s) {
		return nil
	}
	return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("invalid key %.40q (want one emoji of at most %d bytes, %q, or the index of an option, 0 to %d)", s, MaxMarkKey, Upvote, MaxOptions-1)}
}

// OptionOf returns the index of the option that the key of a mark names, if it names one.
func OptionOf(key string) (index int, ok bool) {
	switch {
	case len(key) == 1 && key[0] >= '0' && key[0] <= '9':
		index = int(key[0] - '0')
	case len(key) == 2 && key[0] == '1' && key[1] >= '0' && key[1] <= '9':
		index = 10 + int(key[1]-'0')
	default:
		return 0, false
	}
	return index, index < MaxOptions
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
