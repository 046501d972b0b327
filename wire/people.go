package wire

// Presence is the current presence in a room, sent at most once a second.
type Presence struct {
	Room  string   `json:"room"`
	Count int      `json:"count"` // people: a sender with several connections counts once
	Names []string `json:"names"` // in rooms of up to MaxNamed people, in alphabetical order; otherwise empty
}

// Who asks who is in Room. The answer has the number of people, and the names that begin with Prefix.
type Who struct {
	Room     string   `json:"room"`
	Prefix   string   `json:"prefix,omitempty"` // in any case, with or without accents; at most MaxPrefix bytes
	Limit    int      `json:"limit,omitempty"`  // of Names, in a request: 1 to MaxWho; 0: MaxWho
	Count    int      `json:"count"`            // people, with and without a name
	Matching int      `json:"matching"`         // people whose name begins with Prefix
	Names    []string `json:"names"`            // of the latest speakers first, then in alphabetical order
	Ref      string   `json:"ref,omitempty"`    // of the request
}

// Name reserves a name, or releases it if empty. The answer says which name the sender has now. The server also
// sends it when the name was changed by another connection of the sender or by the operator, or has expired.
type Name struct {
	Name string `json:"name"`
	Ref  string `json:"ref,omitempty"` // of the request
}

// Typing announces that the sender is typing in Room. From the server, it lists everyone who is.
type Typing struct {
	Room string   `json:"room"`
	By   []Sender `json:"by,omitzero"` // always present in frames from the server
}

// Sender is the public identity of a sender: its id and its name, which may be empty.
type Sender struct {
	SenderID    string `json:"by"`
	DisplayName string `json:"from"`
}

var (
	_ = request(Typing{}, ofRoom(func(room string) Frame { return Typing{Room: room} }))
	_ = request(Who{}, parseWho)
	_ = request(Name{}, parseName)
	_ = answer[Presence]()
	_ = answer[Who]()
	_ = answer[Name]()
	_ = answer[Typing]()
)

// Type implements Frame.
func (Who) Type() string { return "who" }

// Type implements Frame.
func (Name) Type() string { return "name" }

// Type implements Frame.
func (Typing) Type() string { return "typing" }

// Type implements Frame.
func (Presence) Type() string { return "presence" }

// parseWho parses the request.
func parseWho(f fields) (Frame, string, *CodedError) {
	room, bad := f.room()
	if bad != nil {
		return nil, "room", bad
	}
	who := Who{Room: room}
	if who.Prefix, bad = f.string("prefix"); bad == nil {
		bad = CheckPrefix(who.Prefix)
	}
	if bad != nil {
		return nil, "prefix", bad
	}
	limit, bad := f.number("limit", MaxWho)
	if bad != nil {
		return nil, "limit", bad
	}
	if limit != nil {
		who.Limit = int(*limit)
	}
	return who, "", nil
}

// parseName parses the request.
func parseName(f fields) (Frame, string, *CodedError) {
	name, bad := f.string("name")
	return Name{Name: name}, "name", bad
}
