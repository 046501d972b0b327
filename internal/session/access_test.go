package session

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

var revocationSeeds = flag.Int("revocations", 20, "number of seeds of TestRevokedReadsNothing")

// revoker is a simulation of a room whose owner bans and unbans senders, closes and opens the room, and gives roles that end,
// while clients of all protocols read slowly, stop reading, load pages, leave, and come back. No byte of a message that was
// stored after a reader has lost the permission may be handed to its socket, until it has the permission again.
type revoker struct {
	*harness
	t       *testing.T
	rng     *rand.Rand
	owner   *link
	ids     int
	rules   map[string]wire.Set // by id: what the owner has set
	readers []*revokerReader

	// The model: the records so far, up to n.
	n         uint64
	textAt    map[int]uint64 // number of the message with a text
	everyone  wire.Role
	forbidden int // texts that were stored while a reader had no permission
	sent      int // texts that were handed to a socket
}

// revokerReader is a reader with what it may read.
type revokerReader struct {
	*reader
	senderID    string
	banned      bool
	role        wire.Role // RoleNone: that of everyone
	until       wire.Time // of role; 0: it has no end
	deniedSince uint64    // what has a higher number must not be sent
	denied      bool
	left        int // frames left received
}

const den = "den"

func newRevoker(t *testing.T, seed uint64) *revoker {
	rng := rand.New(rand.NewPCG(seed, 17))
	e := &revoker{
		harness: newHarness(t, setting{seed: seed, buffer: 1 << (11 + rng.IntN(9))}), t: t, rng: rng,
		rules: map[string]wire.Set{}, textAt: map[int]uint64{}, everyone: wire.RoleGuest,
	}
	e.harness.committed = e.committed
	e.owner = e.v1()
	for i, r := range newReaders(e.harness, rng, den) {
		r.client.Session = fmt.Sprintf("reader%016d", i)
		reader := &revokerReader{reader: r, senderID: wire.SenderIDOf(r.client.Session)}
		r.check = func(b []byte) { e.check(b, reader) }
		r.onFrame = func(f wire.Frame) {
			if _, is := f.(wire.Left); is {
				reader.left++
			}
		}
		e.readers = append(e.readers, reader)
	}
	return e
}

