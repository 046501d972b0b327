package eventlog

import (
	"errors"
	"fmt"
	"time"

	"ramai/wire"
)

const (
	// TallyInterval is the shortest time between two tallies of a room.
	TallyInterval = time.Second
	// tallyMessages is how many messages one Tally reads, at most.
	tallyMessages = 1000
)

// A Tally tells a room the counts of its pending messages: it adds a record with all counts of as many of them as fit into
// wire.StateBytes, and rewrites their rows. It does nothing if nothing is pending, or if the room's newest tally is less
// than TallyInterval older than the batch. The server submits it when it is due; nobody waits for it.
//
// The command needs no id: repeated, it does nothing for TallyInterval.
type tallyKind struct {
	inBackground
	noBody
}

func (tallyKind) name() string { return "tally" }

func (tallyKind) check(c *Command) error { return checkHead(c, hasRoom) }

// A TallyTime is the newest tally of a room.
type TallyTime struct {
	At      wire.Time // of its batch
	Through uint64    // number of the last message in it, if there was no space for the others; the next tally goes on there
}

// due reports whether there can be a tally at a time. A time in the future is of a clock that was ahead.
func (t TallyTime) due(at wire.Time) bool {
	return t.At == 0 || at < t.At || int64(at-t.At) >= TallyInterval.Milliseconds()
}

func (tallyKind) decide(c *Delta, tx Tx, o *Outcome) error {
	room := o.Command.Room
	newest := latest(c.tallies, c.state.tallies, room)
	if c.pendingIn(room) == 0 || !newest.due(c.at) {
		return nil
	}
	if refused := c.number(o); refused != nil {
		o.refuse(refused.Code, refused.Reason)
		return nil
	}
	numbers, err := tx.Pending(room, newest.Through, tallyMessages)
	if err == nil && len(numbers) == 0 {
		numbers, err = tx.Pending(room, 0, tallyMessages)
	}
	if err != nil {
		return err
	}
	newest = TallyTime{At: c.at}
	if len(numbers) == tallyMessages {
		newest.Through = numbers[len(numbers)-1]
	}
	var body tallyBody
	size := 0
	for i, n := range numbers {
		counts, err := tx.Counts(room, n)
		if err != nil {
			return err
		}
		if size += frameSize(counts); size > wire.StateBytes {
			newest.Through = numbers[i-1]
			break
		}
		row, err := tx.Record(room, n)
		if err != nil {
			return err
		}
		if c.hiddenBy(&row) != nil { // its counts are published if it is restored
			if err := c.deletePending(tx, room, n); err != nil {
				return err
			}
			continue
		}
		if counts, err = c.tallyMessage(tx, room, n, o.N, counts); err != nil {
			return err
		}
		body = append(body, tallied{N: n, Counts: counts})
	}
	c.tallies[room] = newest
	if err := tx.PutTallyTime(room, newest); err != nil {
		return err
	}
	if len(body) == 0 {
		o.N = 0
		return nil
	}
	if err := c.appendRecord(tx, o, body.encode()); err != nil {
		return err
	}
	c.addOther(room, o.N)
	return nil
}

// tallyMessage writes the counts of a pending message into its row, and returns the ones that are shown. by is the number
// of the tally. A row that a reader has from before is followed by the tally, so this is not an erasure.
func (c *Delta) tallyMessage(tx Tx, room string, n, by uint64, counts wire.Counts) (wire.Counts, error) {
	row, message, refused, err := c.message(tx, room, n)
	if err == nil && (refused != nil || row.N == 0) {
		err = fmt.Errorf("%w: number %d of the room %s is pending, and is not a message", ErrDamaged, n, room)
	}
	if err != nil {
		return nil, err
	}
	c.hideVotes(room, n, counts)
	message.Tally, message.Tallied = counts, by
	row.Body = message.encode()
	if err := tx.ReplaceRecord(&row); err != nil {
		return nil, err
	}
	deleted, err := tx.DeletePending(room, n, n)
	c.pending[room] = c.pendingIn(room) - deleted
	return counts, err
}

// frameSize is the largest number of bytes that the counts of a message take in a frame.
func frameSize(counts wire.Counts) int {
	const number = 20 // digits
	size := number + len(`"":{},`)
	for key := range counts {
		size += len(key) + number + len(`"":,`)
	}
	return size
}

// A tallyBody is the content of a tally's record, in the order of its numbers. No text of a client is part of it but keys.
type tallyBody []tallied

type tallied struct {
	_      struct{} `cbor:",toarray"`
	N      uint64
	Counts map[string]uint64
}

// tallyVersion is the version of the body of a tally's record, which is followed by a tallyBody.
const tallyVersion = 1

func (t tallyBody) encode() string {
	for i := range t {
		if t[i].Counts == nil {
			t[i].Counts = map[string]uint64{}
		}
	}
	return string(rune(tallyVersion)) + string(must(encoding.Marshal(t)))
}

func decodeTally(body string) (t tallyBody, err error) {
	if err := checkRecordVersion(body, tallyVersion); err != nil {
		return nil, err
	}
	if err := decoding.Unmarshal([]byte(body[1:]), &t); err != nil {
		return nil, err
	}
	if t.encode() != body {
		return nil, errNotDeterministic
	}
	last := uint64(0)
	for _, m := range t {
		if m.N <= last {
			return nil, fmt.Errorf("a tally has message %d after message %d", m.N, last)
		}
		last = m.N
		for key, count := range m.Counts {
			if err := checkString(Tally, "key", key, wire.MaxMarkKey, true); err != nil {
				return nil, err
			}
			if count == 0 {
				return nil, errors.New("a tally has the count 0")
			}
		}
	}
	return t, nil
}

func (k tallyKind) records() recordKind { return k }

func (tallyKind) checkBody(body string) error {
	_, err := decodeTally(body)
	return err
}

func (tallyKind) frameType() string { return wire.Tally{}.Type() }

func (tallyKind) appendFrame(dst []byte, r *Record) ([]byte, error) {
	body, err := decodeTally(r.Body)
	if err != nil {
		return dst, err
	}
	f := wire.Tally{Room: r.Room, N: r.N, At: r.At, Of: make(map[uint64]wire.Counts, len(body))}
	for _, m := range body {
		f.Of[m.N] = m.Counts
	}
	return wire.Append(dst, f), nil
}

func (tallyKind) appendLine(dst []byte, r *Record) ([]byte, bool, error) {
	_, err := decodeTally(r.Body)
	return dst, false, err
}

func (tallyKind) message(r *Record) (wire.Message, bool, error) {
	_, err := decodeTally(r.Body)
	return wire.Message{}, false, err
}

func (tallyKind) searchText(r *Record) (string, error) {
	_, err := decodeTally(r.Body)
	return "", err
}

// HasMarks reports whether messages of a room may have marks.
func (s *State) HasMarks(room string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pending[room] > 0 || s.tallies[room] != TallyTime{}
}

// PendingTallies returns the rooms in which messages are pending, and when the newest tally of each was.
func (s *State) PendingTallies() map[string]wire.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.pending) == 0 {
		return nil
	}
	rooms := make(map[string]wire.Time, len(s.pending))
	for room := range s.pending {
		rooms[room] = s.tallies[room].At
	}
	return rooms
}
