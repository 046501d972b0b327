package linemode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

func newTalk(last int) (t *talk, out, notes *strings.Builder) {
	out, notes = new(strings.Builder), new(strings.Builder)
	return &talk{Config: Config{Room: wire.Lobby, Last: last, Out: out, Notes: notes}}, out, notes
}

// TestSettled follows when a talk could end, were its input over.
func TestSettled(t *testing.T) {
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
		{"nothing said, nothing old", 0, false, []step{welcome, {wire.Joined{N: 7, First: 1}, true}}},
		{"nothing said, something old", 2, false, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {others(6), false}, {others(7), true}}},
		{"the old is gone", 2, false, []step{welcome, {wire.Joined{N: 7, First: 8}, true}}},
		{"an empty room", 2, false, []step{welcome, {wire.Joined{N: 0, First: 1}, true}}},
		{"an echo", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {others(8), false}, {mine(9), true}}},
		{"saved before the echo", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {wire.Saved{ID: "1", N: 8}, false}, {mine(8), true}}},
		{"saved, and its echo is gone", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {wire.Saved{ID: "1", N: 8}, false},
			{client.Disconnected{Err: io.EOF}, false}, {wire.Welcome{SenderID: "me"}, false}, {wire.Joined{N: 9, First: 10}, true}}},
		{"saved, and named in a gap", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {wire.Saved{ID: "1", N: 8}, false}, {wire.Gap{From: 8, To: 8}, true}}},
		{"a number of a newer kind", 1, false, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {wire.Unknown{Room: wire.Lobby, N: 7}, true}}},
		{"another history", 0, false, []step{welcome, {wire.Joined{N: 7, First: 1}, true}, {wire.Joined{N: 2, First: 1, Reset: true}, false}, {others(1), false}, {others(2), true}}},
		{"refused", 0, true, []step{welcome, {wire.Joined{N: 7, First: 1}, false}, {wire.Refused{ID: "1", RetryAfterMS: 5}, false}, {wire.Refused{ID: "1"}, true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			talk, _, _ := newTalk(test.last)
			if test.said {
				talk.unsaid = []said{{"1", "hello"}}
			}
			for i, s := range test.steps {
				if err := talk.take(client.Event{Frame: s.frame}); err != nil {
					t.Fatal(err)
				}
				if talk.settled() != s.want {
					t.Fatalf("after %d, %+v: settled is %t", i, s.frame, talk.settled())
				}
			}
		})
	}
}

func TestNotes(t *testing.T) {
	talk, out, notes := newTalk(0)
	talk.unsaid = []said{{"1", "one"}, {"2", "two\x1b[0m"}, {"3", "three"}}
	for _, f := range []wire.Frame{
		wire.Welcome{SenderID: "me", Text: wire.Greeting},
		wire.Joined{N: 7, First: 1},
		wire.Gap{From: 8, To: 9},
		wire.Refused{ID: "1", Code: wire.RateLimited, Reason: "slowly", RetryAfterMS: 5},
		wire.Refused{ID: "1", Code: wire.Unavailable, Reason: "disk\nfull", RetryAfterMS: 5},
		wire.Refused{ID: "1", Code: wire.TooLong, Reason: "too long"},
		wire.Restarting{},
		client.Disconnected{Err: errors.New("gone\x1b[0m"), Wait: 1234567 * time.Microsecond},
		wire.Welcome{SenderID: "me", Text: wire.Greeting, Name: "an\u202ena"},
		wire.Name{},
		client.Failed{Error: wire.Error{Reason: "what?"}},
		client.Unconfirmed{ID: "2", Text: "two\x1b[0m"},
	} {
		if err := talk.take(client.Event{Frame: f}); err != nil {
			t.Fatal(err)
		}
	}
	err := talk.end(nil)
	if e := (*exitcode.Error)(nil); !errors.As(err, &e) || e.Code != exitcode.Unconfirmed {
		t.Errorf("ends with %v", err)
	}
	if out.String() != "From server: "+wire.Greeting+"\n" {
		t.Errorf("stdout: %q", out)
	}
	want := `8 to 9 are gone: the server does not keep them
not yet: disk full
refused: too long: one
the server restarts
gone; trying again
connected again
your name is anna
you have no name any more
the server says: what?
unknown whether it was said: two
not confirmed: three
`
	if notes.String() != want {
		t.Errorf("notes:\n%swant:\n%s", notes, want)
	}
}

