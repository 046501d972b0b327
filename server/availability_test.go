package server

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// The log has a line when saying begins to be refused, another when the reason is another, and one when it works again,
// however often it is looked.
func TestSaying(t *testing.T) {
	var out strings.Builder
	now := time.Unix(1e9, 0)
	s := saying{logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), now: func() time.Time { return now }}
	full, broken := errors.New("the disk is full"), errors.New("the disk is broken")
	for _, why := range []error{nil, nil, full, full, full, broken, broken, nil, nil, full, nil} {
		s.look(why)
		now = now.Add(time.Second)
	}
	const want = `level=ERROR msg="saying is refused" why="the disk is full"
level=ERROR msg="saying is refused" why="the disk is broken"
level=INFO msg="saying works again" why_not="the disk is broken" after=5s
level=ERROR msg="saying is refused" why="the disk is full"
level=INFO msg="saying works again" why_not="the disk is full" after=1s
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}
