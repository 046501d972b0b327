package sqlite

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Imported is a part of an export: a message or, if it has Skipped, numbers that are not messages.
type Imported struct {
	wire.Message
	Skipped []wire.Range `json:"skipped"`
}

// maxSkipped is how many numbers that are not messages can follow each other in an import.
const maxSkipped = 1_000_000

// Import adds a room to the data folder of a server that is not running. The messages come from next, until io.EOF, and
// keep their numbers, times and ids. Questions and polls are open, and nobody has reacted. The room is added as a whole or
// not at all. These are errors: an existing room, no messages, numbers that a deleted room of this name has used, a gap
// between numbers, a time earlier than the one before it, and a message that a server would reject.
func Import(dir, room string, random io.Reader, logger *slog.Logger, next func() (*Imported, error)) (eventlog.Bounds, error) {
	s, err := Open(dir, Options{Random: random, Logger: logger})
	if err != nil {
		return eventlog.Bounds{}, err
	}
	head, err := s.importRoom(room, random, next)
	return head, errors.Join(err, s.Close())
}

// importRoom is one transaction, with its own position and its own epoch: a client may have received other messages
// under the same numbers.
func (s *Store) importRoom(room string, random io.Reader, next func() (*Imported, error)) (head eventlog.Bounds, err error) {
	was := s.Bounds(room)
	if _, there := s.AllBounds()[room]; there {
		return head, fmt.Errorf("there is a room %s already, up to number %d; give the imported one another name with --room", room, was.Last)
	}
	epoch := eventlog.Epoch{Number: s.Epoch().Number + 1}
	if epoch.Name, err = eventlog.NewNonce(random); err != nil {
		return head, err
	}
	t := s.newTx()
	if _, err := t.begin.exec(); err != nil {
		return head, err
	}
	defer func() {
		if err != nil {
			t.rollback.exec()
		}
	}()
	i := importer{tx: t, room: room, used: was.Last, ids: s.IDGeneration(), changes: map[uint64]bool{}}
	if err := i.addAll(next); err != nil {
		return head, err
	}
	head, at := i.bounds, i.at
	if err := t.flush(); err != nil {
		return head, err
	}
	if err := errors.Join(t.PutBounds(room, head, at), t.PutEpoch(epoch, 0), t.PutSpan(room, eventlog.Span{From: 1, Epoch: epoch.Number}, 0)); err != nil {
		return head, err
	}
	saved, err := t.ints("SELECT at FROM meta")
	if err != nil {
		return head, err
	}
	if _, err := t.setPosition.exec(int64(s.position.Load()+1), saved[0]); err != nil {
		return head, err
	}
	_, err = t.commit.exec()
	return head, err
}

// importer adds the records of a room.
type importer struct {
	*tx
	room    string
	used    uint64 // the newest number that a deleted room of this name has used
	ids     eventlog.IDGeneration
	bounds  eventlog.Bounds // of what was added; Last is 0 at first
	at      wire.Time       // of the newest message
	edited  uint64          // the highest number of changes
	changes map[uint64]bool // numbers of the newest changes of messages
}

// addAll adds what next returns.
func (i *importer) addAll(next func() (*Imported, error)) error {
	for {
		part, err := next()
		switch {
		case errors.Is(err, io.EOF) && i.bounds.Last > 0:
			return i.skip(i.edited) // these changes came while the export was written
		case errors.Is(err, io.EOF):
			return errors.New("there are no messages")
		case err != nil:
			return err
		case len(part.Skipped) > 0:
			err = i.skipAll(part.Skipped)
		default:
			err = i.add(&part.Message)
		}
		if err != nil {
			return err
		}
	}
}

// skipAll adds records for numbers that are not messages.
func (i *importer) skipAll(ranges []wire.Range) error {
	for _, r := range ranges {
		if i.bounds.Last == 0 {
			return errors.New("numbers that are not messages come before the first message")
		}
		if r.From != i.bounds.Last+1 {
			return fmt.Errorf("number %d follows number %d; the messages in between are missing", r.From, i.bounds.Last)
		}
		if err := i.skip(r.To); err != nil {
			return err
		}
	}
	return nil
}

// skip adds records that are not messages up to a number.
func (i *importer) skip(to uint64) error {
	if to > i.bounds.Last+maxSkipped || to > maxImported {
		return fmt.Errorf("numbers %d to %d are no messages; at most %d in a row can be imported", i.bounds.Last+1, to, maxSkipped)
	}
	for i.bounds.Last < to {
		i.bounds.Last++
		record := eventlog.PlaceholderRecord(i.room, i.bounds.Last, i.at)
		if err := i.PutRecord(&record); err != nil {
			return err
		}
	}
	return nil
}

// add adds a message.
func (i *importer) add(m *wire.Message) error {
	last := i.bounds.Last
	switch {
	case last > 0 && m.N != last+1:
		return fmt.Errorf("message %d follows message %d; the messages in between are missing", m.N, last)
	case last > 0 && m.At < i.at:
		return fmt.Errorf("message %d has the time %v, which is before that of the message before it", m.N, m.At.Std())
	case m.Edited > 0 && m.Edited <= m.N:
		return fmt.Errorf("message %d was edited under number %d, which is not above its own", m.N, m.Edited)
	case m.Edited > m.N+maxSkipped:
		return fmt.Errorf("message %d was edited under number %d, which is more than %d above its own", m.N, m.Edited, maxSkipped)
	case m.N <= i.edited && i.changes[m.N]:
		return fmt.Errorf("number %d is a message, and an earlier message was edited under that number", m.N)
	}
	said := *m
	said.Room, said.Text, said.Tally, said.Tallied = i.room, wire.NormalizeText(m.Text), nil, 0
	row := eventlog.MessageRecord(&said)
	if err := checkImported(&row, time.Now()); err != nil {
		return err
	}
	if last == 0 {
		if i.bounds.First = m.N; m.N <= i.used {
			return fmt.Errorf("the first message has the number %d, but in a deleted room %s the numbers up to %d were given to other messages. "+
				"No number is given twice: give the imported room another name with --room", m.N, i.room, i.used)
		}
	}
	i.bounds.Last, i.at = m.N, m.At
	if m.Edited > 0 {
		i.changes[m.Edited], i.edited = true, max(i.edited, m.Edited)
	}
	sum := int64(eventlog.NoSum) // of what was edited, the first text is not known
	if said.Re == 0 && said.As == "" && said.Edited == 0 {
		sum = eventlog.TextSum(said.Text)
	}
	if _, seen, err := i.PutID(i.ids.Number, eventlog.IDKeyOf(i.room, m.SenderID, m.ID), eventlog.IDEntry{N: m.N, At: m.At, Sum: sum}); err != nil {
		return err
	} else if seen {
		return fmt.Errorf("message %d has an id that its sender has used before", m.N)
	}
	if setting, has := eventlog.FirstSetting(&said); has && !said.Gone {
		if err := i.PutSetting(i.room, setting); err != nil {
			return err
		}
	}
	return i.PutRecord(&row)
}
