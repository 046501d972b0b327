package wire

// Join subscribes to a room: to the messages after a position, or to the newest Last of them, and to all that
// follow.
type Join struct {
	Room  string    `json:"room"`
	After *Position `json:"after,omitempty"`
	Last  *int      `json:"last,omitempty"` // 0 to MaxLast; nil, with nil After: DefaultJoin
}

// Leave ends a Join.
type Leave struct {
	Room string `json:"room"`
}

// Joined answers Join. The messages of the room follow it.
type Joined struct {
	Room      string           `json:"room"`
	HistoryID string           `json:"log"`
	Epoch     string           `json:"epoch"`            // epoch of everything that follows
	N         uint64           `json:"n"`                // newest number; 0 in an empty room
	First     uint64           `json:"first"`            // oldest number kept; N+1 if none
	Count     int              `json:"count"`            // people in the room, including this one
	From      *uint64          `json:"from,omitempty"`   // the replay starts after this number; nil from older servers
	Unread    *int             `json:"unread,omitempty"` // messages after the position of the Join, at most MaxLast; nil without one, and from older servers
	Reset     bool             `json:"reset,omitempty"`  // the position belongs to another history: replayed as if Last were DefaultJoin
	Ref       string           `json:"ref,omitempty"`    // of the request
	Role      Role             `json:"role,omitzero"`    // of this sender in the room; none from older servers
	State     map[string]Value `json:"state,omitempty"`  // settings as of N, at most StateBytes of them
	Mine      Mine             `json:"mine,omitempty"`   // of the messages that are replayed
}

// Left ("left") says that the sender may no longer read a room, and is not in it any more: nothing follows of the room. It
// may join again when it has been given a role.
type Left struct {
	Room   string `json:"room"`
	Code   Code   `json:"code"`
	Reason string `json:"reason"`
	Rule   string `json:"rule,omitempty"`   // with Params and Until: the rule of the room, see CodedError
	Params Params `json:"params,omitempty"` // of the rule
	Until  Time   `json:"until,omitempty"`  // the rule ends then
}

// OwnRole ("role") says which role the receiver has in a room from now on. It is sent to those in the room whose role has
// changed.
type OwnRole struct {
	Room  string `json:"room"`
	Role  Role   `json:"role"`
	Until Time   `json:"until,omitempty"` // the role ends then; 0: it has no end
	Ref   string `json:"ref,omitempty"`   // of the request, if it answers one
}

// LeftBy returns the frame for a room that cannot be read because of e.
func LeftBy(room string, e *CodedError) Left {
	return Left{Room: room, Code: e.Code, Reason: e.Reason, Rule: e.Rule, Params: e.Params, Until: e.Until}
}

// Epoch says that another epoch has begun: in all rooms of the connection, everything that follows is of this epoch.
type Epoch struct {
	HistoryID string `json:"log"`
	Epoch     string `json:"epoch"`
}

// Reset ("reset") replaces Joined on HTTP streams if the position belongs to another history. A replay follows.
type Reset Joined

var (
	_ = request(Join{}, parseJoin)
	_ = request(Leave{}, ofRoom(func(room string) Frame { return Leave{Room: room} }))
	_ = answer[Joined]()
	_ = answer[Left]()
	_ = answer[OwnRole]()
	_ = answer[Epoch]()
	_ = answer[Reset]()
)

// Type implements Frame.
func (Join) Type() string { return "join" }

// Type implements Frame.
func (Leave) Type() string { return "leave" }

// Type implements Frame.
func (Joined) Type() string { return "joined" }

// Type implements Frame.
func (Left) Type() string { return "left" }

// Type implements Frame.
func (OwnRole) Type() string { return "role" }

// Type implements Frame.
func (Epoch) Type() string { return "epoch" }

// Type implements Frame.
func (Reset) Type() string { return "reset" }

// parseJoin parses the request.
func parseJoin(f fields) (Frame, string, *CodedError) {
	room, bad := f.room()
	if bad != nil {
		return nil, "room", bad
	}
	after, bad := f.position("after")
	if bad != nil {
		return nil, "after", bad
	}
	last, bad := f.number("last", MaxLast)
	if bad != nil {
		return nil, "last", bad
	}
	if last == nil {
		return Join{Room: room, After: after}, "", nil
	}
	if after != nil {
		return nil, "", &CodedError{Code: BadRequest, Reason: "use after or last, not both"}
	}
	n := int(*last)
	return Join{Room: room, Last: &n}, "", nil
}
