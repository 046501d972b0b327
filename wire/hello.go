package wire

// Hello resumes the sender of an earlier session. It must be the first frame.
type Hello struct {
	Session string `json:"session"`
}

// Welcome ("welcome") is the first frame of a connection, and the answer to Hello.
type Welcome struct {
	Protocol string `json:"protocol"`
	Server   string `json:"server"`  // program and version
	SenderID string `json:"by"`      // public id of this sender
	Session  string `json:"session"` // secret of this sender, for Hello
	Name     string `json:"name"`    // name of this sender, or empty
	Text     string `json:"text"`
	Limits   Limits `json:"limits"`
	Ref      string `json:"ref,omitempty"` // of the request
}

// Restarting announces that the server shuts down. Each client gets another delay.
type Restarting struct {
	RetryAfterMS int64 `json:"retry_after_ms"`
}

var (
	_ = request(Hello{}, parseHello)
	_ = answer[Welcome]()
	_ = answer[Restarting]()
)

// Type implements Frame.
func (Hello) Type() string { return "hello" }

// Type implements Frame.
func (Welcome) Type() string { return "welcome" }

// Type implements Frame.
func (Restarting) Type() string { return "restarting" }

// parseHello parses the request.
func parseHello(f fields) (Frame, string, *CodedError) {
	session, bad := f.string("session")
	if bad == nil {
		bad = CheckSession(session)
	}
	return Hello{Session: session}, "session", bad
}

// Limits are the limits of this server.
type Limits struct {
	Text  int     `json:"text"`  // bytes of a text
	Frame int     `json:"frame"` // bytes of a frame
	Rate  float64 `json:"rate"`  // messages a second; 0: no limit
	Burst int     `json:"burst"` // messages at once
	Rooms int     `json:"rooms"` // rooms that a connection may join

	// EditWindow is how long authors can edit and delete a message, in milliseconds; 0: not at all.
	EditWindow int64 `json:"edit_window_ms"`
}
