package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/wire"
)

// An action is something that a user may do, by its name.
type action struct {
	label string
	do    func(h Host)
}

// choose asks which of some actions to take.
func choose(h Host, title string, actions []action) {
	c := Choice{Title: title, Do: func(h Host, i int) { actions[i].do(h) }}
	for _, a := range actions {
		c.Rows = append(c.Rows, Row{Text: a.label, Action: true})
	}
	h.Choose(c)
}

// whois shows who somebody is, and what rules say about them.
func whois(h Host, args string) {
	withPerson(h, args, showCard)
}

// showCard shows the card of a person.
func showCard(h Host, p Person) {
	room := h.Room()
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		var about []wire.Setting
		for _, prefix := range []string{wire.RolePrefix, wire.PersonPrefix} {
			got, err := server.Settings(ctx, wire.StateRequest{Room: room, Prefix: prefix + p.ID})
			if err != nil {
				break // an older server, or not for this user
			}
			about = append(about, got.Settings...)
		}
		return func(h Host) Answer { return card(h, p, about) }, nil
	})
}

// card is what is known about a person, and what a moderator can do.
func card(h Host, p Person, about []wire.Setting) Answer {
	a := Answer{Title: p.Label() + either(p.ID == h.SenderID(), " (you)", "")}
	add := func(format string, args ...any) { a.Rows = append(a.Rows, Row{Text: fmt.Sprintf(format, args...)}) }
	add("sender %s", p.ID)
	if p.N > 0 {
		add("newest message %d, %s", p.N, h.When(p.At))
	}
	var others []string
	for _, q := range h.People().all {
		if q.ID == p.ID && q.Name != p.Name {
			others = append(others, q.Label())
		}
	}
	if len(others) > 0 {
		add("also as %s", strings.Join(others, ", "))
	}
	now := wire.TimeOf(h.Now())
	about = slices.DeleteFunc(about, func(s wire.Setting) bool { return s.Until != 0 && s.Until <= now })
	for _, s := range about {
		add("%s", strings.TrimPrefix(Describe(h, s), p.Label()+" "))
	}
	actions := actionsOn(h, p, about)
	before := len(a.Rows)
	for _, action := range actions {
		a.Rows = append(a.Rows, Row{Text: action.label, Action: true})
	}
	if len(actions) > 0 {
		a.Pick = func(h Host, i int) {
			if i >= before {
				actions[i-before].do(h)
			}
		}
	}
	return a
}

// actionsOn returns what this user can do to a person, as far as it is known. The server decides.
func actionsOn(h Host, p Person, about []wire.Setting) (all []action) {
	if h.Role() < wire.RoleModerator || p.ID == h.SenderID() {
		return nil
	}
	add := func(label, key string, v wire.Value, d time.Duration) {
		all = append(all, action{label, func(h Host) {
			until := wire.Time(0)
			if d > 0 {
				until = wire.TimeOf(h.Now().Add(d))
			}
			set(h, key, v, until)
		}})
	}
	has := func(prefix string) bool {
		return slices.ContainsFunc(about, func(s wire.Setting) bool { return strings.HasPrefix(s.Key, prefix) })
	}
	defer func() {
		all = append(all, action{"erase all their messages", func(h Host) { eraseAll(h, p, nil) }})
	}()
	person, role := wire.PersonPrefix+p.ID, wire.RolePrefix+p.ID
	if has(wire.PersonPrefix) {
		add("let them read and post again", person, wire.Value{}, 0)
	}
	add("mute for 10 minutes", person, wire.TextValue(wire.Mute), 10*time.Minute)
	add("mute", person, wire.TextValue(wire.Mute), 0)
	add("ban for a day", person, wire.TextValue(wire.Ban), 24*time.Hour)
	add("ban", person, wire.TextValue(wire.Ban), 0)
	if has(wire.RolePrefix) {
		add("take the role back", role, wire.Value{}, 0)
	}
	add("give the role trusted", role, wire.TextValue(wire.RoleTrusted.String()), 0)
	if h.Role() == wire.RoleOwner {
		add("make them a moderator", role, wire.TextValue(wire.RoleModerator.String()), 0)
	}
	return all
}
