// Package lines talks in a room line by line: what is read is said, what is heard is written. It is what ramai join does
// without a screen, and a command over SSH.
package linemode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"ramai/client"
	"ramai/internal/exitcode"
	"ramai/wire"
)

const (
	maxPending = 256              // lines that are not settled before no more are read
	maxUnsaid  = 64 << 10         // and bytes of them
	patience   = 30 * time.Second // after the end of input, without anything being confirmed
)

// Config says who talks where. Client, Room, In, Out and Notes have to be set.
type Config struct {
	Client *client.Client
	Room   string
	Last   int                  // old messages that are to come first
	Name   string               // that was asked for: before it is had, nothing is said. Empty: none
	Held   func(session string) // told what session holds the name; may be nil
	JSON   bool                 // frames instead of messages, as JSON lines

	In    io.Reader // is said, line by line
	Out   io.Writer // the messages
	Notes io.Writer // everything else
}

// Run talks until In has ended and everything is settled: saved, and shown. An error is one of package exitcode, or the
// cause of ctx's end.
func Run(ctx context.Context, c Config) error {
	t := &talk{Config: c, plain: c.Client.Plain()}
	return t.run(ctx, c.In)
}

// talk is one run. Its fields belong to the goroutine of run.
type talk struct {
	Config
	plain bool // the server speaks the plain protocol

	by       string // this sender; empty before the first welcome
	session  string
	named    bool   // the name was had, or none was asked for: before that nothing is said
	most     int    // bytes of a text, as far as is known; 0: no bound
	unsaid   []said // not settled, in order
	at       uint64 // the number up to which the room was shown
	until    uint64 // the number up to which it has to be shown before the end
	inRoom   bool   // there was a joined, or a welcome of the plain door
	lost     bool   // something said is not confirmed and will not be
	lineNo   int
	told     []string // why there is no connection, as long as there is none
	refusals []string // why nothing is saved for now, until something is
}

type said struct{ id, text string }

// next is what Client.Next returned.
type next struct {
	event client.Event
	err   error
}

// run talks until the input has ended and everything is settled.
func (t *talk) run(ctx context.Context, stdin io.Reader) error {
	ctx, stop := context.WithCancelCause(ctx)
	var hearing sync.WaitGroup
	defer hearing.Wait()
	defer stop(nil)
	input := make(chan inputLine) // its reader ends with the input, which nothing else can have it do
	go readLines(stdin, input, ctx.Done())
	events := make(chan next)
	hearing.Go(func() { t.hear(ctx, events) })

	patient := time.NewTimer(patience)
	patient.Stop()
	defer patient.Stop()
	for over := false; !over || !t.settled(); {
		lines := input
		if over || !t.named || t.Client.Pending() >= maxPending || t.size() >= maxUnsaid {
			lines = nil
		}
		before := t.open()
		select {
		case <-ctx.Done():
			return t.end(context.Cause(ctx))
		case <-patient.C:
			return t.end(nil)
		case n := <-events:
			if n.err != nil {
				return t.end(Ended(ctx, n.err))
			}
			if err := t.take(n.event); err != nil {
				return t.end(err)
			}
		case line, ok := <-lines:
			if ok {
				t.say(line)
				break
			}
			over = true
			patient.Reset(patience)
		}
		if over && t.open() < before {
			patient.Reset(patience)
		}
	}
	return t.end(nil)
}

