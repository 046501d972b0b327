package linemode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"ramai/client"
	"ramai/internal/exitcode"
	"ramai/wire"
)

func newRunner(last int) (r *runner, out, notes *strings.Builder) {
	out, notes = new(strings.Builder), new(strings.Builder)
	return &runner{Config: Config{Room: wire.Lobby, Last: last, Out: out, Notes: notes}}, out, notes
}

// TestRemaining follows the work that is left before a run can end.
func TestRemaining(t *testing.T) {
	type step struct {
		frame wire.Frame
		want  bool
	}
	welcome := step{wire.Welcome{SenderID: "me"}, false}
	mine := func(n uint64) wire.Message { return wire.Message{Room: wire.Lobby, N: n, SenderID: "me", ID: "1"} }
	others := func(n uint64) wire.Message { return wire.Message{Room: wire.Lobby, N: n, SenderID: "you", ID: "1"} }
	tests := []struct {
		name  string
		last  int
		said  bool
		steps []step
	}{
		{"nothing posted, no old messages", 0, false, []step{welcome, {wire.Joined{N: 7, First: 1}, true}}},
		{"nothing posted, old messages", 2, false, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {others(6), false}, {others(7), true}}},
		{"the old messages are deleted", 2, false, []step{welcome, {wire.Joined{N: 7, First: 8}, true}}},
		{"an empty room", 2, false, []step{welcome, {wire.Joined{N: 0, First: 1}, true}}},
		{"an echo", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {others(8), false}, {mine(9), false}, {client.Sent{ID: "1", State: client.Saved, N: 9}, true}}},
		{"saved before the echo", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {client.Sent{ID: "1", State: client.Saved, N: 8}, false}, {mine(8), true}}},
		{"saved, and its echo is deleted", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {client.Sent{ID: "1", State: client.Saved, N: 8}, false},
			{client.Disconnected{Err: io.EOF}, false}, {wire.Welcome{SenderID: "me"}, false}, {wire.Joined{N: 9, First: 10}, true}}},
		{"saved, and named in a gap", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {client.Sent{ID: "1", State: client.Saved, N: 8}, false}, {wire.Gap{From: 8, To: 8}, true}}},
		{"a number of a newer kind", 1, false, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {wire.Unknown{Room: wire.Lobby, N: 7}, true}}},
		{"another history", 0, false, []step{welcome, {wire.Joined{N: 7, First: 1}, true}, {wire.Joined{N: 2, First: 1, Reset: true}, false}, {others(1), false}, {others(2), true}}},
		{"refused", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {client.Sent{ID: "1", Reason: "no"}, false}, {client.Sent{ID: "1", State: client.Failed}, true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, _, _ := newRunner(test.last)
			if test.said {
				r.pending = []client.Sent{{ID: "1", Text: "hello"}}
			}
			for i, s := range test.steps {
				if err := r.handle(client.Event{Frame: s.frame}); err != nil {
					t.Fatal(err)
				}
				if (r.remaining() == 0) != s.want {
					t.Fatalf("after %d, %+v: %d remain", i, s.frame, r.remaining())
				}
			}
		})
	}
}

func TestNotes(t *testing.T) {
	r, out, notes := newRunner(0)
	r.pending = []client.Sent{{ID: "1"}, {ID: "2"}, {ID: "3", Text: "three"}}
	for _, f := range []wire.Frame{
		wire.Welcome{SenderID: "me", Text: wire.Greeting},
		wire.Joined{N: 7, First: 1},
		wire.Gap{From: 8, To: 9},
		client.Sent{ID: "1", State: client.Sending},
		client.Sent{ID: "1", Code: wire.RateLimited, Reason: "slowly"},
		client.Sent{ID: "1", Code: wire.Unavailable, Reason: "disk\nfull"},
		client.Sent{ID: "1", Text: "one", State: client.Failed, Code: wire.TooLong, Reason: "too long"},
		client.Sent{ID: "4", Text: "four", State: client.Held},
		client.Sent{ID: "4", Text: "four", State: client.Failed, Code: wire.Gone, Reason: "you have withdrawn the message"},
		wire.Restarting{},
		client.Disconnected{Err: errors.New("gone\x1b[0m"), Wait: 1234567 * time.Microsecond},
		wire.Welcome{SenderID: "me", Text: wire.Greeting, Name: "an\u202ena"},
		wire.Name{},
		client.RequestFailed{Error: wire.Error{Reason: "what?"}},
		client.Sent{ID: "2", Text: "two\x1b[0m", State: client.Failed, Unknown: true},
	} {
		if err := r.handle(client.Event{Frame: f}); err != nil {
			t.Fatal(err)
		}
	}
	err := r.finish(nil)
	if e := (*exitcode.Error)(nil); !errors.As(err, &e) || e.Code != exitcode.Unconfirmed {
		t.Errorf("ends with %v", err)
	}
	if out.String() != "From server: "+wire.Greeting+"\n" {
		t.Errorf("stdout: %q", out)
	}
	want := `messages 8 to 9 are no longer on the server
not saved yet: disk full
refused: too long: one
waits for a moderator: four
withdrawn: four
the server has stopped
gone; trying again
connected again
your name is anna
you no longer have a name
the server says: what?
may or may not have been saved: two
not confirmed: three
`
	if notes.String() != want {
		t.Errorf("notes:\n%swant:\n%s", notes, want)
	}
}

