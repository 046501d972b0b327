package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

// The room of a room's moderators: what waits there, and what was done.

// auditCommands returns the commands for the room of moderators.
func auditCommands() []Command {
	return []Command{
		{Name: "audit", Args: "[PERSON]", Takes: []Kind{PersonArg}, Needs: wire.RoleModerator, Help: "what moderators have done lately in this room, or one of them", Run: audit},
	}
}

const (
	maxAudit  = 200 // records of the moderators' room that are asked for
	maxListed = 50  // of them that are listed
)

func audit(h Host, words string) {
	if words != "" {
		withPerson(h, words, func(h Host, p Person) { showAudit(h, p) })
		return
	}
	showAudit(h, Person{})
}

// showAudit lists what was done in the room, the newest first; by one person, if p is one.
func showAudit(h Host, p Person) {
	room, owner := h.Room(), h.Role() >= wire.RoleOwner
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		var all []wire.Message
		for _, records := range recordRooms(room, owner) {
			page, err := server.History(ctx, wire.History{Room: records, Limit: maxAudit})
			if err != nil {
				return nil, err
			}
			all = append(all, page.Messages...)
		}
		slices.SortStableFunc(all, func(a, b wire.Message) int { return cmp.Compare(a.At, b.At) })
		return func(h Host) Answer { return listAudit(h, room, p, all) }, nil
	})
}

func listAudit(h Host, room string, p Person, all []wire.Message) Answer {
	a := Answer{Title: "What was done in " + room}
	if p.ID != "" {
		a.Title += " by " + p.Label()
	}
	for i := len(all) - 1; i >= 0 && len(a.Rows) < maxListed; i-- {
		m := &all[i]
		if m.As != wire.ActionMessage || m.Action == nil || p.ID != "" && m.SenderID != p.ID {
			continue
		}
		who := Person{ID: m.SenderID, Name: m.DisplayName}
		a.Rows = append(a.Rows, Row{SenderID: m.SenderID, Name: who.Label(), Text: h.When(m.At.Std()) + "  " + Logged(m, h.When)})
	}
	if len(a.Rows) == 0 {
		a.Title = "nothing was done in " + room + " lately"
	}
	return a
}

// Logged is what a message of the moderators' room says, without its sender, for terminals: what was done, or what waits. Other messages
// say their text.
func Logged(m *wire.Message, when func(time.Time) string) string {
	switch m.As {
	case wire.HeldMessage:
		return "waits: " + m.Text
	case wire.ReportMessage:
		words := "reports message " + strconv.FormatUint(m.Of, 10)
		if m.Text != "" {
			words += ": " + m.Text
		}
		return words
	case wire.ActionMessage:
		if m.Action != nil {
			return actionWords(m.Action, when)
		}
	}
	return m.Text
}

// actionWords says what was done.
func actionWords(a *wire.Action, when func(time.Time) string) string {
	whom := Person{ID: a.SenderID, Name: a.DisplayName}.Label()
	until := ""
	if a.Until != 0 {
		until = " until " + when(a.Until.Std())
	}
	switch a.Do {
	case wire.DoSet:
		return setAction(a, whom) + until
	case wire.DoErase:
		words := "erased " + messages(int(a.Count))
		if a.SenderID != "" {
			words += " of " + whom
		}
		return words + "; /undo " + strconv.FormatUint(a.Erasure, 10) + " brings them back within 23 hours"
	case wire.DoUndo:
		return "undid erasure " + strconv.FormatUint(a.Erasure, 10)
	case wire.DoApprove:
		return "approved message " + strconv.FormatUint(a.Of, 10) + " of " + whom
	case wire.DoReject:
		words := either(a.Count == 0, "rejected a message", "rejected "+messages(int(a.Count))+" that waited")
		if a.SenderID != "" {
			words += " of " + whom
		}
		return words
	case wire.DoDelete:
		return "deleted message " + strconv.FormatUint(a.Of, 10) + " of " + whom
	case wire.DoSettle:
		return "settled the report of " + whom + " about message " + strconv.FormatUint(a.Of, 10)
	case wire.DoInvite:
		return fmt.Sprintf("made an invite with the role %s for %d", text(a.Value), a.Count) + until
	case wire.DoRedeem:
		return "got the role " + text(a.Value) + either(a.SenderID == "", " with a token", " with an invite") + until
	}
	return "did something that this version does not know: " + a.Do
}

// setAction says what setting a rule or a role did, without its end.
func setAction(a *wire.Action, whom string) string {
	word, unset := text(a.Value), a.Value.IsNull()
	switch name, _, _ := strings.Cut(a.Key, "/"); name + "/" {
	case wire.PersonPrefix:
		return map[string]string{wire.Ban: "banned ", wire.Mute: "muted "}[word] + either(unset, "let ", "") + whom + either(unset, " read and post again", "")
	case wire.RolePrefix:
		return either(unset, "took the role "+text(a.Before)+" from "+whom, "gave "+whom+" the role "+word)
	}
	switch a.Key {
	case wire.PasswordKey:
		return either(unset, "removed the password", "set the password")
	case wire.PresetKey:
		return either(unset, "ended the preset "+text(a.Before), "set the preset "+word)
	}
	if name, _, _ := strings.Cut(a.Key, "/"); name == wire.AddressKey {
		return either(unset, "ended the rule for an address", either(word == wire.Ban, "banned an address", "muted an address"))
	}
	return "set: " + describeRule(a.Key, a.Value)
}

// text is a value that is a text.
func text(v wire.Value) string {
	if v.Text != nil {
		return *v.Text
	}
	return ""
}
