package server

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestAvailability: the log has one line when messages are rejected, one when the reason changes, and one when they are
// accepted again, however often the state is updated.
func TestAvailability(t *testing.T) {
	var out strings.Builder
	now := time.Unix(1e9, 0)
	a := availability{logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), now: func() time.Time { return now }}
	full, broken := errors.New("the disk is full"), errors.New("the disk is broken")
	for _, reason := range []error{nil, nil, full, full, full, broken, broken, nil, nil, full, nil} {
		a.update(reason)
		now = now.Add(time.Second)
	}
	const want = `level=ERROR msg="messages are rejected" reason="the disk is full"
level=ERROR msg="messages are rejected" reason="the disk is broken"
level=INFO msg="messages are accepted again" reason="the disk is broken" duration=5s
level=ERROR msg="messages are rejected" reason="the disk is full"
level=INFO msg="messages are accepted again" reason="the disk is full" duration=1s
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}
