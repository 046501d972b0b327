package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"ramai/wire"
)

// The members of a cluster apply the same batches, and have to store the same. A hash chain shows whether they do: each batch adds a link,
// a hash of the link before, the position, the outcomes, and everything that the batch writes. So a difference in one batch stays
// visible in all later links, and members compare only the newest. The chain begins when the first member announces itself, and the newest
// link is stored with the batch.

// A Link is the state of the chain after a batch.
type Link struct {
	Position uint64   `json:"position"` // of the batch; 0: there is no chain
	Sum      [16]byte `json:"sum"`      // of everything up to there
}

// chainKey is the key of the newest link, in HashChain.
const chainKey = "newest"

// keptLinks is how many links are kept in memory, so that they can be compared with those of a member that is behind.
const keptLinks = 4096

// NewestLink implements Store.
func (s *State) NewestLink() Link {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.link
}

// LinkAt implements Store.
func (s *State) LinkAt(position uint64) (Link, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.links == nil {
		return Link{}, false
	}
	l := s.links[position%keptLinks]
	return l, position > 0 && l.Position == position
}

// commitLink keeps the link of a batch. mu is held.
func (s *State) commitLink(l Link) {
	if l.Position == 0 {
		return
	}
	if s.links == nil {
		s.links = make([]Link, keptLinks)
	}
	s.link, s.links[l.Position%keptLinks] = l, l
}

// beginChain begins the chain, unless it has begun.
func beginChain(tx Tx) error {
	_, found, err := tx.Entry(HashChain, "", chainKey)
	if err != nil || found {
		return err
	}
	var first Link
	return tx.PutEntry(&Entry{Table: HashChain, Key: chainKey, Value: string(first.Sum[:])})
}

// A chainTx notes everything that is written. The sum of the hashes of all writes does not depend on their order, which may be that of a
// map. What is read is not noted: another version of the program may read more.
type chainTx struct {
	Tx
	before [16]byte
	sum    [4]uint64
	write  []byte // the one that is being noted
}

// chained returns a Tx that notes what is written to tx; nil: there is no chain.
func (s *State) chained(tx Tx) (*chainTx, error) {
	if s.level < MemberLevel {
		return nil, nil
	}
	newest, found, err := tx.Entry(HashChain, "", chainKey)
	if err != nil || !found {
		return nil, err
	}
	t := &chainTx{Tx: tx}
	if copy(t.before[:], newest) != len(newest) {
		return nil, fmt.Errorf("%w: the newest link of the hash chain has %d bytes, want %d", ErrDamaged, len(newest), len(t.before))
	}
	return t, nil
}

// link stores and returns the link of a batch.
func (t *chainTx) link(position uint64, outcomes []Outcome) (Link, error) {
	h := sha256.New()
	h.Write(t.before[:])
	var b []byte
	b = binary.BigEndian.AppendUint64(b, position)
	for _, part := range t.sum {
		b = binary.BigEndian.AppendUint64(b, part)
	}
	for i := range outcomes {
		o := &outcomes[i]
		b = append(b, byte(o.Status))
		b = binary.AppendUvarint(b, o.N)
		b = binary.AppendUvarint(b, uint64(o.At))
		if o.Err != nil { // not its reason, whose words may change
			b = append(b, o.Err.Code...)
		}
		b = append(b, 0)
	}
	h.Write(b)
	l := Link{Position: position}
	copy(l.Sum[:], h.Sum(nil))
	return l, t.Tx.PutEntry(&Entry{Table: HashChain, Key: chainKey, Value: string(l.Sum[:])})
}

// The writes, each with a number that is never used for another one.

func (t *chainTx) begin(number byte) *chainTx {
	t.write = append(t.write[:0], number)
	return t
}

func (t *chainTx) text(s string) *chainTx {
	t.write = append(binary.AppendUvarint(t.write, uint64(len(s))), s...)
	return t
}

func (t *chainTx) number(n uint64) *chainTx {
	t.write = binary.AppendUvarint(t.write, n)
	return t
}

func (t *chainTx) time(at wire.Time) *chainTx { return t.number(uint64(at)) }

func (t *chainTx) flag(set bool) *chainTx {
	if set {
		return t.number(1)
	}
	return t.number(0)
}

func (t *chainTx) record(r *Record) *chainTx {
	return t.text(r.Room).number(r.N).time(r.At).text(r.SenderID).text(r.DisplayName).text(r.ID).number(uint64(r.Kind)).text(r.Body)
}

func (t *chainTx) end() {
	h := sha256.Sum256(t.write)
	for i := range t.sum {
		t.sum[i] += binary.BigEndian.Uint64(h[8*i:])
	}
}
