package server

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/local"
)

// majority is a sequencer that orders nothing while the majority is lost.
type majority struct {
	*local.Sequencer
	lost atomic.Bool
}

func (m *majority) Submit(b *eventlog.Batch) error {
	if m.lost.Load() {
		return fmt.Errorf("%w: only 1 of 3 nodes is reachable", eventlog.ErrUnavailable)
	}
	return m.Sequencer.Submit(b)
}

// TestStartWithoutMajority: a server that starts while nothing can be ordered serves readers, reports why it refuses
// messages, and accepts them once the sequencer orders again.
func TestStartWithoutMajority(t *testing.T) {
	cfg := Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.DiscardHandler), true
	request := func(url, text string) (int, string) {
		t.Helper()
		method := http.MethodGet
		if text != "" {
			method = http.MethodPost
		}
		r, err := http.NewRequest(method, url, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	const messages = "/api/v1/rooms/lobby/messages"
	run := func(check func(url string)) {
		t.Helper()
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(s.Handler())
		check(web.URL)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	}
	run(func(url string) {
		if status, body := request(url+messages, "said before"); status >= 300 {
			t.Fatalf("post: %d %s", status, body)
		}
	})
	seq := &majority{Sequencer: local.New()}
	seq.lost.Store(true)
	cfg.sequencer = seq
	run(func(url string) {
		if status, body := request(url+messages, ""); status != http.StatusOK || !strings.Contains(body, "said before") {
			t.Errorf("history: %d %s", status, body)
		}
		for path, text := range map[string]string{messages: "refused", "/readyz": ""} {
			if status, body := request(url+path, text); status != http.StatusServiceUnavailable || !strings.Contains(body, "1 of 3 nodes") {
				t.Errorf("%s: %d %s, want 503 with the reason", path, status, body)
			}
		}
		seq.lost.Store(false)
		for status, body := 0, ""; status != http.StatusOK && status != http.StatusCreated; time.Sleep(50 * time.Millisecond) {
			if status, body = request(url+messages, "said after"); status == http.StatusCreated || status == http.StatusOK {
				break
			} else if status != http.StatusServiceUnavailable {
				t.Fatalf("post: %d %s", status, body)
			}
		}
		if status, body := request(url+messages, ""); status != http.StatusOK || !strings.Contains(body, "said after") || strings.Contains(body, "refused") {
			t.Errorf("history: %d %s", status, body)
		}
		if status, body := request(url+"/readyz", ""); status != http.StatusOK {
			t.Errorf("readyz: %d %s", status, body)
		}
	})
}
