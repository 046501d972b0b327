package sqlite

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/sequencer/local"
	"ramai/internal/store/memory"
)

var errCommit = errors.New("a commit that fails")

// loseCommit fails before the commit, or after it without its result.
func loseCommit(func() error) error { return errCommit }

func failAfterCommit(commit func() error) error { return errors.Join(commit(), errCommit) }

func open(t *testing.T, dir string, opt Options) *Store {
	t.Helper()
	s, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// failNext injects a fault into the next commit.
func (s *Store) failNext(fault func(func() error) error) {
	good := s.commit
	s.commit = func(commit func() error) error {
		s.commit = good
		return fault(commit)
	}
}

func batch(commands ...eventlog.Command) *eventlog.Batch {
	return &eventlog.Batch{At: 1000, Node: eventlog.LocalNode, Commands: commands}
}

func say(room, id string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, ID: id, Text: "hello"}
}

// uncertain is a Store whose every commit fails once with an unknown result, alternately before and after the commit.
type uncertain struct {
	*Store
	applies int
}

func (d *uncertain) Apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	fault := loseCommit
	if d.applies++; d.applies%2 == 0 {
		fault = failAfterCommit
	}
	d.failNext(fault)
	if _, err := d.Store.Apply(b, position); !errors.Is(err, errCommit) || errors.Is(err, eventlog.ErrRolledBack) {
		return nil, fmt.Errorf("a commit of unknown fate: %w", err)
	}
	if _, err := d.Store.Apply(b, position); !errors.Is(err, errInDoubt) {
		return nil, fmt.Errorf("the next Apply without Reopen: %w", err)
	}
	if err := d.Reopen(); err != nil {
		return nil, err
	}
	return d.Store.Apply(b, position)
}

// Whatever happens to commits, the outcomes and the rows are finally those of a store that never fails.
func TestCommitInDoubt(t *testing.T) {
	t.Parallel()
	eventlogtest.Same(t, func(t *testing.T) eventlogtest.Location {
		dir := t.TempDir()
		return eventlogtest.Location{Persistent: true, Open: func() eventlog.Store {
			s, err := Open(dir, quiet)
			if err != nil {
				t.Fatal(err)
			}
			return &uncertain{Store: s}
		}}
	}, func(t *testing.T) eventlogtest.Location {
		return eventlogtest.Location{Open: func() eventlog.Store {
			s, err := memory.New(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	})
}

// The same for rooms removed in the batch in doubt, with messages before and after.
func TestRemoveRoomInDoubt(t *testing.T) {
	for name, fault := range map[string]func(func() error) error{"lost": loseCommit, "unheard": failAfterCommit} {
		s := open(t, t.TempDir(), quiet)
		remove := func(room string, to uint64) eventlog.Command {
			return eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: to}}
		}
		for i, b := range []*eventlog.Batch{
			batch(say("den", "a"), say("old", "a")),
			batch(say("den", "a"), say("den", "b"), remove("den", 2), say("den", "b"), say("den", "c"), remove("old", 1)),
			batch(say("new", "a"), remove("new", 1), remove("den", 3), say("old", "b")),
		} {
			at := uint64(i + 1)
			s.failNext(fault)
			if _, err := s.Apply(b, at); !errors.Is(err, errCommit) {
				t.Fatal(err)
			}
			if err := s.Reopen(); err != nil {
				t.Fatalf("%s, batch %d: %v", name, at, err)
			}
			outcomes, err := s.Apply(b, at)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range outcomes {
				got = append(got, fmt.Sprint(o.Status, " ", o.N))
			}
			want := [][]string{{"1 1", "1 1"}, {"2 1", "1 2", "1 3", "2 2", "1 3", "1 2"}, {"1 1", "1 2", "1 4", "1 2"}}[i]
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, batch %d: %q, want %q", name, at, got, want)
			}
		}
		if allBounds := s.AllBounds(); len(allBounds) != 1 || s.Bounds("den") != (eventlog.Bounds{First: 4, Last: 3}) {
			t.Errorf("%s: there are %v", name, allBounds)
		}
	}
}

