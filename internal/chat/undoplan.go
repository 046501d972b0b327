package chat

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// An undoPlan is what undoes the actions of a sender in a room. It is made from the records of the moderators' room, in their order: a
// setting gets the value that it had before the sender changed it, unless somebody else has changed it since, and erasures are undone.
type undoPlan struct {
	store eventlog.Store
	room  string
	of    wire.ActionsOf
	owner string // who undoes it
	to    uint64 // number of the newest record that is looked at
	at    wire.Time

	looked    int                  // records
	steps     []undoStep           // those of the newest actions first
	rest      []wire.UndoStep      // what cannot be undone, at least the newest; after make, the newest first
	restCount int                  // how many cannot be undone
	open      map[string]*undoStep // by setting or erasure: later records may still change them
}

// An undoStep is a step of a plan.
type undoStep struct {
	wire.UndoStep
	first    uint64       // number of the first action that it undoes
	set      wire.Setting // of a setting: what it was set to
	replaces uint64       // of a setting: number of the record that has set that
}

func newUndoPlan(store eventlog.Store, m *wire.Moderate, owner string, at wire.Time) *undoPlan {
	return &undoPlan{
		store: store, room: m.Room, of: *m.UndoBy, owner: owner, to: m.To, at: at, open: map[string]*undoStep{},
	}
}

// make reads the records, and fills steps and rest. It ends early with ctx.
func (p *undoPlan) make(ctx context.Context) error {
	records := wire.ModeratorsRoom(p.room)
	bounds := p.store.Bounds(records)
	if p.to > bounds.Last {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("there is no record %d in the room %s; the newest number is %d", p.to, records, bounds.Last)}
	}
	p.to = cmp.Or(p.to, bounds.Last)
	reader := auditReader{store: p.store, room: records, after: bounds.First - 1}
	if err := p.read(ctx, &reader); err != nil {
		return err
	}
	return p.finish()
}

// read notes all records.
func (p *undoPlan) read(ctx context.Context, reader *auditReader) error {
	for {
		if ctx.Err() != nil {
			return errUndoStopped
		}
		r, err := reader.next()
		if err != nil {
			return err
		}
		if r == nil {
			return nil
		}
		reader.records = reader.records[1:]
		p.looked++
		m, is, err := r.Message()
		if err != nil {
			return err
		}
		if is && m.Action != nil {
			if err := p.note(&m); err != nil {
				return err
			}
		}
	}
}

// note takes the next action.
func (p *undoPlan) note(m *wire.Message) error {
	a := m.Action
	own := m.SenderID == p.of.SenderID && m.N <= p.to && (p.of.Since == nil || m.At >= *p.of.Since)
	switch {
	case a.Do == wire.DoSet && a.Key != wire.PasswordKey && wire.IsRule(a.Key): // it is none if its subject was erased
		return p.noteSet(m, own)
	case a.Do == wire.DoErase && a.Erasure != 0:
		if own {
			p.open[erasureKey(a.Erasure)] = &undoStep{UndoStep: wire.UndoStep{N: m.N, Action: *a}, first: m.N}
		}
	case a.Do == wire.DoUndo:
		delete(p.open, erasureKey(a.Erasure))
		if own {
			p.keep(m.N, a, whyKept[a.Do])
		}
	case a.Do == wire.DoRedeem: // gives its sender a role
		delete(p.open, wire.RolePrefix+m.SenderID)
	case own:
		p.keep(m.N, a, whyKept[a.Do])
	}
	return nil
}

func erasureKey(n uint64) string { return "erasure " + strconv.FormatUint(n, 10) }

// keep adds an action that cannot be undone. why is one of the values of UndoStep.Why.
func (p *undoPlan) keep(n uint64, a *wire.Action, why string) {
	p.addRest(wire.UndoStep{N: n, Action: *a, Why: why, Reason: whyReasons[why]})
}

