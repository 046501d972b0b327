package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ramai/wire"
)

// Commands that let others into a room, and oneself.

// inviteCommands returns the commands for invites and passwords, in the order in which they are listed.
func inviteCommands() []Command {
	return []Command{
		{Name: "invite", Args: "[ROLE] [USES] [TIME]", Takes: []Kind{RoleArg, TextArg, TimeArg}, Needs: wire.RoleModerator, Help: "a link that lets people in, for example /invite guest 30 7d; owner: a code to recover the room", Run: invite},
		{Name: "redeem", Args: "SECRET", Takes: []Kind{TextArg}, Secret: true, Help: "get in with an invite, its link, or the password of the room", Run: redeem},
		{Name: "password", Args: "PASSWORD", Takes: []Kind{TextArg}, Needs: wire.RoleOwner, Secret: true, Help: "set the password that lets people in as guests; - removes it", Run: password},
	}
}

func invite(h Host, args string) {
	ask := wire.Invite{Room: h.Room(), Role: wire.RoleGuest}
	for _, word := range strings.Fields(args) {
		role, isRole := wire.ParseRole(strings.ToLower(word))
		uses, err := strconv.Atoi(word)
		life, isTime, bad := ParseTime(word)
		switch {
		case isRole && role != wire.RoleNone:
			ask.Role = role
		case err == nil && uses >= 1 && uses <= wire.MaxUses:
			ask.Uses = uses
		case bad != nil:
			h.Warn(bad.Error())
			return
		case isTime:
			ask.Until = wire.TimeOf(h.Now().Add(life))
		default:
			h.Warn(fmt.Sprintf("invalid %.20s (want a role, a number of uses from 1 to %d, or a time such as 7d)", word, wire.MaxUses))
			return
		}
	}
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		invited, err := server.Invite(ctx, ask)
		if err != nil {
			return nil, err
		}
		return func(h Host) Answer { return invitation(h, &invited) }, nil
	})
}

// invitation shows an invite. The server does not show it again.
func invitation(h Host, i *wire.Invited) Answer {
	link := wire.InviteLink(h.Link(), i.Invite)
	people := "1 person"
	if i.Uses != 1 {
		people = fmt.Sprint(i.Uses, " people")
	}
	what := fmt.Sprintf("%s can get the role %v with it until %s", people, i.Role, h.When(i.Until.Std()))
	if i.Until == 0 {
		what = fmt.Sprintf("%s can get the role %v with it; keep it in a safe place, to recover the room", people, i.Role)
	}
	return Answer{Title: "An invite to " + i.Room + ", shown only now", Rows: []Row{{Text: link}, {Text: what}}, QR: link}
}

func redeem(h Host, secret string) {
	room, code, bad := wire.ParseInvite(secret)
	if bad == nil && room != "" && room != h.Room() {
		h.Warn("this is an invite to the room " + room + "; join it first")
		return
	}
	asks := []wire.Redeem{{Room: h.Room(), Password: secret}}
	if bad == nil { // a password can look like an invite
		asks = append([]wire.Redeem{{Room: h.Room(), Invite: code}}, asks...)
	}
	if room != "" {
		asks = asks[:1]
	}
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		var first error
		for _, ask := range asks {
			role, err := server.Redeem(ctx, ask)
			if err == nil {
				err = server.Join(role.Room, wire.DefaultJoin) // it may have been left when it could not be read
			}
			if err == nil {
				return func(Host) Answer { return Answer{Title: fmt.Sprintf("your role in %s is %v", role.Room, role.Role)} }, nil
			}
			if first == nil {
				first = err
			}
			if refused := (*wire.CodedError)(nil); !errors.As(err, &refused) || refused.Code != wire.NotAllowed {
				break
			}
		}
		return nil, first
	})
}

func password(h Host, secret string) {
	if secret == "-" {
		h.Set(Change{wire.Set{Key: wire.PasswordKey}, "the room no longer has a password"})
		return
	}
	if bad := wire.CheckPassword(secret); bad != nil {
		h.Warn(bad.Reason)
		return
	}
	h.Set(Change{wire.Set{Key: wire.PasswordKey, Value: wire.TextValue(secret)}, "the password is set; people get in with /redeem, or on the page"})
}
