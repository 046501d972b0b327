package wire

// Greeting is the text that greets every client, on the plain door as the first frame, on ramai.v1 in the welcome.
const Greeting = "Welcome to chat! Type a message"

// NoticePrefix begins a text frame of the plain door that is from the server and not from the room. No name and so no
// "name: text" begins with it.
const NoticePrefix = "! "

// AppendLine appends a message as the plain door shows it: its bare text, or "name: text" if its sender had a name.
func AppendLine(dst []byte, m *Message) []byte {
	if m.DisplayName != "" {
		dst = append(dst, m.DisplayName...)
		dst = append(dst, ": "...)
	}
	return append(dst, m.Text...)
}
