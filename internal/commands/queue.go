package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ramai/wire"
)

// Messages that wait for a moderator, and reports.

// queueCommands returns the commands for what waits, and for reports.
func queueCommands() []Command {
	return []Command{
		{Name: "approve", Args: "[WHICH]", Takes: []Kind{TextArg}, Needs: wire.RoleModerator, Help: "the messages that wait for a moderator; with a number, a name or all: post them", Run: decision(true)},
		{Name: "reject", Args: "[WHICH]", Takes: []Kind{TextArg}, Needs: wire.RoleModerator, Help: "the same: refuse them, and say so to their authors", Run: decision(false)},
		{Name: "withdraw", Args: "[all]", Takes: []Kind{TextArg}, Help: "take back your message that waits for a moderator, or all of them", Run: withdraw},
		{Name: "report", Args: "[N] [TEXT]", Takes: []Kind{TextArg, TextArg}, Help: "report message N to the moderators; moderators: without N, the newest reports", Run: report},
		{Name: "settle", Args: "N", Takes: []Kind{TextArg}, Needs: wire.RoleModerator, Help: "the reports about message N need nothing more; all: all reports", Run: settle},
	}
}

// maxQueue is how many records of the moderators' room are searched for what waits.
const maxQueue = 4 * wire.MaxPage

// records returns the newest messages of a room of moderators or owners that a function chooses, ascending.
func records(ctx context.Context, server Server, room string, is func(m *wire.Message) bool) (found []wire.Message, err error) {
	ask := wire.History{Room: room, Limit: wire.MaxPage}
	for read := 0; read < maxQueue; read += wire.MaxPage {
		page, err := server.History(ctx, ask)
		if err != nil {
			return nil, err
		}
		var some []wire.Message
		for i := range page.Messages {
			if m := page.Messages[i]; is(&m) {
				m.Room = room
				some = append(some, m)
			}
		}
		found = append(some, found...)
		if !page.More || len(page.Messages) == 0 {
			break
		}
		ask.Before = &page.Messages[0].N
	}
	return found, nil
}

// waits reports whether a message waits for a moderator.
func waits(m *wire.Message) bool { return m.As == wire.HeldMessage && !m.Gone }

// decision returns the command that approves or rejects messages.
func decision(approve bool) func(h Host, args string) {
	return func(h Host, args string) {
		room := h.Room()
		h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
			all, err := records(ctx, server, wire.ModeratorsRoom(room), waits)
			if err != nil {
				return nil, err
			}
			return func(h Host) Answer {
				if args == "" || len(all) == 0 {
					return listQueue(h, all)
				}
				decide(h, args, chosen(all, args), approve)
				return Answer{}
			}, nil
		})
	}
}

// chosen returns the waiting messages that words mean: all, those of somebody with that name, or the one with a number.
func chosen(waiting []wire.Message, words string) (list []wire.Message) {
	n, _ := strconv.ParseUint(strings.TrimPrefix(words, "#"), 10, 63)
	name := strings.TrimPrefix(words, "@")
	for _, m := range waiting {
		if strings.EqualFold(words, "all") || m.N == n || Alike(m.DisplayName, name) {
			list = append(list, m)
		}
	}
	return list
}

// listQueue lists what waits, with its numbers. Choosing one asks what to do with it.
func listQueue(h Host, waiting []wire.Message) Answer {
	if len(waiting) == 0 {
		return Answer{Title: "no messages wait for a moderator"}
	}
	a := Answer{Title: messages(len(waiting)) + " waiting; /approve N or /reject N decides"}
	for i := range waiting {
		m := &waiting[i]
		a.Rows = append(a.Rows, Row{SenderID: m.SenderID, Name: author(m), Text: fmt.Sprintf("%d  %s  %s", m.N, h.When(m.At.Std()), heldText(m))})
	}
	a.Pick = func(h Host, i int) {
		one := waiting[i : i+1]
		choose(h, author(&one[0])+": "+heldText(&one[0]), []action{
			{"approve it", func(h Host) { judge(h, one, true) }},
			{"reject it", func(h Host) { judge(h, one, false) }},
		})
	}
	return a
}

func author(m *wire.Message) string { return Person{ID: m.SenderID, Name: m.DisplayName}.Label() }

// heldText is a waiting message with the options of a poll.
func heldText(m *wire.Message) string {
	return strings.Join(append([]string{m.Text}, m.Options...), " | ")
}

// decide approves or rejects messages, after a question if there are several.
func decide(h Host, words string, list []wire.Message, approve bool) {
	switch len(list) {
	case 0:
		h.Warn("no waiting message matches " + words + "; /approve lists them with their numbers")
		return
	case 1:
		judge(h, list, approve)
		return
	}
	c := Confirmation{Question: either(approve, "Approve ", "Reject ") + messages(len(list)) + "?", Yes: either(approve, "approve them", "reject them"), Do: func(h Host) { judge(h, list, approve) }}
	for i := range list {
		c.Rows = append(c.Rows, Row{SenderID: list[i].SenderID, Name: author(&list[i]), Text: heldText(&list[i])})
	}
	h.Confirm(c)
}

// judge approves or rejects messages.
func judge(h Host, list []wire.Message, approve bool) {
	for i := range list {
		m := &list[i]
		held := &wire.HeldID{SenderID: m.SenderID, ID: m.ID}
		request := wire.Moderate{Reject: held}
		if approve {
			request = wire.Moderate{Approve: held}
		}
		h.Moderate(request, func(uint64) string {
			return "the message of " + author(m) + either(approve, " is approved", " is rejected")
		})
	}
}

