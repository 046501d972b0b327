package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"ramai/internal/eventlog"
	"ramai/internal/names"
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

// NamedSender is a sender that has or had a name.
type NamedSender struct {
	SenderID string `json:"by"`
	Name     string `json:"name"`
	Has      bool   `json:"has"`      // it has the name now, or has registered it
	Messages int    `json:"messages"` // that it has posted under the name; 0 for those that have it
}

// SendersNamed returns the senders that have a name; if nobody has it, those that have posted under it.
func (o *Operator) SendersNamed(ctx context.Context, name string) ([]NamedSender, error) {
	key, found := names.Key(name), map[string]*NamedSender{}
	for _, lease := range o.Store.NameLeases() {
		if lease.Key == key {
			found[lease.SenderID] = &NamedSender{SenderID: lease.SenderID, Name: lease.Name, Has: true}
		}
	}
	for _, r := range o.Store.RegisteredNames() {
		if r.Key == key {
			found[r.SenderID] = &NamedSender{SenderID: r.SenderID, Name: r.Name, Has: true}
		}
	}
	if len(found) == 0 {
		for room := range o.Store.AllBounds() {
			if err := o.postedAs(ctx, room, name, found); err != nil {
				return nil, fmt.Errorf("room %s: %w", room, err)
			}
		}
	}
	list := []NamedSender{}
	for _, by := range slices.Sorted(maps.Keys(found)) {
		list = append(list, *found[by])
	}
	return list, nil
}

// postedAs adds the senders that have posted under a name in a room.
func (o *Operator) postedAs(ctx context.Context, room, name string, found map[string]*NamedSender) error {
	for after := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		records, _, err := o.Store.Read(room, after, eventlog.MaxRead)
		if err != nil || len(records) == 0 {
			return err
		}
		for i := range records {
			r := &records[i]
			if after = r.N; r.DisplayName != name || !eventlog.CanForget(r.SenderID) {
				continue
			}
			if found[r.SenderID] == nil {
				found[r.SenderID] = &NamedSender{SenderID: r.SenderID, Name: name}
			}
			found[r.SenderID].Messages++
		}
	}
}
