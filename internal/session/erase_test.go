package session

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

var erasureSeeds = flag.Int("erasures", 10, "number of seeds of TestErasedIsGone")

// eraser is a simulation of a room in which messages are edited and deleted while clients of all protocols read slowly,
// stop reading, load pages, leave, and resume. Once the author has received the answer to a change, no byte of a message
// with the former text may be handed to a socket.
type eraser struct {
	*harness
	t       *testing.T
	rng     *rand.Rand
	author  *link
	texts   int               // texts so far: each has its own number
	current map[uint64]int    // by message number: its text; 0: deleted
	asked   map[string]uint64 // by id of an unanswered change: its message
	former  map[string][]int  // by id of a change: the texts it replaces
	erased  map[int]bool      // texts that must not be sent any more
	posted  map[string]int    // by id of an unanswered message: its text
	changes int               // answered changes
	heard   map[int]bool      // texts that were handed to a socket
	readers []*reader

	erasures  int            // by the operator, so far
	moderated int            // texts that these have erased
	erasure   uint64         // number of the operator's erasure that is not finished; 0: none
	selection map[uint64]int // its messages, and their texts
	undone    bool           // it is being undone
}

// textNumber finds the number of a text in any part of it that is long enough.
var textNumber = regexp.MustCompile(`\[(\d+)\]`)

func newEraser(t *testing.T, seed uint64) *eraser {
	rng := rand.New(rand.NewPCG(seed, 21))
	e := &eraser{
		harness: newHarness(t, setting{seed: seed, buffer: 1 << (11 + rng.IntN(9))}), t: t, rng: rng,
		current: map[uint64]int{}, asked: map[string]uint64{}, former: map[string][]int{}, erased: map[int]bool{}, posted: map[string]int{}, heard: map[int]bool{},
	}
	e.author = e.v1()
	e.author.onFrame = e.answered
	e.readers = newReaders(e.harness, rng, wire.Lobby)
	for _, r := range e.readers {
		r.check = func(b []byte) { e.check(b, r) }
	}
	return e
}

// text returns a new text. Some are long enough to be deflated.
func (e *eraser) text() string {
	e.texts++
	return strings.Repeat(fmt.Sprintf("[%d]", e.texts), 1+e.rng.IntN(6)*e.rng.IntN(6)*e.rng.IntN(6))
}

// check fails if b contains a text that is erased.
func (e *eraser) check(b []byte, r *reader) {
	for _, m := range textNumber.FindAllSubmatch(b, -1) {
		text, err := strconv.Atoi(string(m[1]))
		if err != nil {
			e.t.Fatal(err)
		}
		if e.heard[text] = true; e.erased[text] {
			e.t.Fatalf("protocol %v, deflated %v: text %d is sent after %d changes, in %.300q", r.client.Protocol, r.client.Deflate, text, e.changes, b)
		}
	}
}

// answered handles a frame that the author receives.
func (e *eraser) answered(f wire.Frame) {
	switch f := f.(type) {
	case wire.Saved:
		if text, ok := e.posted[f.ID]; ok {
			e.current[f.N] = text
			delete(e.posted, f.ID)
		} else if _, ok := e.asked[f.ID]; ok {
			delete(e.asked, f.ID)
			e.changes++
			for _, text := range e.former[f.ID] {
				e.erased[text] = true
			}
		}
	case wire.Refused:
		e.t.Fatalf("refused: %+v", f)
	}
}

// post makes the author send a frame, which is read at once.
func (e *eraser) post(f wire.Frame) {
	e.author.send(f)
	e.author.run()
}

func (e *eraser) say() {
	id := fmt.Sprint("say", e.texts)
	text := e.text()
	e.posted[id] = e.texts
	e.post(wire.Say{Room: wire.Lobby, ID: id, Text: text})
}

// change edits or deletes a message that has no unanswered change, usually a recent one.
func (e *eraser) change() {
	var all []uint64
	for n, text := range e.current {
		if text > 0 {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	n := all[max(0, len(all)-1-e.rng.IntN(20))]
	c := wire.Change{Room: wire.Lobby, ID: fmt.Sprint("change", e.texts, "of", n), Of: n}
	e.former[c.ID] = []int{e.current[n]}
	e.current[n] = 0
	if e.rng.IntN(3) > 0 {
		text := e.text()
		c.Text, e.current[n] = &text, e.texts
	}
	e.asked[c.ID] = n
	e.post(c)
}

// moderate lets the operator erase what was posted lately, continue that, or undo it.
func (e *eraser) moderate() {
	submit := func(c eventlog.Command, reply *eventlog.ReplyTo) {
		c.Room = wire.Lobby
		if c.ID != "" {
			c.SenderID = eventlog.OperatorSender
		}
		if err := e.sequencer.Submit(eventlog.Submission{Command: c, ReplyTo: reply}, nil); err != nil {
			e.t.Fatal(err)
		}
	}
	for _, step := range e.store.ErasureSteps(0, false) {
		submit(step, nil)
	}
	switch erasure := e.store.Erasure(wire.Lobby, e.erasure); {
	case e.selection == nil && len(e.posted) == 0: // changes that are not answered are ordered before the erasure
		to := e.store.Bounds(wire.Lobby).Last
		from := to - min(to-1, uint64(e.rng.IntN(20)))
		selection := map[uint64]int{}
		for n, text := range e.current {
			if n >= from && n <= to && text > 0 {
				selection[n], e.current[n] = text, 0
			}
		}
		e.selection, e.undone = selection, false
		e.erasures++
		body := eventlog.EraseBody{By: []string{e.author.s.SenderID()}, From: from, To: to, Count: uint64(len(selection)), Asked: "by the author"}
		submit(eventlog.Command{Kind: eventlog.Erase, ID: fmt.Sprint("erase", e.erasures), Body: body}, &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
			if o.Status != eventlog.Saved {
				e.t.Fatalf("an erasure is refused: %v", o.Err)
			}
			e.erasure = o.N
			e.moderated += len(selection)
			for _, text := range selection {
				e.erased[text] = true
			}
		}})
	case erasure != nil && !e.undone && e.rng.IntN(3) == 0:
		e.undone = true
		for _, text := range e.selection {
			delete(e.erased, text)
		}
		submit(eventlog.Command{Kind: eventlog.Restore, ID: fmt.Sprint("restore", e.erasure), Body: eventlog.RestoreBody{Erasure: e.erasure}}, nil)
	case e.undone && erasure == nil: // its messages are as before
		maps.Copy(e.current, e.selection)
		e.selection, e.erasure = nil, 0
	case erasure != nil && erasure.Phase == eventlog.Erased && !e.undone:
		e.selection, e.erasure = nil, 0
	}
}

