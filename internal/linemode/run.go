// Package linemode is the chat line by line: each line of input is posted, each message is written to the output. ramai join
// uses it without a screen, and SSH uses it for a command.
package linemode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/internal/exitcode"
	"ramai/wire"
)

const (
	maxPending      = 256              // messages without a final state before reading stops
	maxPendingBytes = 64 << 10         // and bytes of them
	exitTimeout     = 30 * time.Second // how long Run waits after the end of input without any progress
)

// Config describes one run. Client, Room, In, Out and Notes are required.
type Config struct {
	Client *client.Client
	Room   string
	Last   int                        // old messages that Out starts with
	After  *wire.Position             // the position that Out starts after, instead of Last; nil: none
	Name   string                     // the name that was requested; nothing is posted before it is granted. Empty: none
	OnName func(name, session string) // called when a name is granted, as it was asked for, with the session that holds it; may be nil
	JSON   bool                       // write frames as JSON lines instead of messages

	Commands bool                                                   // lines that begin with a slash are commands, because a person types them
	Rooms    func(ctx context.Context) (*wire.RoomsResponse, error) // lists the rooms of the server; nil: they cannot be listed
	Link     string                                                 // the address of the room in a browser; empty: unknown
	Device   string                                                 // what another device of the user calls this one; empty: a terminal

	In    io.Reader // posted line by line; closed at the end of Run if it is an io.Closer and not an *os.File
	Out   io.Writer // the messages
	Notes io.Writer // everything else
}

// Run posts and writes until In has ended and everything posted is saved and written. An error is one of package exitcode,
// or the cause of ctx's end.
func Run(ctx context.Context, c Config) error {
	r := &runner{Config: c, plain: c.Client.Plain()}
	return r.run(ctx, c.In)
}

// runner is one run. Its fields belong to the goroutine of run.
type runner struct {
	Config
	plain bool // the server speaks the plain protocol

	senderID    string // this sender; empty before the first welcome
	session     string
	named       bool              // the name was granted, or none was requested
	maxText     int               // the server's limit for a message, in bytes; 0: unknown
	pending     []client.Sent     // without a final state, in order
	shown       uint64            // the number up to which the room was written
	edits       map[uint64]bool   // numbers of edits that are still to arrive, but were written with their messages
	showUntil   uint64            // the number up to which it must be written before the end
	newest      uint64            // the newest message; 0: none was written
	newestAs    map[string]uint64 // the newest question, poll and notice
	pins        []uint64          // what is pinned, as far as is known
	newestOwn   uint64            // the newest message of this sender that exists, as far as is known; 0: none
	greeting    string            // of the server; empty once it was written
	inRoom      bool              // a joined arrived, or a welcome of the plain protocol
	unconfirmed bool              // a message was refused, or may not have been saved
	lineNumber  int
	outages     []string // reasons reported since the connection broke
	refusals    []string // reasons reported since a message was last saved

	marked      bool                             // a command has marked a message
	left        bool                             // a command has ended the input
	asking      int                              // commands that wait for an answer
	answers     chan func()                      // of those commands: each writes an answer
	done        map[string]func(n uint64) string // by the ids of what commands have changed: what is so once it is saved under a number
	lastErasure uint64                           // of this sender; 0: none in this run
	role        wire.Role                        // of this sender in the room; none: not known
	waiting     waiting                          // for the moderators
	unanswered  *question                        // what the next line answers; nil: nothing
	people      commands.People
	authors     authors
	clockKnown  bool          // a message has arrived since
	clockAhead  time.Duration // of the clock here before the server's, at most
	helpers     *sync.WaitGroup
}

// next is what Client.Next returned.
type next struct {
	event client.Event
	err   error
}

