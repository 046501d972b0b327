package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/server"
)

// blockedResponse is a response whose client reads nothing: writes block until the write deadline is in the past.
type blockedResponse struct {
	header  http.Header
	writing chan struct{} // closed when the first write has begun
	aborted chan struct{} // closed when the deadline was set to the past
	once    [2]sync.Once
}

func (b *blockedResponse) Header() http.Header { return b.header }

func (b *blockedResponse) WriteHeader(int) {}

func (b *blockedResponse) Flush() {}

func (b *blockedResponse) Write(p []byte) (int, error) {
	b.once[0].Do(func() { close(b.writing) })
	<-b.aborted
	return 0, os.ErrDeadlineExceeded
}

func (b *blockedResponse) SetReadDeadline(time.Time) error { return nil }

func (b *blockedResponse) SetWriteDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		b.once[1].Do(func() { close(b.aborted) })
	}
	return nil
}

// TestErasedWhileWritten: a page, hits, or the HTML page of a room that is being written when one of its messages is edited
// or deleted is aborted before the change is acknowledged. Later ones have the new text.
func TestErasedWhileWritten(t *testing.T) {
	const secret = "0123456789abcdefghijkl"
	var handler http.Handler
	s := serve(t, nil, func(s *server.Server) { handler = s.Handler() })
	base := "http" + strings.TrimPrefix(s.url, "ws")
	auth := []string{"Content-Type", "application/json", "Authorization", "Bearer " + secret}
	for i, path := range []string{"/api/v1/rooms/den/messages", "/r/den", "/api/v1/search?q=common&room=den"} {
		n := 2*i + 1
		former, changed := fmt.Sprint("former", i, " common"), fmt.Sprint("changed", i, " common")
		if resp, answer := call(t, http.MethodPost, base+"/api/v1/rooms/den/messages", fmt.Sprintf(`{"text":%q}`, former), auth...); resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
			t.Fatalf("post: %d %s", resp.StatusCode, answer)
		}
		found(t, base+"/api/v1/search?q=common&room=den") // everything is indexed
		if _, body, _ := get(t, base+path, "Accept", "text/html"); !strings.Contains(body, "former") {
			t.Fatalf("%s has no former text: %s", path, body)
		}
		blocked := &blockedResponse{header: http.Header{}, writing: make(chan struct{}), aborted: make(chan struct{})}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }() // as in net/http
			r := httptest.NewRequest(http.MethodGet, base+path, nil).WithContext(t.Context())
			r.Header.Set("Accept", "text/html")
			handler.ServeHTTP(blocked, r)
		}()
		<-blocked.writing
		resp, answer := call(t, http.MethodPatch, fmt.Sprintf("%s/api/v1/rooms/den/messages/%d", base, n), fmt.Sprintf(`{"text":%q}`, changed), auth...)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("change of %d: %d %s", n, resp.StatusCode, answer)
		}
		select {
		case <-blocked.aborted:
		default:
			t.Errorf("%s: the change is acknowledged while the former text is being written", path)
			blocked.SetWriteDeadline(time.Unix(1, 0))
		}
		<-done
		found(t, base+"/api/v1/search?q=common&room=den")
		if _, body, _ := get(t, base+path, "Accept", "text/html"); strings.Contains(body, "former") || !strings.Contains(body, "changed") {
			t.Errorf("%s after the change: %s", path, body)
		}
	}
}
