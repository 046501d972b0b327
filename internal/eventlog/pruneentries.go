package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"ramai/wire"
)

// PruneEntriesBody is the body of a PruneEntries, which deletes what has no effect any more: the entries of a table and room
// with given keys, or, with the table 0, the settings with these keys. Without keys it is of a table whose entries end in the order
// of their keys: the first ones, at most PruneStep. Each is deleted only if it is over by the time of the batch, so the command needs
// no id, and it does not matter whether the keys are still right.
type PruneEntriesBody struct {
	Table Table
	Keys  []string // at most PruneStep. From HoldLevel on they can be any bytes; before, only UTF-8
}

func (PruneEntriesBody) kind() Kind { return PruneEntries }

// encodedPrune is how a PruneEntriesBody is encoded if all keys are UTF-8.
type encodedPrune struct {
	_     struct{} `cbor:",toarray"`
	Table Table
	Keys  []string
}

// encodedPrune5 is a PruneEntriesBody with other keys, which exists from HoldLevel on.
type encodedPrune5 struct {
	_      struct{} `cbor:",toarray"`
	Table  Table
	Keys   []string // none
	Binary [][]byte
}

// binary reports whether a key is not UTF-8.
func (b PruneEntriesBody) binary() bool {
	return slices.ContainsFunc(b.Keys, func(key string) bool { return !utf8.ValidString(key) })
}

type pruneEntriesKind struct {
	inBackground
	noRecords
}

func (pruneEntriesKind) encodeBody(c *Command) ([]byte, error) {
	body, err := bodyOf[PruneEntriesBody](c)
	if err != nil {
		return nil, err
	}
	if !body.binary() {
		return encoding.Marshal(encodedPrune{Table: body.Table, Keys: body.Keys})
	}
	e := encodedPrune5{Table: body.Table}
	for _, key := range body.Keys {
		e.Binary = append(e.Binary, []byte(key))
	}
	return encoding.Marshal(e)
}

func (pruneEntriesKind) decodeBody(data []byte, c *Command) error {
	if !isArray(data, 3) {
		var e encodedPrune
		err := decoding.Unmarshal(data, &e)
		c.Body = PruneEntriesBody{Table: e.Table, Keys: e.Keys}
		return err
	}
	var e encodedPrune5
	err := decoding.Unmarshal(data, &e)
	body := PruneEntriesBody{Table: e.Table}
	for _, key := range e.Binary {
		body.Keys = append(body.Keys, string(key))
	}
	c.Body = body
	return err
}

// overIn reports for each table whose entries end whether one is over at a time.
var overIn = map[Table]func(e *Entry, at wire.Time) (bool, error){
	Senders:       senderOver,
	Sessions:      sessionOver,
	Invites:       inviteOver,
	Held:          heldOver,
	HeldDecisions: decisionOver,
	Reports:       reportOver,
	Redemptions:   redemptionOver,
	Origins:       originOver,
}

func (pruneEntriesKind) name() string { return "prune_entries" }

func (pruneEntriesKind) check(c *Command) error {
	body, err := bodyOf[PruneEntriesBody](c)
	if err != nil {
		return err
	}
	if body.Table != 0 && overIn[body.Table] == nil {
		return fmt.Errorf("a prune_entries command is of the table %d, whose entries do not end", body.Table)
	}
	if EndsInOrder(body.Table) {
		if len(body.Keys) > 0 {
			return fmt.Errorf("a prune_entries command of the table %d has %d keys, want none", body.Table, len(body.Keys))
		}
		return checkHead(c, hasRoom)
	}
	if len(body.Keys) < 1 || len(body.Keys) > PruneStep {
		return fmt.Errorf("a prune_entries command has %d keys, want 1 to %d", len(body.Keys), PruneStep)
	}
	for _, key := range body.Keys {
		if key == "" || len(key) > MaxEntryKey || body.Table == 0 && !utf8.ValidString(key) {
			return errors.New("a prune_entries command has a key that its table cannot have")
		}
	}
	if body.Table == 0 || c.Room != "" {
		return checkHead(c, hasRoom)
	}
	return checkHead(c, 0)
}

func (pruneEntriesKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[PruneEntriesBody](o.Command)
	if err != nil {
		return err
	}
	room := o.Command.Room
	if EndsInOrder(body.Table) {
		return c.pruneFirst(tx, body.Table, room)
	}
	for _, key := range body.Keys {
		if body.Table == 0 {
			if s := c.setting(room, parseSettingKey(key)); s != nil && s.over(c.at) {
				err = c.deleteSetting(tx, room, s.settingKey)
			}
		} else {
			err = c.pruneEntry(tx, o, &Entry{Table: body.Table, Room: room, Key: key})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pruneFirst deletes the first entries of a table and room, as far as they are over.
func (c *Delta) pruneFirst(tx Tx, t Table, room string) error {
	entries, err := tx.Entries(t, room, "", "", PruneStep)
	if err != nil {
		return err
	}
	for i := range entries {
		if over, err := EntryOver(&entries[i], c.at); err != nil || !over {
			return err
		}
		if err := tx.DeleteEntry(t, room, entries[i].Key); err != nil {
			return err
		}
	}
	return nil
}

// pruneEntry deletes an entry if it is over. A session that was in use ends first.
func (c *Delta) pruneEntry(tx Tx, o *Outcome, e *Entry) error {
	value, found, err := tx.Entry(e.Table, e.Room, e.Key)
	if err != nil || !found {
		return err
	}
	e.Value = value
	over, err := EntryOver(e, c.at)
	if err != nil || !over {
		return err
	}
	switch e.Table {
	case Sessions:
		return c.pruneSession(tx, o, e)
	case Held:
		return c.expireHeld(tx, e)
	case HeldDecisions:
		return c.deleteHeld(tx, e.Table, e.Room, e.Key)
	}
	return tx.DeleteEntry(e.Table, e.Room, e.Key)
}

// PrunedTables returns the tables whose entries end.
func PrunedTables() (tables []Table) {
	for t := range Table(255) {
		if overIn[t] != nil {
			tables = append(tables, t)
		}
	}
	return tables
}

// EndsInOrder reports whether the entries of a table and room are over in the order of their keys.
func EndsInOrder(t Table) bool { return t == Origins }

// EntryOver reports whether an entry has no effect any more at a time: a PruneEntries deletes it then.
func EntryOver(e *Entry, at wire.Time) (bool, error) {
	over := overIn[e.Table]
	if over == nil {
		return false, nil
	}
	return over(e, at)
}

// A RuleEnd is a rule that has an end.
type RuleEnd struct {
	Room, Key string
	Until     wire.Time
}

// EndedRules returns stored rules that are over at a time, at most limit, in no particular order.
func (s *State) EndedRules(at wire.Time, limit int) (ended []RuleEnd) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for key, until := range s.ends {
		if len(ended) == limit {
			break
		}
		if until <= at {
			ended = append(ended, RuleEnd{Room: key.room, Key: key.String(), Until: until})
		}
	}
	return ended
}

// roomKey is the key of a setting of a room.
type roomKey struct {
	room string
	settingKey
}

// noteEnd notes when a setting that was stored ends, or that it was deleted (nil). mu is held.
func (s *State) noteEnd(room string, key settingKey, setting *storedSetting) {
	if setting == nil || setting.until == 0 || setting.isClaim() {
		delete(s.ends, roomKey{room, key})
	} else {
		s.ends[roomKey{room, key}] = setting.until
	}
}
