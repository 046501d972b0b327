package server_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// twoRooms returns a folder with 200 messages in each of two rooms, after a clean stop.
func twoRooms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, room := range []string{"den", "lobby"} {
		n := uint64(0)
		_, err := sqlite.Import(dir, room, rand.Reader, discard, func() (*sqlite.Imported, error) {
			if n++; n > 200 {
				return nil, io.EOF
			}
			return &sqlite.Imported{Message: wire.Message{
				N: n, At: wire.TimeOf(time.Now()), SenderID: "0123456789abcdef", ID: fmt.Sprint(n),
				Text: fmt.Sprintf("%s says %03d %s", room, n, strings.Repeat("x", 300)),
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// alter overwrites the first occurrence of a text in the database, or the whole page that contains it.
func alter(t *testing.T, dir, text string, page bool) {
	t.Helper()
	path := filepath.Join(dir, sqlite.FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte(text))
	if i < 0 {
		t.Fatalf("there is no %q", text)
	}
	if page {
		copy(b[i/4096*4096:], bytes.Repeat([]byte{0xff}, 4096))
	} else {
		copy(b[i:], "THEY")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// postText posts a text over HTTP and returns the status and the body of the answer.
func postText(t *testing.T, base, room, text string) (int, string) {
	t.Helper()
	resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/"+room+"/messages", text, "Content-Type", "text/plain")
	return resp.StatusCode, body
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, body := call(t, http.MethodGet, url, "")
	return resp.StatusCode, body
}

// TestDamage: a reader that reaches damaged records gets an error on every transport, after all records before them. No
// message is acknowledged into the damaged data, and the other room is not affected.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]bool{"a text": false, "a page": true} {
		t.Run(name, func(t *testing.T) {
			dir := twoRooms(t)
			alter(t, dir, "den says 151", page)
			s := serve(t, func(c *server.Config) { c.Data = dir })
			base := strings.Replace(s.url, "ws", "http", 1)

			v1 := dial(t, s.url+"/", wire.Protocol)
			last := 190
			v1.say(string(wire.Append(nil, wire.Join{Room: "den", Last: &last})))
			v1.say(string(wire.Append(nil, wire.Join{Room: "lobby", Last: &last})))
			received := frame[wire.Error](v1)
			if received.Code != wire.Unavailable || !strings.Contains(received.Reason, "room den") {
				t.Errorf("ramai.v1 receives %+v", received)
			}
			plain := dial(t, s.url+"/r/den?last=100")
			for {
				got := plain.receive()
				if notice, ok := strings.CutPrefix(got, wire.NoticePrefix); ok {
					if !strings.Contains(notice, "room den") {
						t.Errorf("the plain client receives %q", got)
					}
					break
				}
				if strings.Contains(got, "says 151") || strings.Contains(got, "THEY") {
					t.Fatalf("heard %q", got)
				}
			}
			for _, accept := range []string{"application/x-ndjson", "text/event-stream"} {
				stream := listen(t, base, "den", "?last=100", "Accept", accept)
				for {
					f := stream.next()
					if m, ok := f.(wire.Message); ok && m.N < 151 {
						continue
					}
					if _, ok := f.(wire.Joined); ok {
						continue
					}
					if received, ok := f.(wire.Error); !ok || received.Code != wire.Unavailable {
						t.Errorf("a stream of %s receives %+v (%v)", accept, f, stream.lines.Err())
					}
					break
				}
			}
			if status, body := fetch(t, base+"/api/v1/rooms/den/messages?after=150"); status != http.StatusServiceUnavailable || !strings.Contains(body, "room den") {
				t.Errorf("the history from there: %d %s", status, body)
			}
			if status, body := fetch(t, base+"/api/v1/rooms/lobby/messages?after=20&limit=500"); status != http.StatusOK || strings.Count(body, "says") < 50 {
				t.Errorf("the other room: %d %.200s", status, body)
			}
			if status, body := fetch(t, base+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "den") {
				t.Errorf("readyz: %d %s", status, body)
			}
			if status, body := postText(t, base, "den", "more"); status != http.StatusServiceUnavailable {
				t.Errorf("posting there: %d %s", status, body)
			}
			want := http.StatusCreated
			if page { // SQLite found the damage: there may be more
				want = http.StatusServiceUnavailable
			}
			if status, body := postText(t, base, "lobby", "more"); status != want {
				t.Errorf("posting in the other room: %d %s, want %d", status, body, want)
			}
			if status, _ := fetch(t, base+"/healthz"); status != http.StatusOK {
				t.Errorf("healthz: %d", status)
			}
		})
	}
}

// TestFolderRemoved: if the folder is removed while the server runs, later messages are not acknowledged.
func TestFolderRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := server.Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet, cfg.Rate = dir, discard, true, 0
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	over := httptest.NewServer(s.Handler())
	defer over.Close()
	web := over.URL
	if status, body := postText(t, web, "lobby", "before"); status != http.StatusCreated {
		t.Fatalf("before: %d %s", status, body)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if status, body := postText(t, web, "lobby", "after"); status != http.StatusServiceUnavailable {
		t.Errorf("after: %d %s", status, body)
	}
	if status, body := fetch(t, web+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, sqlite.FileName) {
		t.Errorf("readyz: %d %s", status, body)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if status, body := postText(t, web, "lobby", "again"); status != http.StatusCreated {
		t.Errorf("after the folder is back: %d %s", status, body)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestRetentionMeetsDamage: a damaged page does not prevent the server from starting, and retention continues in the other
// room.
func TestRetentionMeetsDamage(t *testing.T) {
	dir := twoRooms(t)
	alter(t, dir, "den says 041", true)
	s := serve(t, func(c *server.Config) { c.Data, c.Retention = dir, eventlog.Retention{Newest: 100} })
	base := strings.Replace(s.url, "ws", "http", 1)
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, body := fetch(t, base+"/api/v1/rooms/lobby/messages?limit=1")
		if status == http.StatusOK && strings.Contains(body, `"first":101`) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("retention does not run in the other room: %d %s", status, body)
		}
	}
	if status, body := fetch(t, base+"/api/v1/rooms/den/messages?limit=1"); status != http.StatusOK || !strings.Contains(body, `"first":1,`) {
		t.Errorf("the damaged room: %d %s", status, body)
	}
}
