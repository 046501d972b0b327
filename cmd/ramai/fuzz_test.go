package main

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzExported looks for a file that cannot be imported and ends the program, or that is read without an end.
func FuzzExported(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf" + `{"room":"tea","n":1,"by":"a","ts":"2026-12-01T00:00:00Z","text":"hi"}` + "\r\n\n" + `{"room":"tea","n":2}`))
	f.Add([]byte(`{"room":"tea"}` + "\n" + `{"room":"lobby"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := exported{in: bufio.NewReader(bytes.NewReader(b))}
		for read := 0; ; read++ {
			m, err := e.next()
			if err != nil {
				return
			}
			if m.Room != e.room || e.line < read || read > bytes.Count(b, []byte("\n"))+1 {
				t.Fatalf("line %d, entry %d belongs to %q, want %q", e.line, read, m.Room, e.room)
			}
		}
	})
}

// FuzzLinesOf looks for a configuration file whose keys have no line, which their errors name.
func FuzzLinesOf(f *testing.F) {
	f.Add([]byte("listen = \":2000\"\n[serve]\nrate = 5\n[[a.b]]\nc.d = 1\n"))
	f.Add([]byte("\"\" = 1\n'a b'.c = {d = 1}\n[\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines := linesOf(b)
		var values map[string]any
		if toml.Unmarshal(b, &values) != nil {
			return
		}
		for key := range values {
			if n := lines[key]; n < 1 || n > bytes.Count(b, []byte("\n"))+1 {
				t.Errorf("the key %q is in line %d of %q", key, n, b)
			}
		}
	})
}
