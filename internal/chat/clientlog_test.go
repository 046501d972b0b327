package chat

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestClientLogIsBounded: one address gets a bounded number of lines per minute, however many connections it makes, and
// others get theirs.
func TestClientLogIsBounded(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1e9, 0)
	l := NewClientLog(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now }, true)
	one, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddrPort("192.0.2.1:7")
	for i := range 5 * linesPerMinute {
		from := netip.AddrPortFrom(one, uint16(i))
		one = one.Next() // of the same /64
		l.Connected(from, V1, "lobby", false)
		l.Heard(from, "lobby", "hello")
		l.Closed(from, V1, "closed by the client")
	}
	l.Heard(other, "lobby", "still here")
	if got := strings.Count(out.String(), "\n"); got != linesPerMinute+1 || !strings.Contains(out.String(), "still here") {
		t.Errorf("%d lines", got)
	}
	out.Reset()
	now = now.Add(time.Minute)
	l.Heard(other, "lobby", "a minute later")
	want := fmt.Sprintf(`msg="log lines about the clients of one address were dropped" remote=2001:db8::/64 lines=%d`, 14*linesPerMinute)
	if !strings.Contains(out.String(), want) || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
}

// TestClientLogTexts: texts are logged only if enabled, and are cut between characters.
func TestClientLogTexts(t *testing.T) {
	for _, texts := range []bool{true, false} {
		var out bytes.Buffer
		l := NewClientLog(slog.New(slog.NewTextHandler(&out, nil)), time.Now, texts)
		l.Heard(netip.MustParseAddrPort("192.0.2.1:7"), "lobby", "x"+strings.Repeat("é", 200))
		if got := strings.Contains(out.String(), "é…"); got != texts || !utf8.Valid(out.Bytes()) || strings.Contains(out.String(), `\x`) {
			t.Errorf("texts %v: %s", texts, out.String())
		}
	}
	var none *ClientLog
	none.Connected(netip.AddrPort{}, V1, "", false)
	none.Heard(netip.AddrPort{}, "lobby", "x")
	none.Closed(netip.AddrPort{}, V1, "")
}
