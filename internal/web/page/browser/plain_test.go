package browser_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// plainClient speaks the plain protocol.
type plainClient struct {
	*websocket.Conn
	t *testing.T
}

func (srv *testServer) dial(room string) *plainClient {
	srv.t.Helper()
	c, _, err := websocket.Dial(context.Background(), srv.url("/r/"+room), nil)
	if err != nil {
		srv.t.Fatal(err)
	}
	p := &plainClient{c, srv.t}
	p.read(1) // the welcome
	return p
}

func (p *plainClient) post(text string) {
	p.t.Helper()
	if err := p.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// read reads n messages.
func (p *plainClient) read(n int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range n {
		if _, _, err := p.Read(ctx); err != nil {
			p.t.Fatal(err)
		}
	}
}

// readUntil reads messages up to one that contains a text.
func (p *plainClient) readUntil(text string) {
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

// dialAs is dial with a name, which lasts as long as the connection.
func (srv *testServer) dialAs(room, name string) *plainClient {
	srv.t.Helper()
	return srv.dial(room + "?name=" + url.QueryEscape(name))
}
