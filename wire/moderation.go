package wire

import (
	"strconv"
	"strings"
)

// Each room has a room of its moderators, and one of its owners, in which they find what is to be decided and what was done.
// These have the rules of the room: only its moderators, or only its owners, read them and post there.
const (
	moderatorsPrefix = "~"
	ownersPrefix     = "~~"
)

// ModeratorsRoom returns the name of the room of a room's moderators.
func ModeratorsRoom(room string) string { return moderatorsPrefix + room }

// OwnersRoom returns the name of the room of a room's owners.
func OwnersRoom(room string) string { return ownersPrefix + room }

// BaseRoom returns the room to which a room of moderators or owners belongs, and the lowest role there with which the latter
// can be read. Other rooms belong to themselves, and the role is RoleNone.
func BaseRoom(room string) (base string, wants Role) {
	if base, ok := strings.CutPrefix(room, ownersPrefix); ok {
		return base, RoleOwner
	}
	if base, ok := strings.CutPrefix(room, moderatorsPrefix); ok {
		return base, RoleModerator
	}
	return room, RoleNone
}

// Values of Message.As in the rooms of moderators and owners. No client posts these.
const (
	HeldMessage   = "held"   // a message that waits for a moderator; it is gone when that has been decided
	ReportMessage = "report" // somebody has reported message Of; the text is theirs. It is gone when that is settled
	ActionMessage = "action" // something was done; Action says what
)

// Values of Action.Do.
const (
	DoSet     = "set"     // a rule or a role was set
	DoErase   = "erase"   // messages were erased
	DoUndo    = "undo"    // an erasure was undone
	DoApprove = "approve" // a held message was approved
	DoReject  = "reject"  // a held message was rejected
	DoDelete  = "delete"  // a message of somebody else was deleted
	DoSettle  = "settle"  // a report was settled
	DoInvite  = "invite"  // an invite was made
	DoRedeem  = "redeem"  // an invite was redeemed
)

// An Action is what a moderator did in a room; the message has who and when. Only fields that apply are set. A password and the
// secret of an invite are never part of it.
type Action struct {
	Do          string `json:"do"`
	Key         string `json:"key,omitempty"`         // of DoSet: the key; a preset is one action, with Rules
	Value       Value  `json:"value,omitzero"`        // of DoSet: the new value; none: it was unset. Of DoInvite and DoRedeem: the role
	Before      Value  `json:"before,omitzero"`       // of DoSet: the value before; none: there was none
	Until       Time   `json:"until,omitzero"`        // of DoSet and DoInvite: when it ends
	BeforeUntil Time   `json:"before_until,omitzero"` // with Before: when that would have ended
	Of          uint64 `json:"of,omitempty"`          // of DoSet with AddressKey: number of the message whose address is meant; of DoApprove: number of the message in the room; of DoDelete and DoSettle: number of the message
	SenderID    string `json:"by,omitempty"`          // whom it is about
	DisplayName string `json:"from,omitempty"`        // with By: the name at that time, or empty
	Count       uint64 `json:"count,omitempty"`       // of DoErase: messages; of DoInvite: uses
	Erasure     uint64 `json:"erasure,omitempty"`     // of DoErase and DoUndo: number of the erasure
	Reason      string `json:"reason,omitempty"`      // of DoErase: the selection

	Rules []RuleChange `json:"rules,omitempty"` // of DoSet with PresetKey: what else it has changed
}

// A RuleChange is what a preset did to a rule. It ends with the preset.
type RuleChange struct {
	Key         string `json:"key"`
	Value       Value  `json:"value,omitzero"`  // none: it was unset
	Before      Value  `json:"before,omitzero"` // none: there was none
	BeforeUntil Time   `json:"before_until,omitzero"`
}

// MaxReport is the limit of the text of a Report, in bytes.
const MaxReport = 500

// Values of ParamWhy in the refusal of a message that was held.
const (
	HeldRejected = "rejected" // by a moderator
	HeldExpired  = "expired"  // nobody has decided in time
)

// HeldID names a held message.
type HeldID struct {
	SenderID string `json:"by"`
	ID       string `json:"held"`
}

// Check checks the form of a HeldID.
func (h *HeldID) Check() *CodedError {
	if bad := CheckID(h.SenderID); bad != nil {
		return &CodedError{Code: bad.Code, Reason: "by must be the author of the held message: " + bad.Reason}
	}
	if bad := CheckID(h.ID); bad != nil {
		return &CodedError{Code: bad.Code, Reason: "held must be the id of the held message: " + bad.Reason}
	}
	return nil
}

// Report tells the moderators of a room about message Of, or its owners about one of a moderator. A sender reports a message
// once; repeating that is answered by Saved, too.
type Report struct {
	Room string `json:"room"`
	ID   string `json:"id,omitempty"` // repeated in the answer; empty: ReportID
	Of   uint64 `json:"of"`
	Text string `json:"text,omitempty"` // at most MaxReport bytes
}

// ReportID is the id of a Report that has none.
func ReportID(of uint64) string { return "report-" + strconv.FormatUint(of, 10) }

// HeldBack ("held") answers a Say that waits for a moderator, to a client that said Hello.Held. Saved or Refused follows, or answers
// the same Say on a later connection.
type HeldBack struct {
	Room string `json:"room"`
	ID   string `json:"id"`
	Ref  string `json:"ref,omitempty"` // of the request
}

var (
	_ = request(Report{}, parseReport)
	_ = answer[HeldBack]()
)

// Type implements Frame.
func (Report) Type() string { return "report" }

func (r Report) posted() (room, id string) { return r.Room, r.ID }

// Type implements Frame.
func (HeldBack) Type() string { return "held" }

// RoomName implements RoomFrame.
func (f HeldBack) RoomName() string { return f.Room }

// parseReport parses the request.
func parseReport(f fields) (Frame, string, *CodedError) {
	var r Report
	var bad *CodedError
	if r.Room, bad = f.room(); bad != nil {
		return nil, "room", bad
	}
	if r.Of, bad = f.target("of"); bad != nil {
		return nil, "of", bad
	}
	r.ID = ReportID(r.Of)
	if f.value("id") != nil {
		if r.ID, bad = f.string("id"); bad == nil {
			bad = CheckID(r.ID)
		}
		if bad != nil {
			return nil, "id", bad
		}
	}
	if r.Text, bad = f.string("text"); bad == nil {
		r.Text = NormalizeText(r.Text)
		bad = CheckText(r.Text, MaxReport)
	}
	return r, "text", bad
}
