package tui

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
)

func filtered(t testing.TB, s string) string {
	t.Helper()
	b, err := io.ReadAll(&inputFilter{in: iotest.OneByteReader(strings.NewReader(s))})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(&inputFilter{in: strings.NewReader(s)})
	if err != nil || string(whole) != string(b) {
		t.Fatalf("%.100q becomes %.100q byte by byte and %.100q in one read, %v", s, b, whole, err)
	}
	return string(b)
}

func TestBounded(t *testing.T) {
	long := strings.Repeat("7;", maxSequence)
	for _, c := range []struct{ in, want string }{
		{"hello 日本 👩‍💻", "hello 日本 👩‍💻"},
		{"\x1b[A\x1bOP\x1b\x1b[1;5C", "\x1b[A\x1bOP\x1b\x1b[1;5C"},
		{"\x9bMabc", "Mabc"},
		{"\xe0\x9bMabc", "Mabc"},
		{"\u009bMabc", "Mabc"},
		{"a\xffb\xc3", "ab"},
		{"\x1b]11;rgb:0/0/0\x1b\\x", "\x1b]11;rgb:0/0/0\x1b\\x"},
		{"\x1b]11;rgb:0/0/0\ax", "\x1b]11;rgb:0/0/0\ax"},
		{"\x1b]" + long + "\ax", "\x1b]" + long[:maxSequence-1] + "\ax"},
		{"\x1b[" + long + "Ax", "\x1b[" + long[:maxSequence-1] + "Ax"},
		{"\x1b[200~one\ntwo\x1b[A\x1b[201~x", "\x1b[200~one\ntwo\x1b[A\x1b[201~x"},
		{"\x1b[200~" + strings.Repeat("x", maxPaste+5) + "\x1b[201~y", "\x1b[200~" + strings.Repeat("x", maxPaste-1) + "\x1b[201~y"},
		{"\x1b[200~" + strings.Repeat("x", maxPaste) + "\x1b[20\x1b[201~y", "\x1b[200~" + strings.Repeat("x", maxPaste-1) + "\x1b[201~y"},
	} {
		if got := filtered(t, c.in); got != c.want {
			t.Errorf("%.60q (%d bytes) becomes %.60q (%d), want %.60q (%d)", c.in, len(c.in), got, len(got), c.want, len(c.want))
		}
	}
}

// TestTyped decodes an input that once crashed the program.
func TestTyped(t *testing.T) {
	for _, s := range []string{"\x9bMabc", "\x1b[Mabc", "\x1b[M", "\x1b[200~\x9bM"} {
		decode(t, s)
	}
}

// FuzzTyped: the decoder accepts whatever is typed, and the filter's output is bounded and valid UTF-8.
func FuzzTyped(f *testing.F) {
	for _, s := range []string{"hello\r", "\x1b[A", "\x9bMabc", "\x1b[200~x\x1b[201~", "\x1b]11;rgb:0/0/0\a", "\x1b[<0;1;1M", "\x1b_x\x1b\\", "\x1b[M\x80\x80\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := filtered(t, s); !utf8.ValidString(got) || len(got) > len(s)+len(pasteEnd) {
			t.Fatalf("%q becomes %q", s, got)
		}
		decode(t, s)
	})
}

func decode(t testing.TB, s string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	events := make(chan uv.Event)
	reader := uv.NewTerminalReader(&inputFilter{in: strings.NewReader(s)}, "xterm-256color")
	ended := make(chan any)
	go func() {
		defer func() { ended <- recover() }()
		reader.StreamEvents(ctx, events)
	}()
	for {
		select {
		case <-events:
		case fault := <-ended:
			if fault != nil {
				t.Fatalf("%q: %v", s, fault)
			}
			return
		}
	}
}

// TestComposerIsBounded: a composer accepts no more than can be posted, and its undo stack and history are bounded.
func TestComposerIsBounded(t *testing.T) {
	var c editor
	for range 200 {
		c.insert(strings.Repeat("x", 450), false)
	}
	if n := c.size(); n > maxDraft {
		t.Errorf("the composer contains %d bytes", n)
	}
	kept := 0
	for _, s := range c.undoStack {
		kept += len(s.text)
	}
	if kept > maxKept+maxDraft || len(c.undoStack) < 2 {
		t.Errorf("undo keeps %d characters in %d entries", kept, len(c.undoStack))
	}
	for range 100 {
		c.remember(strings.Repeat("y", 4000))
		c.remember("z")
	}
	if kept = len(strings.Join(c.history, "")); kept > maxKept || c.history[len(c.history)-1] != "z" {
		t.Errorf("the history keeps %d bytes", kept)
	}
}
