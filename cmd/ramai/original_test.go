package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"ramai/wire"
)

// original is a server like the chat that ramai is based on.
type original struct {
	*httptest.Server
	mu    sync.Mutex
	conns []*websocket.Conn
}

func startOriginal(ts *testscript.TestScript, _ bool, args []string) {
	o := &original{}
	o.Server = httptest.NewServer(http.HandlerFunc(o.chat))
	on(ts).originals[args[0]] = o
	ts.Setenv(args[0], o.URL)
}

func (o *original) chat(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	o.mu.Lock()
	err = c.Write(ctx, websocket.MessageText, []byte(wire.Greeting))
	o.conns = append(o.conns, c)
	o.mu.Unlock()
	for err == nil { // a line with the word "swallow" is lost
		var b []byte
		if _, b, err = c.Read(ctx); err == nil && !strings.Contains(string(b), "swallow") {
			o.send(ctx, b)
		}
	}
}

func (o *original) send(ctx context.Context, b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		c.Write(ctx, websocket.MessageText, b) // a closed connection is skipped
	}
}

func (o *original) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		c.CloseNow()
	}
	o.conns = nil
}

// Close ends the server and its connections.
func (o *original) Close() {
	o.Server.CloseClientConnections()
	o.cut()
	o.Server.Close()
}

func cut(ts *testscript.TestScript, _ bool, args []string) {
	o := on(ts).originals[args[0]]
	if o == nil {
		ts.Fatalf("no original named %s", args[0])
	}
	o.cut()
}
