package eventlog

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"ramai/wire"
)

// RedeemBody is the body of a Redeem: the sender gets the role of an invite, the role guest of a password, or the role that a token
// claims. It adds a record like that of a Set of the role, unless the sender has the role already.
//
// The command needs no id: an invite counts once for each sender, and repeated, the command changes nothing.
type RedeemBody struct {
	Invite   string    // digest of the secret
	Password string    // instead, the digest of the stored hash with which the password was compared
	Role     wire.Role // instead, the role that a verified token claims, at most moderator; from HoldLevel on
	Until    wire.Time // with Role: when the token expires
}

// encodedRedeem is how a RedeemBody is encoded without a Role.
type encodedRedeem struct {
	_        struct{} `cbor:",toarray"`
	Invite   string
	Password string
}

// encodedRedeem5 is a RedeemBody with a Role, which exists from HoldLevel on.
type encodedRedeem5 struct {
	_     struct{} `cbor:",toarray"`
	Role  wire.Role
	Until int64
	None  []byte // it makes the number of elements differ
}

func (redeemKind) encodeBody(c *Command) ([]byte, error) {
	body, err := bodyOf[RedeemBody](c)
	switch {
	case err != nil:
		return nil, err
	case body.Role != wire.RoleNone:
		return encoding.Marshal(encodedRedeem5{Role: body.Role, Until: int64(body.Until)})
	}
	return encoding.Marshal(encodedRedeem{Invite: body.Invite, Password: body.Password})
}

func (redeemKind) decodeBody(data []byte, c *Command) error {
	if isArray(data, 3) {
		var e encodedRedeem5
		err := decoding.Unmarshal(data, &e)
		c.Body = RedeemBody{Role: e.Role, Until: wire.Time(e.Until)}
		return err
	}
	var e encodedRedeem
	err := decoding.Unmarshal(data, &e)
	c.Body = RedeemBody{Invite: e.Invite, Password: e.Password}
	return err
}

func (RedeemBody) kind() Kind { return Redeem }

// DigestOf returns the digest of a secret of an invite, or of the hash of a password.
func DigestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

type redeemKind struct{ onDemand }

func (redeemKind) name() string { return "redeem" }

func (redeemKind) check(c *Command) error {
	body, err := bodyOf[RedeemBody](c)
	switch {
	case err != nil:
		return err
	case body.Role != wire.RoleNone:
		if body.Role < wire.RoleReader || body.Role > wire.RoleModerator || body.Until <= 0 || body.Invite != "" || body.Password != "" {
			return fmt.Errorf("a redeem command of a token has the role %v until %d, an invite (%v) and a password (%v)", body.Role, body.Until, body.Invite != "", body.Password != "")
		}
	case (body.Invite == "") == (body.Password == ""):
		return fmt.Errorf("a redeem command has an invite (%v) and a password (%v), want one of them", body.Invite != "", body.Password != "")
	}
	if len(c.SenderID) != wire.SenderIDLen { // only those have roles
		return fmt.Errorf("a redeem command has the sender %.80q, want %d characters", c.SenderID, wire.SenderIDLen)
	}
	if body.Role == wire.RoleNone {
		if err := checkDigest(Redeem, body.Invite+body.Password); err != nil {
			return err
		}
	}
	return checkHead(c, hasSender|hasRoom)
}

// records: the record of a Redeem is that of the Set of a role.
func (redeemKind) records() recordKind { return setKind{} }

func (redeemKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RedeemBody](o.Command)
	if err != nil {
		return err
	}
	r := redeeming{Delta: c, tx: tx, o: o, room: o.Command.Room, sender: o.Command.SenderID}
	refused := r.refusedSender()
	switch {
	case refused != nil:
	case body.Role != wire.RoleNone:
		refused, err = r.claim(body.Role, body.Until)
	case body.Invite != "":
		refused, err = r.invite(body.Invite)
	default:
		refused, err = r.password(body.Password)
	}
	if refused != nil || err != nil {
		o.refuseWith(refused)
	}
	return err
}

