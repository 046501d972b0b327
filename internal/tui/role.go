package tui

import (
	"time"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// What this user may do in a room: the role, the rules that apply to it, and whether the room is closed for this user.

// standing is what this user may do in a room, as far as it is known.
type standing struct {
	role   wire.Role        // none: not known, as with an older server
	until  wire.Time        // the role ends then; 0: it has no end
	closed string           // why the user may not read the room; empty: it is open
	wait   commands.Refusal // the last refusal that ends while one waits
}

// ownRole takes a new role of this user.
func (r *room) ownRole(f wire.OwnRole) {
	if f.Role != r.standing.role && r.standing.role != wire.RoleNone {
		words := "your role in " + r.name + " is now " + f.Role.String()
		if f.Until != 0 {
			words += ", until " + r.when(f.Until.Std())
		}
		r.inform("%s", words)
	}
	r.standing.role, r.standing.until = f.Role, f.Until
}

// moderates reports whether this user is a moderator of the room.
func (r *room) moderates() bool { return r.standing.role >= wire.RoleModerator }

// rule returns a rule of the room that holds now, and its end.
func (r *room) rule(key string) (wire.Value, wire.Time) {
	return r.timeline.replica.Rule(key, r.timeline.pending().Sent, r.serverTime())
}

// locked reports whether the room is locked, and until when; 0: without an end.
func (r *room) locked() (until wire.Time, locked bool) {
	v, until := r.rule(wire.LockKey)
	return until, !v.IsNull()
}

// refused notes a refusal that ends by itself.
func (r *room) refused(why commands.Refusal) {
	if why.Waits() {
		r.standing.wait = why
	}
}

// posted begins the wait of slow mode after a message of this user.
func (r *room) posted(at time.Time) {
	v, _ := r.rule(wire.SlowKey)
	if v.Number == nil || r.moderates() || r.standing.role == wire.RoleNone {
		return
	}
	r.refused(commands.Refusal{Rule: wire.SlowKey, Until: wire.TimeOf(at.Add(time.Duration(min(*v.Number, wire.MaxSlow)) * time.Second))})
}

// blocked returns why the server would refuse a message of this user now, if that is known.
func (r *room) blocked() (why commands.Refusal, blocked bool) {
	role := r.standing.role
	if role >= wire.RoleModerator {
		return why, false
	}
	if role != wire.RoleNone {
		if until, locked := r.locked(); locked {
			return commands.Refusal{Rule: wire.LockKey, Until: until}, true
		}
		if v, until := r.rule(wire.MaySayKey); v.Text != nil {
			if needed, ok := wire.ParseRole(*v.Text); ok && role < needed {
				return commands.Refusal{Rule: wire.MaySayKey, Params: wire.Params{wire.ParamRole: v}, Until: until}, true
			}
		}
		if role == wire.RoleReader {
			return commands.Refusal{Rule: wire.RuleRole, Reason: "you can read here, but not post"}, true
		}
	}
	if w := r.standing.wait; w.Waits() && w.Until.Std().After(r.serverTime()) {
		return w, true
	}
	return why, false
}

// nextEnd returns how long until a rule that is shown ends, or a countdown changes; 0: none does.
func (r *room) nextEnd() time.Duration {
	next, now := time.Duration(0), r.serverTime()
	add := func(d time.Duration) {
		if d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	if until, locked := r.locked(); locked && until != 0 {
		add(until.Std().Sub(now))
	}
	if w := r.standing.wait; w.Waits() {
		if left := w.Until.Std().Sub(now); left > 0 {
			add(left%time.Second + time.Millisecond) // the countdown shows whole seconds
		}
	}
	return next
}

// roleLabel is this user's role, if it is worth showing.
func (r *room) roleLabel() string {
	switch r.standing.role {
	case wire.RoleNone, wire.RoleGuest, wire.RoleKnown:
		return ""
	}
	return r.standing.role.String()
}

// close notes that this user may not read the room.
func (r *room) close(why commands.Refusal) {
	r.standing = standing{closed: r.refusalWords(why)}
}

// closedBy is the refusal of a frame that closes a room.
func closedBy(f wire.Left) commands.Refusal {
	return commands.Refusal{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until}
}

// canDelete reports whether this user can delete a message now, as far as is known.
func (s *screen) canDelete(it *item) bool {
	return s.canChange(it) || s.room().moderates() && it.n > 0 && !it.gone && !it.note
}

// refusedJoin notes that a rule of a room has refused a join, and reports whether it was one.
func (s *screen) refusedJoin(f client.RequestFailed) bool {
	join, ok := f.Request.(wire.Join)
	r := s.rooms.find(join.Room)
	if !ok || f.Rule == "" || r == nil {
		return false
	}
	r.close(failure(f))
	return true
}

// failure is why a request failed.
func failure(f client.RequestFailed) commands.Refusal {
	return commands.Refusal{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until}
}

// sign is what stands after the name of a room: a star if this user owns it, and a sign if it is locked, or closed for this user.
func (r *room) sign() (sign string) {
	if r.standing.role == wire.RoleOwner {
		sign = " ★"
	}
	if _, locked := r.locked(); locked || r.standing.closed != "" {
		sign += " ⊘"
	}
	return sign
}
