package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
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

// door lets a client into a room, or tells a person how to come in.
func (w *web) door(out http.ResponseWriter, r *http.Request, room string) {
	if err := wire.CheckRoom(room); err != nil {
		w.refuse(out, http.StatusNotFound, err)
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.visit(out, r, room)
		return
	}
	if r.Header["Origin"] != nil { // a page cannot leave it out of a handshake
		if err := w.foreign(r); err != nil {
			w.fail(out, err)
			return
		}
	}
	if err := w.takePlace(); err != nil {
		w.fail(out, err)
		return
	}
	client, err := w.client(r, room)
	if err != nil {
		w.GivePlace()
		w.fail(out, err)
		return
	}
	w.upgrade(out, r, client)
}

// upgrade does the handshake (RFC 6455, section 4.2) and hands the connection over, for which a place was taken.
func (w *web) upgrade(out http.ResponseWriter, r *http.Request, client session.Client) {
	var nc net.Conn
	defer func() {
		if nc != nil {
			return
		}
		w.GivePlace()
		if client.Named {
			w.Env.Release(wire.By(client.Session))
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
	up, rw, hs, err := upgrader.Upgrade(r, out)
	if err != nil { // the upgrader has answered
		if up != nil {
			up.Close()
		}
		return
	}
	nc = up
	nc.SetDeadline(time.Time{})
	if hs.Protocol == wire.Protocol {
		client.Door = session.V1
	}
	early := make([]byte, rw.Reader.Buffered())
	rw.Reader.Read(early) // what came right behind the handshake
	w.enter(nc, early, client)
}

// enter makes a connection a session.
func (w *web) enter(nc net.Conn, early []byte, client session.Client) {
	if !w.Quiet {
		w.Env.Log.Info("New connection from "+client.Addr.String(), "room", client.Room, "door", client.Door, "deflate", client.Deflate)
	}
	w.Serve(nc, early, client)
}

func (w *web) takePlace() *wire.Error {
	if w.TakePlace() {
		return nil
	}
	return &wire.Error{
		Code: wire.Unavailable, Reason: "the server has as many connections as it can; come back in a while", RetryAfter: 5 * time.Second,
	}
}

// client makes out who comes, from the request for an upgrade.
func (w *web) client(r *http.Request, room string) (session.Client, *wire.Error) {
	c, err := w.stranger(r, room)
	if err != nil || offers(r, wire.Protocol) { // there, frames say all of what follows
		return c, err
	}
	q := r.URL.Query()
	if c.Last, err = parseLast(q.Get("last"), 0); err != nil {
		return c, err
	}
	if q.Has("name") {
		if err := w.claim(&c, q.Get("name")); err != nil {
			return c, err
		}
		c.Named = true
	}
	return c, nil
}

// stranger is a client with a fresh session.
func (w *web) stranger(r *http.Request, room string) (session.Client, *wire.Error) {
	secret, err := wire.NewSession(w.Env.Random)
	if err != nil {
		return session.Client{}, &wire.Error{Code: wire.Internal, Reason: "no randomness is to be had"}
	}
	return session.Client{Addr: addrOf(r), Session: secret, Room: room}, nil
}

// addrOf is where a request comes from; the zero value if that is unknown.
func addrOf(r *http.Request) netip.AddrPort {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return addr
}

// parseLast reads the parameter last. An empty one is otherwise.
func parseLast(last string, otherwise int) (int, *wire.Error) {
	if last == "" {
		return otherwise, nil
	}
	k, err := strconv.Atoi(last)
	if err != nil || k < 0 || k > wire.MaxLast {
		return 0, &wire.Error{Code: wire.BadRequest, Reason: fmt.Sprintf("last is a number from 0 to %d", wire.MaxLast)}
	}
	return k, nil
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
func (w *web) claim(c *session.Client, asked string) *wire.Error {
	e, err := session.ClaimOf(wire.By(c.Session), asked)
	if err != nil {
		return err
	}
	if wait := w.Env.Rates.Take(w.Env.Now(), e.By, c.Addr.Addr(), 1); wait > 0 {
		return tooFast(wait)
	}
	e.Bound, e.Epoch = true, 1
	o, err := w.decide(e)
	switch {
	case err != nil:
		w.Env.Release(e.By) // it may still come to be
		return err
	case o.Verdict == journal.Refused:
		return o.Err
	}
	return nil
}

// decide has the journal decide about an event, and waits for it.
func (w *web) decide(e journal.Event) (*journal.Outcome, *wire.Error) {
	ctx, cancel := context.WithTimeout(context.Background(), decideWithin)
	defer cancel()
	o, err := w.Env.Decide(ctx, e)
	switch {
	case err == nil:
		return o, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &wire.Error{
			Code: wire.Unavailable, RetryAfter: time.Second,
			Reason: "the server cannot write to its disk now, and whether this will be stored is not known; try the same again",
		}
	}
	return nil, &wire.Error{Code: wire.Unavailable, Reason: "the server is busy, or stops; nothing was stored, so try again", RetryAfter: time.Second}
}

func tooFast(wait time.Duration) *wire.Error {
	return &wire.Error{Code: wire.RateLimited, Reason: "too fast; wait, then try again", RetryAfter: max(wait, time.Millisecond)}
}
