package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ramai/wire"
)

// ForgetBody is the body of a Forget, which erases for good what is stored of the sender By. It is the operator's. The node that
// submits it has found what there is, see Forgotten, and submits as many as it takes. In a room, a Forget erases records, and deletes
// marks, entries, and the rules about the sender. Without a room, it deletes entries, and releases the sender's names.
//
// It erases nothing that is not by or about the sender, so the command needs no id, and it does not matter whether the node was right.
type ForgetBody struct {
	_       struct{} `cbor:",toarray"`
	By      string
	Numbers []uint64   // records that are by or about the sender, or that the sender has marked; ascending, at most ForgetStep
	Entries []EntryKey // that name the sender, at most ForgetStep
}

// An EntryKey is the key of an entry of a known room.
type EntryKey struct {
	_     struct{} `cbor:",toarray"`
	Table Table
	Key   []byte
}

// ForgetStep is how many records and how many entries one Forget erases, so that no post waits long for it.
const ForgetStep = 500

// ForgottenSender is the sender of records that a Forget has erased. No session has it.
const ForgottenSender = "forgotten_sender"

func (ForgetBody) kind() Kind { return Forget }

type forgetKind struct {
	inBackground
	withBody[ForgetBody]
	erasedRecords
}

func (forgetKind) name() string { return "forget" }

func (forgetKind) check(c *Command) error {
	body, err := bodyOf[ForgetBody](c)
	switch {
	case err != nil:
		return err
	case !CanForget(body.By):
		return fmt.Errorf("a forget command of the sender %.80q, who is nobody in particular", body.By)
	case len(body.Numbers) > ForgetStep || len(body.Entries) > ForgetStep:
		return fmt.Errorf("a forget command of %d records and %d entries, at most %d of each are allowed", len(body.Numbers), len(body.Entries), ForgetStep)
	case len(body.Numbers) > 0 && c.Room == "":
		return errors.New("a forget command has numbers and no room")
	}
	for i, n := range body.Numbers {
		if n == 0 || i > 0 && body.Numbers[i-1] >= n {
			return errors.New("a forget command has numbers that are not in ascending order")
		}
	}
	for _, e := range body.Entries {
		if len(e.Key) == 0 || len(e.Key) > MaxEntryKey {
			return errors.New("a forget command has a key that its table cannot have")
		}
	}
	if c.Room != "" {
		return checkHead(c, hasRoom)
	}
	return checkHead(c, 0)
}

// CanForget reports whether a sender is one person, as far as is known: not the operator, and not the sender that clients without a
// session share.
func CanForget(senderID string) bool {
	return len(senderID) == wire.SenderIDLen && wire.CheckID(senderID) == nil &&
		senderID != OperatorSender && senderID != anonymousSender && senderID != ForgottenSender
}

// Names reports whether an entry is about a sender, and can be deleted with everything else of that sender. What moderators have
// erased is not: it is deleted within VaultLife.
func (e *Entry) Names(senderID string) bool {
	switch e.Table {
	case Erasures, Vault, Origins, AddressKeys, Members:
		return false
	}
	return strings.Contains(e.Key, senderID) || strings.Contains(e.Value, senderID)
}

// Tables returns all tables of entries.
func Tables() (tables []Table) {
	for t := Senders; t <= Members; t++ {
		tables = append(tables, t)
	}
	return tables
}

func (forgetKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ForgetBody](o.Command)
	if err != nil {
		return err
	}
	f := forgetting{Delta: c, tx: tx, o: o, room: o.Command.Room, by: body.By}
	for _, e := range body.Entries {
		if err := f.entry(e.Table, string(e.Key)); err != nil {
			return err
		}
	}
	if f.room == "" {
		return f.names()
	}
	if err := f.rules(); err != nil {
		return err
	}
	return f.records(body.Numbers)
}

// A forgetting is what a Forget does.
type forgetting struct {
	*Delta
	tx   Tx
	o    *Outcome
	room string // may be empty
	by   string // the sender
}

