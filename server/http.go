package server

import (
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	"ramai/internal/frame"
	"ramai/internal/journal"
	"ramai/internal/session"
	"ramai/wire"
)

// handshake is how long an upgrade may take.
const handshake = 5 * time.Second

// Handler serves the WebSocket doors: / is the lobby, /r/<room> another room.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { s.door(w, r, wire.Lobby) })
	mux.HandleFunc("GET /r/{room}", func(w http.ResponseWriter, r *http.Request) { s.door(w, r, r.PathValue("room")) })
	mux.HandleFunc("GET /api/v1/search", s.search)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, wire.BadRequest, "there is nothing here; the chat is at / and /r/ROOM")
	})
	return mux
}

// door lets a client into a room, or tells a person how to come in.
func (s *Server) door(w http.ResponseWriter, r *http.Request, name string) {
	if err := wire.CheckRoom(name); err != nil {
		refuse(w, http.StatusNotFound, err.Code, err.Reason)
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		howTo(w, r, name)
		return
	}
	if reason := s.foreign(r); reason != "" {
		refuse(w, http.StatusForbidden, wire.NotAllowed, reason)
		return
	}
	if s.crowded() {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, wire.Unavailable, "the server has as many connections as it can; come back in a while")
		return
	}
	client, status, err := s.client(r, name)
	if err != nil {
		refuse(w, status, err.Code, err.Reason)
		return
	}
	var nc net.Conn
	defer func() {
		if nc == nil && client.Named {
			s.env.Release(wire.By(client.Session))
		}
	}()
	upgrader := ws.HTTPUpgrader{
		Timeout:  handshake,
		Protocol: func(p string) bool { return p == wire.Protocol },
		Negotiate: func(offer httphead.Option) (answer httphead.Option, _ error) {
			if !client.Deflate { // the first offer that will do is taken
				answer, client.Deflate = frame.AnswerDeflate(offer)
			}
			return answer, nil
		},
	}
	up, rw, hs, upErr := upgrader.Upgrade(r, w)
	if upErr != nil { // the upgrader has answered
		if up != nil {
			up.Close()
		}
		return
	}
	nc = up
	nc.SetDeadline(time.Time{})
	client.V1 = hs.Protocol == wire.Protocol
	early := make([]byte, rw.Reader.Buffered())
	rw.Reader.Read(early) // what came right behind the handshake
	if !s.cfg.Quiet {
		s.cfg.Log.Info("New connection from "+client.Addr.String(), "room", name, "v1", client.V1, "deflate", client.Deflate)
	}
	s.serve(nc, early, client)
}

// client makes out who comes, from the request.
func (s *Server) client(r *http.Request, name string) (session.Client, int, *wire.Error) {
	c := session.Client{Room: name}
	c.Addr, _ = netip.ParseAddrPort(r.RemoteAddr)
	secret, err := wire.NewSession(s.cfg.Random)
	if err != nil {
		return c, http.StatusInternalServerError, &wire.Error{Code: wire.Internal, Reason: "no randomness is to be had"}
	}
	c.Session = secret
	if offers(r, wire.Protocol) { // there, frames say all of what follows
		return c, 0, nil
	}
	q := r.URL.Query()
	if last := q.Get("last"); last != "" {
		k, err := strconv.Atoi(last)
		if err != nil || k < 0 || k > wire.MaxLast {
			return c, http.StatusBadRequest, &wire.Error{Code: wire.BadRequest, Reason: fmt.Sprintf("last is a number from 0 to %d", wire.MaxLast)}
		}
		c.Last = k
	}
	if q.Has("name") {
		if status, err := s.claim(&c, q.Get("name")); err != nil {
			return c, status, err
		}
		c.Named = true
	}
	return c, 0, nil
}

func offers(r *http.Request, protocol string) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(p) == protocol {
				return true
			}
		}
	}
	return false
}

// claim has the journal decide whether a client may have a name for as long as its connection lasts.
func (s *Server) claim(c *session.Client, asked string) (int, *wire.Error) {
	e, refused := session.ClaimOf(wire.By(c.Session), asked)
	if refused != nil {
		return nameStatus(refused), refused
	}
	if s.env.Rates.Take(s.cfg.Now(), e.By, c.Addr.Addr(), 1) > 0 {
		return http.StatusTooManyRequests, &wire.Error{Code: wire.RateLimited, Reason: "too many from your address; come back in a moment"}
	}
	decided := make(chan *journal.Outcome, 1)
	e.Bound, e.Epoch = true, 1
	e.Origin = &journal.Origin{Deliver: func(o *journal.Outcome) { decided <- o }}
	if err := s.orderer.Submit(e, nil); err != nil {
		return http.StatusServiceUnavailable, &wire.Error{Code: wire.Unavailable, Reason: "the server is busy; try again"}
	}
	select {
	case o := <-decided:
		if o.Verdict != journal.Refused {
			return 0, nil
		}
		return nameStatus(o.Err), o.Err
	case <-time.After(handshake):
		s.env.Release(e.By) // it may still come to be
		return http.StatusServiceUnavailable, &wire.Error{Code: wire.Unavailable, Reason: "the server cannot write to its disk now; try again"}
	}
}

// nameStatus is the answer to a name that cannot be had.
func nameStatus(err *wire.Error) int {
	switch err.Code {
	case wire.BadRequest:
		return http.StatusBadRequest
	case wire.NameTaken:
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable
}

func (s *Server) crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped || len(s.sessions) >= s.cfg.MaxConns
}

// foreign says why a page elsewhere may not open a connection here (cross-site WebSocket hijacking, DNS rebinding), or
// nothing if there is no reason. Whoever sends no Origin is no page.
func (s *Server) foreign(r *http.Request) string {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return ""
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && host != "localhost" && !slices.Contains(s.cfg.Hosts, host) {
		return fmt.Sprintf("this server does not know itself by the name %q; its operator can allow it with --host", bound(host))
	}
	origin := origins[0]
	same := origin == "https://"+r.Host || r.TLS == nil && origin == "http://"+r.Host
	if len(origins) > 1 || !same && !slices.Contains(s.cfg.AllowOrigins, origin) {
		return fmt.Sprintf("pages of %q may not connect here; the server's operator can allow it with --allow-origin", bound(origin))
	}
	return ""
}

func bound(s string) string { return s[:min(len(s), 100)] }

// refuse answers an HTTP request that cannot be done.
func refuse(w http.ResponseWriter, status int, code wire.Code, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"code": string(code), "reason": reason})
}

// howTo tells a person how to come in.
func howTo(w http.ResponseWriter, r *http.Request, name string) {
	path := "/"
	if name != wire.Lobby {
		path = "/r/" + name
	}
	u := url.URL{Scheme: "http", Host: r.Host, Path: path}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	fmt.Fprintf(w, "This is ramai, a chat: one room, and everyone hears it.\n\nJoin from a terminal:\n\n    ramai join %s\n\n"+
		"or with any WebSocket client: connect to ws://%s%s, and every text you send is said to everybody.\n", u.String(), r.Host, path)
}

// newHTTPLog makes what net/http complains about (peers that speak no HTTP, mostly) lines of the log for debugging.
func newHTTPLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
