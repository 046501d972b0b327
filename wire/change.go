package wire

// Change edits or deletes message Of, which the sender posted, or withdraws the message with the id Held, which waits for a
// moderator. Repeating the same ID in the same room never changes twice.
type Change struct {
	Room string  `json:"room"`
	ID   string  `json:"id"`
	Of   uint64  `json:"of,omitempty"`
	Text *string `json:"text"`           // the new text; nil deletes the message
	Held string  `json:"held,omitempty"` // instead of Of, with the Text nil
}

// Changed says that a message was edited or deleted, or that a moderator has erased messages. Like every frame of a room it
// has a number of its own.
type Changed struct {
	Room        string  `json:"room"`
	N           uint64  `json:"n"`
	At          Time    `json:"at"`
	Of          Targets `json:"of"`             // the messages; none if a later Changed has replaced this one
	SenderID    string  `json:"by,omitempty"`   // with From and ID: the sender, if it is the author of the message; without them: only messages of this sender are changed
	DisplayName string  `json:"from,omitempty"` // name of the sender at that time, or empty
	ID          string  `json:"id,omitempty"`
	Text        *string `json:"text"`              // the new text; nil: deleted
	Erasure     uint64  `json:"erasure,omitempty"` // of a step of an erasure: the number of the erasure, which is the Edited of the messages
}

var (
	_ = request(Change{}, parseChange)
	_ = answer[Changed]()
)

// Type implements Frame.
func (Change) Type() string { return "change" }

func (c Change) posted() (room, id string) { return c.Room, c.ID }

// Type implements Frame.
func (Changed) Type() string { return "changed" }

// parseChange parses the request.
func parseChange(f fields) (Frame, string, *CodedError) {
	var change Change
	var where string
	var bad *CodedError
	if change.Room, change.ID, where, bad = f.posted(); change.ID == "" {
		return nil, where, bad
	}
	if bad != nil {
		return change, where, bad
	}
	if f.value("held") != nil && f.value("of") == nil {
		if change.Held, bad = f.string("held"); bad == nil {
			bad = CheckID(change.Held)
		}
		if bad == nil && !f.isNull("text") {
			bad = &CodedError{Code: BadRequest, Reason: "a message that waits for a moderator can be withdrawn, with the text null, and not edited"}
		}
		return change, "held", bad
	}
	if change.Of, bad = f.target("of"); bad != nil {
		return change, "of", bad
	}
	if f.isNull("text") {
		return change, "", nil
	}
	if f.value("text") == nil { // a client that omits the text does not mean to delete the message
		return change, "text", &CodedError{Code: BadRequest, Reason: "it is missing; it is the new text, or null to delete the message"}
	}
	text, bad := f.string("text")
	if bad != nil {
		return change, "text", bad
	}
	text = NormalizeText(text)
	change.Text = &text
	return change, "", nil
}