func withdraw(h Host, args string) {
	held, all := h.Held(), strings.EqualFold(args, "all")
	switch {
	case args != "" && !all:
		h.Warn(fmt.Sprintf("invalid %.20s (want all, or nothing: then you choose one)", args))
	case len(held) == 0:
		h.Warn("no message of yours waits for a moderator here")
	case all || len(held) == 1:
		for _, m := range held {
			h.Withdraw(m.ID)
		}
	default:
		c := Choice{Title: "which one?", Do: func(h Host, i int) { h.Withdraw(held[i].ID) }}
		for _, m := range held {
			c.Rows = append(c.Rows, Row{Text: m.Text})
		}
		h.Choose(c)
	}
}

func report(h Host, args string) {
	number, words, _ := strings.Cut(args, " ")
	n, err := strconv.ParseUint(strings.TrimPrefix(number, "#"), 10, 63)
	switch {
	case args == "" && h.Role() >= wire.RoleModerator:
		listReports(h)
		return
	case err != nil || n == 0:
		h.Warn("/report N TEXT reports message N to the moderators; TEXT says why, and may be left out")
		return
	}
	ask := wire.Report{Room: h.Room(), Of: n, Text: strings.TrimSpace(words)}
	if bad := wire.CheckText(ask.Text, wire.MaxReport); bad != nil {
		h.Warn(bad.Reason)
		return
	}
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		if err := server.Report(ctx, ask); err != nil {
			return nil, err
		}
		return func(Host) Answer {
			return Answer{Title: fmt.Sprintf("message %d is reported", n)}
		}, nil
	})
}

// recordRooms returns the rooms with what concerns a room: that of its moderators, and for an owner that of its owners.
func recordRooms(room string, owner bool) []string {
	if owner {
		return []string{wire.ModeratorsRoom(room), wire.OwnersRoom(room)}
	}
	return []string{wire.ModeratorsRoom(room)}
}

// reports returns the reports that are not settled, ascending: those of the moderators' room, and for an owner also those about
// moderators, of the owners' room.
func reports(ctx context.Context, server Server, room string, owner bool) (all []wire.Message, err error) {
	for _, room := range recordRooms(room, owner) {
		some, err := records(ctx, server, room, func(m *wire.Message) bool { return m.As == wire.ReportMessage && !m.Gone })
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b wire.Message) int { return cmp.Compare(a.At, b.At) })
	return all, nil
}

// listReports lists the newest reports first. Choosing one asks what to do with it.
func listReports(h Host) {
	room, owner := h.Room(), h.Role() >= wire.RoleOwner
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		all, err := reports(ctx, server, room, owner)
		if err != nil {
			return nil, err
		}
		slices.Reverse(all)
		all = all[:min(len(all), maxListed)]
		return func(h Host) Answer {
			if len(all) == 0 {
				return Answer{Title: "no reports in " + room}
			}
			a := Answer{Title: "What was reported in " + room + "; /settle N when nothing more is to be done about message N"}
			for i := range all {
				m := &all[i]
				a.Rows = append(a.Rows, Row{SenderID: m.SenderID, Name: author(m), Text: h.When(m.At.Std()) + "  " + Logged(m, h.When)})
			}
			a.Pick = func(h Host, i int) {
				choose(h, Logged(&all[i], h.When), []action{{"settle it", func(h Host) { settleReports(h, all[i:i+1]) }}})
			}
			return a
		}, nil
	})
}

func settle(h Host, args string) {
	n, err := strconv.ParseUint(strings.TrimPrefix(args, "#"), 10, 63)
	every := strings.EqualFold(args, "all")
	if !every && (err != nil || n == 0) {
		h.Warn(fmt.Sprintf("invalid message %.20s (want the number of the reported message, or all; /report lists the reports)", args))
		return
	}
	room, owner := h.Room(), h.Role() >= wire.RoleOwner
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		all, err := reports(ctx, server, room, owner)
		all = slices.DeleteFunc(all, func(m wire.Message) bool { return !every && m.Of != n })
		return func(h Host) Answer {
			if len(all) == 0 {
				return Answer{Title: either(every, "no reports in "+room, "no report about message "+args+" is open; /report lists the reports")}
			}
			settleReports(h, all)
			return Answer{}
		}, err
	})
}

// settleReports settles reports, also behind one that is refused, and says how many are settled.
func settleReports(h Host, list []wire.Message) {
	h.Ask(func(ctx context.Context, server Server) (func(h Host) Answer, error) {
		settled := 0
		var rows []Row
		for i := range list {
			err := server.Settle(ctx, list[i].Room, list[i].N)
			coded := (*wire.CodedError)(nil)
			refused := errors.As(err, &coded)
			switch {
			case err == nil, refused && coded.Code == wire.Gone: // somebody else was faster
				settled++
				continue
			case len(list) == 1, i == 0 && !refused:
				return nil, err
			}
			rows = append(rows, Row{Text: fmt.Sprintf("the report about message %d is not settled: %v", list[i].Of, err)})
			if !refused { // the connection is lost, for example
				break
			}
		}
		return func(Host) Answer {
			title := either(settled == 1, "1 report is settled", strconv.Itoa(settled)+" reports are settled")
			if len(list) == 1 {
				title = fmt.Sprintf("the report about message %d is settled", list[0].Of)
			}
			return Answer{Title: title, Rows: rows}
		}, nil
	})
}
