package search

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"log/slog"

	"ramai/internal/eventlog"
	"ramai/internal/store/memory"
	"ramai/wire"
)

// TestRebuild: whatever has happened to the file, all messages are found, and the log says why the index was rebuilt.
func TestRebuild(t *testing.T) {
	change := func(f func(b []byte) []byte) func(t *testing.T, path string, p *testLog) {
		return func(t *testing.T, path string, p *testLog) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		do     func(t *testing.T, path string, p *testLog)
		logged string // empty: the index is not rebuilt
	}{
		"nothing": {func(*testing.T, string, *testLog) {}, ""},
		"missing": {func(t *testing.T, path string, _ *testLog) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "no index exists"},
		"another history": {func(t *testing.T, _ string, p *testLog) {
			texts := p.all("lobby")
			p.Store = newTestLog(t).Store
			p.publishAt(p.at, "lobby", texts...)
		}, "another history"},
		"an older log": {func(t *testing.T, _ string, p *testLog) {
			p.Store = &restoredLog{p.Store}
		}, "messages of room lobby that the event log does not have"},
		"another version": {change(func(b []byte) []byte { b[63]++; return b }), "another version"},
		"not closed":      {change(func(b []byte) []byte { return b[:0] }), "another version"}, // an empty file is an empty database
		"no database":     {change(func(b []byte) []byte { return []byte("hello\n") }), "not a database"},
		"cut":             {change(func(b []byte) []byte { return b[:4096] }), "malformed"},
		"scribbled over": {change(func(b []byte) []byte {
			return append(b[:4096], bytes.Repeat([]byte{0x5a}, len(b)-4096)...)
		}), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), FileName)
			p := newTestLog(t)
			p.publishAt(p.at, "lobby", slices.Repeat([]string{"hit"}, older+1)...)
			x := open(t, path, p)
			x.fill()
			x.close()
			c.do(t, path, p)
			x = open(t, path, p)
			x.fill()
			last := p.Bounds("lobby").Last
			if found := x.search(Query{Words: "hit", Limit: 1}); found.Behind != 0 || sortKeys(found) != fmt.Sprint("lobby:", last) {
				t.Errorf("found %s, behind %d", sortKeys(found), found.Behind)
			}
			var rows int
			if err := x.file.db.QueryRow("SELECT count(*) FROM texts WHERE texts MATCH 'hit'").Scan(&rows); err != nil || rows != int(last) {
				t.Errorf("%d rows, want %d: %v", rows, last, err)
			}
			if logged := x.logged.String(); c.logged == "" && logged != "" || !strings.Contains(logged, c.logged) {
				t.Errorf("the log has %q, want %q", logged, c.logged)
			}
		})
	}
}

// all returns the texts of a room.
func (p *testLog) all(room string) (texts []string) {
	for last := p.Bounds(room).Last; uint64(len(texts)) < last; {
		records, _, err := p.Read(room, uint64(len(texts)), eventlog.MaxRead)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range records {
			text, err := r.SearchText()
			if err != nil {
				p.t.Fatal(err)
			}
			texts = append(texts, text)
		}
	}
	return texts
}

// restoredLog is a log without its newest messages.
type restoredLog struct{ eventlog.Store }

const older = 50 // number of messages it has

func (r *restoredLog) Bounds(room string) eventlog.Bounds {
	h := r.Store.Bounds(room)
	h.Last = min(h.Last, older)
	return h
}

func (r *restoredLog) AllBounds() map[string]eventlog.Bounds {
	return map[string]eventlog.Bounds{"lobby": r.Bounds("lobby")}
}

func (r *restoredLog) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	messages, _, err := r.Store.Read(room, after, limit)
	return slices.DeleteFunc(messages, func(r eventlog.Record) bool { return r.N > older }), r.Bounds(room), err
}

// TestRestoredLog: in a log restored from a backup, other messages have the numbers of indexed ones, whether or not there
// are more of them by now.
func TestRestoredLog(t *testing.T) {
	log := []byte("the same for both of them")
	for _, more := range []int{3, 5} {
		begin := func(p *testLog, epochs ...string) {
			var err error
			if p.Store, err = memory.New(bytes.NewReader(log)); err != nil {
				t.Fatal(err)
			}
			for _, epoch := range epochs {
				if _, err := p.Apply(&eventlog.Batch{At: p.at, Node: eventlog.LocalNode, Commands: []eventlog.Command{{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, After: p.Incarnation(eventlog.LocalNode), Nonce: epoch}}}}, p.Position()+1); err != nil {
					t.Fatal(err)
				}
			}
		}
		path := filepath.Join(t.TempDir(), FileName)
		p := newTestLog(t)
		begin(p, "one")
		p.publish("lobby", "old", "old", "old")
		x := open(t, path, p)
		x.fill()
		x.close()
		x = open(t, path, p)
		if x.fill(); x.logged.Len() > 0 {
			t.Errorf("the log has %q", x.logged)
		}
		x.close()
		begin(p, "one", "two")
		p.publish("lobby", slices.Repeat([]string{"new"}, more)...)
		x = open(t, path, p)
		x.fill()
		if found := x.search(Query{Words: "new"}); len(found.Hits) != more || found.Behind != 0 {
			t.Errorf("found %s, behind %d, want %d hits", sortKeys(found), found.Behind, more)
		}
		if !strings.Contains(x.logged.String(), "room lobby that the event log does not have") {
			t.Errorf("the log has %q", x.logged)
		}
	}
}

