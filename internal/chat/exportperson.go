package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// The lines of an export besides frames of ramai.v1.
type (
	// ExportedPerson is the first line.
	ExportedPerson struct {
		Type     string    `json:"type"` // "person"
		SenderID string    `json:"by"`
		Name     string    `json:"name,omitempty"` // that it has now
		At       wire.Time `json:"at"`
	}
	// ExportedName is a registered name.
	ExportedName struct {
		Type  string    `json:"type"` // "name"
		Name  string    `json:"name"`
		Since wire.Time `json:"since"`
	}
	// ExportedProof is a proof, without what it was proved with.
	ExportedProof struct {
		Type  string    `json:"type"` // "proof"
		Kind  string    `json:"kind"`
		Label string    `json:"label"`
		Since wire.Time `json:"since"`
	}
	// ExportedSession is a session that has not ended.
	ExportedSession struct {
		Type string    `json:"type"` // "session"
		Used wire.Time `json:"used"`
	}
	// ExportedRule is a role of the sender, or a ban or mute.
	ExportedRule struct {
		Type  string     `json:"type"` // "rule"
		Room  string     `json:"room"`
		Key   string     `json:"key"`
		Value wire.Value `json:"value"`
		Until wire.Time  `json:"until,omitempty"`
	}
	// ExportedMark is a mark on a message.
	ExportedMark struct {
		Type string `json:"type"` // "mark"
		Room string `json:"room"`
		Of   uint64 `json:"of"`
		Key  string `json:"key"`
	}
	// ExportedInvite is an invite that the sender made or, with the type "redemption", redeemed.
	ExportedInvite struct {
		Type  string    `json:"type"` // "invite" or "redemption"
		Room  string    `json:"room"`
		Role  wire.Role `json:"role"`
		Uses  int       `json:"uses,omitempty"`
		Used  int       `json:"used,omitempty"`
		Until wire.Time `json:"until,omitempty"`
	}
	// ExportEnd is the last line. Without it the export is incomplete.
	ExportEnd struct {
		Type  string `json:"type"` // "end"
		Lines int    `json:"lines"`
	}
)

// ExportPerson calls put with each line of JSON about a sender: who it is, the rules about it, its records in all rooms as frames of
// ramai.v1, and its marks. No line has a secret. The last line is an ExportEnd.
func (o *Operator) ExportPerson(ctx context.Context, senderID string, now wire.Time, put func(line []byte) error) error {
	if !eventlog.CanForget(senderID) {
		return Nobody(senderID)
	}
	e := export{Operator: o, ctx: ctx, by: senderID, put: put}
	e.value(ExportedPerson{"person", senderID, o.Store.Name(senderID), now})
	e.identity()
	for _, room := range slices.Sorted(maps.Keys(o.Store.AllBounds())) {
		e.room(room)
	}
	e.value(ExportEnd{"end", e.lines})
	return e.err
}

// An export is an ExportPerson. After an error it does nothing.
type export struct {
	*Operator
	ctx   context.Context
	by    string
	put   func([]byte) error
	lines int
	err   error
}

func (e *export) line(b []byte) {
	if e.err == nil {
		e.lines++
		e.err = e.put(b)
	}
}

func (e *export) value(v any) {
	b, err := json.Marshal(v)
	e.err = cmp.Or(e.err, err)
	e.line(b)
}

// identity exports names, proofs and sessions.
func (e *export) identity() {
	for _, r := range e.Store.RegisteredNames() {
		if r.SenderID == e.by {
			e.value(ExportedName{"name", r.Name, r.Since})
		}
	}
	proofs, err := eventlog.ProofsOf(e.Store, e.by)
	e.err = cmp.Or(e.err, err)
	for _, p := range proofs {
		e.value(ExportedProof{"proof", p.Kind, p.Label, p.At})
	}
	sessions, err := eventlog.SessionsOf(e.Store, e.by)
	e.err = cmp.Or(e.err, err)
	for _, s := range sessions {
		e.value(ExportedSession{"session", s.Used})
	}
}

// room exports what a room has.
func (e *export) room(room string) {
	for _, rule := range e.rulesAbout(e.by, room) {
		e.value(ExportedRule{"rule", room, rule.Key, rule.Value, rule.Until})
	}
	err := e.entries(e.ctx, e.by, room, func(all []eventlog.Entry) error {
		for i := range all {
			if invite, typ, err := eventlog.InviteOf(&all[i], e.by); err != nil {
				return err
			} else if typ != "" {
				e.value(ExportedInvite{typ, room, invite.Role, invite.Uses, invite.Used, invite.Until})
			}
		}
		return e.err
	})
	e.err = cmp.Or(e.err, err)
	if e.err != nil {
		return
	}
	_, err = e.traces(e.ctx, e.by, room, 0, func(t *trace) error {
		for i := range t.records {
			e.record(&t.records[i])
		}
		for _, n := range slices.Sorted(maps.Keys(t.mine)) {
			for _, key := range t.mine[n] {
				e.value(ExportedMark{"mark", room, n, key})
			}
		}
		return e.err
	})
	e.err = cmp.Or(e.err, err)
}

// record exports a record of the sender. The value of a password stays out.
func (e *export) record(r *eventlog.Record) {
	if r.SenderID != e.by {
		return
	}
	frame, err := r.AppendFrame(nil)
	e.err = cmp.Or(e.err, err)
	var state wire.State
	if r.FrameType() == state.Type() && wire.ParseJSON(frame, &state) == nil && state.Key == wire.PasswordKey && !state.Value.IsNull() {
		state.Value = wire.TextValue(wire.PasswordSet)
		frame = wire.Append(nil, state)
	}
	e.line(frame)
}
