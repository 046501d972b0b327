package chat

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

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

	looked    int                      // records
	steps     []wire.UndoStep          // those of the newest actions first
	rest      []wire.UndoStep          // what cannot be undone, at least the newest; after make, the newest first
	restCount int                      // how many cannot be undone
	open      map[string]*openStep     // by setting or erasure
	last      map[string]wire.UndoStep // settings, as they were set last
}

// An openStep is a step that later records may still change.
type openStep struct {
	wire.UndoStep
	first uint64 // number of the first action that it undoes
}

func newUndoPlan(store eventlog.Store, m *wire.Moderate, owner string, at wire.Time) *undoPlan {
	return &undoPlan{
		store: store, room: m.Room, of: *m.UndoBy, owner: owner, to: m.To, at: at, open: map[string]*openStep{}, last: map[string]wire.UndoStep{},
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
	p.finish()
	return nil
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
			p.note(&m)
		}
	}
}

// note takes the next action.
func (p *undoPlan) note(m *wire.Message) {
	a := m.Action
	own := m.SenderID == p.of.SenderID && m.N <= p.to && (p.of.Since == nil || m.At >= *p.of.Since)
	switch {
	case a.Do == wire.DoSet && a.Key != wire.PasswordKey:
		p.noteSet(m, own)
	case a.Do == wire.DoErase && a.Erasure != 0:
		if own {
			p.open[erasureKey(a.Erasure)] = &openStep{wire.UndoStep{N: m.N, Action: *a}, m.N}
		}
	case a.Do == wire.DoUndo:
		delete(p.open, erasureKey(a.Erasure))
		if own {
			p.keep(m)
		}
	case a.Do == wire.DoRedeem: // gives its sender a role
		key := wire.RolePrefix + m.SenderID
		delete(p.open, key)
		p.noteLast(key, a)
	case own:
		p.keep(m)
	}
}

func erasureKey(n uint64) string { return "erasure " + strconv.FormatUint(n, 10) }

// keep adds an action that cannot be undone.
func (p *undoPlan) keep(m *wire.Message) {
	p.addRest(wire.UndoStep{N: m.N, Action: *m.Action})
}

// addRest adds a step that cannot be taken, and forgets the oldest if there are many: only a sample is told.
func (p *undoPlan) addRest(step wire.UndoStep) {
	if p.restCount++; len(p.rest) == 10*wire.UndoSample {
		slices.SortFunc(p.rest, func(a, b wire.UndoStep) int { return cmp.Compare(b.N, a.N) })
		p.rest = p.rest[:wire.UndoSample]
	}
	p.rest = append(p.rest, step)
}

func (p *undoPlan) noteSet(m *wire.Message, own bool) {
	a := m.Action
	key := a.Key
	if key == wire.AddressKey {
		key = wire.AddressPrefix + strconv.FormatUint(a.Of, 10)
	}
	switch step := p.open[key]; {
	case !own:
		delete(p.open, key)
	case step != nil:
		step.N, step.Action = m.N, *a
	default:
		step := &openStep{wire.UndoStep{N: m.N, Action: *a, Key: a.Key, Value: a.Before}, m.N}
		last := p.last[key]
		if a.Key == wire.AddressKey { // its records do not have the former value, but these rules end before the records do
			step.AddressOf, step.Value = a.Of, last.Value
		}
		if last.Value.Equal(step.Value) {
			step.Until = last.Until
		}
		p.open[key] = step
	}
	p.noteLast(key, a)
}

// noteLast notes how a setting was set.
func (p *undoPlan) noteLast(key string, a *wire.Action) {
	if a.Value.IsNull() {
		delete(p.last, key)
	} else {
		p.last[key] = wire.UndoStep{Value: a.Value, Until: a.Until}
	}
}

// finish compares the open steps with what is stored now, and sorts the others. A step of earlier actions is a later one.
func (p *undoPlan) finish() {
	now := map[string]wire.Setting{}
	settings, _, _ := p.store.SettingsFor(eventlog.OperatorSender, p.at, p.room, "", "", eventlog.MaxSettings)
	for _, s := range settings {
		now[s.Key] = s
	}
	var steps []*openStep
	for key, step := range p.open {
		switch p.stepState(key, step, now) {
		case stepDue:
			steps = append(steps, step)
		case stepImpossible:
			p.addRest(wire.UndoStep{N: step.N, Action: step.Action})
		}
	}
	slices.SortFunc(steps, func(a, b *openStep) int { return cmp.Compare(b.first, a.first) })
	for _, step := range steps {
		p.steps = append(p.steps, step.UndoStep)
	}
	slices.SortFunc(p.rest, func(a, b wire.UndoStep) int { return cmp.Compare(b.N, a.N) })
}

// A stepState says whether a step is to be taken.
type stepState uint8

const (
	stepDue        stepState = iota
	stepNeedless             // nothing would change, or somebody else has changed it since
	stepImpossible           // it cannot be undone
)

func (p *undoPlan) stepState(key string, step *openStep, now map[string]wire.Setting) stepState {
	if step.Key == "" {
		return p.erasureState(step)
	}
	if step.Until != 0 && step.Until <= p.at {
		step.Value, step.Until = wire.Value{}, 0
	}
	set := wire.Setting{Value: step.Action.Value, Until: step.Action.Until}
	if set.Until != 0 && set.Until <= p.at {
		set = wire.Setting{}
	}
	current := now[key]
	switch {
	case !current.Value.Equal(set.Value) || current.Until != set.Until && !(step.AddressOf != 0 && set.Until == 0): // rules about addresses always end
		return stepNeedless // somebody else has changed it since
	case current.Value.Equal(step.Value) && current.Until == step.Until:
		return stepNeedless
	case key == wire.RolePrefix+p.owner, step.Value.Text != nil && *step.Value.Text == wire.RoleOwner.String(): // would give up the room
		return stepImpossible
	}
	return stepDue
}

func (p *undoPlan) erasureState(step *openStep) stepState {
	e := p.store.Erasure(p.room, step.Action.Erasure)
	switch {
	case e != nil && e.Phase == eventlog.Restoring:
		return stepNeedless
	case e == nil || e.Final || e.Phase == eventlog.Expiring || int64(p.at-e.At) >= eventlog.VaultLife.Milliseconds():
		return stepImpossible
	}
	return stepDue
}

// portion returns the steps that one request takes.
func (p *undoPlan) portion() []wire.UndoStep {
	erasures := 0
	for i := range p.steps {
		if p.steps[i].Key == "" {
			erasures++
		}
		if i == maxUndoSteps || erasures > maxUndoErasures {
			return p.steps[:i]
		}
	}
	return p.steps
}

// undoCommand returns the command of a step. Its id follows from that of the request, so that a repeated request repeats it.
func undoCommand(owner string, m *wire.Moderate, step *wire.UndoStep) eventlog.Command {
	c := eventlog.Command{SenderID: owner, Room: m.Room}
	if step.Key == "" {
		c.Kind, c.Body = eventlog.Restore, eventlog.RestoreBody{Erasure: step.Action.Erasure}
	} else {
		c.Kind, c.Body = eventlog.Set, eventlog.SetBody{Key: step.Key, Value: step.Value, Until: step.Until, AddressOf: step.AddressOf}
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