// The same through the sequencer, without help.
func TestCommitsInDoubtInOrder(t *testing.T) {
	for name, fault := range map[string]func(func() error) error{"lost": loseCommit, "unheard": failAfterCommit} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), quiet)
			var fed []string
			o := eventlog.NewLog(s, local.New(), eventlog.Options{
				Feed: func(outcomes []eventlog.Outcome, _ []eventlog.Submission) {
					for _, out := range outcomes {
						fed = append(fed, fmt.Sprint(out.Command.ID, " ", out.Status, " ", out.N))
					}
				},
				Now: func() time.Time { return time.UnixMilli(1000) }, Logger: slog.New(slog.DiscardHandler),
			})
			for _, id := range []string{"1", "2", "1"} {
				if err := o.Submit(eventlog.Submission{Command: say("lobby", id)}, nil); err != nil {
					t.Fatal(err)
				}
			}
			s.failNext(fault)
			if _, err := o.Step(); !errors.Is(err, errCommit) || len(fed) > 0 {
				t.Fatalf("Step() = %v; fed: %q", err, fed)
			}
			if _, err := o.Step(); err != nil {
				t.Fatal(err)
			}
			if want := []string{"1 1 1", "2 1 2", "1 2 1"}; !reflect.DeepEqual(fed, want) {
				t.Errorf("fed %q, want %q", fed, want)
			}
		})
	}
}

func TestBlockedCommit(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	entered, release, done := make(chan bool), make(chan bool), make(chan error)
	s.failNext(func(commit func() error) error {
		entered <- true
		<-release
		return commit()
	})
	go func() {
		_, err := s.Apply(batch(say("lobby", "1")), 1)
		done <- err
	}()
	<-entered
	if messages, _, err := s.Read("lobby", 0, 10); err != nil || len(messages) > 0 || s.Bounds("lobby").Last != 0 || s.Position() != 0 {
		t.Errorf("before the commit: %v, %v, head %v, position %d", messages, err, s.Bounds("lobby"), s.Position())
	}
	release <- true
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if messages, _, err := s.Read("lobby", 0, 10); err != nil || len(messages) != 1 || s.Bounds("lobby").Last != 1 {
		t.Errorf("after the commit: %v, %v, head %v", messages, err, s.Bounds("lobby"))
	}
}

// exhaust limits the size of the database. It returns a function that removes the limit.
func exhaust(t *testing.T, s *Store) (undo func()) {
	t.Helper()
	pages, err := s.writer.ints("PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	limit := func(n int64) {
		if err := s.writer.exec(fmt.Sprintf("PRAGMA max_page_count=%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages[0])
	return func() { limit(1 << 30) }
}

func longText(id string) eventlog.Command {
	e := say("lobby", id)
	e.Text = strings.Repeat("x", 100_000)
	return e
}

func TestFull(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	undo := exhaust(t, s)
	_, err := s.Apply(batch(say("lobby", "1"), longText("2")), 1)
	if !errors.Is(err, eventlog.ErrRolledBack) {
		t.Fatalf("Apply to a full disk: %v, want ErrRolledBack", err)
	}
	if s.Position() != 0 || s.Bounds("lobby").Last != 0 {
		t.Errorf("position %d, head %v after that", s.Position(), s.Bounds("lobby"))
	}
	undo()
	outcomes, err := s.Apply(batch(say("lobby", "1"), longText("2")), 1)
	if err != nil || outcomes[0].Status != eventlog.Saved || outcomes[1].N != 2 {
		t.Errorf("with room again: %+v, %v", outcomes, err)
	}
}

// errFull returns the error of SQLite for a full disk.
func errFull(t *testing.T) error {
	t.Helper()
	s := open(t, t.TempDir(), quiet)
	exhaust(t, s)
	_, err := s.Apply(batch(longText("1")), 1)
	var full *sqlite.Error
	if !errors.As(err, &full) {
		t.Fatalf("Apply to a full disk: %v", err)
	}
	return full
}

// A commit on a full disk counts as rolled back only if the file agrees.
func TestFullAtCommit(t *testing.T) {
	full := errFull(t)
	for name, test := range map[string]struct {
		fault  func(s *Store, commit func() error)
		stored bool
	}{
		"still open":            {func(*Store, func() error) {}, false},
		"rolled back by SQLite": {func(s *Store, _ func() error) { s.writer.rollback.exec() }, false},
		"committed":             {func(_ *Store, commit func() error) { commit() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), quiet)
			s.failNext(func(commit func() error) error {
				test.fault(s, commit)
				return full
			})
			b := batch(say("lobby", "1"))
			if _, err := s.Apply(b, 1); err == nil || errors.Is(err, eventlog.ErrRolledBack) == test.stored {
				t.Fatalf("Apply: %v", err)
			}
			if test.stored {
				if err := s.Reopen(); err != nil {
					t.Fatal(err)
				}
			}
			if outcomes, err := s.Apply(b, 1); err != nil || outcomes[0].Status != eventlog.Saved || outcomes[0].N != 1 {
				t.Errorf("Apply again: %+v, %v", outcomes, err)
			}
		})
	}
}

func TestReopenFails(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	s.failNext(failAfterCommit)
	b := batch(say("lobby", "2"))
	if _, err := s.Apply(b, 2); !errors.Is(err, errCommit) {
		t.Fatal(err)
	}
	away := s.path() + ".away"
	if err := s.disconnect(); err != nil { // otherwise SQLite would have its log and no file
		t.Fatal(err)
	}
	if err := os.Rename(s.path(), away); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Reopen(); err == nil {
			t.Fatal("Reopen without the file succeeded")
		}
		if _, _, err := s.Read("lobby", 0, 1); !errors.Is(err, errInDoubt) {
			t.Errorf("Read while in doubt: %v", err)
		}
		if _, err := s.Apply(b, 2); !errors.Is(err, errInDoubt) {
			t.Errorf("Apply while in doubt: %v", err)
		}
	}
	if _, err := os.Stat(s.path()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Reopen created a file: %v", err)
	}
	if err := os.Rename(away, s.path()); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	if outcomes, err := s.Apply(b, 2); err != nil || outcomes[0].N != 2 || s.Bounds("lobby").Last != 2 {
		t.Errorf("Apply after that: %+v, %v", outcomes, err)
	}
}

