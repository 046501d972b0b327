package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/httpfield"
	"ramai/internal/session"
	"ramai/wire"
)

// serveRoom lets a client into a room, or tells a person how to come in.
func (w *web) serveRoom(out http.ResponseWriter, r *http.Request, room string) {
	if err := wire.CheckRoom(room); err != nil {
		w.refuse(out, http.StatusNotFound, err)
		return
	}
	if r.Method != http.MethodGet || !httpfield.Has(r.Header.Values("Upgrade"), "websocket") {
		w.serveLanding(out, r, room)
		return
	}
	if r.Header["Origin"] != nil { // a page cannot leave it out of a handshake
		if err := w.checkOrigin(r); err != nil {
			w.fail(out, err)
			return
		}
	}
	hs, status, err := parseHandshake(r)
	if err != nil {
		out.Header().Set("Sec-WebSocket-Version", version)
		w.refuse(out, status, err)
		return
	}
	if err := w.acquireSlot(r); err != nil {
		w.fail(out, err)
		return
	}
	client, err := w.client(r, room, hs.v1)
	if err != nil {
		w.ReleaseSlot(addrOf(r).Addr())
		w.fail(out, err)
		return
	}
	w.upgrade(out, hs, client)
}

// upgrade takes the connection over, for which a place was taken, answers the handshake, and hands it on.
func (w *web) upgrade(out http.ResponseWriter, hs *upgradeRequest, client session.Client) {
	handedOver := false
	defer func() {
		if handedOver {
			return
		}
		w.ReleaseSlot(client.Addr.Addr())
		if client.Named {
			w.Env.Release(wire.SenderIDOf(client.Session))
		}
	}()
	nc, rw, err := http.NewResponseController(out).Hijack()
	if err != nil {
		w.fail(out, &wire.CodedError{Code: wire.Internal, Reason: "a WebSocket cannot be had over this connection"})
		return
	}
	nc.SetDeadline(time.Now().Add(handshakeTimeout))
	if _, err := nc.Write(hs.response()); err != nil {
		nc.Close()
		return
	}
	nc.SetDeadline(time.Time{})
	if hs.v1 {
		client.Transport = session.V1
	}
	client.Deflate = hs.deflate
	early := make([]byte, rw.Reader.Buffered())
	rw.Reader.Read(early) // what came right behind the handshake
	handedOver = true
	w.startSession(nc, early, client)
}

// startSession makes a connection a session.
func (w *web) startSession(nc net.Conn, early []byte, client session.Client) {
	w.Env.Clients.Connected(&client)
	w.Serve(nc, early, client)
}

func (w *web) acquireSlot(r *http.Request) *wire.CodedError {
	switch err := w.AcquireSlot(addrOf(r).Addr()); {
	case err == nil:
		return nil
	case errors.Is(err, connlimit.ErrShare):
		return &wire.CodedError{
			Code: wire.RateLimited, Reason: "your address has as many connections as it can have; close some, or try again later", RetryAfter: 5 * time.Second,
		}
	}
	return &wire.CodedError{
		Code: wire.Unavailable, Reason: "the server has as many connections as it can; come back in a while", RetryAfter: 5 * time.Second,
	}
}

// client makes out who comes, from the request for an upgrade.
func (w *web) client(r *http.Request, room string, v1 bool) (session.Client, *wire.CodedError) {
	c, err := w.anonymousClient(r, room)
	if err != nil || v1 { // there, frames say all of what follows
		return c, err
	}
	q := r.URL.Query()
	if c.Last, err = parseLast(q.Get("last"), 0); err != nil {
		return c, err
	}
	if q.Has("name") {
		if err := w.reserveName(r, &c, q.Get("name")); err != nil {
			return c, err
		}
		c.Named = true
	}
	return c, nil
}

// anonymousClient is a client with a fresh session.
func (w *web) anonymousClient(r *http.Request, room string) (session.Client, *wire.CodedError) {
	secret, err := wire.NewSession(w.Env.Random)
	if err != nil {
		return session.Client{}, &wire.CodedError{Code: wire.Internal, Reason: "no randomness is to be had"}
	}
	return session.Client{Addr: addrOf(r), Session: secret, Room: room}, nil
}

// addrOf is where a request comes from; the zero value if that is unknown.
func addrOf(r *http.Request) netip.AddrPort {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return addr
}

// parseLast reads the parameter last. An empty one is otherwise.
func parseLast(last string, otherwise int) (int, *wire.CodedError) {
	if last == "" {
		return otherwise, nil
	}
	k, err := strconv.Atoi(last)
	if err != nil || k < 0 || k > wire.MaxLast {
		return 0, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("last is a number from 0 to %d", wire.MaxLast)}
	}
	return k, nil
}

// reserveName has the journal decide whether a client may have a name for as long as its connection lasts.
func (w *web) reserveName(r *http.Request, c *session.Client, asked string) *wire.CodedError {
	e, err := session.ReserveName(wire.SenderIDOf(c.Session), asked)
	if err != nil {
		return err
	}
	if err := w.paced(r, func() time.Duration {
		if wait := w.Env.Rates.Take(w.Env.Now(), e.SenderID, c.Addr.Addr(), 1); wait > 0 {
			return wait
		}
		return w.Env.Rates.TakeHold(w.Env.Now(), c.Addr.Addr())
	}); err != nil {
		return err
	}
	e.BindName()
	o, err := w.decide(e)
	switch {
	case err != nil:
		w.Env.Release(e.SenderID) // it may still come to be
		return err
	case o.Status == eventlog.Refused:
		return o.Err
	}
	return nil
}

// paced waits until take says that it need not wait, if that is soon: as names over ramai.v1, those of the plain door are
// not refused only because many come at once.
func (w *web) paced(r *http.Request, take func() time.Duration) *wire.CodedError {
	for end := time.Now().Add(decideTimeout); ; {
		wait := take()
		switch {
		case wait == 0:
			return nil
		case time.Now().Add(wait).After(end):
			return tooFast(wait)
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return tooFast(wait)
		}
	}
}

// decide has the journal decide about an event, and waits for it.
func (w *web) decide(e eventlog.Command) (*eventlog.Outcome, *wire.CodedError) {
	ctx, cancel := context.WithTimeout(context.Background(), decideTimeout)
	defer cancel()
	o, err := w.Env.Decide(ctx, e)
	switch {
	case err == nil:
		return o, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &wire.CodedError{
			Code: wire.Unavailable, RetryAfter: time.Second,
			Reason: "the server cannot write to its disk now, and whether this will be stored is not known; try the same again",
		}
	}
	return nil, &wire.CodedError{Code: wire.Unavailable, Reason: "the server is busy, or stops; nothing was stored, so try again", RetryAfter: time.Second}
}

func tooFast(wait time.Duration) *wire.CodedError {
	return &wire.CodedError{Code: wire.RateLimited, Reason: "too fast; wait, then try again", RetryAfter: max(wait, time.Millisecond)}
}
