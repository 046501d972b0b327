package server_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/server"
	"ramai/wire"
)

var erasedSeeds = flag.Uint64("erased-seeds", 1, "number of seeds of TestErasedFromFiles")

// fileEraser posts, edits and deletes messages on a server, and knows what must not be found any more.
type fileEraser struct {
	t      *testing.T
	rng    *rand.Rand
	dir    string
	base   string
	rooms  []string
	live   map[string]string // by path of a message that is not deleted: its secret
	ids    int               // used so far
	traces [][]byte          // bytes that must leave the files
	words  [][]byte          // bytes that must leave the files of the index; others keep them, so that an erasure can be undone

	mu     sync.Mutex
	erased []string      // guarded by mu: secrets whose change is acknowledged
	again  chan struct{} // one token: something was changed
}

const eraserSession = "0123456789abcdefghijkl"

// secret returns a word that no other text has. Beginnings that words have in common are not repeated in an index, so no two
// words begin alike.
func (e *fileEraser) secret() string {
	b := make([]byte, 12)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz"[e.rng.IntN(26)]
	}
	return string(b)
}

// text returns a text with a secret. Some are the secret alone, others need several pages of a file.
func (e *fileEraser) text(secret string) string {
	return secret + strings.Repeat(" common words", e.rng.IntN(3)*e.rng.IntN(100))
}

func (e *fileEraser) call(method, path, body string) string {
	e.t.Helper()
	if e.ids++; method == http.MethodDelete {
		path += fmt.Sprint("?id=id", e.ids)
	} else if body != "" {
		body = fmt.Sprintf(`{"id":"id%d","text":%q}`, e.ids, body)
	}
	return e.callAs(eraserSession, method, path, body)
}

func (e *fileEraser) callAs(session, method, path, body string) string {
	e.t.Helper()
	resp, answer := call(e.t, method, e.base+path, body, "Content-Type", "application/json", "Authorization", "Bearer "+session)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		e.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	return answer
}

func (e *fileEraser) post() {
	secret := e.secret()
	path := "/api/v1/rooms/" + e.rooms[e.rng.IntN(len(e.rooms))] + "/messages"
	var posted wire.PostResponse
	if err := json.Unmarshal([]byte(e.call(http.MethodPost, path, e.text(secret))), &posted); err != nil {
		e.t.Fatal(err)
	}
	e.live[fmt.Sprint(path, "/", posted.N)] = secret
}

// change edits or deletes a message.
func (e *fileEraser) change() {
	paths := slices.Sorted(maps.Keys(e.live))
	path := paths[e.rng.IntN(len(paths))]
	secret := e.live[path]
	e.noteChecksums(secret)
	if e.rng.IntN(3) == 0 {
		e.call(http.MethodDelete, path, "")
		delete(e.live, path)
	} else {
		next := e.secret()
		e.call(http.MethodPatch, path, e.text(next))
		e.live[path] = next
	}
	e.traces = append(e.traces, []byte(secret[3:]))
	e.mu.Lock()
	e.erased = append(e.erased, secret)
	e.mu.Unlock()
	select {
	case e.again <- struct{}{}:
	default:
	}
}

// moderate posts messages of somebody else in a room that the eraser owns, waits until they are indexed, and erases them.
func (e *fileEraser) moderate() {
	const spammer = "spammerspammerspammers"
	room := "/api/v1/rooms/" + e.rooms[0]
	var last wire.PostResponse
	for i := range 10 {
		secret := e.secret()
		e.words = append(e.words, []byte(secret[3:]))
		answer := e.callAs(spammer, http.MethodPost, room+"/messages", fmt.Sprintf(`{"id":"spam%d","text":%q}`, i, "spam "+e.text(secret)))
		if err := json.Unmarshal([]byte(answer), &last); err != nil {
			e.t.Fatal(err)
		}
	}
	if hits, body := found(e.t, e.base+"/api/v1/search?q=spam"); len(hits.Hits) != 10 {
		e.t.Fatalf("of 10 messages these are found: %s", body)
	}
	e.callAs(eraserSession, http.MethodPost, room+"/moderate", fmt.Sprintf(`{"id":"moderate","erase":{"by":%q},"to":%d}`, wire.SenderIDOf(spammer), last.N))
	for {
		hits, _ := found(e.t, e.base+"/api/v1/search?q=spam")
		if len(hits.Hits) == 0 {
			return
		}
	}
}

// reject rejects messages that wait for a moderator. Nobody can bring them back, so their texts must leave all files.
func (e *fileEraser) reject() {
	const author = "authorauthorauthoraut0"
	room := "/api/v1/rooms/" + e.rooms[0]
	e.callAs(eraserSession, http.MethodPut, room+"/state/hold", `{"id":"hold","value":"all"}`)
	for i := range 10 {
		secret := e.secret()
		e.traces = append(e.traces, []byte(secret[3:]))
		resp, answer := call(e.t, http.MethodPost, e.base+room+"/messages", fmt.Sprintf(`{"id":"held%d","text":%q}`, i, e.text(secret)),
			"Content-Type", "application/json", "Authorization", "Bearer "+author)
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(answer, string(wire.Held)) {
			e.t.Fatalf("a message that is held: %d %s", resp.StatusCode, answer)
		}
		if hits, body := found(e.t, e.base+"/api/v1/search?q="+secret); len(hits.Hits) != 0 {
			e.t.Fatalf("a message that is held is found: %s", body)
		}
		e.callAs(eraserSession, http.MethodPost, room+"/moderate", fmt.Sprintf(`{"id":"reject%d","reject":{"by":%q,"held":"held%d"}}`, i, wire.SenderIDOf(author), i))
	}
}

