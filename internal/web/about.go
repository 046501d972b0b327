package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"ramai/internal/origin"
	"ramai/wire"
)

// text answers with plain text.
func text(out http.ResponseWriter, status int, s string) {
	describe(out, "text/plain; charset=utf-8")
	out.WriteHeader(status)
	fmt.Fprint(out, s)
}

// Healthy answers that the process is alive.
func Healthy(out http.ResponseWriter, r *http.Request) { text(out, http.StatusOK, "ok\n") }

// Ready answers whether messages can be posted: 503 with the reason that ready returns, or 200 if it returns nil.
func Ready(ready func() error) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		if err := ready(); err != nil {
			out.Header().Set("Retry-After", "5")
			text(out, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		text(out, http.StatusOK, "ready\n")
	}
}

// about describes this server.
func (w *web) about(out http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	l := w.Chat.Limits()
	fmt.Fprintf(&b, "%s\n\n", w.Server)
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
	if w.SSH != "" {
		fmt.Fprintf(&b, "SSH        %s\n", w.SSH)
	}
	fmt.Fprintf(&b, "health     /healthz, /readyz\n")
	text(out, http.StatusOK, b.String())
}

// serveLanding answers requests without WebSocket: a browser gets the page, other clients get instructions.
func (w *web) serveLanding(out http.ResponseWriter, r *http.Request, room string) {
	out.Header().Add("Vary", "Accept")
	if err := unknownHost(r, w.Hosts); err != nil { // the page could not connect
		w.fail(out, err)
		return
	}
	self := w.self(r)
	if accepts(r, "text/html") {
		w.servePage(out, r, room, self)
		return
	}
	howTo(out, self, room)
}

// self returns the origin of the server, as the client sees it.
func (w *web) self(r *http.Request) string {
	scheme := "http"
	if secure(r) {
		scheme = "https"
	}
	return origin.Of(scheme, r.Host).String()
}

// reachable returns the URL, without a path, for links that are shared: self as the client sees the server, unless that
// names the client's own machine.
func (w *web) reachable(r *http.Request, self string) string {
	name := origin.Hostname(r.Host)
	addr, _ := netip.ParseAddr(name)
	if w.Origin != nil && (name == "localhost" || addr.IsLoopback()) {
		if o := w.Origin(); o != "" {
			return o
		}
	}
	return self
}

// howTo explains to a person how to connect.
func howTo(out http.ResponseWriter, self, room string) {
	path := "/"
	if room != wire.Lobby {
		path = "/r/" + room
	}
	text(out, http.StatusOK, fmt.Sprintf(`This is ramai, a chat: one room, and everyone hears it.

Join from a terminal:

    ramai join %[1]s%[2]s

with curl, in two terminals:

    curl -N %[1]s/api/v1/rooms/%[3]s/stream
    curl -H 'Content-Type: text/plain' -d 'Hello!' %[1]s/api/v1/rooms/%[3]s/messages

with a browser: %[1]s%[2]s, or with any WebSocket client: connect to %[4]s%[2]s, and every text you send is posted to the room.
`, self, path, room, "ws"+strings.TrimPrefix(self, "http")))
}
