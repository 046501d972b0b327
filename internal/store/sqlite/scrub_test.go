package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

// leftIn returns those of the texts that are in a file of the folder.
func leftIn(t *testing.T, dir string, texts []string) (left []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				left = append(left, f.Name()+": "+text)
			}
		}
	}
	return left
}

// After Scrub, no file has the text of a row that was rewritten, whichever pages it was in before. Messages are posted
// meanwhile, in many rooms.
func TestScrub(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		s := open(t, dir, quiet)
		type message struct {
			room string
			n    uint64
			text string
		}
		var all []message
		var erased []string
		for range 200 {
			b := &eventlog.Batch{}
			next := map[string]uint64{}
			for range rng.IntN(30) + 1 {
				room := fmt.Sprint("room", rng.IntN(40))
				n := max(next[room], s.Bounds(room).Last) + 1
				next[room] = n
				text := fmt.Sprintf("secret-%s-%d-", room, n)
				all = append(all, message{room, n, text})
				text += strings.Repeat("more ", rng.IntN(20)*rng.IntN(20)*rng.IntN(2))
				b.Commands = append(b.Commands, eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, ID: fmt.Sprint(len(all)), Text: text})
			}
			if _, err := s.Apply(b, s.Position()+1); err != nil {
				t.Fatal(err)
			}
			for range rng.IntN(10) {
				i := max(0, len(all)-1-rng.IntN(400)) // mostly new ones, as people edit
				m := all[i]
				r := eventlog.Record{Room: m.room, N: m.n, SenderID: "anna", ID: fmt.Sprint(i + 1), Kind: eventlog.Say, Body: "\x01" + strings.Repeat("x", rng.IntN(40))}
				sum, _ := checksum(nil, &r)
				key := keyOf(s.roomIDs[m.room], m.n)
				if err := s.writer.exec("UPDATE records SET body = ?, checksum = ? WHERE key = ?", []byte(r.Body), sum, key); err != nil {
					t.Fatal(err)
				}
				erased = append(erased, m.text)
			}
		}
		if err := s.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := leftIn(t, dir, erased); len(left) > 0 {
			t.Errorf("seed %d: of %d texts these are left: %q", seed, len(erased), left)
		}
		for room := range s.AllBounds() {
			for n := uint64(0); n < s.Bounds(room).Last; {
				records, _, err := s.Read(room, n, eventlog.MaxRead)
				if err != nil || len(records) == 0 {
					t.Fatalf("room %s after %d: %v", room, n, err)
				}
				n = records[len(records)-1].N
			}
		}
		sayAll(t, s, "room1", "one more", 10, 1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Scrub(t.Context()); !errors.Is(err, errClosed) {
			t.Errorf("a closed store: %v", err)
		}
	}
}

// Scrub gives up while others read, and ends with its context.
func TestScrubGivesUp(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	defer s.Close()
	sayAll(t, s, "den", strings.Repeat("x", 500), 6000, 1) // more than one step
	reader, err := openReadOnly(s.path(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ints("SELECT count(*) FROM records"); err != nil {
		t.Fatal(err)
	}
	sayAll(t, s, "den", "while somebody reads", 10, 1)
	if err := s.Scrub(t.Context()); !errors.Is(err, errInUseElsewhere) {
		t.Errorf("while somebody reads: %v", err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Scrub(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context has ended: %v", err)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(s.path() + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the write-ahead log: %v, %v", info, err)
	}
}
