package eventlogtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// ErrSequence is the error of the members of a Sequence.
var ErrSequence = errors.New("a failure of the sequencer requested by the test")

// A Sequence is one order of batches that several logs share. It keeps batches encoded, as a network would. Its behaviour
// depends only on its seed and the calls.
type Sequence struct {
	mu           sync.Mutex // guarded by mu: everything below
	rng          *rand.Rand
	entries      [][]byte // entries[i] is at position i+1
	first        uint64   // position of the oldest remaining entry
	late         [][]byte // copies that are ordered at some later time
	faults       bool
	down         bool
	members      []*Member
	otherBatches int // foreign batches so far
}

// NewSequence returns an empty sequence without faults.
func NewSequence(seed uint64) *Sequence {
	return &Sequence{rng: rand.New(rand.NewPCG(seed, 14)), first: 1}
}

// SetFaults switches faults on or off: the sequence loses and repeats batches, also long after they were submitted; fails
// after it has accepted a batch; delivers late; changes the times of batches in both directions; and orders batches of
// other nodes and invalid bytes in between.
func (s *Sequence) SetFaults(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = on
	if !on { // pending copies are ordered now
		s.entries = append(s.entries, s.late...)
		s.late = nil
	}
}

// SetDown makes the sequence accept nothing, from now on or no longer.
func (s *Sequence) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Last returns the position of the newest entry.
func (s *Sequence) Last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.entries))
}

// Trim deletes all entries up to a position. A node that still needs one of them needs a snapshot.
func (s *Sequence) Trim(to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = max(s.first, to+1)
}

// Rewind deletes all entries after a position, as if the machines of all nodes were reset to a snapshot. The stores and the
// members must be reset, too.
func (s *Sequence) Rewind(to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.late = s.entries[:min(to, uint64(len(s.entries)))], nil
}

// Member returns a sequencer for one node that runs a version of the program. After a restart a node needs a new one.
func (s *Sequence) Member(program *eventlog.Program) *Member {
	m := &Member{seq: s, program: program}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, m)
	return m
}

// A Member implements eventlog.Sequencer for one node of a Sequence.
type Member struct {
	seq     *Sequence
	wake    func()
	program *eventlog.Program
	reached uint64 // the newest position that Next returned
}

// Exclusive implements eventlog.Sequencer.
func (m *Member) Exclusive() bool { return false }

// Notify implements eventlog.Sequencer.
func (m *Member) Notify(wake func()) {
	m.seq.mu.Lock()
	defer m.seq.mu.Unlock()
	m.wake = wake
}

// Close implements eventlog.Sequencer.
func (m *Member) Close() error {
	s := m.seq
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = slices.DeleteFunc(s.members, func(other *Member) bool { return other == m })
	return nil
}

// Submit implements eventlog.Sequencer.
func (m *Member) Submit(b *eventlog.Batch) error {
	s := m.seq
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wakeAll()
	if s.down {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ErrSequence)
	}
	if !s.faults {
		return s.append(b, 0)
	}
	for range s.rng.IntN(3) {
		if err := s.appendOtherNode(); err != nil {
			return err
		}
	}
	// The acknowledgement says nothing about the number of copies.
	for range []int{0, 1, 1, 1, 2, 3}[s.rng.IntN(6)] {
		if err := s.append(b, wire.Time(s.rng.IntN(7_200_000)-3_600_000)); err != nil {
			return err
		}
	}
	for range s.rng.IntN(2) {
		encoded, err := b.Encode()
		if err != nil {
			return err
		}
		s.late = append(s.late, encoded)
	}
	if n := len(s.late); n > 0 && s.rng.IntN(2) == 0 {
		i := s.rng.IntN(n)
		s.entries = append(s.entries, s.late[i])
		s.late = slices.Delete(s.late, i, i+1)
	}
	if s.rng.IntN(4) == 0 {
		return ErrSequence
	}
	return nil
}

// append appends a copy of b whose time is shifted.
func (s *Sequence) append(b *eventlog.Batch, shift wire.Time) error {
	shifted := *b
	shifted.At += shift
	encoded, err := shifted.Encode()
	if err == nil {
		s.entries = append(s.entries, encoded)
	}
	return err
}

// appendOtherNode appends something that no member has submitted: bytes that are not a batch, or a batch of another node.
func (s *Sequence) appendOtherNode() error {
	if s.rng.IntN(2) == 0 {
		s.entries = append(s.entries, []byte("not a batch"))
		return nil
	}
	s.otherBatches++
	c := eventlog.Command{Kind: eventlog.Say, SenderID: "elsewhere", Room: OtherNodeRoom, ID: fmt.Sprint(s.otherBatches), Text: "from another node"}
	return s.append(&eventlog.Batch{At: start, Node: "elsewhere", Commands: []eventlog.Command{c}}, 0)
}

// OtherNodeRoom is the room in which the other nodes of a Sequence with faults write.
const OtherNodeRoom = "elsewhere"

// wakeAll wakes the members. Called with mu held.
func (s *Sequence) wakeAll() {
	for _, m := range s.members {
		if m.wake != nil {
			m.wake()
		}
	}
}

// Next implements eventlog.Sequencer.
func (m *Member) Next(after uint64) (*eventlog.Batch, uint64, error) {
	s := m.seq
	s.mu.Lock()
	defer s.mu.Unlock()
	next := max(after+1, s.first)
	if next > uint64(len(s.entries)) {
		return nil, 0, nil
	}
	if s.faults {
		switch s.rng.IntN(8) {
		case 0, 1:
			return nil, 0, nil // later
		case 2:
			return nil, 0, ErrSequence
		case 3:
			if m.reached > 0 { // a redelivery
				next = max(m.reached, s.first)
			}
		}
	}
	m.reached = next
	return decode(m.program, s.entries[next-1]), next, nil
}

// decode returns the batch of an entry, or an empty one if the program does not know such a batch.
func decode(program *eventlog.Program, entry []byte) *eventlog.Batch {
	b, err := program.DecodeBatch(entry)
	if err != nil {
		return program.NewBatch(eventlog.Batch{})
	}
	return b
}

// Restore applies everything that was ordered, including deleted entries, to a store: the result is a snapshot made by a
// node with this version of the program.
func (s *Sequence) Restore(store eventlog.Store, program *eventlog.Program) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := store.Position(); i < uint64(len(s.entries)); i++ {
		if _, err := store.Apply(decode(program, s.entries[i]), i+1); err != nil {
			return err
		}
	}
	return nil
}
