package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"ramai/wire"
)

// Commands for messages of others.

// moderateCommands returns the commands for messages of others.
func moderateCommands() []Command {
	return []Command{
		{Name: "erase", Args: "PERSON [TIME]", Takes: []Kind{PersonArg, TimeArg}, Needs: wire.RoleModerator, Help: "erase all messages of somebody, or those of the last TIME; shows them first. #150 address: those from the address of message 150; newcomers TIME: those of people who are new", Run: erase},
		{Name: "undo", Args: "[WHAT] [TIME]", Takes: []Kind{PersonArg, TimeArg}, Needs: wire.RoleModerator, Help: "undo your last erasure, or erasure N, within 23 hours; owners: with a PERSON, what that moderator did, all of it or in the last TIME", Run: undo},
	}
}

func erase(h Host, args string) {
	words, at := splitTime(h, args)
	since, ok := sinceTime(h, at)
	if !ok {
		return
	}
	n, isAddress := addressOf(words)
	switch {
	case isAddress:
		eraseSelected(h, wire.Selection{AddressOf: n, Since: since}, "from the address of message "+strconv.FormatUint(n, 10))
	case words == "newcomers" && since != nil && len(find(h, words)) == 0:
		eraseSelected(h, wire.Selection{Newcomers: true, Since: since}, "of newcomers")
	default:
		withPerson(h, words, func(h Host, p Person) { eraseAll(h, p, since) })
	}
}

// sinceTime returns when the last part of the time began, of that length; "": nil. It warns and reports false if the length is invalid.
func sinceTime(h Host, length string) (since *wire.Time, ok bool) {
	if length == "" {
		return nil, true
	}
	d, _, err := ParseTime(length)
	if err != nil {
		h.Warn(err.Error())
		return nil, false
	}
	t := wire.TimeOf(h.Now().Add(-d))
	return &t, true
}

// eraseAll erases the messages of a person, after it has shown how many there are.
func eraseAll(h Host, p Person, since *wire.Time) {
	eraseSelected(h, wire.Selection{SenderID: p.ID, Since: since}, "of "+p.Label())
}

// eraseSelected erases messages, after it has shown how many there are. whose says in words which they are.
func eraseSelected(h Host, selection wire.Selection, whose string) {
	room := h.Room()
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		preview, err := server.Preview(ctx, room, selection)
		return func(h Host) Answer {
			what, held := messages(preview.Count), messages(preview.Held)
			var c Confirmation
			switch {
			case preview.Count == 0 && preview.Held == 0:
				return Answer{Title: "there are no such messages " + whose}
			case preview.Count == 0:
				c = Confirmation{Question: fmt.Sprintf("Reject %s %s waiting for a moderator? /undo does not bring them back.", held, whose), Yes: "reject them"}
			default:
				c = Confirmation{Question: fmt.Sprintf("Erase %s %s for everyone? /undo brings them back within 23 hours.", what, whose), Yes: "erase them"}
			}
			for _, m := range preview.Sample {
				c.Rows = append(c.Rows, Row{SenderID: m.SenderID, Name: Person{ID: m.SenderID, Name: m.DisplayName}.Label(), Text: h.When(m.At.Std()) + "  " + m.Text})
			}
			if more := preview.Count - len(preview.Sample); more > 0 {
				c.Rows = append(c.Rows, Row{Text: "and " + strconv.Itoa(more) + " older"})
			}
			if preview.Addresses > 0 {
				c.Rows = append(c.Rows, Row{Text: fmt.Sprintf("from %s; people here from there now: %d", either(preview.Addresses == 1, "1 address", strconv.Itoa(preview.Addresses)+" addresses"), preview.Present)})
			}
			if preview.Count > 0 && preview.Held > 0 {
				c.Rows = append(c.Rows, Row{Text: held + " waiting for a moderator, which /undo does not bring back"})
			}
			if preview.Kept > 0 {
				c.Rows = append(c.Rows, Row{Text: messages(preview.Kept) + " of moderators and owners stay"})
			}
			c.Do = func(h Host) {
				h.Moderate(wire.Moderate{Erase: &selection, To: preview.To, HeldTo: preview.HeldTo}, func(n uint64) string {
					if preview.Count == 0 {
						return fmt.Sprintf("%s %s rejected", held, whose)
					}
					return fmt.Sprintf("%s %s erased; /undo %d brings them back", what, whose, n)
				})
			}
			h.Confirm(c)
			return Answer{}
		}, err
	})
}

// messages is a number of messages in words.
func messages(n int) string {
	return strconv.Itoa(n) + either(n == 1, " message", " messages")
}

func undo(h Host, args string) {
	n := h.LastErasure()
	if args != "" {
		var err error
		if n, err = strconv.ParseUint(strings.TrimPrefix(args, "#"), 10, 63); err != nil || n == 0 {
			undoPerson(h, args)
			return
		}
	}
	if n == 0 {
		h.Warn("you have not erased anything here since you connected; /undo N undoes erasure N")
		return
	}
	h.Moderate(wire.Moderate{Undo: n}, func(uint64) string { return fmt.Sprintf("erasure %d is undone", n) })
}