// TestEditsAreWrittenOnce: a message that arrives edited is not followed by the edit, and the run continues after it.
func TestEditsAreWrittenOnce(t *testing.T) {
	r, out, _ := newRunner(10)
	text, later := "ONE", "two"
	from := uint64(1)
	for _, f := range []wire.Frame{
		wire.Welcome{SenderID: "me", Text: "hi"}, wire.Joined{N: 6, First: 1, From: &from},
		wire.Message{N: 2, Text: text, Edited: 4}, wire.Message{N: 3, Gone: true, Edited: 5},
		wire.Changed{N: 4, Of: wire.Target(2), Text: &text}, wire.Changed{N: 5, Of: wire.Target(3)}, wire.Changed{N: 6, Of: wire.Target(1), Text: &later},
	} {
		if r.remaining() == 0 {
			t.Errorf("nothing remains before %+v", f)
		}
		if err := r.handle(client.Event{Frame: f}); err != nil {
			t.Fatal(err)
		}
	}
	if want := "From server: hi\nFrom server: ONE (edited)\nFrom server: two (edited)\n"; out.String() != want || r.remaining() != 0 {
		t.Errorf("the output is %q, want %q; %d remain", out, want, r.remaining())
	}
	r, _, _ = newRunner(10)
	for _, f := range []wire.Frame{wire.Welcome{SenderID: "me"}, wire.Joined{N: 6, First: 1, From: ptr(uint64(6))}} {
		if err := r.handle(client.Event{Frame: f}); err != nil {
			t.Fatal(err)
		}
	}
	if r.remaining() != 0 {
		t.Error("the run waits for messages of an empty room")
	}
}

func ptr[T any](v T) *T { return &v }

func TestEndings(t *testing.T) {
	name := client.RequestFailed{Request: wire.Name{Name: "anna"}, Error: wire.Error{Code: wire.NameTaken, Reason: "taken"}}
	r, _, _ := newRunner(0)
	r.Name = "anna"
	if err := r.handle(client.Event{Frame: name}); err == nil || err.Error() != "the name anna: taken" {
		t.Errorf("no name: %v", err)
	}
	r.named = true // and lost it later: no reason to end
	if err := r.handle(client.Event{Frame: name}); err != nil {
		t.Errorf("no name any more: %v", err)
	}
	room := client.RequestFailed{Request: wire.Join{Room: wire.Lobby}, Error: wire.Error{Reason: "full"}}
	if err := r.handle(client.Event{Frame: room}); err == nil || err.Error() != "the room lobby: full" {
		t.Errorf("no room: %v", err)
	}
	r.Out = broken{}
	err := r.handle(client.Event{Frame: wire.Message{}})
	if err == nil || r.finish(err) != nil {
		t.Errorf("without a reader: %v, %v", err, r.finish(err))
	}
	r.pending = []client.Sent{{ID: "1", Text: "one"}}
	if e := (*exitcode.Error)(nil); !errors.As(r.finish(err), &e) || e.Code != exitcode.Unconfirmed || e.Err != nil {
		t.Errorf("without a reader, and with a pending message: %v", e)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestExitTimeout: a server accepts messages and never confirms them.
func TestExitTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(listener)
		served := make(chan struct{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(served)
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Protocol}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.Write(context.Background(), websocket.MessageText, wire.Append(nil, wire.Welcome{SenderID: "me", Session: strings.Repeat("A", 22), Text: "hi"}))
			for says := 0; err == nil; {
				var b []byte
				if _, b, err = c.Read(context.Background()); err != nil {
					return
				}
				switch r, _ := wire.ParseRequest(b); f := r.Frame.(type) {
				case wire.Join:
					c.Write(context.Background(), websocket.MessageText, wire.Append(nil, wire.Joined{Room: f.Room, HistoryID: "L", First: 1}))
				case wire.Say:
					if says++; says == 1 { // the first is confirmed after a while
						time.Sleep(exitTimeout - time.Second)
						m := wire.Message{Room: f.Room, N: 1, SenderID: "me", ID: f.ID, Text: f.Text}
						c.Write(context.Background(), websocket.MessageText, wire.Append(nil, m))
					}
				}
			}
		})}
		var work sync.WaitGroup
		work.Go(func() { server.Serve(conns) })
		c, err := client.Dial(t.Context(), client.Config{URL: "http://chat.example", DialContext: conns.dial})
		if err != nil {
			t.Fatal(err)
		}
		r, out, notes := newRunner(0)
		r.Client = c
		begin := time.Now()
		err = r.run(t.Context(), strings.NewReader("one\ntwo"))
		if e := (*exitcode.Error)(nil); !errors.As(err, &e) || e.Code != exitcode.Unconfirmed {
			t.Errorf("ends with %v", err)
		}
		if took := time.Since(begin); took != 2*exitTimeout-time.Second {
			t.Errorf("took %v", took)
		}
		if out.String() != "From server: hi\nFrom server: one\n" || notes.String() != "not confirmed: two\n" {
			t.Errorf("stdout %q, stderr %q", out, notes)
		}
		c.Close()
		<-served
		server.Close()
		work.Wait()
	})
}