// noteChecksums adds the checksums of the records that have a secret, and of their ids, to what must leave the files: a
// short text could be guessed from them.
func (e *fileEraser) noteChecksums(secret string) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(e.dir, "ramai.db")+"?mode=ro")
	if err != nil {
		e.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT rooms.name, by, records.id, checksum FROM records JOIN rooms ON rooms.id = key >> 40 WHERE instr(body, CAST(? AS BLOB)) > 0", secret)
	if err != nil {
		e.t.Fatal(err)
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		found++
		var room, by, id string
		var ofRow, ofText int64
		if err := rows.Scan(&room, &by, &id, &ofRow); err != nil {
			e.t.Fatal(err)
		}
		key := eventlog.IDKeyOf(room, by, id)
		if err := db.QueryRow("SELECT sum FROM ids WHERE key = ?", key[:]).Scan(&ofText); err != nil {
			e.t.Fatal(err)
		}
		for _, sum := range []int64{ofRow, ofText} {
			if sum != eventlog.NoSum {
				e.traces = append(e.traces, binary.BigEndian.AppendUint64(nil, uint64(sum)))
			}
		}
	}
	if err := rows.Err(); err != nil || found == 0 {
		e.t.Fatalf("%d records have %q: %v", found, secret, err)
	}
}

// read searches and loads pages after each change, until ctx ends. What was erased before a request must not be in the answer.
func (e *fileEraser) read(ctx context.Context, rng *rand.Rand) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.again:
		}
		e.mu.Lock()
		erased := e.erased
		e.mu.Unlock()
		room := e.rooms[rng.IntN(len(e.rooms))]
		path := "/api/v1/rooms/" + room + "/messages?limit=500"
		switch k := len(erased); {
		case rng.IntN(3) == 0:
			path = "/api/v1/search?q=common"
		case k > 0 && rng.IntN(2) == 0:
			path = "/api/v1/search?q=" + erased[max(0, k-1-rng.IntN(5))]
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil { // cut off by an erasure
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		for _, secret := range erased {
			if bytes.Contains(body, []byte(secret)) && !strings.Contains(path, secret) {
				return fmt.Errorf("%s has %q, which was erased before: %.300s", path, secret, body)
			}
		}
		if strings.Contains(path, "q=") && strings.Contains(string(body), `"n":`) && !strings.HasSuffix(path, "common") {
			return fmt.Errorf("%s, which was erased before, is found: %.300s", path, body)
		}
	}
}

// left returns what is left in the files, and where.
func (e *fileEraser) left() (left []string) {
	err := filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		traces := e.traces
		if strings.HasPrefix(d.Name(), "search.db") {
			traces = slices.Concat(traces, e.words)
		}
		for _, trace := range traces {
			if bytes.Contains(b, trace) {
				left = append(left, fmt.Sprintf("%s: %q", d.Name(), trace))
			}
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return left
}

// What was edited, deleted, erased or rejected by a moderator is not found by those who read meanwhile, and later it is in no file of the
// data folder: not the text, not a word in the index, not a checksum from which a short text could be guessed. (What a moderator
// has erased can be undone for a while, so only the index must not have it.) The server that removes it is a later one, seven
// hours ahead, which is restarted before it has run for long.
func TestErasedFromFiles(t *testing.T) {
	t.Parallel()
	for seed := range *erasedSeeds {
		dir := t.TempDir()
		rng := rand.New(rand.NewPCG(seed, 7))
		e := &fileEraser{t: t, rng: rng, dir: dir, rooms: []string{"den", "hall"}, live: map[string]string{}, again: make(chan struct{}, 1)}
		s := serve(t, func(c *server.Config) { c.Data, c.Durability = dir, server.Normal })
		e.base = "http" + strings.TrimPrefix(s.url, "ws")
		for range 10 {
			e.post()
		}
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan error, 1)
		go func() { read <- e.read(ctx, rand.New(rand.NewPCG(seed, 8))) }()
		for i := range 80 {
			if i%2 == 0 || len(e.live) == 0 {
				e.post()
			}
			if i%20 == 0 {
				found(t, e.base+"/api/v1/search?q=common") // all is indexed
			}
			e.change()
		}
		cancel()
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		e.moderate()
		e.reject()
		found(t, e.base+"/api/v1/search?q=common")
		left := e.left() // the write-ahead log has some; a server that stops may remove the last
		s.stop()
		<-s.done
		if len(left) == 0 {
			t.Fatal("no file contains the erased text before it is removed, so the test proves nothing")
		}
		later := serve(t, func(c *server.Config) {
			c.Data, c.Durability, c.Now = dir, server.Normal, func() time.Time { return time.Now().Add(7 * time.Hour) }
		})
		e.base = "http" + strings.TrimPrefix(later.url, "ws")
		deadline := time.Now().Add(time.Minute)
		for left = e.left(); len(left) > 0; left = e.left() {
			if time.Now().After(deadline) {
				t.Fatalf("seed %d: of %d traces these are left: %.500q", seed, len(e.traces), left)
			}
			time.Sleep(20 * time.Millisecond)
		}
		for path, secret := range e.live {
			if body := e.call(http.MethodGet, path[:strings.LastIndexByte(path, '/')]+"?limit=500", ""); !strings.Contains(body, secret) {
				t.Errorf("seed %d: %s has lost %q", seed, path, secret)
			}
			if hits, body := found(t, e.base+"/api/v1/search?q="+secret); len(hits.Hits) != 1 {
				t.Errorf("seed %d: %q is not found: %s", seed, secret, body)
			}
		}
		later.stop()
		<-later.done
	}
}
