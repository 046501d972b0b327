package linemode

import (
	"maps"
	"slices"

	"ramai/client"
	"ramai/wire"
)

// waiting keeps count of the held messages and reports that wait for the moderators of the room. It is used only for a moderator.
type waiting struct {
	joined        bool              // the room of the moderators was requested
	until         uint64            // the number up to which it is replayed; nothing is noted before that
	held, reports map[uint64]string // their senders by their numbers there
	heldNoted     bool              // a note has said that some are waiting, and some are since then
	reportsNoted  bool
}

// moderatorsRoom is the name of the room of the moderators; empty: the room has none, or nobody reads notes about it.
func (r *runner) moderatorsRoom() string {
	if base, _ := wire.BaseRoom(r.Room); !r.Commands || r.JSON || r.plain || base != r.Room {
		return ""
	}
	return wire.ModeratorsRoom(r.Room)
}

// followModerators joins the room of the moderators if this person is one, or else leaves it.
func (r *runner) followModerators() {
	name := r.moderatorsRoom()
	switch moderates := r.role >= wire.RoleModerator; {
	case name == "":
	case moderates && !r.waiting.joined:
		r.waiting.joined = r.Client.Join(name, wire.DefaultJoin) == nil
	case !moderates && r.waiting.joined:
		_ = r.Client.Leave(name) // the server has removed this person from it
		r.waiting = waiting{}
	}
}

// ofModerators takes a frame of the moderators' room, which is never shown. It reports whether f is one.
func (r *runner) ofModerators(f wire.Frame) bool {
	name := r.moderatorsRoom()
	if failed, ok := f.(client.RequestFailed); ok {
		join, ok := failed.Request.(wire.Join)
		if ok = ok && name != "" && join.Room == name; ok {
			r.waiting.joined = false
		}
		return ok
	}
	in, ok := f.(wire.RoomFrame)
	if _, sent := f.(client.Sent); sent || !ok || name == "" || in.RoomName() != name { // commands wait for what they have sent
		return false
	}
	if r.waiting.joined { // what was still on its way after a Leave is of no use
		if n := r.waiting.take(f); n >= r.waiting.until {
			r.noteWaiting()
		}
	}
	return true
}

// take takes a frame, and returns its number; 0: it has none.
func (w *waiting) take(f wire.Frame) uint64 {
	if w.held == nil {
		w.held, w.reports = make(map[uint64]string), make(map[uint64]string)
	}
	forget := func(is func(n uint64, by string) bool) {
		maps.DeleteFunc(w.held, is)
		maps.DeleteFunc(w.reports, is)
	}
	switch f := f.(type) {
	case wire.Joined:
		if w.until = f.N; f.Reset {
			clear(w.held)
			clear(w.reports)
		}
	case wire.Left:
		w.joined = false
	case wire.Message:
		switch {
		case f.Gone:
			forget(func(n uint64, _ string) bool { return n == f.N })
		case f.As == wire.HeldMessage:
			w.held[f.N] = f.SenderID
		case f.As == wire.ReportMessage:
			w.reports[f.N] = f.SenderID
		}
		return f.N
	case wire.Changed:
		if f.Text == nil {
			forget(func(n uint64, by string) bool {
				return slices.ContainsFunc(f.Of, func(of wire.Range) bool { return of.From <= n && n <= of.To }) &&
					(f.ID != "" || f.SenderID == "" || f.SenderID == by)
			})
		}
		return f.N
	case wire.State:
		return f.N
	case wire.Tally:
		return f.N
	case wire.Restored:
		return f.N
	case wire.Unknown:
		return f.N
	case wire.Gap:
		forget(func(n uint64, _ string) bool { return f.From <= n && n <= f.To })
		return f.To
	}
	return 0
}

// noteWaiting writes what waits, once until none of it does.
func (r *runner) noteWaiting() {
	w := &r.waiting
	if n := len(w.held); n == 1 && !w.heldNoted {
		r.note("1 message waits for a moderator: /approve, /reject")
	} else if n > 1 && !w.heldNoted {
		r.note("%d messages wait for a moderator: /approve, /reject", n)
	}
	if n := len(w.reports); n == 1 && !w.reportsNoted {
		r.note("1 report: /report")
	} else if n > 1 && !w.reportsNoted {
		r.note("%d reports: /report", n)
	}
	w.heldNoted, w.reportsNoted = len(w.held) > 0, len(w.reports) > 0
}