// A redeeming is what a Redeem does to the role of its sender.
type redeeming struct {
	*Delta
	tx           Tx
	o            *Outcome
	room, sender string
}

// refusedSender returns why the sender can get no role: neither an invite nor a password lifts a ban.
func (r *redeeming) refusedSender() *wire.CodedError {
	if r.sender == anonymousSender {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "only a client with a session can have a role; connect with one"}
	}
	if refused := refusedInBase(r.room); refused != nil {
		return refused
	}
	rules := r.rulesOf(r.room)
	if refused := rules.refusedPerson(r.sender, actReport); refused != nil { // a mute does not matter
		return refused
	}
	return r.refusedRoom(r.room)
}

// A storedRedemption is the value of an entry of Redemptions, whose key is the digest of the invite and the sender.
type storedRedemption struct {
	_     struct{} `cbor:",toarray"`
	Role  wire.Role
	Until wire.Time // when the invite expires, and this entry is of no use any more; 0: it does not
}

func decodeRedemption(value string) (r storedRedemption, err error) {
	if err := decoding.Unmarshal([]byte(value), &r); err != nil {
		return r, fmt.Errorf("%w: a redemption of an invite: %w", ErrDamaged, err)
	}
	return r, nil
}

// redemptionOver reports whether an entry of Redemptions is of no use any more.
func redemptionOver(e *Entry, at wire.Time) (bool, error) {
	r, err := decodeRedemption(e.Value)
	return err == nil && r.Until != 0 && r.Until <= at, err
}

// invite gives the role of an invite.
func (r *redeeming) invite(digest string) (*wire.CodedError, error) {
	before, again, err := r.tx.Entry(Redemptions, r.room, digest+r.sender)
	if err != nil {
		return nil, err
	}
	if again {
		return r.again(before)
	}
	value, found, err := r.tx.Entry(Invites, r.room, digest)
	if err != nil {
		return nil, err
	}
	if !found {
		return r.void(wire.InviteUnknown, "this is not an invite to the room %s: it is mistyped, has expired, or was replaced", r.room), nil
	}
	invite, err := decodeInvite(value)
	if err != nil {
		return nil, err
	}
	switch {
	case invite.expired(r.at):
		return r.void(wire.InviteExpired, "the invite expired at %v; ask for a new one", invite.Until), nil
	case invite.Used >= invite.Uses:
		return r.void(wire.InviteUsedUp, "the invite was used %d times, as often as it can be; ask for a new one", invite.Used), nil
	case r.refusedGrant(r.room, invite.Creator, invite.Role) != nil:
		return r.void(wire.InviteVoid, "the sender of the invite may not give the role %v in the room %s any more; ask for a new one", invite.Role, r.room), nil
	}
	refused, changed, err := r.raise(invite.Role, 0)
	if refused != nil || err != nil || !changed {
		return refused, err
	}
	if invite.Role > wire.RoleGuest {
		r.logAction(r.o, &wire.Action{Do: wire.DoRedeem, Value: wire.TextValue(invite.Role.String()), SenderID: invite.Creator, DisplayName: r.nameOf(invite.Creator)})
	}
	if invite.Role == wire.RoleOwner {
		if err := r.stepDown(invite.Creator); err != nil {
			return nil, err
		}
	}
	invite.Used++
	redeemed, err := encoding.Marshal(storedRedemption{Role: invite.Role, Until: invite.Until})
	if err != nil {
		return nil, err
	}
	if err := r.tx.PutEntry(&Entry{Table: Redemptions, Room: r.room, Key: digest + r.sender, Value: string(redeemed)}); err != nil {
		return nil, err
	}
	return nil, r.putInvite(r.tx, r.room, digest, &invite)
}

