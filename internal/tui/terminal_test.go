package tui

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"ramai/client"
	"ramai/wire"
)

// brokenChat is a client that breaks when it is asked for what is new.
type brokenChat struct{ fakeChat }

func (*brokenChat) Next(context.Context) (client.Event, error) { panic("a fault of the test's") }

// terminalConfig is a screen on a terminal that is nothing but a pipe, on which nobody types, and what it gets.
func terminalConfig(t *testing.T) (Config, *bytes.Buffer) {
	t.Helper()
	in, keys := io.Pipe()
	t.Cleanup(func() { keys.Close() })
	out := new(bytes.Buffer)
	return Config{Server: &url.URL{Scheme: "http", Host: "localhost"}, Room: wire.Lobby, Theme: Dark, In: in, Out: out, Environ: []string{"TERM=xterm-256color"},
		Width: 80, Height: 24, Zone: time.UTC, Now: time.Now}, out
}

// TestFeedBreaks: whatever breaks while events are fetched, the terminal is given back and the reason told.
func TestFeedBreaks(t *testing.T) {
	config, out := terminalConfig(t)
	_, err := run(t.Context(), config, new(brokenChat))
	if err == nil || !strings.Contains(err.Error(), "the screen broke: a fault of the test's\n") || !strings.Contains(err.Error(), "terminal_test.go") {
		t.Errorf("what was said of it is %v", err)
	}
	for _, mode := range []string{"?1049", "?2004", "?1004"} {
		if on, off := strings.LastIndex(out.String(), "\x1b["+mode+"h"), strings.LastIndex(out.String(), "\x1b["+mode+"l"); off < on {
			t.Errorf("mode %s was left on", mode)
		}
	}
}
