package chat

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// A Person says how much is stored of a sender.
type Person struct {
	SenderID string   `json:"by"`
	Names    []string `json:"names"`    // the name in use, and the registered ones
	Rooms    int      `json:"rooms"`    // that have something of the sender
	Messages int      `json:"messages"` // that are not deleted
	Records  int      `json:"records"`  // besides messages that are not deleted: changes, settings, and what names the sender
	Marks    int      `json:"marks"`
	Rules    int      `json:"rules"` // about the sender: roles, bans and mutes
	Proofs   int      `json:"proofs"`
	Sessions int      `json:"sessions"`
	Entries  int      `json:"entries"` // of rooms that name the sender, such as invites that it made
}

// Nobody is the reason why nothing is exported or erased of a sender.
func Nobody(senderID string) *wire.CodedError {
	return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("%q is not the sender of one person (want the %d characters of the \"by\" of a message)", senderID, wire.SenderIDLen)}
}

// A trace is what some records of a room have of a sender.
type trace struct {
	records []eventlog.Record // by or about the sender
	mine    wire.Mine         // the sender's marks
}

// numbers returns the numbers of the records and of the marked messages, ascending.
func (t *trace) numbers() (numbers []uint64) {
	for i := range t.records {
		numbers = append(numbers, t.records[i].N)
	}
	numbers = slices.AppendSeq(numbers, maps.Keys(t.mine))
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// traces calls f with what the records of a room above after have of a sender, and returns the number of the last one.
func (o *Operator) traces(ctx context.Context, senderID, room string, after uint64, f func(*trace) error) (last uint64, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return after, err
		}
		records, _, err := o.Store.Read(room, after, eventlog.ForgetStep)
		if err != nil || len(records) == 0 {
			return after, err
		}
		first := records[0].N
		after = records[len(records)-1].N
		var t trace
		for i := range records {
			_, has, err := eventlog.Forgotten(records[i], senderID)
			if err != nil {
				return after, err
			}
			if has {
				t.records = append(t.records, records[i])
			}
		}
		if o.Store.HasMarks(room) {
			if t.mine, err = o.Store.Marks(room, senderID, first, after); err != nil {
				return after, err
			}
		}
		if len(t.records) > 0 || len(t.mine) > 0 {
			if err := f(&t); err != nil {
				return after, err
			}
		}
	}
}

