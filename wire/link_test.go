package wire

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestHasLink(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "hello": false, "http": false, "http://": false, "https:// x": false, "see http": false, "a:// b": false, "www.": false, "www. x": false,
		"awww.so cute": false, "x@www.example.org": false, "h": false, "http:/x": false, "WWW": false,
		"https://x": true, "HTTP://x.example": true, "seehttps://x.example": true, "(www.x.example)": true, "Www.x.example": true, "\nwww.x.example": true,
		"你好www.x.example": true, "http://é": true, "hhttp://x": true, "http http://x": true,
	} {
		if got := HasLink(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	long := strings.Repeat("hello www httpx:// ", 200)
	if n := testing.AllocsPerRun(10, func() { HasLink(long) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever the page and the screen show as a link is one.
func TestHasLinkOfThePage(t *testing.T) {
	b, err := os.ReadFile("../internal/tui/testdata/links.tsv")
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for line := range strings.SplitSeq(string(b), "\n") {
		parts := strings.Split(line, "\t")
		if len(parts) < 3 || parts[0] != "link" || parts[2] == "" {
			continue
		}
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(parts[1], `"`, `\"`) + `"`)
		if err != nil {
			text = parts[1]
		}
		if links++; !HasLink(text) {
			t.Errorf("%q has a link", text)
		}
	}
	if links < 20 {
		t.Errorf("only %d examples", links)
	}
}
