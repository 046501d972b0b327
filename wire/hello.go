package wire

// Hello resumes the sender of an earlier session, or signs in with a token. It must be the first frame, and have at least one of
// the two.
type Hello struct {
	Session string `json:"session,omitempty"`
	Token   string `json:"token,omitempty"` // a JWT of an issuer that the server trusts
	Held    bool   `json:"held,omitempty"`  // the client understands held messages
}

// Welcome ("welcome") is the first frame of a connection, and the answer to Hello.
type Welcome struct {
	Protocol string `json:"protocol"`
	Server   string `json:"server"`  // program and version
	SenderID string `json:"by"`      // public id of this sender
	Session  string `json:"session"` // secret of this sender, for Hello
	Name     string `json:"name"`    // name of this sender, or empty
	Known    bool   `json:"known"`   // this sender has proved an identity
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
	var h Hello
	var bad *CodedError
	if h.Token, bad = f.string("token"); bad == nil && h.Token != "" {
		bad = CheckToken(h.Token)
	}
	if bad != nil {
		return nil, "token", bad
	}
	if h.Held, bad = f.flag("held"); bad != nil {
		return nil, "held", bad
	}
	if h.Session, bad = f.string("session"); bad == nil && (h.Session != "" || h.Token == "") {
		bad = CheckSession(h.Session)
	}
	return h, "session", bad
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
