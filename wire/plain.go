package wire

// Greeting greets every client: in the first frame of the plain protocol, and in the welcome of ramai.v1.
const Greeting = "Welcome to chat! Type a message"

// NoticePrefix begins plain protocol messages from the server itself. Names do not begin with it, so "name: text" does
// not either.
const NoticePrefix = "! "

// AppendLine appends a message as sent in the plain protocol: its bare text, or "name: text" if its sender has a name.
func AppendLine(dst []byte, m *Message) []byte {
	if m.DisplayName != "" {
		dst = append(dst, m.DisplayName...)
		dst = append(dst, ": "...)
	}
	return append(dst, m.Text...)
}
