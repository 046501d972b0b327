package commands

import (
	"context"
	"strings"
	"time"

	"ramai/wire"
)

// Commands for the session of this user: a second device, and signing out.

// sessionCommands returns the commands for sessions, in the order in which they are listed.
func sessionCommands() []Command {
	return []Command{
		{Name: "device", Args: "[CODE]", Takes: []Kind{TextArg}, Secret: true, Help: "use your identity on another device: shows a code here; with the CODE of a new device, lets that one in", Run: device},
		{Name: "signout", Args: "[all]", Takes: []Kind{TextArg}, Help: "end this session and continue as somebody new; all: end your sessions on all devices", Run: signOut},
	}
}

func device(h Host, code string) {
	if code != "" {
		letIn(h, code)
		return
	}
	name := h.Device()
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		shown, err := server.LinkCode(ctx, name)
		if err != nil {
			return nil, err
		}
		return func(Host) Answer {
			half := len(shown.Code) / 2
			return Answer{Title: "Use the identity of your other device here", Rows: []Row{
				{Text: "On that device, type   /device " + shown.Code[:half] + "-" + shown.Code[half:]},
				{Text: "On the page: Settings, \"Use on another device\""},
				{Text: "The code counts once, for " + Words(time.Duration(shown.ExpiresMS)*time.Millisecond)},
			}}
		}, nil
	})
}

// letIn makes the device that shows a code one of this user, after it has shown what that device is called.
func letIn(h Host, code string) {
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		linking, err := server.LinkDevice(ctx, code, false)
		if err != nil {
			return nil, err
		}
		return func(h Host) Answer {
			h.Confirm(Confirmation{
				Question: "Let the device " + quoted(linking.Name) + " post as you? Go on only if it is yours and shows this code.",
				Yes:      "let it in",
				Do:       func(h Host) { confirmDevice(h, code) },
			})
			return Answer{}
		}, nil
	})
}

func confirmDevice(h Host, code string) {
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		linked, err := server.LinkDevice(ctx, code, true)
		if err != nil {
			return nil, err
		}
		return func(Host) Answer {
			return Answer{Title: "the device " + quoted(linked.Name) + " posts as you now; /signout all ends that"}
		}, nil
	})
}

// quoted is the name of a device, which the device has chosen.
func quoted(device string) string { return "\"" + strings.TrimSpace(device) + "\"" }

func signOut(h Host, args string) {
	all := strings.EqualFold(args, "all")
	if args != "" && !all {
		h.Warn("/signout ends this session, /signout all those on all devices")
		return
	}
	c := Confirmation{Question: "Sign out here?", Yes: "sign out"}
	if all {
		c.Question = "Sign out on all devices?"
	}
	c.Question += " You continue as a new guest. What you have posted stays, and you cannot edit it as that guest."
	c.Do = func(h Host) {
		h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
			if err := server.SignOut(ctx, all); err != nil {
				return nil, err
			}
			return func(Host) Answer {
				return Answer{Title: either(all, "signed out on all devices", "signed out on this device")}
			}, nil
		})
	}
	h.Confirm(c)
}

// Identity says who this user is now, after a change.
func Identity(w wire.Welcome) string {
	return "you are " + Person{ID: w.SenderID, Name: w.Name}.Label() + " now"
}
