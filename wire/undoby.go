package wire

// UndoSample is how many steps an Undone shows of each kind.
const UndoSample = 50

// ActionsOf selects what a sender has done in a room as its moderator.
type ActionsOf struct {
	SenderID string `json:"by"`
	Since    *Time  `json:"since,omitempty"`  // only what was done at this time or later
	Before   uint64 `json:"before,omitempty"` // continues a request that has not taken all steps: Undone.Next
}

// Check checks the form of the selection.
func (a *ActionsOf) Check() *CodedError {
	if bad := CheckID(a.SenderID); bad != nil {
		return &CodedError{Code: bad.Code, Reason: "by must be a sender: " + bad.Reason}
	}
	return nil
}

// Undone answers a Moderate with UndoBy. With Dry, it says what would be undone. A setting that somebody else has changed since is in
// none of the lists: it stays as it is.
type Undone struct {
	Room  string `json:"room"`
	ID    string `json:"id"`
	Dry   bool   `json:"dry,omitempty"`
	To    uint64 `json:"to"`    // number of the newest record of the moderators' room that was looked at; for the Moderate that undoes it
	Count int    `json:"count"` // steps that were taken; with Dry: that would be

	Steps     []UndoStep `json:"steps"`                // those that were refused; with Dry: all. At most UndoSample, the newest action first
	Failed    int        `json:"failed,omitempty"`     // steps that were refused
	Unknown   int        `json:"unknown,omitempty"`    // steps of which it is not known whether they were taken; sent again, the request takes those that were not
	Rest      []UndoStep `json:"rest"`                 // actions that cannot be undone, at most UndoSample, the newest one first
	RestCount int        `json:"rest_count,omitempty"` // how many there are
	Next      uint64     `json:"next,omitempty"`       // some steps are left: send the same with this as ActionsOf.Before

	Code   Code   `json:"code,omitempty"` // why it has stopped early, after the steps that are counted
	Reason string `json:"reason,omitempty"`

	Ref string `json:"ref,omitempty"`
}

// An UndoStep undoes an action, or several changes of one setting. With a Key, the setting gets Value, or none, until a time; without one,
// the erasure of the action is undone. One of Undone.Rest has only N, Action, Why and Reason.
type UndoStep struct {
	N         uint64 `json:"n"`      // number of the action in the moderators' room; of several, the newest one
	Action    Action `json:"action"` // what is undone
	Key       string `json:"key,omitempty"`
	Value     Value  `json:"value,omitzero"`
	Until     Time   `json:"until,omitzero"`
	AddressOf uint64 `json:"address_of,omitempty"` // with the key AddressKey

	Code   Code   `json:"code,omitempty"`   // why the step was refused
	Why    string `json:"why,omitempty"`    // of Undone.Rest: why the action cannot be undone
	Reason string `json:"reason,omitempty"` // explains Code or Why
}

// Values of UndoStep.Why.
const (
	StaysUnknown  = "unknown"  // it is not known what was set before
	StaysOwnRole  = "own_role" // it is the role of the moderator
	StaysOwner    = "owner"    // it would take the room from its owner
	StaysExpired  = "expired"  // the erased texts are not kept any more
	StaysRestored = "restored" // an erasure was undone
	StaysApproved = "approved"
	StaysRejected = "rejected"
	StaysDeleted  = "deleted"
	StaysSettled  = "settled"
	StaysInvite   = "invite"
)

// Add adds what another request has done that continues the first one.
func (u *Undone) Add(next Undone) {
	u.Count, u.Failed, u.Unknown = u.Count+next.Count, u.Failed+next.Failed, u.Unknown+next.Unknown
	u.Steps = append(u.Steps, next.Steps...)
	u.Steps = u.Steps[:min(len(u.Steps), UndoSample)]
	u.Next, u.Code, u.Reason = next.Next, next.Code, next.Reason
}

var _ = answer[Undone]()

// Type implements Frame.
func (Undone) Type() string { return "undone" }

// Listed returns u with empty lists instead of none.
func (u Undone) Listed() Undone {
	if u.Steps == nil {
		u.Steps = []UndoStep{}
	}
	if u.Rest == nil {
		u.Rest = []UndoStep{}
	}
	return u
}

// actionsOf returns a selection of actions.
func (f *fields) actionsOf(name string) (*ActionsOf, *CodedError) {
	v := f.value(name)
	if v.Kind() != '{' {
		return nil, wrongKind("an object", v)
	}
	var a ActionsOf
	if err := ParseJSON(v, &a); err != nil {
		return nil, err
	}
	return &a, a.Check()
}