// committed updates the model, and lets readers and jobs run before the feed.
func (e *revoker) committed() {
	for {
		records, _, err := e.harness.store.Store.Read(den, e.n, eventlog.MaxRead)
		if err != nil {
			e.t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		for i := range records {
			e.add(&records[i])
		}
	}
	for range e.rng.IntN(4) {
		e.readers[e.rng.IntN(len(e.readers))].act()
	}
	if r := e.readers[e.rng.IntN(len(e.readers))]; e.rng.IntN(2) == 0 && r.link != nil && !r.link.closed {
		for range 20 { // it reads everything that it can obtain
			for len(e.jobs) > 0 {
				e.runJob(0)
			}
			r.link.blocked, r.link.max = false, 64<<10
			r.link.run()
		}
	}
}

// add adds a record to the model.
func (e *revoker) add(r *eventlog.Record) {
	e.n = r.N
	e.judge(r.At, r.N-1) // a role may have ended before it
	if set, ok := e.rules[r.ID]; ok {
		e.apply(set)
		e.judge(r.At, r.N)
		return
	}
	m, is, err := r.Message()
	if err != nil || !is {
		e.t.Fatalf("record %d is no message: %v", r.N, err)
	}
	text, err := strconv.Atoi(string(textNumber.FindStringSubmatch(m.Text)[1]))
	if err != nil {
		e.t.Fatal(err)
	}
	e.textAt[text] = r.N
	for _, reader := range e.readers {
		if reader.denied {
			e.forbidden++
		}
	}
}

func (e *revoker) apply(set wire.Set) {
	word := ""
	if set.Value.Text != nil {
		word = *set.Value.Text
	}
	if set.Key == wire.EveryoneKey {
		if e.everyone = wire.RoleGuest; word != "" {
			e.everyone, _ = wire.ParseRole(word)
		}
		return
	}
	subject, _ := wire.Subject(set.Key)
	for _, r := range e.readers {
		switch {
		case r.senderID != subject:
		case strings.HasPrefix(set.Key, wire.PersonPrefix):
			r.banned = word == wire.Ban
		default:
			r.role, _ = wire.ParseRole(word)
			r.until = set.Until
		}
	}
}

// judge updates who may read, as of a time and a number.
func (e *revoker) judge(at wire.Time, n uint64) {
	for _, r := range e.readers {
		role := e.everyone
		if r.role > wire.RoleNone && (r.until == 0 || at < r.until) {
			role = r.role
		}
		denied := r.banned || role < wire.RoleReader
		if denied && !r.denied {
			r.deniedSince = n
		}
		r.denied = denied
	}
}

// check fails if b contains a message that the reader may not read.
func (e *revoker) check(b []byte, r *revokerReader) {
	for _, m := range textNumber.FindAllSubmatch(b, -1) {
		text, err := strconv.Atoi(string(m[1]))
		if err != nil {
			e.t.Fatal(err)
		}
		if e.sent++; r.denied && e.textAt[text] > r.deniedSince {
			e.t.Fatalf("protocol %v, deflated %v: message %d is sent, but the reader has lost the permission at %d; in %.300q", r.client.Protocol, r.client.Deflate, e.textAt[text], r.deniedSince, b)
		}
	}
}

// post makes the owner send a frame, which is read at once.
func (e *revoker) post(f wire.Frame) {
	e.owner.send(f)
	e.owner.run()
}

func (e *revoker) say() {
	e.ids++
	e.post(wire.Say{Room: den, ID: fmt.Sprint("say", e.ids), Text: strings.Repeat(fmt.Sprintf("[%d]", e.ids), 1+e.rng.IntN(6)*e.rng.IntN(6)*e.rng.IntN(6))})
}

// set makes the owner set a rule.
func (e *revoker) set(key, word string, until wire.Time) {
	e.ids++
	s := wire.Set{Room: den, ID: fmt.Sprint("set", e.ids), Key: key, Until: until}
	if word != "" {
		s.Value = wire.TextValue(word)
	}
	e.rules[s.ID] = s
	e.post(s)
}

func (e *revoker) setSomething() {
	r := e.readers[e.rng.IntN(len(e.readers))]
	switch e.rng.IntN(8) {
	case 0, 1:
		e.set(wire.PersonPrefix+r.senderID, wire.Ban, 0)
	case 2, 3, 4:
		e.set(wire.PersonPrefix+r.senderID, "", 0)
	case 5:
		e.set(wire.EveryoneKey, wire.RoleNone.String(), 0)
	case 6:
		e.set(wire.EveryoneKey, "", 0)
	default:
		e.set(wire.RolePrefix+r.senderID, wire.RoleReader.String(), wire.TimeOf(e.clock)+wire.Time(1+e.rng.IntN(3000)))
	}
}

func (e *revoker) step() {
	switch k := e.rng.IntN(100); {
	case k < 4:
		e.say()
	case k < 8:
		e.setSomething()
	case k < 20:
		e.stepLog()
	case k < 27:
		if len(e.jobs) > 0 {
			e.store.afterRead = func() {
				e.store.afterRead = func() {}
				if e.rng.IntN(2) == 0 {
					e.setSomething()
					e.say()
					e.stepLog()
				}
			}
			e.runJob(e.rng.IntN(len(e.jobs)))
			e.store.afterRead = func() {}
		}
	case k < 28:
		e.clock = e.clock.Add(time.Duration(e.rng.IntN(400)) * time.Millisecond)
		e.runTimers()
	default:
		e.readers[e.rng.IntN(len(e.readers))].act()
	}
	e.owner.run()
}

// expectGone fails if a reader that may not read is still in the room, a second later.
func (e *revoker) expectGone() {
	for _, r := range e.readers {
		if r.link != nil {
			r.link.blocked = false
		}
	}
	e.advance(time.Second)
	for _, r := range e.readers {
		at := wire.TimeOf(e.clock.Add(-time.Second)) // a role may have ended since
		if r.link == nil || r.link.closed || r.link.blocked || e.store.CanRead(den, r.senderID, at) {
			continue
		}
		if len(r.link.s.cursors) > 0 || r.client.Protocol != chat.V1 {
			e.t.Fatalf("protocol %v: the reader is in %d rooms, and its connection is open, though it has lost the permission", r.client.Protocol, len(r.link.s.cursors))
		}
	}
}

// TestRevokedReadsNothing: a reader that has lost the permission to read a room is sent nothing that is stored later, and is out of
// the room within a second.
func TestRevokedReadsNothing(t *testing.T) {
	var sent, forbidden, left, aborted int
	for seed := range uint64(*revocationSeeds) {
		e := newRevoker(t, seed)
		e.say()
		e.settle()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			e.t, e.harness.tb = t, t
			for i := range 3000 {
				if e.step(); i%500 == 499 {
					e.expectGone()
				}
			}
			for _, r := range e.readers {
				e.set(wire.PersonPrefix+r.senderID, "", 0)
			}
			e.set(wire.EveryoneKey, "", 0)
			e.settle()
			if refused := slices.IndexFunc(e.owner.frames, func(f wire.Frame) bool {
				refused, is := f.(wire.Refused)
				return is && refused.Code != wire.BadRequest // else the end of a role is over
			}); refused >= 0 {
				t.Fatalf("the owner received %+v", e.owner.frames[refused])
			}
			for _, r := range e.readers {
				if left += r.left; r.link != nil {
					r.link.end(nil)
				}
			}
		})
		sent, forbidden, aborted = sent+e.sent, forbidden+e.forbidden, aborted+e.aborted
	}
	if sent == 0 || forbidden == 0 || left == 0 || aborted == 0 {
		t.Errorf("%d texts were sent, %d were not, %d frames left, %d connections closed: too few for a test", sent, forbidden, left, aborted)
	}
	t.Logf("%d texts were sent, %d were not, %d frames left, %d connections closed", sent, forbidden, left, aborted)
}