// whyKept says why actions cannot be undone.
var whyKept = map[string]string{
	wire.DoSet:     wire.StaysUnknown, // a password, or a rule about somebody whose data was erased
	wire.DoUndo:    wire.StaysRestored,
	wire.DoApprove: wire.StaysApproved,
	wire.DoReject:  wire.StaysRejected,
	wire.DoDelete:  wire.StaysDeleted,
	wire.DoSettle:  wire.StaysSettled,
	wire.DoInvite:  wire.StaysInvite,
}

var whyReasons = map[string]string{
	wire.StaysUnknown:  "what was set before is not known",
	wire.StaysOwnRole:  "it is their own role; give it to them if you want to",
	wire.StaysOwner:    "it would take the room from its owner",
	wire.StaysExpired:  fmt.Sprintf("the texts are not kept for more than %s", eventlog.VaultLife),
	wire.StaysRestored: "erase the messages again",
	wire.StaysApproved: "the message was posted; delete it",
	wire.StaysRejected: "the text is not kept, and the author was told",
	wire.StaysDeleted:  "the text is not kept",
	wire.StaysSettled:  "the report is not kept",
	wire.StaysInvite:   "an invite ends with the role of the person who made it, and the roles that it gave are taken back one by one",
}

// addRest adds a step that cannot be taken, and forgets the oldest if there are many: only a sample is told.
func (p *undoPlan) addRest(step wire.UndoStep) {
	if p.restCount++; len(p.rest) == 10*wire.UndoSample {
		slices.SortFunc(p.rest, func(a, b wire.UndoStep) int { return cmp.Compare(b.N, a.N) })
		p.rest = p.rest[:wire.UndoSample]
	}
	p.rest = append(p.rest, step)
}

// noteSet takes a change of a setting; a preset changes several. Each is undone on its own, so that a setting that somebody else has
// changed since stays as it is. A role that the sender gave up is not given back.
func (p *undoPlan) noteSet(m *wire.Message, own bool) error {
	a := *m.Action
	changes := append([]wire.RuleChange{{Key: a.Key, Value: a.Value, Before: a.Before, BeforeUntil: a.BeforeUntil}}, a.Rules...)
	a.Rules = nil
	for _, c := range changes {
		key := c.Key
		if key == wire.AddressKey {
			var err error
			if key, err = p.addressKey(a.Of); err != nil {
				return err
			}
		}
		if own && key == wire.RolePrefix+p.of.SenderID {
			p.keep(m.N, &a, wire.StaysOwnRole)
			own = false
		}
		if !own {
			delete(p.open, key)
			continue
		}
		step := p.open[key]
		if step == nil {
			step = &undoStep{first: m.N}
			step.Key, step.Value, step.Until = c.Key, c.Before, c.BeforeUntil
			if c.Key == wire.AddressKey {
				step.AddressOf = a.Of
			}
			p.open[key] = step
		}
		step.N, step.Action, step.set = m.N, a, wire.Setting{Value: c.Value, Until: a.Until}
		if c.Value.IsNull() { // a preset that ends sets no end of what it unsets
			step.set.Until = 0
		}
	}
	return nil
}

// addressKey returns the key of a rule about the address of a message. Messages from one address share it.
func (p *undoPlan) addressKey(of uint64) (string, error) {
	origin, known, err := eventlog.OriginOf(p.store, p.room, of)
	if !known {
		return wire.AddressPrefix + strconv.FormatUint(of, 10), err
	}
	return fmt.Sprintf("%sof %x", wire.AddressPrefix, origin.Origin), nil
}

// rulesNow returns the rules that are in force, by the keys of steps.
func (p *undoPlan) rulesNow() (map[string]eventlog.Setting, error) {
	now := p.store.RulesAt(p.room, p.at)
	for _, key := range slices.Collect(maps.Keys(now)) {
		text, isAddress := strings.CutPrefix(key, wire.AddressPrefix)
		if of, err := strconv.ParseUint(text, 10, 64); isAddress && err == nil {
			common, err := p.addressKey(of)
			if err != nil {
				return nil, err
			}
			now[common] = now[key]
		}
	}
	return now, nil
}

