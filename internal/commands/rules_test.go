package commands

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

func TestRules(t *testing.T) {
	for line, want := range map[string]string{
		"/mute budi 10m":          `set person/idOfBudi00000000 "mute" until 14:12: budi is muted until 14:12`,
		"/mute @Budi":             `set person/idOfBudi00000000 "mute": budi is muted`,
		"/ban Anna Maria 1d":      `set person/idOfAnnaMaria000 "ban" until 14:02: Anna Maria is banned until 14:02`,
		"/ban #15":                `set person/guestAbc00000000 "ban": guest gues is banned`,
		"/ban budi 0m":            "! invalid time 0m (want 1s to 366d, for example 10m, 2h or 1d)",
		"/ban budi x":             "! nobody called budi x has posted here lately; did you mean budi?",
		"/ban 10m":                "! nobody called 10m has posted here lately; #150 means the sender of message 150",
		"/unmute budi":            `set person/idOfBudi00000000 null: budi is neither banned nor muted`,
		"/role budi trusted":      `set role/idOfBudi00000000 "trusted": budi has the role trusted`,
		"/role budi Moderator 2h": `set role/idOfBudi00000000 "moderator" until 16:02: budi is a moderator until 16:02`,
		"/role budi -":            `set role/idOfBudi00000000 null: budi has no role of their own`,
		"/role budi":              "! the role is missing: /role budi trusted, for example; /whois shows the one that somebody has",
		"/role budi none":         "! invalid role none (want reader, guest, known, trusted, moderator, owner, or - to take the role back; /ban keeps somebody out)",
		"/role budi owner":        "? Make budi (idOfBudi00000000) the owner of lobby? You become a moderator, and cannot undo it yourself.",
		"/role me guest":          "? Give up your role in lobby? You cannot take it back yourself.",
		"/lock":                   `set lock "on": the room is locked`,
		"/lock 30m":               `set lock "on" until 14:32: the room is locked until 14:32`,
		"/lock soon":              "! invalid time soon (want, for example, 10m, 2h or 1d)",
		"/open":                   "set lock null: the room is open",
		"/open 7":                 `set poll/7 "open": the poll is open`,
		"/open x":                 "! invalid poll x (want the number of its message)",
		"/slow 10":                "set slow 10: slow mode: one message every 10 seconds",
		"/slow 1m 1h":             "set slow 60 until 15:02: slow mode: one message every 1 minute until 15:02",
		"/slow -":                 "set slow null: slow mode is off",
		"/slow 2d":                "! invalid time 2d (want 1s to 1 day, for example 10s or 5m, or - to end it)",
		"/slow 0":                 "! invalid time 0 (want 1s to 1 day, for example 10s or 5m, or - to end it)",
		"/newcomer 5m":            "set newcomer 300: newcomers can post after 5 minutes",
		"/notice Fire drill":      `say "Fire drill" as notice, typed "/notice Fire drill"`,
		"/hold links 1h":          `set hold "links" until 15:02: messages with links wait for a moderator until 15:02`,
		"/hold ALL":               `set hold "all": all messages wait for a moderator`,
		"/hold -":                 "set hold null: messages do not wait for a moderator",
		"/hold x":                 "! invalid x (want first, links, all, or - to end it)",
		"/raid":                   "set lock \"on\" until 14:12: the room is locked until 14:12\nset hold \"first\": the first messages of a person wait for a moderator",
		"/preset class":           `set preset "class": the room has the rules of the preset class`,
		"/preset x":               "! invalid preset x (want class, stream, announcement, private, or - to unset its rules)",
		"/everyone reader":        `set everyone "reader": everyone can read, and only people with a role can post`,
		"/everyone owner":         "! invalid role owner (want none, reader, guest)",
		"/may link trusted":       `set may.link "trusted": only people with the role trusted or a higher one can post links`,
		"/may say moderator":      `set may.say "moderator": only moderators can post`,
		"/may link -":             "set may.link null: everyone can post links",
		"/may link reader":        "! invalid role reader (want guest, known, trusted, moderator, owner, or - for everybody)",
		"/may sing":               "! want, for example, /may link trusted: say, react or link, and the lowest role that may",
		"/rules":                  "this room has no rules: everyone can read and post",
	} {
		if got := newHost().run(t, line); got != want {
			t.Errorf("%s:\n%s, want\n%s", line, got, want)
		}
	}
}