// changeAfterRead lets something change right after what the next job reads, and before the job does anything with it.
func (e *eraser) changeAfterRead() {
	if e.rng.IntN(3) > 0 {
		return
	}
	e.store.afterRead = func() {
		e.store.afterRead = func() {}
		if e.rng.IntN(2) == 0 {
			e.moderate()
		} else {
			e.change()
		}
		e.stepLog()
		e.author.run()
	}
}

func (e *eraser) step() {
	switch k := e.rng.IntN(100); {
	case k < 4:
		e.say()
	case k < 9:
		e.change()
	case k < 10:
		e.moderate()
	case k < 20:
		e.stepLog()
	case k < 27:
		if len(e.jobs) > 0 {
			e.changeAfterRead()
			e.runJob(e.rng.IntN(len(e.jobs)))
			e.store.afterRead = func() {}
		}
	case k < 28:
		e.clock = e.clock.Add(time.Duration(e.rng.IntN(200)) * time.Millisecond)
		e.runTimers()
	default:
		e.readers[e.rng.IntN(len(e.readers))].act()
	}
	e.author.run()
}

// TestErasedIsGone: a text that was edited or deleted is not sent after the change was acknowledged, and every change is
// acknowledged.
func TestErasedIsGone(t *testing.T) {
	seeds := *erasureSeeds
	var heard, erased, moderated, aborted int
	for seed := range uint64(seeds) {
		e := newEraser(t, seed)
		for range 4 {
			e.say()
			e.settle()
		}
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			e.t, e.harness.tb = t, t
			for range 3000 {
				e.step()
			}
			for _, r := range e.readers {
				if r.link != nil {
					r.link.blocked = false
				}
			}
			e.settle()
			e.advance(2 * time.Second)
			if len(e.asked) > 0 {
				t.Fatalf("%d changes were not answered", len(e.asked))
			}
			for _, r := range e.readers {
				if r.link != nil {
					r.link.end(nil)
				}
			}
		})
		heard, erased, moderated = heard+len(e.heard), erased+len(e.erased), moderated+e.moderated
		aborted += e.aborted
	}
	if heard == 0 || erased == 0 || aborted == 0 {
		t.Errorf("%d texts were read, %d erased, %d connections closed for that: too few for a test", heard, erased, aborted)
	}
	if moderated == 0 {
		t.Error("the operator has erased no text")
	}
	t.Logf("%d texts were read, %d erased, %d of them by the operator, %d connections closed for that", heard, erased, moderated, aborted)
}

// TestErasedAfterLeaving: if a client has left the room, and one of its messages is waiting or partly written, its
// connection is closed when that message is changed. A change of another message does not affect it.
func TestErasedAfterLeaving(t *testing.T) {
	for _, c := range []struct {
		what    string
		stop    func(*link)
		of      uint64
		aborted bool
	}{
		{"the rest is in the queue", func(l *link) { l.window = 100 }, 2, true},
		{"the write is under way", func(l *link) { l.blocked = true }, 2, true},
		{"another message", func(l *link) { l.window = 100 }, 1, false},
	} {
		st := newHarness(t, setting{})
		author, reader := st.v1(), st.joined(wire.Lobby)
		author.say("1", "short")
		st.settle()
		c.stop(reader)
		author.say("2", strings.Repeat("long ", 100))
		st.settle()
		reader.send(wire.Leave{Room: wire.Lobby})
		st.settle()
		author.heard()
		author.send(wire.Change{Room: wire.Lobby, ID: "3", Of: c.of})
		st.settle()
		if got := author.heard(); len(got) != 1 || kind(got[0]) != "saved" || st.aborted != 0 != c.aborted || reader.closed != c.aborted {
			t.Errorf("%s: the author received %q, %d connections closed, want one: %v", c.what, got, st.aborted, c.aborted)
		}
		if reader.window, reader.blocked, reader.ready = 0, false, true; !c.aborted {
			st.settle()
			if got := st.hub.Count(wire.Lobby); got != 0 {
				t.Errorf("%s: %d people are in the room after the rest was written", c.what, got)
			}
		}
	}
}
