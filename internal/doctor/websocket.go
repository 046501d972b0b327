package doctor

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

// webSocket checks that a WebSocket opens and delivers the greeting. It returns the WebSocket, or nil.
func (e *examination) webSocket(ctx context.Context, streams bool) *websocket.Conn {
	const name = "websocket"
	const fix = "forward upgrades: proxy_http_version 1.1 with Upgrade and Connection (nginx), upgrade=websocket in ProxyPass (Apache 2.4.47 or later); haproxy and Caddy do"
	ctx, cancel := context.WithTimeout(ctx, e.Patience)
	defer cancel()
	u := *e.URL
	u.Path, u.RawPath, u.RawQuery = "/", "", ""
	conn, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{
		HTTPClient: newClient(e.TLS, false), Subprotocols: []string{wire.Protocol},
	})
	if err != nil {
		instead := "streams (SSE or NDJSON) with posting over HTTP work instead"
		if !streams {
			instead = "streams do not work either"
		}
		status := err.Error()
		if resp != nil {
			status = "the answer to the handshake was " + resp.Status
		}
		e.add(name, Problem, fmt.Sprintf("no WebSocket: %s; %s", status, instead), fix)
		return nil
	}
	if _, _, err := conn.Read(ctx); err != nil {
		conn.CloseNow()
		e.add(name, Problem, "a WebSocket opens, but the server's greeting does not arrive: "+err.Error(), fix)
		return nil
	}
	e.add(name, OK, "upgrades are forwarded (101), and the greeting arrived", "")
	return conn
}

// idle keeps a WebSocket and a stream open without sending anything on them; either may be nil.
func (e *examination) idle(ctx context.Context, ws *websocket.Conn, stream io.ReadCloser) {
	const fix = "raise timeouts to 60 s or more: proxy_read_timeout (nginx), timeout tunnel and timeout server (haproxy), ProxyTimeout (Apache)"
	if ws == nil && stream == nil {
		e.add("idle", Unknown, "there is no connection to keep open", "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.Wait)
	defer cancel()
	began := time.Now()
	type ended struct {
		what  string
		early bool
		after time.Duration
	}
	ends, kept := make(chan ended), 0
	watch := func(what string, read func() error) {
		kept++
		go func() {
			var err error
			for err == nil {
				err = read()
			}
			early := ctx.Err() == nil
			ends <- ended{what, early, time.Since(began)}
		}()
	}
	if ws != nil {
		watch("WebSocket", func() error { _, _, err := ws.Read(ctx); return err }) // answers pings
	}
	if stream != nil {
		context.AfterFunc(ctx, func() { stream.Close() })
		b := make([]byte, 4<<10)
		watch("stream", func() error { _, err := stream.Read(b); return err })
	}
	good := true
	for range kept {
		if end := <-ends; end.early {
			good = false
			e.add("idle", Problem, fmt.Sprintf("an idle %s was cut after %v; the server sends something every 25 s", end.what, round(end.after)), fix)
		}
	}
	if good {
		e.add("idle", OK, fmt.Sprintf("idle connections stay open for %v", e.Wait), "")
	}
}