func TestEndings(t *testing.T) {
	name := client.Failed{Request: wire.Name{Name: "anna"}, Error: wire.Error{Code: wire.NameTaken, Reason: "taken"}}
	talk, _, _ := newTalk(0)
	talk.Name = "anna"
	if err := talk.take(client.Event{Frame: name}); err == nil || err.Error() != "the name anna: taken" {
		t.Errorf("no name: %v", err)
	}
	talk.named = true // and lost it later: no reason to go
	if err := talk.take(client.Event{Frame: name}); err != nil {
		t.Errorf("no name any more: %v", err)
	}
	room := client.Failed{Request: wire.Join{Room: wire.Lobby}, Error: wire.Error{Reason: "full"}}
	if err := talk.take(client.Event{Frame: room}); err == nil || err.Error() != "the room lobby: full" {
		t.Errorf("no room: %v", err)
	}
	talk.Out = broken{}
	err := talk.take(client.Event{Frame: wire.Message{}})
	if err == nil || talk.end(err) != nil {
		t.Errorf("nobody reads: %v, %v", err, talk.end(err))
	}
	talk.unsaid = []said{{"1", "one"}}
	if e := (*exitcode.Error)(nil); !errors.As(talk.end(err), &e) || e.Code != exitcode.Unconfirmed || e.Err != nil {
		t.Errorf("nobody reads, and something is open: %v", e)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestPatience is about a server that takes what is said and never says that it has.
func TestPatience(t *testing.T) {
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
			c.Write(context.Background(), websocket.MessageText, wire.Append(nil, wire.Welcome{SenderID: "me", Session: strings.Repeat("A", 22)}))
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
						time.Sleep(patience - time.Second)
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
		talk, out, notes := newTalk(0)
		talk.Client = c
		begin := time.Now()
		err = talk.run(t.Context(), strings.NewReader("one\ntwo"))
		if e := (*exitcode.Error)(nil); !errors.As(err, &e) || e.Code != exitcode.Unconfirmed {
			t.Errorf("ends with %v", err)
		}
		if took := time.Since(begin); took != 2*patience-time.Second {
			t.Errorf("took %v", took)
		}
		if out.String() != "From server: \nFrom server: one\n" || notes.String() != "not confirmed: two\n" {
			t.Errorf("stdout %q, stderr %q", out, notes)
		}
		c.Close()
		<-served
		server.Close()
		work.Wait()
	})
}

// TestUnsaid is about a server that takes nothing of what is said: no more is read than is to be kept, and what is too long for
// it is refused at once.
func TestUnsaid(t *testing.T) {
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
		talk, _, notes := newTalk(0)
		talk.Client = c
		ctx, cancel := context.WithCancel(t.Context())
		in := strings.NewReader(strings.Repeat("y", most+1) + "\n" + strings.Repeat(strings.Repeat("x", most)+"\n", 200))
		all := in.Len()
		work.Go(func() { talk.run(ctx, in) })
		time.Sleep(time.Second)
		synctest.Wait()
		if taken := all - in.Len(); taken < maxUnsaid || taken > maxUnsaid+4*most {
			t.Errorf("%d bytes were read", taken)
		}
		if want := fmt.Sprintf("refused: the text has %d bytes; at most %d can be said at once: y", most+1, most); !strings.HasPrefix(notes.String(), want) {
			t.Errorf("stderr %q", notes)
		}
		cancel()
		c.Close()
		server.Close()
		work.Wait()
	})
}

// listener is a network in memory for one server.
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
