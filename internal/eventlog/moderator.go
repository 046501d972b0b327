package eventlog

import (
	"fmt"
	"slices"
	"time"

	"ramai/wire"
)

// Limits of what moderators can erase; beyond them an owner is needed.
const (
	ModeratorErases = 500            // messages
	ModeratorAge    = 24 * time.Hour // of the oldest message
)

// mayErase returns why the sender of a command must not erase messages of some senders: count of them, the oldest of which is
// of a time.
func (c *Delta) mayErase(cmd *Command, by []string, count uint64, oldest wire.Time) *wire.CodedError {
	own := c.rank(cmd.Room, cmd.SenderID)
	if own < moderatorRank {
		return roleTooLow(wire.RoleModerator, "only moderators of the room can erase messages of others")
	}
	for _, sender := range by {
		if c.rank(cmd.Room, sender) >= own {
			return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: fmt.Sprintf("the role of the sender %s is not lower than yours, so you cannot erase the messages", sender)}
		}
	}
	if own >= ownerRank {
		return nil
	}
	if count > ModeratorErases {
		return roleTooLow(wire.RoleOwner, fmt.Sprintf("there are %d messages to erase; moderators can erase %d at once, and owners of the room more", count, ModeratorErases))
	}
	if int64(c.at-oldest) > ModeratorAge.Milliseconds() {
		return roleTooLow(wire.RoleOwner, fmt.Sprintf("the oldest message to erase is of %v; moderators can erase messages of the last %s, and owners of the room older ones; use since", oldest, ModeratorAge))
	}
	return nil
}

// mayRestore returns why the sender of a command must not undo an erasure.
func (c *Delta) mayRestore(cmd *Command, e *Erasure) *wire.CodedError {
	own := c.rank(cmd.Room, cmd.SenderID)
	switch {
	case own < moderatorRank:
		return roleTooLow(wire.RoleModerator, "only moderators of the room can undo an erasure")
	case e.SenderID != cmd.SenderID && c.rank(cmd.Room, e.SenderID) >= own:
		return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: fmt.Sprintf("erasure %d is of a moderator whose role is not lower than yours; only that moderator or somebody with a higher role can undo it", e.N)}
	case e.SenderID != cmd.SenderID && own < ownerRank && slices.Contains(e.By, cmd.SenderID): // who was a guest then
		return roleTooLow(wire.RoleOwner, fmt.Sprintf("erasure %d has erased messages of yours; another moderator or an owner can undo it", e.N))
	}
	return nil
}
