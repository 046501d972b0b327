package tui_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ramai/client"
	"ramai/internal/exitcode"
	"ramai/internal/tui"
)

// TestEnded: the reason why a screen ended decides the exit code.
func TestEnded(t *testing.T) {
	hangup := exitcode.With(129, nil)
	broken, refused := errors.New("broken"), &client.RefusedError{Reason: "full"}
	for _, c := range []struct {
		name    string
		err     error
		stopped bool
		unsaved []string
		want    int
		same    error // that the result is or wraps; nil: no error
	}{
		{"left", nil, false, nil, 0, nil},
		{"left too soon", nil, false, []string{"one", "two\nlines"}, exitcode.Unconfirmed, nil},
		{"refused", refused, false, []string{"one"}, exitcode.Refused, refused},
		{"broken", broken, false, nil, exitcode.Unconfirmed, broken},
		{"stopped", context.Canceled, true, []string{"one"}, 129, hangup},
		{"broken by the stop", broken, true, nil, 129, hangup},
		{"left as it was stopped", nil, true, nil, 0, nil},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if c.stopped {
			cancel(hangup)
		}
		var notes strings.Builder
		err := tui.ExitStatus{Unsaved: c.unsaved}.Ended(ctx, c.err, &notes)
		cancel(nil)
		if got := exitcode.Of(err, 99); got != c.want || c.same != nil && !errors.Is(err, c.same) || c.same == nil && err != nil && err.Error() != "" {
			t.Errorf("%s: exit code %d of %v, want %d", c.name, got, err, c.want)
		}
		want := ""
		for _, text := range c.unsaved {
			want += "not confirmed: " + client.OneLine(text) + "\n"
		}
		if notes.String() != want {
			t.Errorf("%s: the notes are %q, want %q", c.name, notes.String(), want)
		}
	}
}
