// Package web serves ramai over HTTP: WebSocket handshakes, the API for clients without WebSocket (say, read, stream,
// search), information for people with a browser, and the endpoints of an operator's tools.
//
// It decides who may connect, and from where. A connection that stays open becomes a session through [Config].Serve. All
// messages, from any transport, pass through the event log in the same way.
package web

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"ramai/internal/chat"
	"ramai/internal/session"
	"ramai/internal/web/page"
	"ramai/wire"
)

// decideTimeout is how long a command may take before the client is told that its outcome is unknown.
const decideTimeout = 5 * time.Second

// Timeouts of clients.
const (
	handshakeTimeout = 5 * time.Second  // to be answered, and to receive the answer
	bodyTimeout      = 10 * time.Second // to send the body of a request
	writeTimeout     = 30 * time.Second // to receive a response that ends
)

// Config configures the handlers.
type Config struct {
	Chat    *chat.Service
	Server  string // program and version
	Clients *chat.ClientLog

	// AcquireSlot acquires a slot for a session from an address, or returns why there is none; connlimit.ErrShare: the
	// address has its share. The slot is used by Serve for a client of that address, or returned by ReleaseSlot.
	AcquireSlot func(netip.Addr) error
	ReleaseSlot func(netip.Addr)
	// Serve starts a session on a connection, of which early has been read already. It returns at once.
	Serve func(nc net.Conn, early []byte, client session.Client)
	// Ready returns why nothing can be posted now, or nil.
	Ready func() error

	Hosts        []string       // host names of the server, besides localhost and IP addresses
	Origin       func() string  // URL, without a path, by which other machines reach the server now; empty: they cannot; nil: the same
	AllowOrigins []string       // origins of other pages that may connect
	TrustProxies []netip.Prefix // proxies whose forwarding headers are trusted

	SSH     string          // fingerprint of the host key for SSH; empty: SSH is off
	Refused func(wire.Code) // called for each refusal that did not come from the log
}

// web implements the handlers.
type web struct {
	Config
	page   *page.Page
	newest newestPages
}

// New returns the handler of all requests to a server.
func New(cfg Config) http.Handler {
	w := &web{Config: cfg, page: page.New(cfg.AllowOrigins)}
	mux := http.NewServeMux()
	for _, path := range []string{"/{$}", "/r/{room}", "/r/{room}/{$}"} {
		mux.HandleFunc(path, w.linked(methods{http.MethodGet: w.serveRoom, http.MethodPost: w.postForm}))
	}
	mux.HandleFunc("/page/{version}/{file...}", w.only(http.MethodGet, w.servePart))
	mux.HandleFunc("/sw.js", w.only(http.MethodGet, w.page.ServiceWorker))
	mux.HandleFunc("/manifest.webmanifest", w.only(http.MethodGet, w.page.Manifest))
	for _, library := range []string{"ramai.js", "embed.js"} { // for pages of any origin
		m := methods{http.MethodGet: w.page.Library(library)}
		mux.HandleFunc("/"+library, func(out http.ResponseWriter, r *http.Request) { w.serve(m, out, r) })
	}
	mux.HandleFunc("/api/v1/rooms/{room}/messages", w.api(methods{http.MethodGet: w.getMessages, http.MethodPost: w.postMessage}))
	mux.HandleFunc("/api/v1/rooms/{room}/messages/{n}", w.api(methods{http.MethodPatch: w.patchMessage, http.MethodDelete: w.deleteMessage}))
	mux.HandleFunc("/api/v1/rooms/{room}/messages/{n}/marks/{key}", w.api(methods{http.MethodPut: w.putMark, http.MethodDelete: w.deleteMark}))
	mux.HandleFunc("/api/v1/rooms/{room}/held/{id}", w.api(methods{http.MethodDelete: w.deleteHeld}))
	mux.HandleFunc("/api/v1/rooms/{room}/stream", w.api(methods{http.MethodGet: w.stream}))
	mux.HandleFunc("/api/v1/rooms", w.api(methods{http.MethodGet: w.rooms}))
	mux.HandleFunc("/api/v1/rooms/{room}/people", w.api(methods{http.MethodGet: w.people}))
	mux.HandleFunc("/api/v1/rooms/{room}/invites", w.api(methods{http.MethodPost: w.invite}))
	mux.HandleFunc("/api/v1/rooms/{room}/redeem", w.api(methods{http.MethodPost: w.redeem}))
	mux.HandleFunc("/api/v1/rooms/{room}/reports", w.api(methods{http.MethodPost: w.postReport}))
	mux.HandleFunc("/api/v1/rooms/{room}/moderate", w.api(methods{http.MethodPost: w.moderate}))
	mux.HandleFunc("/api/v1/rooms/{room}/state", w.api(methods{http.MethodGet: w.state}))
	mux.HandleFunc("/api/v1/rooms/{room}/state/{key...}", w.api(methods{http.MethodPut: w.putSetting, http.MethodDelete: w.deleteSetting}))
	mux.HandleFunc("/api/v1/search", w.api(methods{http.MethodGet: w.search}))
	mux.HandleFunc("/api/v1/connection", w.api(methods{http.MethodGet: w.connection}))
	mux.HandleFunc("/about", w.only(http.MethodGet, w.about))
	mux.HandleFunc("/healthz", w.only(http.MethodGet, Healthy))
	mux.HandleFunc("/readyz", w.only(http.MethodGet, Ready(w.Ready)))
	mux.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) {
		w.refuse(out, http.StatusNotFound, &wire.CodedError{
			Code:   wire.BadRequest,
			Reason: "no such page; the chat is at / and /r/ROOM, and /about lists the rest",
		})
	})
	return w.behindProxies(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		// A handler that takes over the connection removes these deadlines. An unexpected body is read before the
		// answer is sent.
		control := http.NewResponseController(out)
		control.SetReadDeadline(time.Now().Add(bodyTimeout))
		control.SetWriteDeadline(time.Now().Add(writeTimeout))
		out.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // libraries override this
		mux.ServeHTTP(out, r)
	}))
}

// only returns a handler for one method (and HEAD with GET) that rejects embedding by pages of other origins.
func (w *web) only(method string, h http.HandlerFunc) http.HandlerFunc {
	return w.linked(methods{method: h})
}

// linked is only for several methods.
func (w *web) linked(m methods) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		if r.Header["Origin"] == nil && isEmbedded(r) {
			w.fail(out, &wire.CodedError{Code: wire.NotAllowed, Reason: "pages of other sites may link to this, but not embed it"})
			return
		}
		w.serve(m, out, r)
	}
}

// servePart serves a file of the page.
func (w *web) servePart(out http.ResponseWriter, r *http.Request) {
	if !w.page.Part(out, r) {
		w.refuse(out, http.StatusNotFound, &wire.CodedError{Code: wire.BadRequest, Reason: "the page has no such file; reload the page"})
	}
}

// describe sets the content type, and forbids caching.
func describe(out http.ResponseWriter, kind string) http.Header {
	header := out.Header()
	header.Set("Content-Type", kind)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	return header
}

// answer writes v as JSON.
func answer(out http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // the value can be encoded
	describe(out, "application/json").Set("Content-Length", strconv.Itoa(body.Len()))
	out.WriteHeader(status)
	body.WriteTo(out) // an error means that the client is gone
}