// TestKilled: an index left by a killed process is verified, whenever it was killed.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	p := newTestLog(t)
	x := open(t, filepath.Join(dir, "first.db"), p)
	x.fill()
	x.close()
	x = open(t, x.path, p)
	p.publishAt(p.at, "lobby", slices.Repeat([]string{"hit"}, turnRows+20)...)
	for i := range 4 { // after closing, one turn, two turns, and all turns
		copied := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			b, err := os.ReadFile(x.path + suffix)
			if errors.Is(err, fs.ErrNotExist) && i == 0 {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copied+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		y := open(t, copied, p)
		y.fill()
		if found := y.search(Query{Words: "hit", Limit: 1}); sortKeys(found) != fmt.Sprint("lobby:", turnRows+20) || found.Behind != 0 {
			t.Errorf("killed after %d turns: found %s, behind %d", i, sortKeys(found), found.Behind)
		}
		if strings.Contains(y.logged.String(), "rebuilding") {
			t.Errorf("killed after %d turns, the index was rebuilt: the log has %q", i, y.logged)
		}
		if _, err := x.turn(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestResumes: an index that was closed before it was complete continues where it stopped.
func TestResumes(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	p := newTestLog(t)
	p.publishAt(p.at, "lobby", slices.Repeat([]string{"hit"}, 2*turnRows)...)
	x := open(t, path, p)
	if _, err := x.turn(); err != nil {
		t.Fatal(err)
	}
	x.close()
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %v, %v", info.Mode(), err)
		}
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a write-ahead log is left: %v", err)
	}
	x = open(t, path, p)
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	if found := x.search(Query{Words: "hit"}); found.Behind != turnRows || found.IndexedTo["lobby"] != turnRows {
		t.Errorf("behind %d, at %v", found.Behind, found.IndexedTo)
	}
	x.fill()
	x.want(Query{Words: "hit", Limit: 2}, fmt.Sprintf("lobby:%d lobby:%d", 2*turnRows, 2*turnRows-1))
}

// TestDamagedWhileOpen: a query that finds damage causes a rebuild.
func TestDamagedWhileOpen(t *testing.T) {
	p := newTestLog(t)
	p.publish("lobby", "hit")
	x := open(t, filepath.Join(t.TempDir(), FileName), p)
	x.fill()
	if _, err := x.file.db.Exec("DELETE FROM texts_data"); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Search(t.Context(), Query{Words: "hit"}); err == nil || err.Code != wire.Unavailable || !strings.Contains(err.Reason, "being rebuilt") {
		t.Fatalf("searching a damaged index: %v", err)
	}
	select {
	case <-x.wake:
	default:
		t.Error("the fill was not woken")
	}
	x.fill()
	x.want(Query{Words: "hit"}, "lobby:1")
	if !strings.Contains(x.logged.String(), "it is damaged") {
		t.Errorf("the log has %q", x.logged)
	}
}

// TestCannotOpen: a server without an index keeps running, and opens it once it can.
func TestCannotOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := newTestLog(t)
	p.publish("lobby", "hit")
	x := open(t, path, p)
	if _, err := x.turn(); err == nil {
		t.Fatal("opened a folder as an index")
	}
	if _, err := x.Search(t.Context(), Query{Words: "hit"}); err == nil || err.Code != wire.Unavailable {
		t.Errorf("searching: %v, want unavailable", err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	x.fill()
	x.want(Query{Words: "hit"}, "lobby:1")
}

// TestStopsWhenDiskIsLow: the last free space is reserved for the event log.
func TestStopsWhenDiskIsLow(t *testing.T) {
	p := newTestLog(t)
	p.publish("lobby", "hit")
	p.free.Store(minFree - 1)
	x := open(t, "", p)
	if worked, err := x.turn(); worked || err == nil || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("with a full disk: %v, %v", worked, err)
	}
	p.free.Store(minFree)
	x.fill()
	x.want(Query{Words: "hit"}, "lobby:1")
}

// TestOddTimes: a thousand messages of one millisecond have distinct keys, and so do messages whose clock was far off.
func TestOddTimes(t *testing.T) {
	p := newTestLog(t)
	x := open(t, "", p)
	p.publishAt(-1<<60, "old", "hit", "hit")
	p.publishAt(5, "a", slices.Repeat([]string{"hit"}, turnRows)...)
	x.fill()
	p.publishAt(5, "b", "hit", "hit")
	p.publishAt(6, "a", "hit")
	p.publishAt(1<<60, "new", "hit", "hit")
	p.publishAt(1<<62, "new", "hit")
	x.fill()
	x.want(Query{Words: "hit", Limit: 7}, fmt.Sprintf("new:3 new:2 new:1 a:%d b:2 b:1 a:%d", turnRows+1, turnRows))
	x.want(Query{Words: "hit", Before: "a:1"}, "old:2 old:1")
}

func TestFullMillisecond(t *testing.T) {
	p := newTestLog(t)
	x := open(t, "", p)
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.file.db.Exec("INSERT INTO messages VALUES(?, 77, 1)", 6<<countBits-1); err != nil {
		t.Fatal(err)
	}
	p.publishAt(5, "a", "hit", "hit")
	p.publishAt(6, "a", "hit")
	x.fill()
	x.want(Query{Words: "hit"}, "a:3 a:2 a:1")
}

func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	p := pace{now: func() time.Time { return now }}
	noted := int64(0)
	turn := func(events int64, after, work time.Duration) time.Duration {
		now = now.Add(after)
		noted += events
		p.begin(noted)
		now = now.Add(work)
		return p.pause()
	}
	for _, c := range []struct {
		events            int64
		after, work, want time.Duration
	}{
		{1000, time.Second, 10 * time.Millisecond, 30 * time.Millisecond}, // the duration is not known yet
		{100, time.Second, 10 * time.Millisecond, 30 * time.Millisecond},
		{1000, time.Second, 10 * time.Millisecond, 310 * time.Millisecond},
		{200, 100 * time.Millisecond, 10 * time.Millisecond, 310 * time.Millisecond},
		{0, 100 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond},
		{0, time.Second, 10 * time.Second, time.Second},
	} {
		if got := turn(c.events, c.after, c.work); got != c.want {
			t.Errorf("%+v: pauses %v", c, got)
		}
	}
}

