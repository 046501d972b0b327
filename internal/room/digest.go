package room

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"ramai/wire"
)

const (
	// digestSize is the number of bytes after which a digest is continued in another one.
	digestSize = 128 << 10
	// maxTypingRooms is how many rooms a digest has in which people are typing. Those in other rooms are shown on their own member
	// alone.
	maxTypingRooms = 200
)

// A digest is what a member reports. It has the fields of a list, or of changes.
type digest struct {
	Run    string       `json:"run"`              // drawn by each process
	Seq    uint64       `json:"seq"`              // counts the digests of a run from 1; the first one continues an empty list
	List   bool         `json:"list,omitempty"`   // a part of the list of all people
	First  bool         `json:"first,omitempty"`  // the list begins here
	More   bool         `json:"more,omitempty"`   // the next digest continues this one
	Rooms  []roomDigest `json:"rooms,omitempty"`  // each room once
	Typing []roomDigest `json:"typing,omitempty"` // of changes without More: all who type now, in In
	Ask    []string     `json:"ask,omitempty"`    // of changes without More: runs of members whose list this one needs
	Gone   bool         `json:"gone,omitempty"`   // the member stops
}

type roomDigest struct {
	Room string `json:"room"`
	In   string `json:"in,omitempty"`  // ids of senders, one after the other
	Out  string `json:"out,omitempty"` // of changes
}

// parseDigest returns a digest whose rooms and ids are valid.
func parseDigest(b []byte) (*digest, error) {
	d := new(digest)
	if err := json.Unmarshal(b, d); err != nil {
		return nil, err
	}
	if len(d.Run) == 0 || len(d.Run) > wire.MaxID || d.Seq == 0 {
		return nil, fmt.Errorf("run %.80q, number %d", d.Run, d.Seq)
	}
	if len(d.Typing) > maxTypingRooms {
		return nil, fmt.Errorf("people are typing in %d rooms, want at most %d", len(d.Typing), maxTypingRooms)
	}
	for _, r := range slices.Concat(d.Rooms, d.Typing) {
		if err := wire.CheckRoom(r.Room); err != nil {
			return nil, fmt.Errorf("the room %.80q: %w", r.Room, err)
		}
		for _, ids := range []string{r.In, r.Out} {
			if len(ids)%wire.SenderIDLen != 0 {
				return nil, errors.New("the ids of senders are incomplete")
			}
			for i := 0; i < len(ids); i += wire.SenderIDLen {
				if err := wire.CheckID(ids[i : i+wire.SenderIDLen]); err != nil {
					return nil, fmt.Errorf("the sender %.80q: %w", ids[i:i+wire.SenderIDLen], err)
				}
			}
		}
	}
	for _, r := range d.Typing {
		if len(r.In) > maxTyping*wire.SenderIDLen {
			return nil, fmt.Errorf("%d people are typing in %s, want at most %d", len(r.In)/wire.SenderIDLen, r.Room, maxTyping)
		}
	}
	return d, nil
}

// each calls f for each of the ids.
func each(ids string, f func(senderKey)) {
	for i := 0; i < len(ids); i += wire.SenderIDLen {
		f(keyOf(ids[i : i+wire.SenderIDLen]))
	}
}

// A digestWriter sends digests: one, or several if it is long.
type digestWriter struct {
	x       *exchange
	d       digest
	last    string // the room that was added last
	in, out []byte // of it
	size    int    // of d without in and out
}

func (w *digestWriter) add(room string, by senderKey, in bool) {
	if room != w.last {
		w.endRoom()
		w.last = room
	}
	if in {
		w.in = append(w.in, by[:]...)
	} else {
		w.out = append(w.out, by[:]...)
	}
	if w.size+len(w.in)+len(w.out) >= digestSize {
		w.send(true)
	}
}

func (w *digestWriter) endRoom() {
	if len(w.in)+len(w.out) > 0 {
		const syntax = 64
		w.size += len(w.last) + len(w.in) + len(w.out) + syntax
		w.d.Rooms = append(w.d.Rooms, roomDigest{Room: w.last, In: string(w.in), Out: string(w.out)})
	}
	w.in, w.out = w.in[:0], w.out[:0]
}

// send sends what was added. more says that another digest continues it.
func (w *digestWriter) send(more bool) {
	w.endRoom()
	w.d.More = more
	w.x.send(&w.d)
	w.d.Rooms, w.d.First, w.size = nil, false, 0
}

func (x *exchange) send(d *digest) {
	x.seq++
	d.Run, d.Seq = x.run, x.seq
	b, err := json.Marshal(d)
	if err == nil {
		err = x.publish(b)
	}
	if err != nil { // the others find that one is missing
		x.logger.Debug("cannot send presence to the other members", "err", err)
	}
}
