package wire

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Limits of invites.
const (
	MaxInvites     = 1_000                // invites of a room that can still be redeemed
	MaxUses        = 10_000               // senders that can redeem one invite
	DefaultUses    = 100                  // without Invite.Uses
	MaxInviteLife  = 365 * 24 * time.Hour // from its creation until it expires
	DefaultLife    = 7 * 24 * time.Hour   // without Invite.Until
	InviteLen      = 22                   // characters of an invite: 128 bits in base64url
	MinPassword    = 6                    // bytes of a password
	MaxPassword    = 128                  // bytes of a password
	inviteFragment = "#invite="           // precedes an invite in a link
)

// Rules by which a Redeem is refused, in the field rule.
const (
	RuleInvite   = "invite"    // with ParamWhy
	RulePassword = PasswordKey // the password is wrong, or the room has none
)

// ParamWhy is a parameter of RuleInvite: why the invite gives nothing.
const (
	ParamWhy = "why"

	InviteUnknown  = "unknown" // it is mistyped, of another room, replaced, or was deleted after it expired
	InviteExpired  = "expired"
	InviteUsedUp   = "used_up"
	InviteVoid     = "void"     // its creator may not give the role any more
	InviteRedeemed = "redeemed" // this sender has redeemed it before, and has lost the role since
)

// PasswordSet is shown as the value of PasswordKey.
const PasswordSet = "set"

// Invite asks for an invite to a room: a secret with which others get a role there. If the same sender repeats the same ID in the
// same room, the new invite replaces the one made before, whose secret is then void.
//
// An owner can make one invite with the role owner, to recover the room from another browser. It has one use and does not expire.
// Another one replaces it.
type Invite struct {
	Room  string `json:"room"`
	ID    string `json:"id"`
	Role  Role   `json:"role"`            // lower than the sender's
	Uses  int    `json:"uses,omitempty"`  // 1 to MaxUses; 0: DefaultUses
	Until Time   `json:"until,omitempty"` // at most MaxInviteLife ahead; 0: DefaultLife ahead
}

// Invited answers Invite. The server does not store the secret: it is shown only here.
type Invited struct {
	Room   string `json:"room"`
	ID     string `json:"id"`
	Invite string `json:"invite"` // the secret
	Role   Role   `json:"role"`
	Uses   int    `json:"uses"`
	Until  Time   `json:"until,omitempty"` // 0: it does not expire
	Ref    string `json:"ref,omitempty"`   // of the request
}

// Redeem asks for the role that an invite, or the password of the room, gives. It is answered by OwnRole.
type Redeem struct {
	Room     string `json:"room"`
	Invite   string `json:"invite,omitempty"`
	Password string `json:"password,omitempty"` // instead of Invite
}

var (
	_ = request(Invite{}, parseInvite)
	_ = request(Redeem{}, parseRedeem)
	_ = answer[Invited]()
)

// Type implements Frame.
func (Invite) Type() string { return "invite" }

// Type implements Frame.
func (Invited) Type() string { return "invited" }

// Type implements Frame.
func (Redeem) Type() string { return "redeem" }

// CheckInvite checks the form of an invite. Its error does not contain the invite.
func CheckInvite(s string) *CodedError {
	if len(s) != InviteLen || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("an invite has %d characters of A-Z, a-z, 0-9, _ and -, as in the link after %s", InviteLen, inviteFragment)}
	}
	return nil
}

// CheckPassword checks the form of a room's password. Its error does not contain the password.
func CheckPassword(s string) *CodedError {
	if len(s) < MinPassword || len(s) > MaxPassword {
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("a password has %d to %d bytes, not %d", MinPassword, MaxPassword, len(s))}
	}
	return checkLine(s)
}

func checkPasswordValue(v Value) *CodedError {
	if v.Text == nil {
		return wrongValue(PasswordKey, "a text, or null")
	}
	return CheckPassword(*v.Text)
}

// InviteLink returns the link to a room, without a fragment, with an invite in its fragment, which browsers do not send.
func InviteLink(room, invite string) string { return room + inviteFragment + invite }

// ParseInvite returns the invite in a link, or s if it is not a link but an invite, and the room in the path of the link, or "".
// Its error does not contain the invite.
func ParseInvite(s string) (room, invite string, bad *CodedError) {
	s = strings.TrimSpace(s)
	link, secret, isLink := strings.Cut(s, inviteFragment)
	if !isLink {
		return "", s, CheckInvite(s)
	}
	if bad := CheckInvite(secret); bad != nil {
		return "", "", bad
	}
	if u, err := url.Parse(link); err == nil && strings.Trim(u.Path, "/") != "" {
		room, _ = strings.CutPrefix(strings.Trim(u.Path, "/"), "r/")
	} else {
		room = Lobby
	}
	return room, secret, CheckRoom(room)
}

// parseInvite parses the request.
func parseInvite(f fields) (Frame, string, *CodedError) {
	room, id, where, bad := f.posted()
	if bad != nil {
		return nil, where, bad
	}
	invite := Invite{Room: room, ID: id, Role: RoleGuest}
	if f.value("role") != nil {
		if invite.Role, bad = f.role("role"); bad != nil {
			return nil, "role", bad
		}
	}
	uses, bad := f.number("uses", MaxUses)
	if bad != nil {
		return nil, "uses", bad
	}
	if uses != nil {
		invite.Uses = int(*uses)
	}
	until, bad := f.time("until")
	if bad != nil {
		return nil, "until", bad
	}
	if until != nil {
		invite.Until = max(*until, 1) // 0 means none
	}
	return invite, "", nil
}

// parseRedeem parses the request.
func parseRedeem(f fields) (Frame, string, *CodedError) {
	room, bad := f.room()
	if bad != nil {
		return nil, "room", bad
	}
	redeem := Redeem{Room: room}
	if (f.value("invite") == nil) == (f.value("password") == nil) {
		return nil, "", &CodedError{Code: BadRequest, Reason: "it needs either an invite or a password"}
	}
	if f.value("invite") != nil {
		if redeem.Invite, bad = f.string("invite"); bad == nil {
			bad = CheckInvite(redeem.Invite)
		}
		return redeem, "invite", bad
	}
	if redeem.Password, bad = f.string("password"); bad == nil {
		bad = CheckPassword(redeem.Password)
	}
	return redeem, "password", bad
}

// role returns a role.
func (f *fields) role(name string) (Role, *CodedError) {
	s, bad := f.string(name)
	if bad != nil {
		return 0, bad
	}
	role, ok := ParseRole(s)
	if !ok {
		return 0, &CodedError{Code: BadRequest, Reason: fmt.Sprintf("unknown role %.40q; use one of %s", s, strings.Join(roleNames[RoleReader:], ", "))}
	}
	return role, nil
}
