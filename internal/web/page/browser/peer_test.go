package browser_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// peer is a client at the plain door.
type peer struct {
	*websocket.Conn
	t *testing.T
}

func (h *house) dial(room string) *peer {
	h.t.Helper()
	c, _, err := websocket.Dial(context.Background(), h.url("/r/"+room), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	p := &peer{c, h.t}
	p.hear(1) // the welcome
	return p
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// hear reads n messages.
func (p *peer) hear(n int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range n {
		if _, _, err := p.Read(ctx); err != nil {
			p.t.Fatal(err)
		}
	}
}

// hearText reads messages up to one that has a text in it.
func (p *peer) hearText(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		_, b, err := p.Read(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		if strings.Contains(string(b), text) {
			return
		}
	}
}

// dialName is dial with a name that lasts as long as the connection.
func (h *house) dialName(room, name string) *peer {
	h.t.Helper()
	return h.dial(room + "?name=" + url.QueryEscape(name))
}