// hear passes events on until there are no more.
func (t *talk) hear(ctx context.Context, events chan<- next) {
	for {
		e, err := t.Client.Next(ctx)
		select {
		case events <- next{e, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// size is how many bytes are not settled.
func (t *talk) size() (n int) {
	for _, s := range t.unsaid {
		n += len(s.text)
	}
	return n
}

// open is how much is to be done before the end; only its falling counts.
func (t *talk) open() uint64 {
	if n := len(t.unsaid); n > 0 || !t.inRoom {
		return 1<<63 + uint64(n)
	}
	return t.until - min(t.at, t.until)
}

// settled tells whether everything said is on disk, and the room was shown as far as that.
func (t *talk) settled() bool { return t.open() == 0 }

// end names what is not confirmed and ends with err, or with the exit code that it makes.
func (t *talk) end(err error) error {
	for _, s := range t.unsaid {
		t.note("not confirmed: %s", client.Shortened(s.text))
		t.lost = true
	}
	switch {
	case errors.Is(err, syscall.EPIPE):
		err = nil // nobody reads any more, so there is nobody to tell
	case err != nil:
		return err
	}
	if t.lost {
		return exitcode.With(exitcode.Unconfirmed, err)
	}
	return nil
}

func (t *talk) note(format string, args ...any) { fmt.Fprintf(t.Notes, format+"\n", args...) }

func (t *talk) say(line inputLine) {
	t.lineNo++
	if line.tooLong {
		t.note("line %d is longer than %d bytes and is not said", t.lineNo, MaxLine)
		t.lost = true
		return
	}
	if t.most > 0 { // what it refuses has not to wait for its turn
		if err := wire.CheckText(line.text, t.most); err != nil && err.Code == wire.TooLong {
			t.lose(err.Reason, line.text)
			return
		}
	}
	id, err := t.Client.Say(t.Room, line.text)
	if err != nil {
		t.note("not said: %s: %v", client.Shortened(line.text), err)
		t.lost = true
		return
	}
	t.unsaid = append(t.unsaid, said{id, line.text})
}

// lose notes what is refused for good.
func (t *talk) lose(reason, text string) {
	t.lost = true
	t.note("refused: %s: %s", client.OneLine(reason), client.Shortened(text))
}

// settle removes what was said under id and returns it.
func (t *talk) settle(id string) (said, bool) {
	i := slices.IndexFunc(t.unsaid, func(s said) bool { return s.id == id })
	if i < 0 {
		return said{}, false
	}
	s := t.unsaid[i]
	t.unsaid = slices.Delete(t.unsaid, i, i+1)
	return s, true
}

// take shows an event and learns from it. An error ends the talk.
func (t *talk) take(e client.Event) error {
	if err := show(t.Out, e, t.JSON, t.plain, t.by == "" && !t.inRoom); err != nil {
		return exitcode.With(exitcode.Unconfirmed, fmt.Errorf("writing to stdout: %w", err))
	}
	switch f := e.Frame.(type) {
	case wire.Welcome:
		t.welcomed(f)
	case wire.Name:
		t.name(f.Name)
	case wire.Joined:
		t.joined(f)
	case wire.Message:
		t.at = f.N
		if f.SenderID == t.by {
			t.settle(f.ID)
		}
	case wire.Unknown: // of a newer server; with a number it has a place in the room
		t.at = max(t.at, f.N)
	case wire.Gap:
		t.at = f.To
		t.note("%d to %d are gone: the server does not keep them", f.From, f.To)
	case wire.Saved:
		t.refusals = nil
		if _, ok := t.settle(f.ID); ok {
			t.until = max(t.until, f.N)
		}
	case wire.Refused:
		t.refused(f)
	case wire.Restarting:
		t.note("the server restarts")
	case client.Line:
		t.settle(f.ID)
	case client.Unconfirmed:
		t.settle(f.ID)
		t.lost = true
		t.note("unknown whether it was said: %s", client.Shortened(f.Text))
	case client.Disconnected:
		t.disconnected(client.OneLine(f.Err.Error()))
	case client.Failed:
		return t.failed(f)
	}
	return nil
}

// disconnected tells why there is no connection, each reason once until there is one: a terminal is to stay readable,
// also while somebody types.
func (t *talk) disconnected(why string) {
	if !slices.Contains(t.told, why) {
		t.note("%s; trying again", why)
		t.told = append(t.told, why)
	}
}

func (t *talk) welcomed(f wire.Welcome) {
	t.told = nil
	if t.by != "" || t.inRoom {
		t.note("connected again")
	}
	if t.plain {
		t.inRoom, t.named = true, true
		return
	}
	t.by, t.session, t.most = f.SenderID, f.Session, f.Limits.Text
	if t.Name == "" {
		t.named = true
	}
	if f.Name != "" {
		t.name(f.Name)
	}
}

// name notes a name that is held, once, or that it is not held any more.
func (t *talk) name(name string) {
	if name == "" {
		t.note("you have no name any more")
		return
	}
	if !t.named || t.Name == "" {
		t.note("your name is %s", client.OneLine(name))
	}
	t.named = true
	if t.Held != nil {
		t.Held(t.session)
	}
}

// joined finds out how much of the room's past is to come. What comes ends with the number N, if anything does.
func (t *talk) joined(f wire.Joined) {
	switch {
	case f.Reset:
		t.note("the server has another history than before: what follows is its end")
		t.at, t.until = 0, f.N
	case !t.inRoom:
		t.at, t.until = f.N, max(t.until, f.N)
		if t.Last > 0 {
			t.at = 0
		}
	default:
		t.until = max(t.until, f.N)
	}
	if f.First > f.N { // nothing is kept, so nothing comes
		t.at = max(t.at, f.N)
	}
	t.inRoom = true
}

func (t *talk) refused(f wire.Refused) {
	if f.RetryAfterMS > 0 {
		if why := client.OneLine(f.Reason); f.Code != wire.RateLimited && !slices.Contains(t.refusals, why) { // too fast is nothing to worry about
			t.note("not yet: %s", why)
			t.refusals = append(t.refusals, why)
		}
		return
	}
	if s, ok := t.settle(f.ID); ok {
		t.lose(f.Reason, s.text)
	}
}

// failed ends the talk if there can be none: without the room, or without the name from the first.
func (t *talk) failed(f client.Failed) error {
	if _, join := f.Request.(wire.Join); join {
		return exitcode.With(exitcode.Refused, fmt.Errorf("the room %s: %s", t.Room, client.OneLine(f.Reason)))
	}
	if err := RefusedName(f); err != nil && !t.named {
		return exitcode.With(exitcode.Refused, err)
	}
	t.note("the server says: %s", client.OneLine(f.Reason))
	return nil
}

// RefusedName makes the error of a name that was not to be had, or nil if it was something else that failed.
func RefusedName(f client.Failed) error {
	name, ok := f.Request.(wire.Name)
	if !ok {
		return nil
	}
	return fmt.Errorf("the name %s: %s", client.OneLine(name.Name), client.OneLine(f.Reason))
}

// Ended makes an exit code of the error that Client.Next and its like end with.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.As(err, new(*client.BrokenError)) {
		return exitcode.With(exitcode.Unconfirmed, err)
	}
	return exitcode.With(exitcode.Refused, err)
}
