package wire

import "strings"

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
	ReportMessage = "report" // somebody has reported message Of; the text is theirs
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
	DoInvite  = "invite"  // an invite was made
	DoRedeem  = "redeem"  // an invite was redeemed
)

// An Action is what a moderator did in a room; the message has who and when. Only fields that apply are set. A password and the
// secret of an invite are never part of it.
type Action struct {
	Do          string `json:"do"`
	Key         string `json:"key,omitempty"`     // of DoSet: the key; a preset is one action
	Value       Value  `json:"value,omitzero"`    // of DoSet: the new value; none: it was unset. Of DoInvite and DoRedeem: the role
	Before      Value  `json:"before,omitzero"`   // of DoSet: the value before; none: there was none
	Until       Time   `json:"until,omitzero"`    // of DoSet and DoInvite: when it ends
	Of          uint64 `json:"of,omitempty"`      // of DoApprove: number of the message in the room; of DoDelete: number of the message
	SenderID    string `json:"by,omitempty"`      // whom it is about
	DisplayName string `json:"from,omitempty"`    // with By: the name at that time, or empty
	Count       uint64 `json:"count,omitempty"`   // of DoErase: messages; of DoInvite: uses
	Erasure     uint64 `json:"erasure,omitempty"` // of DoErase and DoUndo: number of the erasure
	Reason      string `json:"reason,omitempty"`  // of DoErase: the selection
}

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
