package wire

import "strconv"

// PreviewSample is how many messages a Preview shows.
const PreviewSample = 5

// Moderate is what a moderator does to a room: it erases messages or undoes that, decides about a held message, or undoes what another
// moderator did. Exactly one of Erase, Undo, UndoBy, Approve and Reject is set.
// Repeating the same ID in the same room never erases or undoes twice.
type Moderate struct {
	Room   string     `json:"room"`
	ID     string     `json:"id"`
	Erase  *Selection `json:"erase,omitempty"`
	To     uint64     `json:"to,omitempty"`      // with Erase: messages with higher numbers are not erased; with UndoBy: what has a higher number in the moderators' room stays; 0 only with Dry
	HeldTo uint64     `json:"held_to,omitempty"` // with Erase: held messages with higher numbers in the moderators' room are not rejected; 0: all of the selection are
	Dry    bool       `json:"dry,omitempty"`     // with Erase and UndoBy: nothing is done, and the answer is a Preview, or what an Undone would say
	Undo   uint64     `json:"undo,omitempty"`

	UndoBy *ActionsOf `json:"undo_by,omitempty"` // an owner undoes what a moderator did; answered by Undone

	Approve *HeldID `json:"approve,omitempty"` // posts the held message
	Reject  *HeldID `json:"reject,omitempty"`
}

// A Selection describes messages of a room. Exactly one of SenderID, AddressOf and Newcomers is set.
type Selection struct {
	SenderID  string `json:"by,omitempty"`         // those of this sender
	AddressOf uint64 `json:"address_of,omitempty"` // those that came from the address of this message, as far as it is known
	Newcomers bool   `json:"newcomers,omitempty"`  // those of senders who first posted at Since or later
	Since     *Time  `json:"since,omitempty"`      // only those of this time or later
}

// String returns the selection in a form that is the same for equal selections.
func (s *Selection) String() string {
	text := "by " + s.SenderID
	switch {
	case s.AddressOf > 0:
		text = "address of " + strconv.FormatUint(s.AddressOf, 10)
	case s.Newcomers:
		text = "newcomers"
	}
	if s.Since != nil {
		text += " since " + s.Since.String()
	}
	return text
}

// Check checks the form of a selection.
func (s *Selection) Check() *CodedError {
	kinds := 0
	for _, is := range [...]bool{s.SenderID != "", s.AddressOf > 0, s.Newcomers} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return &CodedError{Code: BadRequest, Reason: "it must have exactly one of by (a sender), address_of (the number of a message) and newcomers (true)"}
	case s.Newcomers && s.Since == nil:
		return &CodedError{Code: BadRequest, Reason: "newcomers needs since, the time from which on they first posted"}
	case s.SenderID == "":
		return nil
	}
	if bad := CheckID(s.SenderID); bad != nil {
		return &CodedError{Code: bad.Code, Reason: "by must be a sender: " + bad.Reason}
	}
	return nil
}

// Preview answers a Moderate with Dry.
type Preview struct {
	Room    string    `json:"room"`
	ID      string    `json:"id"`
	Count   int       `json:"count"`   // messages that would be erased
	Senders int       `json:"senders"` // whose messages these are
	Sample  []Message `json:"sample"`  // the newest ones, at most PreviewSample, ascending
	To      uint64    `json:"to"`      // number for the Moderate that erases them

	Held   int    `json:"held,omitempty"`    // messages of the selection that wait for a moderator: they would be rejected, and undoing the erasure does not bring them back
	HeldTo uint64 `json:"held_to,omitempty"` // number for the Moderate that rejects them

	Kept      int `json:"kept,omitempty"`      // of a selection by address or of newcomers: messages of moderators and owners, which would not be erased
	Addresses int `json:"addresses,omitempty"` // of such a selection: addresses that the messages came from, as far as they are known
	Present   int `json:"present,omitempty"`   // people who are in the room now from one of these addresses

	Ref string `json:"ref,omitempty"`
}

// Restored says that erased messages were restored, as far as their authors have not deleted them: they have to be loaded
// again.
type Restored struct {
	Room    string  `json:"room"`
	N       uint64  `json:"n"`
	At      Time    `json:"at"`
	Of      Targets `json:"of"`                // none: the frames of the steps follow
	Erasure uint64  `json:"erasure,omitempty"` // number of the erasure that was undone
}

