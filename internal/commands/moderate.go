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
		{Name: "undo", Args: "[N]", Takes: []Kind{TextArg}, Needs: wire.RoleModerator, Help: "undo your last erasure, or erasure N, within 23 hours", Run: undo},
	}
}

func erase(h Host, args string) {
	words, at := splitTime(h, args)
	var since *wire.Time
	if at != "" {
		d, _, err := ParseTime(at)
		if err != nil {
			h.Warn(err.Error())
			return
		}
		t := wire.TimeOf(h.Now().Add(-d))
		since = &t
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
			h.Warn(fmt.Sprintf("invalid erasure %.20s (want its number, as it was shown after /erase)", args))
			return
		}
	}
	if n == 0 {
		h.Warn("you have not erased anything here since you connected; /undo N undoes erasure N")
		return
	}
	h.Moderate(wire.Moderate{Undo: n}, func(uint64) string { return fmt.Sprintf("erasure %d is undone", n) })
}
