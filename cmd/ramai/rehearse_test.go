package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"ramai/internal/rehearse"
)

// liar is a chat server that tells everybody everything, but for one client, to whom it tells what lie makes of it.
type liar struct {
	mu      sync.Mutex
	clients []*websocket.Conn
	said    int
	held    []byte
	lie     func(l *liar, text []byte) (told [][]byte)
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		l.said++
		for _, c := range l.clients[1:] {
			c.Write(r.Context(), websocket.MessageText, text)
		}
		for _, text := range l.lie(l, text) {
			l.clients[0].Write(r.Context(), websocket.MessageText, text)
		}
		l.mu.Unlock()
	}
}

// TestRehearseFindsLies: of what a server does wrong with one message at one client, the report and the exit code tell.
func TestRehearseFindsLies(t *testing.T) {
	const at = 20
	for name, c := range map[string]struct {
		lie   func(l *liar, text []byte) [][]byte
		wrong func(*rehearse.Report) int64 // nil: nothing is wrong
	}{
		"truth": {func(_ *liar, text []byte) [][]byte { return [][]byte{text} }, nil},
		"drop": {func(l *liar, text []byte) [][]byte {
			if l.said == at {
				return nil
			}
			return [][]byte{text}
		}, func(r *rehearse.Report) int64 { return r.Lost }},
		"double": {func(l *liar, text []byte) [][]byte {
			if l.said == at {
				return [][]byte{text, text}
			}
			return [][]byte{text}
		}, func(r *rehearse.Report) int64 { return r.Doubled }},
		"swap": {func(l *liar, text []byte) [][]byte {
			switch l.said {
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
			web := httptest.NewServer(&liar{lie: c.lie})
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

// TestRehearseFindsAnotherText: a text that was changed on its way breaks the rehearsal off.
func TestRehearseFindsAnotherText(t *testing.T) {
	web := httptest.NewServer(&liar{lie: func(l *liar, text []byte) [][]byte {
		if l.said == 20 {
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

// TestRehearseUsage: what cannot be rehearsed is an error of usage, before anybody connects.
func TestRehearseUsage(t *testing.T) {
	for _, flags := range []string{
		"--clients=0", "--publishers=-1", "--publishers=101", "--slow=97", "--slow=-1", "--rate=-1", "--rate=NaN", "--in-flight=-1",
		"--rate=1 --in-flight=1", "--size=10", "--size=4001", "--duration=0s", "--drain=-1s", "--churn=1 --plain", "--churn=-1",
		"--reconnect --plain", "--reconnect --churn=1", "--missed=-1", "--missed=5", "--source-addresses=-1", "--unknown",
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
