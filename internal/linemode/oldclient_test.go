package linemode

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
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

// oldMain is "ramai join" of the old client, without its flags.
const oldMain = `package main

import (
	"context"
	"fmt"
	"os"

	"ramai/client"
	"ramai/internal/linemode"
)

func main() {
	c, err := client.Dial(context.Background(), client.Config{URL: os.Args[1], Last: 20})
	if err == nil {
		err = linemode.Run(context.Background(), linemode.Config{
			Client: c, Room: "lobby", Last: 20, JSON: len(os.Args) > 2, In: os.Stdin, Out: os.Stdout, Notes: os.Stderr,
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// buildOld builds the last client that does not know changes, of commit f929f5be. testdata has its sources without comments and tests.
func buildOld(t *testing.T) string {
	folder := t.TempDir()
	unpack(t, "testdata/old-client.tar.gz", folder)
	write := func(name string, b []byte) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} { // with the modules of today
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, b)
	}
	write("cmd/main.go", []byte(oldMain))
	old := filepath.Join(folder, "old.exe")
	cmd := exec.Command("go", "build", "-o", old, "./cmd")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the old client: %v\n%s", err, out)
	}
	return old
}

// unpack extracts the files of an archive into a folder.
func unpack(t *testing.T, archive, folder string) {
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(folder, filepath.FromSlash(header.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOldClient: a client that does not know changes, tallies and settings counts them, misses nothing after a break, and calls
// nothing a gap.
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
		wire.Tally{Room: "lobby", N: 7, Of: map[uint64]wire.Counts{1: {"up": 3}}},
		wire.Message{Room: "lobby", N: 8, DisplayName: "anna", Text: "which?", As: wire.Poll, Options: []string{"a", "b"}, Tally: wire.Counts{"0": 1}, Tallied: 9},
		wire.Tally{Room: "lobby", N: 9, Of: map[uint64]wire.Counts{8: {"0": 1}}},
		wire.State{Room: "lobby", N: 10, Key: wire.TopicKey, Value: wire.TextValue("tea"), SenderID: "me", ID: "s"},
		wire.State{Room: "lobby", N: 11, Key: "poll/8", Value: wire.TextValue(wire.PollOver)},
		wire.Changed{Room: "lobby", N: 12, Of: wire.Targets{{From: 1, To: 2}}},
	}
	last := uint64(len(frames))
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
		send := func(f wire.Frame) { c.Write(ctx, websocket.MessageText, wire.Append(nil, f)) }
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
				joined := wire.Joined{Room: "lobby", HistoryID: "L", Epoch: "e", N: last, First: 1, Count: 1,
					State: map[string]wire.Value{wire.TopicKey: wire.TextValue("tea")}, Mine: wire.Mine{8: {"0"}}}
				rest, cut := frames[:7], true
				if f.After == nil {
					joined.From = &from
				} else {
					rest, cut = frames[f.After.N:], false
				}
				send(joined)
				send(wire.Marked{Room: "lobby", Of: 1, Key: "up", On: true})
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
		if len(joins) != 2 || joins[1].After == nil || joins[1].After.N != 7 {
			t.Errorf("it joined with %+v, want to continue after 7", joins)
		}
		mu.Unlock()
		if got := notes.String(); strings.Contains(got, "no longer on the server") || strings.Count(got, "trying again") != 1 || !strings.Contains(got, "connected again") {
			t.Errorf("the notes are %q", got)
		}
		if !asJSON {
			want := "From server: Welcome\nFrom server: anna: one, edited\nFrom server: bob: \nFrom server: bob: yes\nFrom server: anna: which?\n"
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
