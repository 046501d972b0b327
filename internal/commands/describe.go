package commands

import (
	"context"
	"strings"
	"time"

	"ramai/wire"
)

// Describe says what is so while a room has a setting, in a sentence without a period; if its value is null, what is so without it.
func Describe(h Host, s wire.Setting) string {
	words := describe(h, s)
	if s.Until != 0 {
		words += " until " + h.When(s.Until.Std())
	}
	return words
}

func describe(h Host, s wire.Setting) string {
	if id, ok := wire.Subject(s.Key); ok {
		return h.People().With(id).Label() + " " + ofPerson(s.Key, text(s.Value))
	}
	if of, ok := strings.CutPrefix(s.Key, wire.AddressPrefix); ok {
		return addressWords(of, text(s.Value))
	}
	return describeRule(s.Key, s.Value)
}

// addressWords says what is imposed on the address of a message; empty: nothing.
func addressWords(of, imposed string) string {
	return "the address of message " + of + " " + ofPerson(wire.PersonPrefix, imposed)
}

// describeRule is Describe for a setting that is about nobody, without its end.
func describeRule(key string, v wire.Value) string {
	word, number, unset := text(v), time.Duration(0), v.IsNull()
	if v.Number != nil {
		number = time.Duration(min(*v.Number, wire.MaxNewcomer)) * time.Second
	}
	switch key {
	case wire.LockKey:
		return either(unset, "the room is open", "the room is locked")
	case wire.SlowKey:
		return either(unset, "slow mode is off", "slow mode: one message every "+Words(number))
	case wire.NewcomerKey:
		return either(unset, "newcomers can post at once", "newcomers can post after "+Words(number))
	case wire.HoldKey:
		what := map[string]string{wire.HoldFirst: "the first messages of a person", wire.HoldLinks: "messages with links"}[word]
		return either(unset, "messages do not wait for a moderator", either(what == "", "all messages", what)+" wait for a moderator")
	case wire.PresetKey:
		return either(unset, "the room has no preset", "the room has the rules of the preset "+word)
	case wire.EveryoneKey:
		switch word {
		case wire.RoleNone.String():
			return "only people with a role can read"
		case wire.RoleReader.String():
			return "everyone can read, and only people with a role can post"
		}
		return "everyone can read and post"
	case wire.MaySayKey:
		return either(unset, "everyone can post", atLeast(word)+" can post")
	case wire.MayReactKey:
		return either(unset, "everyone can react", atLeast(word)+" can react")
	case wire.MayLinkKey:
		return either(unset, "everyone can post links", atLeast(word)+" can post links")
	}
	if n, ok := strings.CutPrefix(key, wire.AddressPrefix); ok {
		return "the address of message " + n + " is " + either(word == wire.Ban, "banned", "muted")
	}
	if strings.HasPrefix(key, wire.PollPrefix) {
		return "the poll is " + word
	}
	return key + either(unset, " is not set", " is set")
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// atLeast names those with a role or a higher one.
func atLeast(role string) string {
	switch role {
	case wire.RoleOwner.String():
		return "only the owner"
	case wire.RoleModerator.String():
		return "only moderators"
	}
	return "only people with the role " + role + " or a higher one"
}

// ofPerson says what a rule about a person makes of them.
func ofPerson(key, word string) string {
	switch {
	case strings.HasPrefix(key, wire.PersonPrefix) && word == "":
		return "is neither banned nor muted"
	case word == wire.Ban:
		return "is banned"
	case word == wire.Mute:
		return "is muted"
	case word == "":
		return "has no role of their own"
	case word == wire.RoleOwner.String():
		return "is the owner"
	case word == wire.RoleModerator.String():
		return "is a moderator"
	}
	return "has the role " + word
}

// maxPages is how many pages of settings are read.
const maxPages = 20

// Settings reads all settings of a room whose keys begin with a prefix.
func Settings(ctx context.Context, server Server, room, prefix string) (all []wire.Setting, err error) {
	ask := wire.StateRequest{Room: room, Prefix: prefix}
	for range maxPages {
		page, err := server.Settings(ctx, ask)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Settings...)
		if !page.More || len(page.Settings) == 0 {
			break
		}
		ask.After = page.Settings[len(page.Settings)-1].Key
	}
	return all, nil
}

// rules lists the rules of the room, as far as the user can read them.
func rules(h Host, _ string) {
	room := h.Room()
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		all, err := Settings(ctx, server, room, "")
		return func(h Host) Answer { return listRules(h, all) }, err
	})
}

func listRules(h Host, all []wire.Setting) Answer {
	a := Answer{Title: "The rules of " + h.Room()}
	var listed []wire.Setting
	now := wire.TimeOf(h.Now())
	for _, s := range all {
		if wire.IsRule(s.Key) && (s.Until == 0 || s.Until > now) {
			listed, a.Rows = append(listed, s), append(a.Rows, ruleRow(h, s))
		}
	}
	if len(a.Rows) == 0 {
		a.Title = "this room has no rules: everyone can read and post"
	}
	if h.Role() < wire.RoleModerator {
		return a
	}
	a.Pick = func(h Host, i int) {
		if id, ok := wire.Subject(listed[i].Key); ok {
			showCard(h, h.People().With(id))
			return
		}
		choose(h, Describe(h, listed[i]), []action{{"end this rule", func(h Host) { set(h, listed[i].Key, wire.Value{}, 0) }}})
	}
	return a
}

// ruleRow is a rule as a row of a list.
func ruleRow(h Host, s wire.Setting) Row {
	id, ok := wire.Subject(s.Key)
	if !ok {
		return Row{Text: Describe(h, s)}
	}
	p := h.People().With(id)
	return Row{SenderID: id, Name: p.Label(), Text: strings.TrimPrefix(Describe(h, s), p.Label()+" ")}
}