// A file that this server did not write is detected, and nothing is used from it.
func TestReopenFindsAnotherFile(t *testing.T) {
	for name, query := range map[string]string{
		"position too new": "UPDATE meta SET position = 3",
		"position too old": "UPDATE meta SET position = 0",
		"time":             "UPDATE meta SET at = 1",
		"head":             "UPDATE rooms SET last = 7",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), quiet)
			if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
				t.Fatal(err)
			}
			s.failNext(func(commit func() error) error {
				return errors.Join(commit(), s.writer.exec(query), errCommit)
			})
			if _, err := s.Apply(batch(say("lobby", "2")), 2); !errors.Is(err, errCommit) {
				t.Fatal(err)
			}
			if err := s.Reopen(); err == nil || s.Position() != 1 || s.Bounds("lobby").Last != 1 {
				t.Errorf("Reopen: %v; position %d, head %v", err, s.Position(), s.Bounds("lobby"))
			}
		})
	}
}

// A checkpoint that another program prevents from completing does not count.
func TestCheckpointDuringRead(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	other, err := connect(s.path())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(other.exec("BEGIN; SELECT * FROM meta"), s.writer.exec("PRAGMA busy_timeout=0")); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.checkpoint(); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("checkpoint with a reader in the way: %v", err)
	}
	if err := other.exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.checkpoint(); err != nil {
		t.Error(err)
	}
}

func TestReadersDuringReopen(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	stop := make(chan bool)
	var readers sync.WaitGroup
	for range 6 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if messages, _, err := s.Read("lobby", 0, 10); err != nil || len(messages) == 0 {
					t.Errorf("Read = %v, %v", messages, err)
					return
				}
			}
		})
	}
	for position := range uint64(20) {
		s.failNext(failAfterCommit)
		b := batch(say("lobby", fmt.Sprint("m", position)))
		if _, err := s.Apply(b, position+2); !errors.Is(err, errCommit) {
			t.Error(err)
		}
		if err := s.Reopen(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
	if s.Bounds("lobby").Last != 21 {
		t.Errorf("the head is %v", s.Bounds("lobby"))
	}
}

// A batch in doubt is not read, although other connections see it in the file.
func TestUnconfirmedRowsNotRead(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	if _, err := s.Apply(batch(say("r", "sure")), 1); err != nil {
		t.Fatal(err)
	}
	s.failNext(failAfterCommit)
	if _, err := s.Apply(batch(say("r", "doubtful")), 2); err == nil {
		t.Fatal("the commit did not fail")
	}
	after, _, err1 := s.Read("r", 0, 10)
	before, _, err2 := s.ReadBefore("r", 100, 10)
	if err1 != nil || err2 != nil || len(after) != 1 || len(before) != 1 {
		t.Errorf("in doubt: %d and %d messages are read (%v, %v), want the one that is certain", len(after), len(before), err1, err2)
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	if after, _, err := s.Read("r", 0, 10); err != nil || len(after) != 2 {
		t.Errorf("settled: %d messages are read (%v), want both", len(after), err)
	}
}
