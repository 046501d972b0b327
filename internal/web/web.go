// Package web is ramai over HTTP: the handshakes of the WebSocket doors, the API for whoever has no socket (say, read,
// stream, search), what a person is told who comes with a browser, and what an operator's tools ask.
//
// It decides who may come in, and from where. A connection that stays becomes a session, by [Config].Serve; everything
// that is said, from whichever door, goes the one way through the journal.
package web

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"time"

	"ramai/internal/chat"
	"ramai/internal/session"
	"ramai/internal/web/page"
	"ramai/wire"
)

// decideTimeout is how long the journal may take before a client is told that it is not known what became of something.
const decideTimeout = 5 * time.Second

// How long a client may take.
const (
	handshakeTimeout = 5 * time.Second  // to be answered, and to take the answer
	bodyTimeout      = 10 * time.Second // to send the body of a request
	writeTimeout     = 30 * time.Second // to take an answer that ends
)

// Config is what the handlers need of a server.
type Config struct {
	Chat    *chat.Service
	Server  string // program and version
	Clients *chat.ClientLog

	// AcquireSlot takes a place for a session from an address, or says why there is none; connlimit.ErrShare: that address has
	// its share. It is used up by Serve for a client of that address, or given back by ReleaseSlot.
	AcquireSlot func(netip.Addr) error
	ReleaseSlot func(netip.Addr)
	// Serve makes a connection a session. early was read from it before. It returns at once.
	Serve func(nc net.Conn, early []byte, client session.Client)
	// Ready says why nothing can be said now, or nil.
	Ready func() error

	Hosts        []string       // names the server is reached by, besides localhost and IP addresses
	AllowOrigins []string       // origins of pages elsewhere that may connect
	TrustProxies []netip.Prefix // who is believed about where a request comes from

	SSH     string          // fingerprint of the host key for SSH; empty: there is no such door
	Refused func(wire.Code) // hears of each refusal that did not come from the journal
}

// web has the handlers.
type web struct {
	Config
	page *page.Page
}

// New returns the handler of everything that a server answers.
func New(cfg Config) http.Handler {
	w := &web{cfg, page.New(cfg.AllowOrigins)}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", w.only(http.MethodGet, func(out http.ResponseWriter, r *http.Request) { w.serveRoom(out, r, wire.Lobby) }))
	for _, path := range []string{"/r/{room}", "/r/{room}/{$}"} {
		mux.HandleFunc(path, w.only(http.MethodGet, func(out http.ResponseWriter, r *http.Request) { w.serveRoom(out, r, r.PathValue("room")) }))
	}
	mux.HandleFunc("/page/{version}/{file...}", w.only(http.MethodGet, w.servePart))
	for _, library := range []string{"ramai.js", "embed.js"} { // for pages of any origin
		m := methods{http.MethodGet: w.page.Library(library)}
		mux.HandleFunc("/"+library, func(out http.ResponseWriter, r *http.Request) { w.serve(m, out, r) })
	}
	mux.HandleFunc("/api/v1/rooms/{room}/messages", w.api(methods{http.MethodGet: w.getMessages, http.MethodPost: w.postMessage}))
	mux.HandleFunc("/api/v1/rooms/{room}/stream", w.api(methods{http.MethodGet: w.stream}))
	mux.HandleFunc("/api/v1/search", w.api(methods{http.MethodGet: w.search}))
	mux.HandleFunc("/about", w.only(http.MethodGet, w.about))
	mux.HandleFunc("/healthz", w.only(http.MethodGet, Healthy))
	mux.HandleFunc("/readyz", w.only(http.MethodGet, Ready(w.Ready)))
	mux.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) {
		w.refuse(out, http.StatusNotFound, &wire.CodedError{
			Code:   wire.BadRequest,
			Reason: "there is nothing here; the chat is at / and /r/ROOM, and /about says what else there is",
		})
	})
	return w.behindProxies(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		// Who takes over a connection takes these off. A body that nobody asked for is waited for before an answer is sent.
		control := http.NewResponseController(out)
		control.SetReadDeadline(time.Now().Add(bodyTimeout))
		control.SetWriteDeadline(time.Now().Add(writeTimeout))
		out.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // a library says otherwise
		mux.ServeHTTP(out, r)
	}))
}

// only is a handler for one method (and HEAD with GET), and not for what a page of another origin embeds.
func (w *web) only(method string, h http.HandlerFunc) http.HandlerFunc {
	m := methods{method: h}
	return func(out http.ResponseWriter, r *http.Request) {
		if r.Header["Origin"] == nil && isEmbedded(r) {
			w.fail(out, &wire.CodedError{Code: wire.NotAllowed, Reason: "pages of other sites may link to this, but not embed it"})
			return
		}
		w.serve(m, out, r)
	}
}

// servePart answers with a servePart of the page.
func (w *web) servePart(out http.ResponseWriter, r *http.Request) {
	if !w.page.Part(out, r) {
		w.refuse(out, http.StatusNotFound, &wire.CodedError{Code: wire.BadRequest, Reason: "the page has no such part; load the page anew"})
	}
}

// describe says what kind an answer is of, and that it is of this moment.
func describe(out http.ResponseWriter, kind string) http.Header {
	header := out.Header()
	header.Set("Content-Type", kind)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	return header
}

// answer writes v as JSON.
func answer(out http.ResponseWriter, status int, v any) {
	describe(out, "application/json")
	out.WriteHeader(status)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error is that of a client who is gone
}