// TestHandOver: what cannot be undone is done after a confirmation only.
func TestHandOver(t *testing.T) {
	h := newHost()
	h.run(t, "/role budi owner 1d")
	h.said = nil
	h.confirm.Do(h)
	if got, want := strings.Join(h.said, "\n"), `set role/idOfBudi00000000 "owner" until 14:02: budi is the owner until 14:02`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestListRules(t *testing.T) {
	h := newHost()
	soon, over := wire.TimeOf(start.Add(time.Minute)), wire.TimeOf(start)
	h.settings = []wire.Setting{
		{Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: soon},
		{Key: "person/idOfBudi00000000", Value: wire.TextValue(wire.Ban)},
		{Key: "role/idOfAnna00000000", Value: wire.TextValue("owner")},
		{Key: wire.SlowKey, Value: wire.NumberValue(5), Until: over},
		{Key: wire.TopicKey, Value: wire.TextValue("tea")},
	}
	want := "The rules of lobby\n   the room is locked until 14:03\n  budi is banned\n  anna is the owner"
	if got := h.run(t, "/rules"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if h.answer.Pick != nil {
		t.Error("a guest can choose a rule")
	}
	h.role = wire.RoleModerator
	h.run(t, "/rules")
	h.answer.Pick(h, 0)
	if h.said = nil; h.choice.Title != "the room is locked until 14:03" || h.choice.Rows[0].Text != "end this rule" {
		t.Errorf("the choice is %+v", h.choice)
	}
	if h.choice.Do(h, 0); strings.Join(h.said, "") != "set lock null: the room is open" {
		t.Errorf("ending the lock does %q", h.said)
	}
	h.answer.Pick(h, 1)
	if a := h.answer; a.Title != "budi" || !slices.ContainsFunc(a.Rows, func(r Row) bool { return r.Action && r.Text == "let them read and post again" }) {
		t.Errorf("the card is %+v", a)
	}
	h.fail = errors.New("no")
	if got := h.run(t, "/rules"); got != "! no" {
		t.Error(got)
	}
}

func TestSentence(t *testing.T) {
	at := func(d time.Duration) wire.Time { return wire.TimeOf(start.Add(d)) }
	text := func(name, value string) wire.Params { return wire.Params{name: wire.TextValue(value)} }
	for _, test := range []struct {
		why  Refusal
		want string
	}{
		{Refusal{Reason: "the server's words"}, "the server's words"},
		{Refusal{Rule: "of a newer server", Reason: "words"}, "words"},
		{Refusal{Rule: wire.RuleRole, Reason: "words"}, "words"},
		{Refusal{Rule: wire.SlowKey, Until: at(12 * time.Second)}, "slow mode: you can post in 12 seconds"},
		{Refusal{Rule: wire.SlowKey, Until: at(-time.Second)}, "slow mode: you can post now"},
		{Refusal{Rule: wire.SlowKey, Until: at(2 * time.Hour)}, "slow mode: you can post at 16:02"},
		{Refusal{Rule: wire.SlowKey}, "slow mode: you can post later"},
		{Refusal{Rule: wire.NewcomerKey, Until: at(5 * time.Minute)}, "you are new here: you can post in 5 minutes"},
		{Refusal{Rule: wire.LockKey}, "the room is locked"},
		{Refusal{Rule: wire.LockKey, Until: at(time.Hour)}, "the room is locked until 15:02"},
		{Refusal{Rule: wire.RulePerson, Params: text(wire.ParamAction, wire.Ban), Until: at(time.Hour)}, "you are banned from this room until 15:02"},
		{Refusal{Rule: wire.RulePerson, Params: text(wire.ParamAction, wire.Mute)}, "you are muted in this room"},
		{Refusal{Rule: wire.RuleAddress}, "your network is muted in this room"},
		{Refusal{Rule: wire.MaySayKey, Params: text(wire.ParamRole, "moderator")}, "only moderators can post here"},
		{Refusal{Rule: wire.MayReactKey, Params: text(wire.ParamRole, "owner")}, "only the owner can react here"},
		{Refusal{Rule: wire.MayLinkKey, Params: text(wire.ParamRole, "trusted")}, "only people with the role trusted or a higher one can post links here"},
	} {
		if got := test.why.Sentence(start, newHost().When); got != test.want {
			t.Errorf("%+v: %s, want %s", test.why, got, test.want)
		}
	}
}

// TestCard: moderators act on a person from the card, and owners appoint moderators. The rows that only inform do nothing.
func TestCard(t *testing.T) {
	for role, want := range map[wire.Role]string{
		wire.RoleGuest:     "",
		wire.RoleModerator: "mute for 10 minutes, mute, ban for a day, ban, give the role trusted, erase all their messages",
		wire.RoleOwner:     "mute for 10 minutes, mute, ban for a day, ban, give the role trusted, make them a moderator, erase all their messages",
	} {
		h := newHost()
		h.role = role
		h.run(t, "/whois budi")
		var got []string
		for i, r := range h.answer.Rows {
			if r.Action {
				got = append(got, r.Text)
			} else if h.said = nil; h.answer.Pick != nil {
				if h.answer.Pick(h, i); len(h.said) > 0 {
					t.Errorf("the row %q does %q", r.Text, h.said)
				}
			}
		}
		if strings.Join(got, ", ") != want || (h.answer.Pick != nil) != (want != "") {
			t.Errorf("the actions of role %v are %q, want %s", role, got, want)
		}
	}
	h := newHost()
	h.role = wire.RoleOwner
	h.run(t, "/whois budi")
	for _, want := range []string{
		`set person/idOfBudi00000000 "mute" until 14:12: budi is muted until 14:12`, `set person/idOfBudi00000000 "mute": budi is muted`,
		`set person/idOfBudi00000000 "ban" until 14:02: budi is banned until 14:02`, `set person/idOfBudi00000000 "ban": budi is banned`,
		`set role/idOfBudi00000000 "trusted": budi has the role trusted`, `set role/idOfBudi00000000 "moderator": budi is a moderator`,
	} {
		i := slices.IndexFunc(h.answer.Rows, func(r Row) bool { return r.Action })
		h.said = nil
		h.answer.Pick(h, i)
		if h.answer.Rows[i].Action = false; strings.Join(h.said, "") != want {
			t.Errorf("%s does %q, want %s", h.answer.Rows[i].Text, h.said, want)
		}
	}
	if h.run(t, "/whois me"); h.answer.Pick != nil {
		t.Error("there are actions on oneself")
	}
}