// undoPerson undoes what somebody did as a moderator, after it has shown what that is.
func undoPerson(h Host, args string) {
	words, at := splitTime(h, args)
	since, ok := sinceTime(h, at)
	if !ok {
		return
	}
	room := h.Room()
	withPerson(h, words, func(h Host, p Person) {
		actions := wire.ActionsOf{SenderID: p.ID, Since: since}
		h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
			found, err := server.UndoBy(ctx, room, actions, 0)
			return func(h Host) Answer { return confirmUndo(h, p, actions, found) }, err
		})
	})
}

// maxSteps is how many steps are listed.
const maxSteps = 8

// confirmUndo shows what would be undone, and undoes it after y.
func confirmUndo(h Host, p Person, actions wire.ActionsOf, found wire.Undone) Answer {
	var rest []Row
	for i := range found.Rest[:min(len(found.Rest), maxSteps)] {
		stays := "stays: " + actionWords(&found.Rest[i].Action, h.When)
		if why := found.Rest[i].Reason; why != "" {
			stays += " (" + why + ")"
		}
		rest = append(rest, Row{Text: stays})
	}
	if more := found.RestCount - len(rest); more > 0 {
		rest = append(rest, Row{Text: "and " + strconv.Itoa(more) + " more that cannot be undone"})
	}
	if found.Count == 0 {
		return Answer{Title: p.Label() + " did nothing here that can be undone" + either(actions.Since == nil, "", " in that time"), Rows: rest}
	}
	c := Confirmation{Question: "Undo what " + p.Label() + " did in " + h.Room() + " as a moderator? Steps: " + strconv.Itoa(found.Count), Yes: "undo it"}
	for i := range found.Steps[:min(len(found.Steps), maxSteps)] {
		c.Rows = append(c.Rows, Row{Text: stepWords(h, &found.Steps[i])})
	}
	if more := found.Count - len(c.Rows); more > 0 {
		c.Rows = append(c.Rows, Row{Text: "and " + strconv.Itoa(more) + " more"})
	}
	c.Rows = append(c.Rows, rest...)
	room := h.Room()
	c.Do = func(h Host) {
		h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
			undone, err := undoAll(ctx, server, room, actions, found.To)
			if undone.Count+undone.Failed+undone.Unknown == 0 && err != nil {
				return nil, err
			}
			return func(h Host) Answer { return undoneBy(h, p, &undone, err) }, nil
		})
	}
	h.Confirm(c)
	return Answer{}
}

// undoAll undoes what was shown, in as many requests as that takes. With an error it returns what was done before that.
func undoAll(ctx context.Context, server Server, room string, actions wire.ActionsOf, to uint64) (all wire.Undone, err error) {
	for {
		undone, err := server.UndoBy(ctx, room, actions, to)
		if err != nil {
			return all, err
		}
		all.Add(undone)
		switch {
		case undone.Code != "":
			return all, &wire.CodedError{Code: undone.Code, Reason: undone.Reason}
		case undone.Next == 0:
			return all, nil
		}
		actions.Before = undone.Next
	}
}

// undoneBy says what was undone, what was refused, and what is left because of an error.
func undoneBy(h Host, p Person, undone *wire.Undone, err error) Answer {
	a := Answer{Title: fmt.Sprintf("what %s did is undone: %d %s", p.Label(), undone.Count, either(undone.Count == 1, "step", "steps"))}
	if err != nil {
		a.Title = fmt.Sprintf("a part of what %s did is undone: %d %s", p.Label(), undone.Count, either(undone.Count == 1, "step", "steps"))
	}
	if undone.Failed > 0 {
		a.Title += ", and " + strconv.Itoa(undone.Failed) + " refused"
	}
	if undone.Unknown > 0 {
		a.Title += ", and " + strconv.Itoa(undone.Unknown) + " not known yet"
	}
	if err != nil {
		a.Rows = append(a.Rows, Row{Text: "stopped: " + err.Error()}, Row{Text: "/undo " + p.Label() + " continues"})
	}
	for i := range undone.Steps[:min(len(undone.Steps), maxSteps)] {
		a.Rows = append(a.Rows, Row{Text: "refused: " + stepWords(h, &undone.Steps[i]) + ": " + undone.Steps[i].Reason})
	}
	return a
}

// stepWords says what a step does.
func stepWords(h Host, s *wire.UndoStep) string {
	switch {
	case s.Key == "":
		return "bring back what erasure " + strconv.FormatUint(s.Action.Erasure, 10) + " erased: " + messages(int(s.Action.Count))
	case s.AddressOf > 0:
		return Describe(h, wire.Setting{Key: wire.AddressPrefix + strconv.FormatUint(s.AddressOf, 10), Value: s.Value, Until: s.Until})
	}
	return Describe(h, wire.Setting{Key: s.Key, Value: s.Value, Until: s.Until})
}
