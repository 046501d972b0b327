package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ramai/client"
	"ramai/server"
	"ramai/wire"
)

// copyFiles copies the files of a folder, and nothing else in it.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err := errors.Join(err, os.MkdirAll(to, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err := errors.Join(err, os.WriteFile(filepath.Join(to, e.Name()), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoredSnapshot: a machine is reset to a snapshot, and continues. A client that has received messages posted after
// the snapshot is told that they belong to another history, however it resumes; any other client continues at its position.
func TestRestoredSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, copied := filepath.Join(dir, "data"), filepath.Join(dir, "copy")
	var s *serving
	var base string
	start := func() {
		s = serve(t, func(c *server.Config) { c.Data = data })
		base = strings.Replace(s.url, "ws:", "http:", 1)
	}
	say := func(who string, from, to int) {
		for i := from; i <= to; i++ {
			post(t, base, "lobby", fmt.Sprint(who, " ", i), "Idempotency-Key", fmt.Sprint(who, "-", i))
		}
	}
	stop := func() {
		s.stop()
		<-s.done
	}
	// received joins with ramai.v1, and returns the position after the newest message.
	received := func() wire.Position {
		p := dial(t, s.url, wire.Protocol)
		p.say(`{"type":"join","room":"lobby"}`)
		j := frame[wire.Joined](p)
		return wire.Position{HistoryID: j.HistoryID, Epoch: j.Epoch, N: j.N}
	}
	start()
	say("early", 1, 5)
	stop()
	start()
	early := received() // the snapshot is taken during this epoch
	copyFiles(t, data, copied)
	say("lost", 6, 10)
	same := received()
	stop()
	start()
	say("lost", 11, 11)
	later := received()
	ears := listen(t, base, "lobby", "?last=1")
	ears.expect("lost 11")
	stop()

	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, copied, data)
	start()
	// A client that was not told about the saving posts again: it is a new message.
	say("lost", 10, 10)
	say("other", 7, 12)

	now := received()
	for name, c := range map[string]struct {
		p     wire.Position
		reset bool
	}{
		"epoch of the snapshot, within it":     {early, false},
		"epoch of the snapshot, after it":      {same, true},
		"later epoch":                          {later, true},
		"later epoch, number that remains":     {wire.Position{HistoryID: later.HistoryID, Epoch: later.Epoch, N: 3}, true},
		"of now":                               {now, false},
		"without an epoch, from an old client": {wire.Position{HistoryID: later.HistoryID, N: later.N}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, s.url, wire.Protocol)
			p.say(string(wire.Append(nil, wire.Join{Room: "lobby", After: &c.p})))
			j := frame[wire.Joined](p)
			if j.Reset != c.reset {
				t.Errorf("ramai.v1: %+v is answered by %+v", c.p, j)
			}
			if c.reset || c.p.N < j.N {
				want := c.p.N + 1
				if c.reset {
					want = 1
				}
				if first := frame[wire.Message](p); first.N != want {
					t.Errorf("ramai.v1: after %+v, received number %d, want %d", c.p, first.N, want)
				}
			}
			at := string(wire.AppendPosition(nil, c.p))
			for _, in := range []*stream{
				listen(t, base, "lobby", "?after="+at), listen(t, base, "lobby", "", "Last-Event-ID", at), listen(t, base, "lobby", "?after="+at, "Accept", "application/x-ndjson"),
			} {
				if _, reset := in.next().(wire.Reset); reset != c.reset {
					t.Errorf("a stream: %s is reset %t", at, reset)
				}
			}
			_, body := call(t, http.MethodGet, base+"/api/v1/rooms/lobby/messages?after="+at, "")
			if strings.Contains(body, `"reset":true`) != c.reset {
				t.Errorf("a page after %s is %s", at, body)
			}
			mine, err := client.Dial(t.Context(), client.Config{URL: base, Last: client.NoJoin})
			if err != nil {
				t.Fatal(err)
			}
			defer mine.Close()
			page, err := mine.History(t.Context(), wire.History{Room: "lobby", After: &c.p, Limit: 1})
			if err != nil || page.Reset != c.reset {
				t.Errorf("the client: a page after %+v is %+v, %v", c.p, page, err)
			}
			if err := mine.JoinAfter("lobby", c.p); err != nil {
				t.Fatal(err)
			}
			for {
				e, err := mine.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if f, ok := e.Frame.(wire.Joined); ok {
					if f.Reset != c.reset {
						t.Errorf("the client: %+v is answered by %+v", c.p, f)
					}
					return
				}
			}
		})
	}
	again := listen(t, base, "lobby", "", "Last-Event-ID", ears.id)
	if f, ok := again.next().(wire.Reset); !ok {
		t.Errorf("Last-Event-ID as browsers send it, %s, is answered by %+v", ears.id, f)
	}
	again.expect("early 1", "early 2", "early 3", "early 4", "early 5", "lost 10", "other 7", "other 8", "other 9", "other 10", "other 11", "other 12")
}
