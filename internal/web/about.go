package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"ramai/wire"
)

// text answers with plain text.
func text(out http.ResponseWriter, status int, s string) {
	describe(out, "text/plain; charset=utf-8")
	out.WriteHeader(status)
	fmt.Fprint(out, s)
}

// healthy says that the program lives.
func (w *web) healthy(out http.ResponseWriter, r *http.Request) { text(out, http.StatusOK, "ok\n") }

// ready says whether something can be said.
func (w *web) ready(out http.ResponseWriter, r *http.Request) {
	if err := w.Ready(); err != nil {
		out.Header().Set("Retry-After", "5")
		text(out, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	text(out, http.StatusOK, "ready\n")
}

// about says what this server is.
func (w *web) about(out http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	l := w.Env.Limits
	fmt.Fprintf(&b, "%s\n\n", w.Env.Server)
	fmt.Fprintf(&b, "text    %d bytes\n", l.Text)
	fmt.Fprintf(&b, "frame   %d bytes\n", l.Frame)
	if l.Rate > 0 {
		fmt.Fprintf(&b, "rate    %v events a second, %d at once\n", l.Rate, l.Burst)
	} else {
		fmt.Fprintf(&b, "rate    no limit\n")
	}
	fmt.Fprintf(&b, "rooms   %d a connection\n", l.Rooms)
	fmt.Fprintf(&b, "\nWebSocket  / and /r/ROOM, any client; or with the subprotocol %s\n", wire.Protocol)
	fmt.Fprintf(&b, "HTTP       /api/v1/rooms/ROOM/messages, /api/v1/rooms/ROOM/stream, /api/v1/search\n")
	fmt.Fprintf(&b, "health     /healthz, /readyz\n")
	text(out, http.StatusOK, b.String())
}

// howTo tells a person how to come in.
func howTo(out http.ResponseWriter, r *http.Request, room string) {
	path := "/"
	if room != wire.Lobby {
		path = "/r/" + room
	}
	scheme, socket := "http", "ws"
	if r.TLS != nil {
		scheme, socket = "https", "wss"
	}
	base := url.URL{Scheme: scheme, Host: r.Host}
	text(out, http.StatusOK, fmt.Sprintf(`This is ramai, a chat: one room, and everyone hears it.

Join from a terminal:

    ramai join %[1]s%[2]s

with curl, in two terminals:

    curl -N %[1]s/api/v1/rooms/%[3]s/stream
    curl -H 'Content-Type: text/plain' -d 'Hello!' %[1]s/api/v1/rooms/%[3]s/messages

or with any WebSocket client: connect to %[4]s://%[5]s%[2]s, and every text you send is said to everybody.
`, base.String(), path, room, socket, r.Host))
}
