package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// oneRoom is a store with a room of ten messages, for what only asks for heads.
type oneRoom struct{ eventlog.Store }

func (oneRoom) HistoryID() string             { return "log" }
func (oneRoom) Epoch() eventlog.Epoch         { return eventlog.Epoch{Name: "epoch"} }
func (oneRoom) Bounds(string) eventlog.Bounds { return eventlog.Bounds{First: 3, Last: 10} }
func (oneRoom) Contains(_ string, p *wire.Position) bool {
	return p.HistoryID == "log" && (p.Epoch == "" || p.Epoch == "epoch") && p.N <= 10
}

func fixture() *web {
	return &web{Config: Config{
		Chat:         chat.New(chat.Config{Store: oneRoom{}, Limits: wire.Limits{Text: 4000}}),
		TrustProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
	}}
}

func TestOrigin(t *testing.T) {
	w := fixture()
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1:5"}, // nobody trusts it
		{"10.0.0.1:5", "", "10.0.0.1:5"},
		{"10.0.0.1:5", "198.51.100.7", "198.51.100.7:0"},
		{"10.0.0.1:5", "198.51.100.7:99", "198.51.100.7:99"},
		{"10.0.0.1:5", "1.1.1.1, 198.51.100.7", "198.51.100.7:0"},
		{"10.0.0.1:5", "198.51.100.7, 10.0.0.2", "198.51.100.7:0"},
		{"10.0.0.1:5", "10.0.0.3, 10.0.0.2", "10.0.0.3:0"},
		{"10.0.0.1:5", "198.51.100.7, nonsense", "10.0.0.1:5"},
		{"10.0.0.1:5", "198.51.100.7, nonsense, 10.0.0.2", "10.0.0.2:0"},
		{"10.0.0.1:5", " [2001:db8::1]:80 ", "[2001:db8::1]:80"},
		{"10.0.0.1:5", "[2001:db8::1]", "[2001:db8::1]:0"},
		{"[fd00::1%eth0]:5", "198.51.100.7", "198.51.100.7:0"},
		{"[::ffff:10.0.0.1]:5", "198.51.100.7", "198.51.100.7:0"},
	} {
		if got := w.origin(netip.MustParseAddrPort(c.peer), strings.Split(c.forwarded, "|")); got.String() != c.want {
			t.Errorf("%s for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

// FuzzForwarded looks for a header that makes an address of one that nobody vouched for: what is appended last, by a
// proxy, is the client.
func FuzzForwarded(f *testing.F) {
	f.Add("1.1.1.1, [::1]:80,")
	f.Fuzz(func(t *testing.T, input string) {
		if strings.Contains(input, "\n") {
			return
		}
		w := fixture()
		if got := w.origin(netip.MustParseAddrPort("10.0.0.1:5"), []string{input, "198.51.100.7"}); got.Addr().String() != "198.51.100.7" {
			t.Errorf("%q makes the client %s", input, got)
		}
	})
}

// FuzzPosition looks for a position that is taken and is none.
func FuzzPosition(f *testing.F) {
	for _, s := range []string{"5", "log:5", "log:epoch:5", "log:other:5", ":", "a:b:1", "-1", "18446744073709551616", "log:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := fixture()
		p, err := w.position("after", s)
		if (p == nil) == (err == nil) || p != nil && (p.HistoryID == "" || strings.Contains(p.HistoryID, ":")) {
			t.Errorf("%q is %+v, %v", s, p, err)
		}
		ask, err := w.parseHistory("den", url.Values{"after": {s}})
		if err == nil && s != "" && (ask.After == nil || *ask.After != *p) {
			t.Errorf("%q asks for %+v", s, ask)
		}
	})
}

// FuzzBody looks for a body that makes a text which nobody sent: one that is no UTF-8, or that the rules forbid.
func FuzzBody(f *testing.F) {
	f.Add("application/json", []byte(`{"text":"a\ud800b"}`))
	f.Add("text/plain; charset=UTF-8", []byte("hi\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		w := fixture()
		form, ok := w.bodyFormatOf(http.Header{"Content-Type": {kind}})
		if !ok {
			return
		}
		var m chat.Message
		if err := form.parse(body, &m); err == nil && wire.CheckText(m.Text, 4000) == nil && !utf8.ValidString(m.Text) {
			t.Errorf("%q as %q says %q", body, kind, m.Text)
		}
	})
}

// A client that reaches the server as localhost shares the address that works on other machines.
func TestReachable(t *testing.T) {
	for _, c := range []struct{ host, configured, want string }{
		{"localhost:2000", "http://192.0.2.1:2000", "http://192.0.2.1:2000"},
		{"127.0.0.1:2000", "http://192.0.2.1:2000", "http://192.0.2.1:2000"},
		{"[::1]:2000", "http://192.0.2.1:2000", "http://192.0.2.1:2000"},
		{"chat.example.org", "http://192.0.2.1:2000", "self"},
		{"localhost:2000", "", "self"},
	} {
		w := &web{Config: Config{Origin: func() string { return c.configured }}}
		if got := w.reachable(&http.Request{Host: c.host}, "self"); got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.host, c.configured, got, c.want)
		}
	}
}