// finish compares the open steps with what is stored now, and sorts the others. A step of earlier actions is a later one.
func (p *undoPlan) finish() error {
	now, err := p.rulesNow()
	if err != nil {
		return err
	}
	for key, step := range p.open {
		switch p.stepState(key, step, now) {
		case stepDue:
			if p.of.Before == 0 || step.first < p.of.Before {
				p.steps = append(p.steps, *step)
			}
		case stepImpossible:
			why := wire.StaysOwner
			if step.Key == "" {
				why = wire.StaysExpired
			}
			p.keep(step.N, &step.Action, why)
		}
	}
	slices.SortFunc(p.steps, func(a, b undoStep) int { return cmp.Or(cmp.Compare(b.first, a.first), cmp.Compare(a.Key, b.Key)) })
	slices.SortFunc(p.rest, func(a, b wire.UndoStep) int { return cmp.Compare(b.N, a.N) })
	return nil
}

// A stepState says whether a step is to be taken.
type stepState uint8

const (
	stepDue        stepState = iota
	stepNeedless             // nothing would change, or somebody else has changed it since
	stepImpossible           // it cannot be undone
)

func (p *undoPlan) stepState(key string, step *undoStep, now map[string]eventlog.Setting) stepState {
	if step.Key == "" {
		return p.erasureState(step)
	}
	if step.Until != 0 && step.Until <= p.at {
		step.Value, step.Until = wire.Value{}, 0
	}
	set := step.set
	if set.Until != 0 && set.Until <= p.at {
		set = wire.Setting{}
	}
	current := now[key]
	step.replaces = current.N
	switch {
	case !current.Value.Equal(set.Value) || current.Until != set.Until && step.AddressOf == 0: // rules about addresses end with what is known of the address
		return stepNeedless // somebody else has changed it since
	case current.Value.Equal(step.Value) && current.Until == step.Until:
		return stepNeedless
	case key == wire.RolePrefix+p.owner, step.Value.Text != nil && *step.Value.Text == wire.RoleOwner.String(): // would give up the room
		return stepImpossible
	}
	return stepDue
}

func (p *undoPlan) erasureState(step *undoStep) stepState {
	e := p.store.Erasure(p.room, step.Action.Erasure)
	switch {
	case e != nil && e.Phase == eventlog.Restoring:
		return stepNeedless
	case e == nil || e.Final || e.Phase == eventlog.Expiring || int64(p.at-e.At) >= eventlog.VaultLife.Milliseconds():
		return stepImpossible
	}
	return stepDue
}

// portion returns the steps that one request takes, and all that begin with the same action as the last of them.
func (p *undoPlan) portion() []undoStep {
	erasures := 0
	for i := range p.steps {
		if p.steps[i].Key == "" {
			erasures++
		}
		if (i >= maxUndoSteps || erasures > maxUndoErasures) && (i == 0 || p.steps[i].first != p.steps[i-1].first) {
			return p.steps[:i]
		}
	}
	return p.steps
}

// undoCommand returns the command of a step. Its id follows from that of the request, so that a repeated request repeats it.
func undoCommand(owner string, m *wire.Moderate, step *undoStep) eventlog.Command {
	c := eventlog.Command{SenderID: owner, Room: m.Room}
	if step.Key == "" {
		c.Kind, c.Body = eventlog.Restore, eventlog.RestoreBody{Erasure: step.Action.Erasure}
	} else {
		c.Kind, c.Body = eventlog.Set, eventlog.SetBody{Key: step.Key, Value: step.Value, Until: step.Until, AddressOf: step.AddressOf, Replaces: &step.replaces}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s %x %d", m.ID, step.N, step.Key, eventlog.EncodeValue(step.Value), step.Until))
	c.ID = "undo-" + base64.RawURLEncoding.EncodeToString(sum[:12])
	return c
}

// noteOutcome adds the outcome of a step to the answer.
func noteOutcome(u *wire.Undone, step *wire.UndoStep, o *eventlog.Outcome) {
	if o.Status != eventlog.Refused {
		u.Count++
		return
	}
	if u.Failed++; len(u.Steps) < wire.UndoSample {
		failed := *step
		failed.Code, failed.Reason = o.Err.Code, o.Err.Reason
		u.Steps = append(u.Steps, failed)
	}
}
