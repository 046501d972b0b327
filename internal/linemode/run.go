// Package linemode is the chat line by line: each line of input is posted, each message is written to the output. ramai join
// uses it without a screen, and SSH uses it for a command.
package linemode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// handle writes an event, and updates the state. An error ends the run.
func (r *runner) handle(e client.Event) error {
	if r.isRepeated(e.Frame) {
		r.shown = max(r.shown, e.Frame.(wire.Changed).N)
		return nil
	}
	if err := show(r.Out, e, r.JSON, r.plain, r.senderID == "" && !r.inRoom); err != nil {
		return exitcode.With(exitcode.Unconfirmed, fmt.Errorf("writing to stdout: %w", err))
	}
	switch f := e.Frame.(type) {
	case wire.Welcome:
		r.welcomed(f)
	case wire.Name:
		r.nameChanged(f.Name)
	case wire.Joined:
		r.joined(f)
	case wire.Message:
		if r.Commands {
			r.sawSender(f)
			if f.N > r.showUntil {
				r.sawTime(f.At.Std())
			}
		}
		r.shown = f.N
		r.seen(f.N, f.As, f.SenderID == r.senderID && !f.Gone)
	case wire.Changed:
		r.shown = max(r.shown, f.N)
	case wire.Tally:
		r.shown = max(r.shown, f.N)
	case wire.Restored:
		r.shown = max(r.shown, f.N)
	case wire.State:
		r.shown = max(r.shown, f.N)
		if f.Key == wire.PinKey {
			r.pins = f.Value.Numbers
		}
	case wire.Unknown: // of a newer server
		r.shown = max(r.shown, f.N)
	case wire.Gap:
		r.shown = f.To
		r.note("messages %d to %d are no longer on the server", f.From, f.To)
	case client.Sent:
		r.sent(f)
	case wire.Restarting:
		r.note("the server is restarting")
	case client.Disconnected:
		r.disconnected(client.OneLine(f.Err.Error()))
	case client.RequestFailed:
		return r.requestFailed(f)
	case wire.OwnRole:
		if r.role != wire.RoleNone && r.role != f.Role {
			r.note("your role is now %s", f.Role)
		}
		r.role = f.Role
	case wire.Left:
		why := r.refusal(commands.Refusal{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until})
		return exitcode.With(exitcode.Refused, fmt.Errorf("the room %s: %s", r.Room, client.OneLine(why)))
	}
	return nil
}

// isRepeated reports whether f is an edit whose text was written already, because the message arrived with it.
func (r *runner) isRepeated(f wire.Frame) bool {
	switch f := f.(type) {
	case wire.Message:
		if f.Edited > 0 && !f.Gone && !r.JSON {
			if r.edits == nil {
				r.edits = make(map[uint64]bool)
			}
			r.edits[f.Edited] = true
		}
	case wire.Changed:
		repeated := r.edits[f.N]
		delete(r.edits, f.N)
		return repeated
	}
	return false
}

// sent handles the state of a message.
func (r *runner) sent(f client.Sent) {
	switch f.State {
	case client.Waiting:
		// The server slows down clients that post too fast; that needs no note.
		if why := client.OneLine(f.Reason); why != "" && f.Code != wire.RateLimited && !slices.Contains(r.refusals, why) {
			r.note("not saved yet: %s", why)
			r.refusals = append(r.refusals, why)
		}
		return
	case client.Sending:
		return
	case client.Saved:
		if f.Moderate != nil && f.Moderate.Erase != nil {
			r.lastErasure = f.N
		}
		if done, ok := r.done[f.ID]; ok {
			r.note("%s", client.OneLine(done(f.N)))
		}
		r.refusals = nil
		r.showUntil = max(r.showUntil, f.N)
		if f.IsMessage() {
			r.seen(f.N, f.As, true)
		} else if f.Deletes && f.Of == r.newestOwn {
			r.newestOwn = 0
		}
	case client.Held:
		r.note("waits for a moderator: %s", what(f))
	case client.Failed:
		if f.Unknown {
			r.unconfirmed = true
			r.note("may or may not have been saved: %s", what(f))
		} else {
			r.refused(r.refusal(refusalOf(f)), f)
		}
	}
	delete(r.done, f.ID)
	r.pending = slices.DeleteFunc(r.pending, func(s client.Sent) bool { return s.ID == f.ID })
}

