package linemode

import (
	"slices"
	"strings"
	"testing"

	"ramai/wire"
)

// TestCommands: text typed after a slash is never posted by mistake.
func TestCommands(t *testing.T) {
	for line, want := range map[string]string{
		"/msg anna psst":     noPrivate,
		"/QUERY anna":        noPrivate,
		"/join tea":          oneRoom,
		"/nick":              "/nick NAME: set your name; - releases it",
		"/me ":               "/me TEXT: post what you are doing",
		"/hwo":               "there is no command /hwo; did you mean /who?",
		"/xyzzy \x1b[2J":     "there is no command /xyzzy; // posts a line that begins with a slash",
		"/":                  "there is no command /; // posts a line that begins with a slash",
		"/etc/passwd":        "there is no command /etc/passwd; // posts a line that begins with a slash",
		"/list":              "this server cannot list its rooms",
		"/edit":              "/edit N TEXT: edit your message N; last: your newest",
		"/edit 5":            "the new text is missing; /delete 5 deletes the message",
		"/edit five x":       "invalid message five (want its number, as /history shows it, or last)",
		"/re 0 x":            "invalid message 0 (want its number, as /history shows it, or last)",
		"/re #5 ":            "the text of the reply is missing",
		"/delete last":       "there is no such message yet",
		"/react last 👍":      "there is no such message yet",
		"/react 5 👍 x":       "invalid x (want off, or nothing)",
		"/vote 5 first":      "invalid option first (want its number, 1 to 12)",
		"/vote last 1":       "there is no such message yet",
		"/poll Which? | one": "a poll has 2 to 12 options, not 1",
		"/unpin 5":           "message 5 is not pinned",
		"/close":             "/close N: close poll N",
		"/stage zero":        "invalid message zero (want its number, as /history shows it, or last)",
		"/history 0":         "invalid number of messages 0 (want 1 to 500)",
	} {
		r, out, notes := newRunner(0)
		r.Commands = true
		r.read(t.Context(), inputLine{text: line})
		if got := notes.String(); got != want+"\n" || out.Len() > 0 || len(r.pending) > 0 || r.unconfirmed {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	for text, want := range map[string]wire.Message{
		"  [up 1, 👍 3]":     {Tally: wire.Counts{"👍": 3, "up": 1}},
		"  [(1) 2, (12) 1]": {Options: make([]string, 12), Tally: wire.Counts{"0": 2, "11": 1, "3": 0}},
		"":                  {},
	} {
		if got := Counts(want); got != text {
			t.Errorf("the counts %v are written as %q", want.Tally, got)
		}
	}
	for _, line := range []string{"/part", "/quit", "/exit"} {
		r, _, _ := newRunner(0)
		r.Commands = true
		if r.read(t.Context(), inputLine{text: line}); !r.left {
			t.Errorf("%s does not leave", line)
		}
	}
	r, _, notes := newRunner(0)
	r.Commands = true
	r.read(t.Context(), inputLine{text: "/help"})
	for _, c := range allCommands() {
		if !strings.Contains(notes.String(), "/"+c.names[0]) {
			t.Errorf("/help does not list %s:\n%s", c.names[0], notes)
		}
		for _, name := range c.names {
			if _, ok := absent[name]; ok || name != strings.ToLower(name) || slices.Contains(c.names[1:], c.names[0]) {
				t.Errorf("the name %s is invalid", name)
			}
		}
	}
}