// again handles an invite that the sender has redeemed before. It does not give back what a moderator has taken since.
func (r *redeeming) again(value string) (*wire.CodedError, error) {
	before, err := decodeRedemption(value)
	if err != nil {
		return nil, err
	}
	rules := r.rulesOf(r.room)
	if role, _ := rules.role(r.sender); role < before.Role {
		return r.void(wire.InviteRedeemed, "this sender has redeemed the invite before, and has lost the role %v since; ask for a new invite", before.Role), nil
	}
	r.o.Status = Repeat
	return nil, nil
}

// void returns the refusal of an invite.
func (r *redeeming) void(why, format string, args ...any) *wire.CodedError {
	return &wire.CodedError{
		Code: wire.NotAllowed, Rule: wire.RuleInvite, Params: wire.Params{wire.ParamWhy: wire.TextValue(why)}, Reason: fmt.Sprintf(format, args...),
	}
}

// password gives the role guest, if the password of the room is still the one with which the sender's was compared.
func (r *redeeming) password(digest string) (*wire.CodedError, error) {
	stored := r.setting(r.room, settingKey{name: wire.PasswordKey})
	if stored == nil || stored.over(r.at) || stored.value.Text == nil || DigestOf(*stored.value.Text) != digest {
		return &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RulePassword, Reason: fmt.Sprintf("the password of the room %s was changed; type the new one", r.room)}, nil
	}
	refused, _, err := r.raise(wire.RoleGuest, 0)
	return refused, err
}

// claim gives the role that a token claims, until the token expires.
func (r *redeeming) claim(role wire.Role, until wire.Time) (*wire.CodedError, error) {
	rules := r.rulesOf(r.room)
	before, rule := rules.role(r.sender)
	if until <= r.at || before == role && rule == nil || before == role && rule.subject != r.sender { // that of everyone is as good
		r.o.Status = Repeat
		return nil, nil
	}
	last := r.setting(r.room, settingKey{name: wire.RolePrefix, subject: r.sender})
	renewed := last != nil && *last.value.Text == role.String() // by the next token, perhaps after the one before has expired
	refused, changed, err := r.raise(role, until)
	if changed && before < role && role > wire.RoleGuest && !renewed {
		r.logAction(r.o, &wire.Action{Do: wire.DoRedeem, Value: wire.TextValue(role.String()), Until: until})
	}
	return refused, err
}

// raise gives the sender a role until a time, or for as long as the room exists, with a record like that of a Set. It never lowers a
// role: it returns false if the sender has the role already for as long, or a higher one.
func (r *redeeming) raise(role wire.Role, until wire.Time) (refused *wire.CodedError, changed bool, err error) {
	rules := r.rulesOf(r.room)
	has, rule := rules.role(r.sender)
	own := rule != nil && rule.subject == r.sender
	if has > role || own && has == role && (rule.until == 0 || rule.isClaim() || until != 0 && rule.until >= until) {
		r.o.Status = Repeat
		return nil, false, nil
	}
	key := settingKey{name: wire.RolePrefix, subject: r.sender}
	if r.setting(r.room, key) == nil {
		refused = r.settingsFull(r.room, rank(role))
	}
	if refused == nil {
		refused = r.number(r.o)
	}
	if refused != nil {
		return refused, false, nil
	}
	if _, err := r.useName(r.tx, r.o); err != nil {
		return nil, false, err
	}
	value := wire.TextValue(role.String())
	if err := r.appendRecord(r.tx, r.o, encodeSet(SetBody{Key: key.String(), Value: value, Until: until})); err != nil {
		return nil, false, err
	}
	r.addOther(r.room, r.o.N)
	r.o.changesRole(r.sender)
	return nil, true, r.putRule(r.tx, r.o, key, value, until)
}

// stepDown makes the creator of an invite with the role owner a moderator: the sender, who may be the same person, owns the room now.
func (r *redeeming) stepDown(creator string) error {
	own := settingKey{name: wire.RolePrefix, subject: creator}
	if !r.setting(r.room, own).owns() {
		return nil
	}
	r.o.changesRole(creator)
	return r.putRule(r.tx, r.o, own, wire.TextValue(wire.RoleModerator.String()), 0)
}