// disconnected reports why there is no connection, each reason once, to keep a terminal readable.
func (r *runner) disconnected(why string) {
	if !slices.Contains(r.outages, why) {
		r.note("%s; trying again", why)
		r.outages = append(r.outages, why)
	}
}

func (r *runner) welcomed(f wire.Welcome) {
	r.outages = nil
	switch {
	case r.senderID != "" && f.SenderID != r.senderID:
		r.note("%s", client.OneLine(commands.Identity(f)))
	case r.senderID != "" || r.inRoom:
		r.note("connected again")
	}
	if r.plain {
		r.inRoom, r.named = true, true
		return
	}
	r.senderID, r.session, r.maxText = f.SenderID, f.Session, f.Limits.Text
	if r.Name == "" {
		r.named = true
	}
	if f.Name != "" {
		r.nameChanged(f.Name)
	}
}

// nameChanged reports a name that was granted, once, or taken away.
func (r *runner) nameChanged(name string) {
	if name == "" {
		r.note("you no longer have a name")
		return
	}
	if !r.named || r.Name == "" {
		r.note("your name is %s", client.OneLine(name))
	}
	r.named = true
	if r.OnName != nil {
		r.OnName(cmp.Or(r.Name, name), r.session)
	}
}

// joined determines how many old messages will arrive. The last of them has the number f.N.
func (r *runner) joined(f wire.Joined) {
	switch {
	case f.Reset:
		r.note("the server's history was replaced; its newest messages follow")
		r.shown, r.showUntil, r.newest, r.newestOwn, r.newestAs = 0, f.N, 0, 0, nil
	case !r.inRoom:
		r.shown, r.showUntil = f.N, max(r.showUntil, f.N)
		switch {
		case r.After != nil:
			r.shown = min(r.After.N, f.N)
		case r.Last > 0:
			r.shown = 0
		}
	default:
		r.showUntil = max(r.showUntil, f.N)
	}
	if f.From != nil && (f.Reset || !r.inRoom) { // an older server does not send it
		r.shown = *f.From
	}
	if f.First > f.N { // the server has no messages of the room
		r.shown = max(r.shown, f.N)
	}
	r.inRoom, r.role, r.pins = true, f.Role, f.State[wire.PinKey].Numbers
}

// requestFailed returns an error if the run cannot continue: without the room, or without the name it started with.
func (r *runner) requestFailed(f client.RequestFailed) error {
	if _, join := f.Request.(wire.Join); join {
		return exitcode.With(exitcode.Refused, fmt.Errorf("the room %s: %s", r.Room, client.OneLine(f.Reason)))
	}
	if err := RefusedName(f); err != nil && !r.named {
		return exitcode.With(exitcode.Refused, err)
	}
	if m, ok := f.Request.(wire.Mark); ok {
		why := r.refusal(commands.RefusedBy(&wire.CodedError{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until}))
		r.note("refused: %s: mark of message %d", client.OneLine(why), m.Of)
		r.unconfirmed = true
		return nil
	}
	r.note("the server says: %s", client.OneLine(f.Reason))
	return nil
}

// RefusedName returns the error of a name that was refused, or nil if another request failed.
func RefusedName(f client.RequestFailed) error {
	name, ok := f.Request.(wire.Name)
	if !ok {
		return nil
	}
	return fmt.Errorf("the name %s: %s", client.OneLine(name.Name), client.OneLine(f.Reason))
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
