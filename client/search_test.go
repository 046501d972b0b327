package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"ramai/wire"
)

func TestFind(t *testing.T) {
	asked := make(chan *http.Request, 1)
	answer, status := "", http.StatusOK
	net := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		io.WriteString(w, answer)
	})
	find := func(s Search) (*SearchResponse, error) {
		found, err := Find(t.Context(), Config{URL: "ws://x/r/tea", Session: strings.Repeat("A", 22), DialContext: net.dial}, s)
		r := <-asked
		if r.URL.Path != "/api/v1/search" || r.Header.Get("Ramai-Session") != strings.Repeat("A", 22) {
			t.Errorf("the request is %s, with %v", r.URL, r.Header)
		}
		if got := r.URL.Query(); got.Get("q") != s.Words || got.Get("room") != s.Room || got.Get("before") != s.Before {
			t.Errorf("the request is %s, want %+v", r.URL, s)
		}
		return found, err
	}

	answer = `{"log":"L","hits":[{"room":"tea","n":7,"snippet":"a&b","marks":[[0,1]],"new":1}],"more":true,"indexed_to":{"tea":8},"behind":2}`
	found, err := find(Search{Words: "a&b=c #", Room: "tea", Before: "9"})
	if err != nil {
		t.Fatal(err)
	}
	h := found.Hits[0]
	if h.N != 7 || h.Snippet != "a&b" || h.Marks[0] != [2]int{0, 1} || !found.More || found.IndexedTo["tea"] != 8 || found.Behind != 2 {
		t.Errorf("found %+v", found)
	}
	if !strings.HasSuffix(string(found.Raw[0]), `"new":1}`) {
		t.Errorf("the raw hit is %s", found.Raw[0])
	}

	status, answer = http.StatusTooManyRequests, `{"code":"rate_limited","reason":"too fast"}`
	var refused *RefusedError
	if _, err := find(Search{Words: "a"}); !errors.As(err, &refused) || refused.Code != wire.RateLimited || refused.RetryAfter == 0 {
		t.Errorf("refused: %v", err)
	}
	status, answer = http.StatusNotFound, "404 page not found"
	if _, err := find(Search{Words: "a"}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "is it one of ramai's?") {
		t.Errorf("not found: %v", err)
	}
	for _, answer = range []string{"", "<html>", "{}", `{"hits":1}`, `{"hits":[1]}`, `{"hits":[{"n":-1}]}`, `{"hits":[{"snippet":"` + strings.Repeat("x", maxFound) + `"}]}`} {
		status = http.StatusOK
		if found, err := find(Search{Words: "a"}); err == nil {
			t.Errorf("%.20q was parsed as %+v", answer, found)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, Config{URL: "http://x", DialContext: net.dial}, Search{}); !errors.Is(err, context.Canceled) {
		t.Errorf("without time: %v", err)
	}
	if _, err := Find(t.Context(), Config{URL: "x"}, Search{}); err == nil {
		t.Error("x was accepted as a server")
	}
}
