package server_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	wsframe "ramai/internal/frame"
	"ramai/internal/websockettest"
	"ramai/server"
	"ramai/wire"
)

// upgraded is a connection whose first bytes were read together with the handshake.
type upgraded struct {
	net.Conn
	r io.Reader
}

func (u upgraded) Read(b []byte) (int, error) { return u.r.Read(b) }

// dialFrames connects to a room with the plain protocol, and returns the extensions that were negotiated.
func dialFrames(t *testing.T, url string, offers ...httphead.Option) (net.Conn, []httphead.Option) {
	t.Helper()
	nc, early, hs, err := ws.Dialer{Extensions: offers}.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if early == nil {
		return nc, hs.Extensions
	}
	return upgraded{nc, early}, hs.Extensions
}

// playCase plays c to a room of a server with the default limits, and checks that it hears the texts of c that the room accepts.
func playCase(t *testing.T, nc net.Conn, c websockettest.Case, deflated bool) {
	t.Helper()
	maxText := server.Defaults().MaxText
	limits := websockettest.Limits{Message: wire.MaxRequest(maxText), Fragments: 256}
	if deflated {
		limits.Deflated = limits.Message / 3
	}
	limited := c.Within(limits)
	var heard []string
	limited.Filtered(t, nc, true, func(f websockettest.Frame) bool {
		if !f.IsControl() {
			text, err := websockettest.Inflate(f)
			if err != nil {
				t.Errorf("%s cannot be inflated: %v", f, err)
			}
			heard = append(heard, text)
		}
		return f.IsControl()
	})
	if limited.Code != 1000 { // the connection may end before a text that precedes the fault is saved
		return
	}
	for _, f := range c.Want {
		if !f.IsControl() && wire.CheckText(f.Payload, maxText) == nil {
			i := slices.Index(heard, f.Payload)
			if i < 0 {
				t.Fatalf("the room does not hear %s", f)
			}
			heard = heard[i+1:]
		}
	}
}

// TestList plays the cases of the Autobahn test suite to the server, whose rooms are not echoes: see websockettest.Limits.
func TestList(t *testing.T) {
	overReactors(t, func(t *testing.T, kind server.IOMode) {
		s := serve(t, func(c *server.Config) { c.IO = kind })
		for i, c := range append(websockettest.List(websockettest.Brief), websockettest.More()...) {
			t.Run(c.Name, func(t *testing.T) {
				nc, _ := dialFrames(t, fmt.Sprintf("%s/r/case%d", s.url, i))
				playCase(t, nc, c, false)
			})
		}
	})
}

// TestDeflatedList plays the cases with compression. The server refuses windows of less than 4 KiB, and compressed messages of
// more than a third of the longest message. Some of these messages are longer.
func TestDeflatedList(t *testing.T) {
	overReactors(t, func(t *testing.T, kind server.IOMode) {
		s := serve(t, func(c *server.Config) { c.IO = kind })
		for i, c := range websockettest.ListDeflated(websockettest.Size{Divisor: 4, Messages: 1}) {
			t.Run(c.Name, func(t *testing.T) {
				offers, ok := httphead.ParseOptions([]byte(c.Offer), nil)
				if !ok {
					t.Fatalf("the offer %q is malformed", c.Offer)
				}
				nc, got := dialFrames(t, fmt.Sprintf("%s/r/case%d", s.url, i), offers...)
				var want []httphead.Option
				for _, offer := range offers {
					if answer, _, ok := wsframe.AnswerDeflate(offer, wsframe.TextBits); ok {
						want = append(want, answer)
						break
					}
				}
				if len(got) != len(want) || len(got) > 0 && !got[0].Equal(want[0]) {
					t.Fatalf("the answer to %s is %v, want %v", c.Offer, got, want)
				}
				playCase(t, nc, c.Case(len(want) > 0), len(want) > 0)
			})
		}
	})
}
