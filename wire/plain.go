package wire

import "strconv"

// Greeting greets every client: in the first frame of the plain protocol, and in the welcome of ramai.v1.
const Greeting = "Welcome to chat! Type a message"

// NoticePrefix begins plain protocol messages from the server itself. Names do not begin with it, so "name: text" does
// not either.
const NoticePrefix = "! "

// AppendLine appends a message as sent in the plain protocol: its bare text, or "name: text" if its sender has a name. The
// options of a poll follow the text, each with its number from 1.
func AppendLine(dst []byte, m *Message) []byte {
	if m.DisplayName != "" {
		dst = append(dst, m.DisplayName...)
		dst = append(dst, ": "...)
	}
	dst = append(dst, m.Text...)
	for i, option := range m.Options {
		dst = append(dst, " ("...)
		dst = strconv.AppendInt(dst, int64(i)+1, 10)
		dst = append(dst, ") "...)
		dst = append(dst, option...)
	}
	return dst
}