func (r *runner) run(ctx context.Context, stdin io.Reader) error {
	ctx, stop := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop(nil)
	input := make(chan inputLine)
	defer startReading(&running, stdin, input, ctx.Done())()
	r.helpers, r.answers = &running, make(chan func())
	events := make(chan next)
	running.Go(func() { r.receive(ctx, events) })

	giveUp := time.NewTimer(exitTimeout)
	giveUp.Stop()
	defer giveUp.Stop()
	for eof := false; !eof || r.remaining() > 0 || r.asking > 0; {
		lines := input
		if eof || !r.named || r.Client.Pending() >= maxPending || r.pendingBytes() >= maxPendingBytes {
			lines = nil
		}
		before := r.remaining()
		select {
		case <-ctx.Done():
			return r.finish(context.Cause(ctx))
		case <-giveUp.C:
			return r.finish(nil)
		case n := <-events:
			if n.err != nil {
				return r.finish(Ended(ctx, n.err))
			}
			if err := r.handle(n.event); err != nil {
				return r.finish(err)
			}
		case line, ok := <-lines:
			if ok {
				r.read(ctx, line)
			}
			if ok && !r.left {
				break
			}
			eof = true
			giveUp.Reset(exitTimeout)
		case answer := <-r.answers:
			r.asking--
			answer()
		}
		if eof && r.remaining() < before {
			giveUp.Reset(exitTimeout)
		}
	}
	return r.finish(nil)
}

// receive forwards events until there are no more.
func (r *runner) receive(ctx context.Context, events chan<- next) {
	for {
		e, err := r.Client.Next(ctx)
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

func (r *runner) pendingBytes() (n int) {
	for _, s := range r.pending {
		n += len(s.Text)
	}
	return n
}

// remaining returns how much is left to do before the end: 0 if everything posted is saved and written.
func (r *runner) remaining() uint64 {
	n := len(r.pending)
	if r.marked {
		n += len(r.Client.PendingIn(r.Room).Marks)
	}
	if n > 0 || !r.inRoom {
		return 1<<63 + uint64(n)
	}
	return r.showUntil - min(r.shown, r.showUntil)
}

// finish reports unconfirmed messages. It returns err, or else the exit code.
func (r *runner) finish(err error) error {
	for _, s := range r.pending {
		r.note("not confirmed: %s", what(s))
		r.unconfirmed = true
	}
	switch {
	case errors.Is(err, syscall.EPIPE):
		err = nil // the reader of stdout has ended, as in "ramai join | head"
	case err != nil:
		return err
	}
	if r.unconfirmed {
		return exitcode.With(exitcode.Unconfirmed, err)
	}
	return nil
}

func (r *runner) note(format string, args ...any) { fmt.Fprintf(r.Notes, format+"\n", args...) }

// read handles a line of input: a command, if commands are enabled, or a message.
func (r *runner) read(ctx context.Context, line inputLine) {
	r.lineNumber++
	text, slash := strings.CutPrefix(line.text, "/")
	if r.unanswered != nil && r.answerQuestion(ctx, line.text) {
		return
	}
	switch {
	case !slash || !r.Commands:
		r.post(line)
	case strings.HasPrefix(text, "/"): // two slashes post one
		r.say(wire.Say{Text: text})
	default:
		r.command(ctx, line.text)
	}
}

// post queues a line of input as a message.
func (r *runner) post(line inputLine) {
	if line.tooLong {
		r.note("line %d not sent: it is longer than %d bytes", r.lineNumber, MaxLine)
		r.unconfirmed = true
		return
	}
	r.say(wire.Say{Text: line.text})
}

// say queues a message.
func (r *runner) say(m wire.Say) {
	if r.maxText > 0 { // refused at once, without waiting for its turn
		if err := wire.CheckText(m.Text, r.maxText); err != nil && err.Code == wire.TooLong {
			r.refused(err.Reason, client.Sent{Text: m.Text})
			return
		}
	}
	m.Room = r.Room
	id, err := r.Client.Post(m)
	if err != nil {
		r.notSent(client.Sent{Text: m.Text}, err)
		return
	}
	r.pending = append(r.pending, client.Sent{ID: id, Text: m.Text})
}

// notSent reports what could not be queued.
func (r *runner) notSent(s client.Sent, err error) {
	r.note("not sent: %s: %v", what(s), err)
	r.unconfirmed = true
}

// refused reports what was refused for good.
func (r *runner) refused(reason string, s client.Sent) {
	r.unconfirmed = true
	r.note("refused: %s: %s", client.OneLine(reason), what(s))
}

// Ended converts the error that ended Client.Next or a similar call to one of package exitcode.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.As(err, new(*client.BrokenError)) {
		return exitcode.With(exitcode.Unconfirmed, err)
	}
	return exitcode.With(exitcode.Refused, err)
}
