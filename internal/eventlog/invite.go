package eventlog

import (
	"fmt"

	"ramai/wire"
)

// InviteBody is the body of an Invite, which makes an invite to a room. The log knows the secret only by its digest.
//
// The id of the command makes a retry recognizable as long as the invite exists: the new invite replaces the one that the sender
// made with the same id, because the secret of that one may have been lost on its way. The same holds for the one invite of an
// owner with the role owner.
type InviteBody struct {
	_      struct{}  `cbor:",toarray"`
	Digest string    // of the secret
	Role   wire.Role // that redeeming the invite gives
	Uses   int       // 1 to wire.MaxUses
	Until  wire.Time // when it expires; 0: it does not, only with the role owner
}

func (InviteBody) kind() Kind { return Invite }

// digestLen is the length of a digest: SHA-256 in base64url.
const digestLen = 43

type inviteKind struct {
	onDemand
	withBody[InviteBody]
	noRecords
}

func (inviteKind) name() string { return "invite" }

func (inviteKind) check(c *Command) error {
	body, err := bodyOf[InviteBody](c)
	switch {
	case err != nil:
		return err
	case body.Role < wire.RoleReader || body.Role > wire.RoleOwner:
		return fmt.Errorf("an invite command gives the role %v", body.Role)
	case body.Uses < 1 || body.Uses > wire.MaxUses || body.Role == wire.RoleOwner && body.Uses > 1:
		return fmt.Errorf("an invite command with the role %v has %d uses", body.Role, body.Uses)
	case body.Until < 0 || (body.Until == 0) != (body.Role == wire.RoleOwner):
		return fmt.Errorf("an invite command with the role %v expires at %d", body.Role, body.Until)
	}
	if err := checkDigest(Invite, body.Digest); err != nil {
		return err
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

func checkDigest(kind Kind, s string) error {
	if len(s) != digestLen || wire.CheckID(s) != nil {
		return fmt.Errorf("a %v command has a digest of %d characters, want %d of base64url", kind, len(s), digestLen)
	}
	return nil
}

// A storedInvite is the value of an entry of Invites, whose key is the digest.
type storedInvite struct {
	_       struct{} `cbor:",toarray"`
	Role    wire.Role
	Uses    int
	Used    int // senders that have redeemed it
	Until   wire.Time
	Creator string
	ID      string // of the command
}

func decodeInvite(value string) (i storedInvite, err error) {
	if err := decoding.Unmarshal([]byte(value), &i); err != nil {
		return i, fmt.Errorf("%w: an invite: %w", ErrDamaged, err)
	}
	return i, nil
}

// over reports whether nobody can redeem the invite any more.
func (i *storedInvite) over(at wire.Time) bool { return i.Used >= i.Uses || i.expired(at) }

func (i *storedInvite) expired(at wire.Time) bool { return i.Until != 0 && i.Until <= at }

// inviteOver reports whether an invite has expired. One that is used up stays until then, so that its redemption says why.
func inviteOver(e *Entry, at wire.Time) (bool, error) {
	i, err := decodeInvite(e.Value)
	return err == nil && i.expired(at), err
}

func (c *Delta) putInvite(tx Tx, room, digest string, i *storedInvite) error {
	value, err := encoding.Marshal(i)
	if err != nil {
		return err
	}
	return tx.PutEntry(&Entry{Table: Invites, Room: room, Key: digest, Value: string(value)})
}

func (inviteKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[InviteBody](o.Command)
	if err != nil {
		return err
	}
	room := o.Command.Room
	refused := c.refusedInvite(o.Command, body)
	if refused == nil {
		refused, err = c.makeSpace(tx, o.Command, body)
	}
	if refused != nil || err != nil {
		o.refuseWith(refused)
		return err
	}
	c.logAction(o, &wire.Action{Do: wire.DoInvite, Value: wire.TextValue(body.Role.String()), Count: uint64(body.Uses), Until: body.Until})
	return c.putInvite(tx, room, body.Digest, &storedInvite{Role: body.Role, Uses: body.Uses, Until: body.Until, Creator: o.Command.SenderID, ID: o.Command.ID})
}

// refusedInvite returns why a sender cannot make an invite: it takes what a Set of the role takes.
func (c *Delta) refusedInvite(cmd *Command, body InviteBody) *wire.CodedError {
	if refused := refusedInBase(cmd.Room); refused != nil {
		return refused
	}
	if body.Until != 0 && body.Until <= c.at {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the time %v is over; use one ahead", body.Until)}
	}
	return c.refusedGrant(cmd.Room, cmd.SenderID, body.Role)
}

// refusedGrant returns why a sender cannot give others a role: it takes a moderator, and a higher role than the given one, except that
// an owner can give away the ownership.
func (c *Delta) refusedGrant(room, senderID string, role wire.Role) *wire.CodedError {
	if senderID != OperatorSender {
		rules := c.rulesOf(room)
		if refused := rules.refusedPerson(senderID, actRule); refused != nil {
			return refused
		}
	}
	switch has := c.rank(room, senderID); {
	case has < moderatorRank:
		return roleTooLow(wire.RoleModerator, fmt.Sprintf("only moderators and owners of the room %s make invites", room))
	case has <= rank(role) && role != wire.RoleOwner, has < ownerRank && role == wire.RoleOwner:
		return roleTooLow(wire.RoleOwner, fmt.Sprintf("only an owner of the room %s can give the role %v", room, role))
	}
	return nil
}

// makeSpace deletes the invite that a new one replaces, and those that are over. It refuses if too many are left.
func (c *Delta) makeSpace(tx Tx, cmd *Command, body InviteBody) (*wire.CodedError, error) {
	left := 0
	for after := ""; ; {
		entries, err := tx.Entries(Invites, cmd.Room, "", after, MaxEntries)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			after = entries[i].Key
			old, err := decodeInvite(entries[i].Value)
			if err != nil {
				return nil, err
			}
			replaced := old.Creator == cmd.SenderID && (old.ID == cmd.ID || old.Role == wire.RoleOwner && body.Role == wire.RoleOwner)
			if !replaced && !old.over(c.at) {
				left++
			} else if err := tx.DeleteEntry(Invites, cmd.Room, entries[i].Key); err != nil {
				return nil, err
			}
		}
		if len(entries) < MaxEntries {
			break
		}
	}
	if left >= wire.MaxInvites {
		return &wire.CodedError{
			Code: wire.NotAllowed, Rule: wire.RuleInvite,
			Reason: fmt.Sprintf("the room %s has %d invites, which is the maximum; wait until one expires or is used up", cmd.Room, wire.MaxInvites),
		}, nil
	}
	return nil, nil
}

// An InviteInfo describes an invite without its secret.
type InviteInfo struct {
	Role       wire.Role
	Uses, Used int       // of the sender who made it; 0 of one who has redeemed it
	Until      wire.Time // when the invite expires; 0: it does not
}

// InviteOf returns the invite that an entry has of a sender, and whether it made the "invite" or is the "redemption" of one; "" for
// entries of other tables.
func InviteOf(e *Entry, senderID string) (info InviteInfo, typ string, err error) {
	switch e.Table {
	case Invites:
		i, err := decodeInvite(e.Value)
		if err != nil || i.Creator != senderID {
			return info, "", err
		}
		return InviteInfo{i.Role, i.Uses, i.Used, i.Until}, "invite", nil
	case Redemptions:
		r, err := decodeRedemption(e.Value)
		return InviteInfo{Role: r.Role, Until: r.Until}, "redemption", err
	}
	return info, "", nil
}
