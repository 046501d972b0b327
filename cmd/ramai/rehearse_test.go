package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"ramai/internal/rehearse"
)

// faultyServer is a chat server that sends everything to everyone, except that one client receives the result of lie.
type faultyServer struct {
	mu      sync.Mutex
	clients []*websocket.Conn
	posted  int
	held    []byte
	fault   func(l *faultyServer, text []byte) (frames [][]byte)
}

func (l *faultyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	l.mu.Lock()
	l.clients = append(l.clients, conn)
	conn.Write(r.Context(), websocket.MessageText, []byte("welcome"))
	l.mu.Unlock()
	for {
		_, text, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		l.mu.Lock()
		l.posted++
		for _, c := range l.clients[1:] {
			c.Write(r.Context(), websocket.MessageText, text)
		}
		for _, text := range l.fault(l, text) {
			l.clients[0].Write(r.Context(), websocket.MessageText, text)
		}
		l.mu.Unlock()
	}
}

// TestRehearseFindsFaults: the report and the exit code show what a server does wrong with one message of one client.
func TestRehearseFindsFaults(t *testing.T) {
	const at = 20
	for name, c := range map[string]struct {
		fault func(l *faultyServer, text []byte) [][]byte
		wrong func(*rehearse.Report) int64 // nil: no fault
	}{
		"truth": {func(_ *faultyServer, text []byte) [][]byte { return [][]byte{text} }, nil},
		"drop": {func(l *faultyServer, text []byte) [][]byte {
			if l.posted == at {
				return nil
			}
			return [][]byte{text}
		}, func(r *rehearse.Report) int64 { return r.Lost }},
		"double": {func(l *faultyServer, text []byte) [][]byte {
			if l.posted == at {
				return [][]byte{text, text}
			}
			return [][]byte{text}
		}, func(r *rehearse.Report) int64 { return r.Duplicated }},
		"swap": {func(l *faultyServer, text []byte) [][]byte {
			switch l.posted {
			case at:
				l.held = text
				return nil
			case at + 1:
				return [][]byte{text, l.held}
			}
			return [][]byte{text}
		}, func(r *rehearse.Report) int64 { return r.OutOfOrder }},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(&faultyServer{fault: c.fault})
			defer web.Close()
			var out, errs bytes.Buffer
			code := run(context.Background(), []string{"rehearse", "--plain", "--json", "--clients", "5", "--publishers", "2",
				"--rate", "200", "--duration", "500ms", "--drain", "500ms", web.URL}, strings.NewReader(""), &out, &errs)
			var report rehearse.Report
			d := json.NewDecoder(&out)
			if err := d.Decode(&report); err != nil || d.More() {
				t.Fatalf("not one object: %v\n%s", err, errs.String())
			}
			if c.wrong == nil {
				if code != 0 || !report.Good() || report.Published == 0 {
					t.Errorf("exit code %d, %+v", code, report)
				}
			} else if code != exitUnconfirmed || report.Good() || c.wrong(&report) != 1 {
				t.Errorf("exit code %d, %+v", code, report)
			}
		})
	}
}

// TestRehearseFindsChangedText: a text that was changed in transit aborts the rehearsal.
func TestRehearseFindsChangedText(t *testing.T) {
	web := httptest.NewServer(&faultyServer{fault: func(l *faultyServer, text []byte) [][]byte {
		if l.posted == 20 {
			text[len(text)-1]++
		}
		return [][]byte{text}
	}})
	defer web.Close()
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"rehearse", "--plain", "--json", "--clients", "5", "--rate", "200",
		"--duration", "500ms", web.URL}, strings.NewReader(""), &out, &errs)
	if code != exitUnconfirmed || !strings.Contains(errs.String(), "not published") || out.Len() > 0 {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
}

// TestRehearseFind: the conclusion names the rate that is held and the first limit, also in the page.
func TestRehearseFind(t *testing.T) {
	web := httptest.NewServer(&faultyServer{fault: func(_ *faultyServer, text []byte) [][]byte { return [][]byte{text} }})
	defer web.Close()
	file := filepath.Join(t.TempDir(), "report.html")
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"rehearse", "--plain", "--clients", "5", "--find", "--rate", "40", "--bound", "1ns",
		"--duration", "100ms", "--html", file, web.URL}, strings.NewReader(""), &out, &errs)
	const conclusion = "not held even at 5 messages/s: p99 is"
	page, err := os.ReadFile(file)
	if code != exitUnconfirmed || !strings.Contains(out.String(), conclusion) || err != nil || !bytes.Contains(page, []byte(conclusion)) {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out.String(), errs.String())
	}
	if strings.Count(errs.String(), "messages/s: not held: p99 is") != 4 {
		t.Error(errs.String())
	}
}

// TestRehearseUsage: invalid parameters are usage errors, before anyone connects.
func TestRehearseUsage(t *testing.T) {
	for _, flags := range []string{
		"--clients=0", "--publishers=-1", "--publishers=101", "--slow=97", "--slow=-1", "--rate=-1", "--rate=NaN", "--in-flight=-1",
		"--rate=1 --in-flight=1", "--size=10", "--size=4001", "--duration=0s", "--drain=-1s", "--churn=1 --plain", "--churn=-1",
		"--reconnect --plain", "--reconnect --churn=1", "--missed=-1", "--missed=5", "--source-addresses=-1", "--unknown",
		"--find --in-flight=1", "--find --publishers=0", "--find --bound=0s",
	} {
		var out, errs bytes.Buffer
		args := append([]string{"rehearse", "http://127.0.0.1:1"}, strings.Fields(flags)...)
		if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%s: exit code %d, %s", flags, code, errs.String())
		}
	}
	for _, url := range []string{"ftp://127.0.0.1", "127.0.0.1:2000:1", "http://"} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), []string{"rehearse", url}, strings.NewReader(""), &out, &errs); code != exitUsage {
			t.Errorf("%s: exit code %d, %s", url, code, errs.String())
		}
	}
}
