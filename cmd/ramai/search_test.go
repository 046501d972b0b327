package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ramai/wire"
)

// TestHitLine: a hit is one line in which nothing but the marks affects a terminal, whatever a server sends.
func TestHitLine(t *testing.T) {
	t.Setenv("TZ", "UTC")
	hit := func(snippet string, marks ...[2]int) wire.Hit {
		return wire.Hit{Room: "team\n", N: 17, DisplayName: "an\u202ena", Snippet: snippet, Marks: marks}
	}
	for name, c := range map[string]struct {
		hit   wire.Hit
		plain bool
		want  string
	}{
		"marks":                    {hit: hit("Un café à\nParis", [2]int{3, 7}, [2]int{10, 15}), want: "anna: Un [café] à [Paris]"},
		"no terminal":              {hit: hit("Un café", [2]int{3, 7}), plain: true, want: "anna: Un café"},
		"nobody":                   {hit: wire.Hit{Room: "team\n", N: 17, Snippet: "x", Marks: [][2]int{{0, 1}}}, want: "[x]"},
		"sequences":                {hit: hit("a\x1b[2Jb\u009b2Jc\x07", [2]int{0, 1}), want: "anna: [a]bc"},
		"sequences in a hit":       {hit: hit("a\x1b[31m\nb", [2]int{0, 8}), want: "anna: [a b]"},
		"across a mark":            {hit: hit("\x1b[2J", [2]int{1, 2}), want: "anna: [[]2J"},
		"backwards":                {hit: hit("abc", [2]int{2, 1}), want: "anna: abc"},
		"outside":                  {hit: hit("abc", [2]int{-1, 2}, [2]int{1, 9}, [2]int{7, 9}), want: "anna: abc"},
		"over each other":          {hit: hit("abc", [2]int{0, 2}, [2]int{1, 3}), want: "anna: [ab]c"},
		"range splits a character": {hit: hit("éé", [2]int{1, 4}), want: "anna: éé"},
	} {
		p := hitPrinter{marks: !c.plain}
		_, got, _ := strings.Cut(p.line(c.hit), "team  17  ")
		_, got, _ = strings.Cut(got, "  ") // the time
		if got = strings.NewReplacer(bold, "[", normal, "]").Replace(got); got != c.want+"\n" {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestHitIsPrinted(t *testing.T) {
	var out strings.Builder
	p := hitPrinter{w: &out, json: true}
	if err := p.print(wire.Hit{}, []byte("{\"room\":\n\"a\", \"new\":\"\\u001b\u0085\"}")); err != nil || out.String() != `{"room":"a","new":"\u001b\u0085"}`+"\n" {
		t.Errorf("%q, %v", &out, err)
	}
}

// TestLongSearch: a long search is several requests, as fast as the server allows, and unindexed messages are reported
// once.
func TestLongSearch(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch q := r.URL.Query(); {
		case asked == 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"code":"rate_limited","reason":"too fast"}`)
		case q.Get("limit") == "100" && q.Get("before") == "":
			fmt.Fprintf(w, `{"hits":[%s{"room":"a","n":5}],"more":true,"behind":7}`, strings.Repeat(`{"room":"b","n":9},`, 99))
		case q.Get("limit") == "50" && q.Get("before") == "a:5":
			io.WriteString(w, `{"hits":[{"room":"c","n":1}],"more":false,"behind":7}`)
		default:
			t.Errorf("the query is %v", q)
		}
	}))
	defer server.Close()
	var out, notes strings.Builder
	if code := run(t.Context(), []string{"search", "--limit", "150", "--server", server.URL, "x"}, strings.NewReader(""), &out, &notes); code != 0 {
		t.Errorf("ends with %d", code)
	}
	if n := strings.Count(out.String(), "\n"); n != 101 || !strings.Contains(out.String(), "\nc 1  ") || asked != 3 {
		t.Errorf("%d requests, %d lines", asked, n)
	}
	if want := "the newest 7 messages are not in the search index yet\n"; notes.String() != want {
		t.Errorf("notes %q, want %q", &notes, want)
	}
}