// TestPendingIsBounded: while a server accepts no messages, a bounded amount of input is read. A line that is too long for
// the server is refused at once.
func TestPendingIsBounded(t *testing.T) {
	const most = 4000
	synctest.Test(t, func(t *testing.T) {
		conns := make(listener)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Protocol}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.Write(context.Background(), websocket.MessageText, wire.Append(nil, wire.Welcome{
				SenderID: "me", Session: strings.Repeat("A", 22), Limits: wire.Limits{Text: most, Frame: 64 << 10},
			}))
			for err == nil {
				_, _, err = c.Read(context.Background())
			}
		})}
		var work sync.WaitGroup
		work.Go(func() { server.Serve(conns) })
		c, err := client.Dial(t.Context(), client.Config{URL: "http://chat.example", DialContext: conns.dial})
		if err != nil {
			t.Fatal(err)
		}
		r, _, notes := newRunner(0)
		r.Client = c
		ctx, cancel := context.WithCancel(t.Context())
		in := strings.NewReader(strings.Repeat("y", most+1) + "\n" + strings.Repeat(strings.Repeat("x", most)+"\n", 200))
		all := in.Len()
		work.Go(func() { r.run(ctx, in) })
		time.Sleep(time.Second)
		synctest.Wait()
		if taken := all - in.Len(); taken < maxPendingBytes || taken > maxPendingBytes+4*most {
			t.Errorf("%d bytes were read", taken)
		}
		if want := fmt.Sprintf("refused: the text has %d bytes; at most %d are allowed: y", most+1, most); !strings.HasPrefix(notes.String(), want) {
			t.Errorf("stderr %q", notes)
		}
		cancel()
		c.Close()
		server.Close()
		work.Wait()
	})
}

// TestBlockedInput: a run that ends while its input is blocked ends the reading, too, and a file stays open.
func TestBlockedInput(t *testing.T) {
	file, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer writer.Close()
	pipe, end := io.Pipe()
	defer end.Close()
	for name, in := range map[string]io.Reader{"a file": file, "a pipe in memory": pipe} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Protocol}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.Write(r.Context(), websocket.MessageText, wire.Append(nil, wire.Welcome{SenderID: "me", Session: strings.Repeat("A", 22), Text: "hi"}))
			for err == nil {
				_, _, err = c.Read(r.Context())
			}
		}))
		c, err := client.Dial(t.Context(), client.Config{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r, _, _ := newRunner(0)
		r.Client = c
		if err := r.run(ctx, in); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		stacks := make([]byte, 1<<20)
		if stacks = stacks[:runtime.Stack(stacks, true)]; bytes.Contains(stacks, []byte("linemode.readLines")) {
			t.Errorf("%s is still read:\n%s", name, stacks)
		}
		c.Close()
		server.Close()
	}
	go writer.WriteString("x")
	if n, err := file.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the file was closed: %v", err)
	}
}

// listener is an in-memory network for one server.
type listener chan net.Conn

func (l listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l listener) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l listener) Close() error   { close(l); return nil }
func (l listener) Addr() net.Addr { return &net.UnixAddr{} }