func (f *forgetting) entry(t Table, key string) error {
	value, found, err := f.tx.Entry(t, f.room, key)
	if err != nil || !found || !(&Entry{Table: t, Key: key, Value: value}).Names(f.by) {
		return err
	}
	if t == Held || t == HeldDecisions {
		return f.deleteHeld(f.tx, t, f.room, key)
	}
	return f.tx.DeleteEntry(t, f.room, key)
}

// names releases the names of the sender.
func (f *forgetting) names() error {
	var keys []string
	for key, r := range f.state.registrations {
		if r.SenderID == f.by {
			keys = append(keys, key)
		}
	}
	for key := range f.registrations {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if r := latest(f.registrations, f.state.registrations, key); r.SenderID == f.by {
			if err := f.unregister(f.tx, f.o, r); err != nil {
				return err
			}
		}
	}
	return f.releaseName(f.tx, f.o, f.by)
}

// rules deletes the rules about the sender. A room that the sender owned has no owner then.
func (f *forgetting) rules() error {
	for _, name := range [...]string{wire.RolePrefix, wire.PersonPrefix} {
		key := settingKey{name: name, subject: f.by}
		if f.setting(f.room, key) == nil {
			continue
		}
		f.o.changesRole(f.by)
		if err := f.deleteSetting(f.tx, f.room, key); err != nil {
			return err
		}
	}
	return nil
}

// records erases records, and removes the marks of the sender on them. Its own record says which messages are gone.
func (f *forgetting) records(numbers []uint64) error {
	bounds, _ := f.bounds(f.room)
	if f.number(f.o) != nil { // without a number, readers learn it from pages
		f.o.N = 0
	}
	var gone erasedRecord
	by := f.o.N
	for _, n := range numbers {
		if n < bounds.First || n > bounds.Last {
			continue
		}
		row, err := f.tx.Record(f.room, n)
		if err != nil {
			return err
		}
		if err := f.marks(&row); err != nil {
			return err
		}
		after, changed, err := forgotten(row, f.by, by)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if row.SenderID == f.by && row.Kind == Say {
			erased, err := f.message(&row)
			if err != nil {
				return err
			}
			if erased {
				gone.add(n)
			}
		}
		if err := errors.Join(f.tx.EraseIDSum(f.ids.Number, IDKeyOf(row.Room, row.SenderID, row.ID)), f.tx.ReplaceRecord(&after)); err != nil {
			return err
		}
		if f.o.Rewritten.From == 0 {
			f.o.Rewritten.From = n
		}
		f.o.Rewritten.To = n
	}
	if err := f.appendStep(f.tx, f.o, &gone); err != nil {
		return err
	}
	if f.o.Rewritten.To > 0 {
		f.o.Rewritten.To = max(f.o.Rewritten.To, f.o.N)
	}
	return nil
}

// marks removes the sender's marks on a message.
func (f *forgetting) marks(row *Record) error {
	m := marking{Delta: f.Delta, tx: f.tx, room: f.room, of: row.N, sender: f.by}
	keys, err := f.tx.Marks(m.room, m.of, m.sender)
	if err != nil || len(keys) == 0 {
		return err
	}
	counts, err := f.tx.Counts(m.room, m.of)
	if err != nil {
		return err
	}
	hidden := f.pollStatus(m.room, m.of) == wire.Hidden
	shown := false
	for _, key := range keys {
		if err := m.remove(key, counts); err != nil {
			return err
		}
		shown = shown || !hidden || !isOption(key)
	}
	message, err := decodeMessage(row.Body)
	if err != nil || message.Gone || !shown {
		return err
	}
	return f.addPending(f.tx, m.room, m.of)
}

