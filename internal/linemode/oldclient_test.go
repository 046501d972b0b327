package linemode

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

// oldCommit is the last commit whose client does not know changes.
const oldCommit = "f929f5be9bc567cb04188e8e59a30db801d6596b"

// oldMain is "ramai join" of that commit, without its flags.
const oldMain = `package main

import (
	"context"
	"fmt"
	"os"

	"ramai/client"
	"ramai/internal/linemode"
)

func main() {
	c, err := client.Dial(context.Background(), client.Config{URL: os.Args[1], Last: 10})
	if err == nil {
		err = linemode.Run(context.Background(), linemode.Config{
			Client: c, Room: "lobby", Last: 10, JSON: len(os.Args) > 2, In: os.Stdin, Out: os.Stdout, Notes: os.Stderr,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// buildOld builds the client of oldCommit.
func buildOld(t *testing.T) string {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	archive := exec.Command("git", "archive", "--output", filepath.Join(folder, "old.tar"), oldCommit, "go.mod", "go.sum", "client", "wire", "internal/linemode", "internal/exitcode", "internal/origin")
	archive.Dir = root
	if out, err := archive.CombinedOutput(); err != nil {
		t.Skipf("the history of the repository is not here: %v: %.200s", err, out)
	}
	if err := os.Mkdir(filepath.Join(folder, "cmd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "cmd", "main.go"), []byte(oldMain), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"tar", "-xf", "old.tar"}, {"go", "build", "-o", "old", "./cmd"}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return filepath.Join(folder, "old")
}

// TestOldClient: a client that does not know changes counts them, misses nothing after a lost connection, and reports no
// gap.
func TestOldClient(t *testing.T) {
	if testing.Short() {
		t.Skip("this test builds a program")
	}
	old := buildOld(t)
	text := func(s string) *string { return &s }
	from := uint64(0)
	frames := []wire.Frame{
		wire.Message{Room: "lobby", N: 1, DisplayName: "anna", Text: "one, edited", Edited: 3},
		wire.Message{Room: "lobby", N: 2, DisplayName: "bob", Edited: 5, Gone: true},
		wire.Changed{Room: "lobby", N: 3, Of: wire.Target(1), Text: text("one, edited")},
		wire.Message{Room: "lobby", N: 4, DisplayName: "bob", Text: "yes", Re: 1},
		wire.Changed{Room: "lobby", N: 5, Of: wire.Target(2)},
		wire.Changed{Room: "lobby", N: 6, Of: wire.Targets{}},
		nil, // 7: a tally
		wire.Message{Room: "lobby", N: 8, DisplayName: "anna", Text: "eight"},
		wire.Changed{Room: "lobby", N: 9, Of: wire.Targets{{From: 1, To: 2}}},
	}
	var mu sync.Mutex
	var joins []wire.Join // guarded by mu
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Protocol}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		send := func(f wire.Frame) {
			b := []byte(`{"type":"tally","room":"lobby","n":7,"at":"2026-11-30T10:00:00.000Z","of":{"1":{"up":3}}}`)
			if f != nil {
				b = wire.Append(nil, f)
			}
			c.Write(ctx, websocket.MessageText, b)
		}
		welcome := wire.Welcome{Protocol: wire.Protocol, SenderID: "me", Session: strings.Repeat("A", 22), Text: "Welcome", Limits: wire.Limits{Text: 4000, Frame: 65536}}
		for send(welcome); ; {
			_, b, err := c.Read(ctx)
			if err != nil {
				return
			}
			switch f, _ := wire.ParseRequest(b); f := f.Frame.(type) {
			case wire.Hello:
				send(welcome)
			case wire.Join:
				mu.Lock()
				joins = append(joins, f)
				mu.Unlock()
				joined := wire.Joined{Room: "lobby", HistoryID: "L", Epoch: "e", N: 9, First: 1, Count: 1}
				rest, cut := frames[:6], true
				if f.After == nil {
					joined.From = &from
				} else {
					rest, cut = frames[f.After.N:], false
				}
				send(joined)
				for _, f := range rest {
					send(f)
				}
				if cut {
					return
				}
			}
		}
	}))
	defer server.Close()

	for _, asJSON := range []bool{false, true} {
		mu.Lock()
		joins = nil
		mu.Unlock()
		cmd := exec.Command(old, "http"+strings.TrimPrefix(server.URL, "http"))
		if asJSON {
			cmd.Args = append(cmd.Args, "json")
		}
		var out, notes bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &notes
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, &notes)
		}
		mu.Lock()
		if len(joins) != 2 || joins[1].After == nil || joins[1].After.N != 6 {
			t.Errorf("the client joined with %+v, want it to continue after 6", joins)
		}
		mu.Unlock()
		if got := notes.String(); strings.Contains(got, "no longer on the server") || strings.Count(got, "trying again") != 1 || !strings.Contains(got, "connected again") {
			t.Errorf("the notes are %q", got)
		}
		if !asJSON {
			want := "From server: Welcome\nFrom server: anna: one, edited\nFrom server: bob: \nFrom server: bob: yes\nFrom server: anna: eight\n"
			if out.String() != want {
				t.Errorf("it shows\n%s\nwant\n%s", &out, want)
			}
			continue
		}
		for n := range frames {
			if strings.Count(out.String(), fmt.Sprintf(`"room":"lobby","n":%d,`, n+1)) != 1 {
				t.Errorf("number %d is not written exactly once:\n%s", n+1, &out)
			}
		}
	}
}