// TestFollowsTheLog lets the index fill in the background.
func TestFollowsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestLog(t)
		p.publish("lobby", "hit")
		x := Open("", p, slog.New(slog.DiscardHandler), time.Now)
		defer x.Close()
		s := &harness{Index: x, t: t}
		synctest.Wait()
		s.want(Query{Words: "hit"}, "lobby:1")
		p.publish("lobby", "hit")
		x.Note(1)
		time.Sleep(batchDelay)
		synctest.Wait()
		s.want(Query{Words: "hit"}, "lobby:2 lobby:1")
		p.free.Store(1)
		p.publish("lobby", "hit")
		x.Note(1)
		time.Sleep(time.Second)
		synctest.Wait()
		if found := s.search(Query{Words: "hit"}); found.Behind != 1 {
			t.Errorf("behind %d on a full disk", found.Behind)
		}
		p.free.Store(0)
		time.Sleep(maxRetry)
		synctest.Wait()
		s.want(Query{Words: "hit"}, "lobby:3 lobby:2 lobby:1")
	})
}

// TestConcurrently publishes, fills and searches at the same time. No indexed message is missed.
func TestConcurrently(t *testing.T) {
	kinds(t, func(t *testing.T, path string) {
		p := newTestLog(t)
		x := Open(path, p, slog.New(slog.DiscardHandler), time.Now)
		var all sync.WaitGroup
		all.Go(func() {
			for range 300 {
				p.publish("lobby", "hit")
				x.Note(1)
			}
		})
		for range 3 {
			all.Go(func() {
				for range 50 {
					found, err := x.Search(t.Context(), Query{Words: "hit", Room: "lobby", Limit: 100})
					if err != nil {
						continue // not open yet, or other searches are running
					}
					to := found.IndexedTo["lobby"]
					if len(found.Hits) > 0 && found.Hits[0].N < to || len(found.Hits) < int(min(to, 100)) {
						t.Errorf("%d hits of %d", len(found.Hits), to)
					}
				}
			})
		}
		all.Wait()
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		if _, err := x.Search(t.Context(), Query{Words: "hit"}); err == nil || err.Code != wire.Unavailable {
			t.Errorf("after Close: %v", err)
		}
		if err := x.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}
