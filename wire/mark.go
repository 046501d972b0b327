package wire

// Mark adds a mark of the sender to message Of, or takes it away. Repeated, it changes nothing.
type Mark struct {
	Room string `json:"room"`
	Of   uint64 `json:"of"`
	Key  string `json:"key"` // see CheckMarkKey
	On   bool   `json:"on"`
}

// Tally has all counts of some messages. A message's key that is missing has the count 0.
type Tally struct {
	Room string            `json:"room"`
	N    uint64            `json:"n"`
	At   Time              `json:"at"`
	Of   map[uint64]Counts `json:"of"`
}

// Marked answers Mark, and tells the sender's other connections in the room about it.
type Marked struct {
	Room string `json:"room"`
	Of   uint64 `json:"of"`
	Key  string `json:"key"`
	On   bool   `json:"on"`
	Ref  string `json:"ref,omitempty"` // of the request
}

var (
	_ = request(Mark{}, parseMark)
	_ = answer[Tally]()
	_ = answer[Marked]()
)

// Type implements Frame.
func (Mark) Type() string { return "mark" }

// Type implements Frame.
func (Tally) Type() string { return "tally" }

// Type implements Frame.
func (Marked) Type() string { return "marked" }

// parseMark parses the request.
func parseMark(f fields) (Frame, string, *CodedError) {
	room, bad := f.room()
	if bad != nil {
		return nil, "room", bad
	}
	mark := Mark{Room: room}
	if mark.Of, bad = f.target("of"); bad != nil {
		return nil, "of", bad
	}
	if mark.Key, bad = f.string("key"); bad == nil {
		bad = CheckMarkKey(mark.Key)
	}
	if bad != nil {
		return nil, "key", bad
	}
	mark.On, bad = f.bool("on")
	return mark, "on", bad
}

// Counts has the number of senders for each key of a message's marks.
type Counts map[string]uint64

// Mine has the keys of the receiver's marks, in ascending order, by number of the message.
type Mine map[uint64][]string
