package wire

import (
	"fmt"
	"slices"
)

// A Role is what a sender may do in a room. Roles are a ladder: a higher one includes the lower ones. The operator of the
// server stands above it.
type Role uint8

// The roles, from the lowest to the highest.
const (
	RoleNone      Role = iota // may not read
	RoleReader                // may read
	RoleGuest                 // may also post
	RoleKnown                 // a guest who has proved an identity
	RoleTrusted               // is exempt from rules about addresses
	RoleModerator             // acts on others and their messages, and sets most rules
	RoleOwner                 // sets all rules, and appoints moderators
)

var roleNames = [...]string{"none", "reader", "guest", "known", "trusted", "moderator", "owner"}

// ParseRole returns the role with a name.
func ParseRole(s string) (Role, bool) {
	i := slices.Index(roleNames[:], s)
	return Role(max(i, 0)), i >= 0
}

// String returns the name of the role.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role_%d", uint8(r))
}

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) {
	if int(r) >= len(roleNames) {
		return nil, fmt.Errorf("unknown role %d", uint8(r))
	}
	return []byte(roleNames[r]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Role) UnmarshalText(b []byte) error {
	role, ok := ParseRole(string(b))
	if !ok {
		return fmt.Errorf("unknown role %.40q", b)
	}
	*r = role
	return nil
}