var (
	_ = request(Moderate{}, parseModerate)
	_ = answer[Preview]()
	_ = answer[Restored]()
)

// Type implements Frame.
func (Moderate) Type() string { return "moderate" }

func (m Moderate) posted() (room, id string) { return m.Room, m.ID }

// Type implements Frame.
func (Preview) Type() string { return "preview" }

// Type implements Frame.
func (Restored) Type() string { return "restored" }

// parseModerate parses the request.
func parseModerate(f fields) (Frame, string, *CodedError) {
	var m Moderate
	var where string
	var bad *CodedError
	if m.Room, m.ID, where, bad = f.posted(); m.ID == "" {
		return nil, where, bad
	}
	if bad != nil {
		return m, where, bad
	}
	if f.value("erase") != nil {
		if m.Erase, bad = f.selection("erase"); bad != nil {
			return m, "erase", bad
		}
	}
	if f.value("undo_by") != nil {
		if m.UndoBy, bad = f.actionsOf("undo_by"); bad != nil {
			return m, "undo_by", bad
		}
	}
	if f.value("to") != nil {
		if m.To, bad = f.target("to"); bad != nil {
			return m, "to", bad
		}
	}
	if f.value("held_to") != nil {
		if m.HeldTo, bad = f.target("held_to"); bad != nil {
			return m, "held_to", bad
		}
	}
	if f.value("dry") != nil {
		if m.Dry, bad = f.bool("dry"); bad != nil {
			return m, "dry", bad
		}
	}
	if f.value("undo") != nil {
		if m.Undo, bad = f.target("undo"); bad != nil {
			return m, "undo", bad
		}
	}
	for _, decision := range [...]struct {
		name string
		of   **HeldID
	}{{"approve", &m.Approve}, {"reject", &m.Reject}} {
		if *decision.of, bad = f.heldID(decision.name); bad != nil {
			return m, decision.name, bad
		}
	}
	return m, "", m.Check()
}

// heldID returns the value of approve or reject, or nil.
func (f *fields) heldID(name string) (*HeldID, *CodedError) {
	v := f.value(name)
	if v == nil {
		return nil, nil
	}
	if v.Kind() != '{' {
		return nil, wrongKind("an object", v)
	}
	var h HeldID
	if err := ParseJSON(v, &h); err != nil {
		return nil, err
	}
	return &h, h.Check()
}

// Check checks that the request asks for exactly one thing, and has what that needs.
func (m *Moderate) Check() *CodedError {
	things := 0
	for _, is := range [...]bool{m.Erase != nil, m.Undo > 0, m.UndoBy != nil, m.Approve != nil, m.Reject != nil} {
		if is {
			things++
		}
	}
	switch {
	case things != 1:
		return &CodedError{Code: BadRequest, Reason: "it must have exactly one of erase, undo, undo_by, approve and reject"}
	case m.Erase == nil && m.UndoBy == nil && (m.Dry || m.To > 0):
		return &CodedError{Code: BadRequest, Reason: "dry and to belong to erase and undo_by; leave them out"}
	case m.Erase == nil && m.HeldTo > 0:
		return &CodedError{Code: BadRequest, Reason: "held_to belongs to erase; leave it out"}
	case m.UndoBy != nil && !m.Dry && m.To == 0:
		return &CodedError{Code: BadRequest, Reason: "undo_by needs to, the number up to which actions are undone, as the answer has it; send the same with dry: true to get one"}
	case m.Erase != nil && !m.Dry && m.To == 0:
		return &CodedError{Code: BadRequest, Reason: "erase needs to, the number up to which messages are erased, as a preview has it; send the same with dry: true to get one"}
	}
	return nil
}

// selection returns a selection of messages.
func (f *fields) selection(name string) (*Selection, *CodedError) {
	v := f.value(name)
	if v.Kind() != '{' {
		return nil, wrongKind("an object", v)
	}
	var s Selection
	if err := ParseJSON(v, &s); err != nil {
		return nil, err
	}
	return &s, s.Check()
}
