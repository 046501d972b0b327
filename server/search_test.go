package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/store/search"
	"ramai/server"
	"ramai/wire"
)

// get returns the status and the body of a page.
func get(t *testing.T, address string, header ...string) (int, string, http.Header) {
	t.Helper()
	resp, body := call(t, http.MethodGet, address, "", header...)
	return resp.StatusCode, body, resp.Header
}

// found searches until everything is indexed.
func found(t *testing.T, address string) (wire.SearchResponse, string) {
	t.Helper()
	for range 500 {
		status, body, _ := get(t, address)
		var f wire.SearchResponse
		if status == http.StatusOK {
			if err := json.Unmarshal([]byte(body), &f); err != nil {
				t.Fatal(err)
			}
			if f.Behind == 0 {
				return f, body
			}
		} else if status != http.StatusServiceUnavailable {
			t.Fatalf("%s: %d %s", address, status, body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the index does not catch up")
	return wire.SearchResponse{}, ""
}

// TestSearchDocument posts the messages of the example in docs/PROTOCOL.md, and compares the answer.
func TestSearchDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "http://localhost:2000/api/v1/search")
	query, part, _ := strings.Cut(part, "'")
	_, part, _ = strings.Cut(part, "```json\n")
	want, _, ok := strings.Cut(part, "```")
	if !ok {
		t.Fatal("docs/PROTOCOL.md has no example of a search")
	}
	web := start(t, func(c *server.Config) { c.Rate = 0 })
	anna := dial(t, web.URL+"/r/team?name=anna")
	anna.expect(wire.Greeting)
	anna.say("Un café à Paris?")
	anna.expect("anna: Un café à Paris?")
	if _, got := found(t, web.URL+"/api/v1/search"+query); !matches(want, got) {
		t.Errorf("the example says\n%s\nbut the answer is\n%s", want, got)
	}
}

// TestSearch: messages are found after a clean restart and after a crash.
func TestSearch(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, func(c *server.Config) { c.Data = data })
	here := "http" + strings.TrimPrefix(s.url, "ws")
	c := dial(t, s.url)
	c.expect(wire.Greeting)
	found(t, here+"/api/v1/search?q=x") // from now on, the index depends on notifications
	for i := range 30 {
		c.say(fmt.Sprint("hello 世界 ", i))
		c.expect(fmt.Sprint("hello 世界 ", i))
	}
	q := "/api/v1/search?limit=20&q=" + url.QueryEscape("世界 hel")
	f, _ := found(t, here+q)
	if len(f.Hits) != 20 || !f.More || f.Hits[0].N != 30 || f.Hits[0].Room != "lobby" || f.Hits[19].N != 11 {
		t.Errorf("found %+v", f)
	}
	if f, _ := found(t, here+q+"&room=lobby&before=11"); len(f.Hits) != 10 || f.More || f.IndexedTo["lobby"] != 30 {
		t.Errorf("found %+v", f)
	}
	s.stop()
	if err := <-s.done; err != nil {
		t.Fatal(err)
	}
	for _, damage := range []func(string) error{
		func(string) error { return nil },
		os.Remove,
		func(path string) error { return os.WriteFile(path, []byte("no index"), 0o600) },
	} {
		if err := damage(filepath.Join(data, search.FileName)); err != nil {
			t.Fatal(err)
		}
		s := serve(t, func(c *server.Config) { c.Data = data })
		if f, _ := found(t, "http"+strings.TrimPrefix(s.url, "ws")+q); len(f.Hits) != 20 || f.Hits[0].N != 30 {
			t.Errorf("found %+v", f)
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	web := start(t, func(c *server.Config) { c.Rate, c.Burst = 0.001, 9 })
	secret := strings.Repeat("A", 22)
	for query, status := range map[string]int{
		"":                              400,
		"q=":                            400,
		"q=%22*":                        400,
		"q=%ff":                         400,
		"q=a&room=../x":                 400,
		"q=a&limit=0":                   400,
		"q=a&limit=101":                 400,
		"q=a&limit=x":                   400,
		"q=a&before=x":                  400,
		"q=a&before=5":                  400,
		"q=" + strings.Repeat("a", 501): 413,
		"q=" + strings.Repeat("a+", 17): 413,
	} {
		got, body, _ := get(t, web.URL+"/api/v1/search?"+query)
		var e wire.CodedError
		if err := json.Unmarshal([]byte(body), &e); got != status || err != nil || e.Code == "" || e.Reason == "" {
			t.Errorf("%.40s: %d %s, want %d", query, got, body, status)
		}
	}
	for _, bad := range []string{"Bearer x", "bearer  " + secret + "x", "Bearer"} {
		if got, body, _ := get(t, web.URL+"/api/v1/search?q=a", "Authorization", bad); got != 401 || strings.Contains(body, secret) {
			t.Errorf("Authorization %q: %d %s, want 401", bad, got, body)
		}
	}
	found(t, web.URL+"/api/v1/search?q=a") // the index is open
	for i, want := range []int{200, 200, 429, 429} {
		got, body, header := get(t, web.URL+"/api/v1/search?q=a", "Authorization", "Bearer "+secret)
		if got != want || (got == 429) != (header.Get("Retry-After") != "") {
			t.Errorf("search %d of one sender: %d %s, want %d", i+1, got, body, want)
		}
	}
}
