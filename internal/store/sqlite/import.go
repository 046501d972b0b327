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

// Import adds a room to the data folder of a server that is not running. The messages come from next, until io.EOF, and
// keep their numbers, times and ids. The room is added as a whole or not at all. These are errors: an existing room, no
// messages, numbers that a deleted room of this name has used, a gap between numbers, a time earlier than the one
// before it, and a message that a server would reject.
func Import(dir, room string, random io.Reader, logger *slog.Logger, next func() (*wire.Message, error)) (eventlog.Bounds, error) {
	s, err := Open(dir, Options{Random: random, Logger: logger})
	if err != nil {
		return eventlog.Bounds{}, err
	}
	head, err := s.importRoom(room, random, next)
	return head, errors.Join(err, s.Close())
}

// importRoom is one transaction, with its own position and its own epoch: a client may have received other messages
// under the same numbers.
func (s *Store) importRoom(room string, random io.Reader, next func() (*wire.Message, error)) (head eventlog.Bounds, err error) {
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
	at, err := t.addAll(room, was.Last, s.IDGeneration(), &head, next)
	if err != nil {
		return head, err
	}
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

// addAll adds the messages, whose numbers are above last, and returns the time of the newest.
func (t *tx) addAll(room string, last uint64, ids eventlog.IDGeneration, head *eventlog.Bounds, next func() (*wire.Message, error)) (at wire.Time, err error) {
	for {
		m, err := next()
		if errors.Is(err, io.EOF) && head.Last > 0 {
			return at, nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return at, errors.New("there are no messages")
		case err != nil:
			return at, err
		case head.Last > 0 && m.N != head.Last+1:
			return at, fmt.Errorf("message %d follows message %d; the messages in between are missing", m.N, head.Last)
		case head.Last > 0 && m.At < at:
			return at, fmt.Errorf("message %d has the time %v, which is before that of the message before it", m.N, m.At.Std())
		}
		said := *m
		said.Room, said.Text = room, wire.NormalizeText(m.Text)
		row := eventlog.MessageRecord(&said)
		if err := checkImported(&row, time.Now()); err != nil {
			return at, err
		}
		if head.Last == 0 {
			head.First = m.N
			if m.N <= last {
				return at, fmt.Errorf("the first message has the number %d, but in a deleted room %s the numbers up to %d were given to other messages. "+
					"No number is given twice: give the imported room another name with --room", m.N, room, last)
			}
		}
		head.Last, at = m.N, m.At
		if _, seen, err := t.PutID(ids.Number, eventlog.IDKeyOf(room, m.SenderID, m.ID), eventlog.IDEntry{N: m.N, At: m.At, Sum: eventlog.TextSum(said.Text)}); err != nil {
			return at, err
		} else if seen {
			return at, fmt.Errorf("message %d has an id that its sender has used before", m.N)
		}
		if err := t.PutRecord(&row); err != nil {
			return at, err
		}
	}
}