// entries calls f with the entries of a room, or of no room, that name a sender.
func (o *Operator) entries(ctx context.Context, senderID, room string, f func([]eventlog.Entry) error) error {
	for _, table := range eventlog.Tables() {
		for after := ""; ; {
			if err := ctx.Err(); err != nil {
				return err
			}
			some, err := o.Store.Entries(table, room, "", after, eventlog.MaxEntries)
			if err != nil {
				return err
			}
			if len(some) == 0 {
				break
			}
			after = some[len(some)-1].Key
			some = slices.DeleteFunc(some, func(e eventlog.Entry) bool { return !e.Names(senderID) })
			if len(some) > 0 {
				if err := f(some); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rulesAbout returns the rules of a room about a sender.
func (o *Operator) rulesAbout(senderID, room string) (rules []wire.Setting) {
	for _, prefix := range [...]string{wire.PersonPrefix, wire.RolePrefix} {
		found, _, _ := o.Store.Settings(room, prefix+senderID, "", 1)
		rules = append(rules, found...)
	}
	return rules
}

// namesOf returns the name that a sender has, and those that it has registered.
func (o *Operator) namesOf(senderID string) []string {
	all := []string{}
	if name := o.Store.Name(senderID); name != "" {
		all = append(all, name)
	}
	for _, r := range o.Store.RegisteredNames() {
		if r.SenderID == senderID && !slices.Contains(all, r.Name) {
			all = append(all, r.Name)
		}
	}
	return all
}

// A forgetting erases, or only counts, what is stored of a sender.
type forgetting struct {
	*Operator
	ctx    context.Context
	dry    bool
	found  Person
	looked map[string]uint64 // up to which numbers rooms were looked at
}

// ErasePerson erases for good everything that is stored of a sender, and signs it out. If it fails, or ctx ends, a part may be erased;
// then it can be called again. With dry it only counts.
func (o *Operator) ErasePerson(ctx context.Context, senderID string, dry bool) (Person, error) {
	if !eventlog.CanForget(senderID) {
		return Person{}, Nobody(senderID)
	}
	f := forgetting{Operator: o, ctx: ctx, dry: dry, found: Person{SenderID: senderID, Names: o.namesOf(senderID)}, looked: map[string]uint64{}}
	if err := f.proofs(); err != nil {
		return f.found, err
	}
	if !dry {
		if err := o.EndSessions(ctx, senderID); err != nil {
			return f.found, err
		}
	}
	for more := true; more; { // what was on its way when the sessions ended is found the second time
		more = false
		for _, room := range slices.Sorted(maps.Keys(o.Store.AllBounds())) {
			found, err := f.room(room)
			if err != nil {
				return f.found, fmt.Errorf("room %s: %w", room, err)
			}
			more = more || found && !dry
		}
	}
	if err := f.identity(); err != nil {
		return f.found, err
	}
	return f.found, nil
}

// proofs counts proofs and sessions.
func (f *forgetting) proofs() error {
	proofs, err := eventlog.ProofsOf(f.Store, f.found.SenderID)
	if err != nil {
		return err
	}
	sessions, err := eventlog.SessionsOf(f.Store, f.found.SenderID)
	f.found.Proofs, f.found.Sessions = len(proofs), len(sessions)
	return err
}

// room erases what a room has, and returns whether it has found something that it had not found before.
func (f *forgetting) room(room string) (found bool, err error) {
	rules := f.rulesAbout(f.found.SenderID, room)
	if len(rules) > 0 {
		found = true
		f.found.Rules += len(rules)
		if err := f.forget(room, nil, nil); err != nil {
			return found, err
		}
	}
	last, err := f.traces(f.ctx, f.found.SenderID, room, f.looked[room], func(t *trace) error {
		found = true
		f.count(t)
		numbers := t.numbers()
		for part := range slices.Chunk(numbers, eventlog.ForgetStep) {
			if err := f.forget(room, part, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	first := f.looked[room] == 0
	f.looked[room] = last
	err = f.entries(f.ctx, f.found.SenderID, room, func(e []eventlog.Entry) error {
		found = true
		f.found.Entries += len(e)
		return f.forget(room, nil, e)
	})
	if found && first {
		f.found.Rooms++
	}
	return found, err
}

// identity erases what belongs to no room.
func (f *forgetting) identity() error {
	err := f.entries(f.ctx, f.found.SenderID, "", func(e []eventlog.Entry) error {
		return f.forget("", nil, e)
	})
	if err == nil {
		err = f.forget("", nil, nil)
	}
	return err
}

func (f *forgetting) count(t *trace) {
	for i := range t.records {
		if m, is, err := t.records[i].Message(); err == nil && is && !m.Gone && m.Action == nil && m.SenderID == f.found.SenderID {
			f.found.Messages++
		} else {
			f.found.Records++
		}
	}
	for _, keys := range t.mine {
		f.found.Marks += len(keys)
	}
}

// forget submits a step.
func (f *forgetting) forget(room string, numbers []uint64, entries []eventlog.Entry) error {
	if f.dry {
		return nil
	}
	body := eventlog.ForgetBody{By: f.found.SenderID, Numbers: numbers}
	for i := range entries {
		body.Entries = append(body.Entries, eventlog.EntryKey{Table: entries[i].Table, Key: []byte(entries[i].Key)})
	}
	_, err := f.post(f.ctx, eventlog.Command{Kind: eventlog.Forget, Room: room, Body: body})
	return err
}