// message deletes everything that belongs to a message of the sender besides its row. It returns false if the message was gone.
func (f *forgetting) message(row *Record) (bool, error) {
	message, err := decodeMessage(row.Body)
	if err != nil || message.Action != nil {
		return false, err
	}
	return !message.Gone, errors.Join(
		f.supersedeText(f.tx, f.room, message.Edited), f.deleteStatus(f.tx, f.room, row.N, row.N), f.dropMarks(f.tx, f.room, row.N, row.N),
		f.tx.DeleteEntry(Vault, f.room, numberKey(row.N)), f.tx.DeleteEntry(Origins, f.room, numberKey(row.N)))
}

// A personalRecord is a recordKind whose records can have something of or about a person in their bodies.
type personalRecord interface {
	// forget removes from r what is about a sender, and if own is set, everything that its sender has written. n is the number of the
	// record that reports it; 0: there is none.
	forget(r *Record, senderID string, own bool, n uint64) error
}

// Forgotten returns what is left of a record if a sender is forgotten, and whether that differs from the record.
func Forgotten(r Record, senderID string) (Record, bool, error) { return forgotten(r, senderID, 0) }

func forgotten(r Record, senderID string, n uint64) (Record, bool, error) {
	k, err := r.recordKind()
	if err != nil {
		return r, false, err
	}
	before, own := r, r.SenderID == senderID
	if own {
		r.SenderID, r.DisplayName, r.ID = ForgottenSender, "", fmt.Sprint("forgotten-", r.N)
	}
	if p, is := k.(personalRecord); is {
		err = p.forget(&r, senderID, own, n)
	}
	return r, err == nil && r != before, err
}

// forget keeps actions of moderators: what was done stays in the log, without the person.
func (sayKind) forget(r *Record, senderID string, own bool, n uint64) error {
	if !own && !strings.Contains(r.Body, senderID) { // most records
		return nil
	}
	message, err := decodeMessage(r.Body)
	switch {
	case err != nil:
		return err
	case message.Action != nil:
		action := *message.Action
		if action.SenderID == senderID {
			action.SenderID, action.DisplayName = "", ""
		}
		if key := parseSettingKey(action.Key); key.subject == senderID {
			action.Key = strings.TrimSuffix(key.name, "/")
		}
		if strings.Contains(action.Reason, senderID) {
			action.Reason = ""
		}
		message.Action = &action
		r.Body = message.encode()
	case own && !message.Gone:
		r.Body = (&messageBody{Gone: true, Edited: n}).encode()
	case message.Author == senderID:
		message.Author = ""
		r.Body = message.encode()
	}
	return nil
}

func (changeKind) forget(r *Record, _ string, own bool, _ uint64) error {
	if !own {
		return nil
	}
	change, err := decodeChange(r.Body)
	if err == nil && change.Text != nil { // that a message was deleted is still reported
		r.Body = encodeChange(ChangeBody{})
	}
	return err
}

// forget keeps the setting itself, which is the room's: clients receive it when they join.
func (setKind) forget(r *Record, senderID string, own bool, _ uint64) error {
	set, err := decodeSet(r.Body)
	if err != nil {
		return err
	}
	if parseSettingKey(set.Key).subject == senderID || own && (set.Key == wire.TopicKey || set.Key == wire.PasswordKey) {
		*r = PlaceholderRecord(r.Room, r.N, r.At)
	}
	return nil
}

// forget leaves it to the records of steps to report the messages.
func (erasedRecords) forget(r *Record, senderID string, _ bool, _ uint64) error {
	record, err := decodeErased(r.Body)
	if err == nil && record.By == senderID {
		r.Body = (&erasedRecord{Erasure: record.Erasure}).encode()
	}
	return err
}

func (k forgetKind) records() recordKind { return k }

func (forgetKind) frameType() string { return wire.Changed{}.Type() }

func (forgetKind) appendFrame(dst []byte, r *Record) ([]byte, error) { return appendErased(dst, r) }

// changes returns the messages that were erased.
func (forgetKind) changes(r *Record) []wire.Range { return changedBy(r) }
