package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/httpfield"
	"ramai/internal/session"
	"ramai/wire"
)

// serveRoom connects a client to a room, or tells a person how to connect.
func (w *web) serveRoom(out http.ResponseWriter, r *http.Request) {
	room := r.PathValue("room")
	if room == "" {
		room = wire.Lobby
	}
	if err := wire.CheckRoom(room); err != nil {
		if accepts(r, "text/html") && unknownHost(r, w.Hosts) == nil {
			w.page.WrongRoom(out, r, room, cmp.Or(wire.SuggestRoom(room), wire.Lobby))
			return
		}
		w.refuse(out, http.StatusNotFound, err)
		return
	}
	if r.Method != http.MethodGet || !httpfield.Has(r.Header.Values("Upgrade"), "websocket") {
		w.serveLanding(out, r, room)
		return
	}
	if r.Header["Origin"] != nil { // a page cannot omit it from a handshake
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

// upgrade takes over the connection, whose slot is acquired, answers the handshake, and starts the session.
func (w *web) upgrade(out http.ResponseWriter, hs *upgradeRequest, client session.Client) {
	handedOver := false
	defer func() {
		if handedOver {
			return
		}
		w.ReleaseSlot(client.Addr.Addr())
		if client.Named {
			w.Chat.ReleaseBound(wire.SenderIDOf(client.Session))
		}
	}()
	nc, rw, err := http.NewResponseController(out).Hijack()
	if err != nil {
		w.fail(out, &wire.CodedError{Code: wire.Internal, Reason: "this connection does not support WebSocket"})
		return
	}
	nc.SetDeadline(time.Now().Add(handshakeTimeout))
	if _, err := nc.Write(hs.response()); err != nil {
		nc.Close()
		return
	}
	nc.SetDeadline(time.Time{})
	if hs.v1 {
		client.Protocol = chat.V1
	}
	client.Deflate = hs.deflate
	early := make([]byte, rw.Reader.Buffered())
	rw.Reader.Read(early) // sent right after the handshake
	handedOver = true
	w.startSession(nc, early, client)
}

// startSession starts a session on a connection.
func (w *web) startSession(nc net.Conn, early []byte, client session.Client) {
	w.Clients.Connected(client.Addr, client.Protocol, client.Room, client.Deflate)
	w.Serve(nc, early, client)
}

func (w *web) acquireSlot(r *http.Request) *wire.CodedError {
	switch err := w.AcquireSlot(addrOf(r).Addr()); {
	case err == nil:
		return nil
	case errors.Is(err, connlimit.ErrShare):
		return &wire.CodedError{
			Code: wire.RateLimited, Reason: "your address has the maximum number of connections; close some, or try again later", RetryAfter: 5 * time.Second,
		}
	}
	return &wire.CodedError{
		Code: wire.Unavailable, Reason: "the server has the maximum number of connections; try again later", RetryAfter: 5 * time.Second,
	}
}

// client describes the client that requests an upgrade.
func (w *web) client(r *http.Request, room string, v1 bool) (session.Client, *wire.CodedError) {
	c, err := w.anonymousClient(r, room)
	if err != nil || v1 { // there, frames contain all of what follows
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

// anonymousClient is a client with a new session secret.
func (w *web) anonymousClient(r *http.Request, room string) (session.Client, *wire.CodedError) {
	secret, err := w.Chat.NewID()
	if err != nil {
		return session.Client{}, chat.Refusal(err)
	}
	return session.Client{Addr: addrOf(r), Session: secret, Room: room}, nil
}

// addrOf is the client's address and port; the zero value if unknown.
func addrOf(r *http.Request) netip.AddrPort {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return addr
}

// parseLast parses the parameter last; if it is empty, otherwise is returned.
func parseLast(last string, otherwise int) (int, *wire.CodedError) {
	if last == "" {
		return otherwise, nil
	}
	k, err := strconv.Atoi(last)
	if err != nil || k < 0 || k > wire.MaxLast {
		return 0, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid last %q (want a number from 0 to %d)", truncate(last), wire.MaxLast)}
	}
	return k, nil
}

// reserveName reserves a name for as long as the client's connection lasts. As on ramai.v1, a burst of clients is
// paced, not refused: reserveName waits until the rates allow the request.
func (w *web) reserveName(r *http.Request, c *session.Client, name string) *wire.CodedError {
	a := chat.Actor{SenderID: wire.SenderIDOf(c.Session), Addr: c.Addr, Protocol: chat.Plain, NameBound: true}
	request := chat.NameRequest{Name: name}
	for end := time.Now().Add(decideTimeout); ; {
		o, err := w.await(func(reply chat.Reply) error { return w.Chat.ReserveName(&a, &request, reply) })
		wait := chat.Wait(err)
		switch {
		case err == error(chat.ErrUnknown):
			w.Chat.ReleaseBound(a.SenderID) // it may still be reserved
			return chat.ErrUnknown
		case err != nil && (wait == 0 || time.Now().Add(wait).After(end)):
			return chat.Refusal(err)
		case err == nil && o.Status == eventlog.Refused:
			return o.Err
		case err == nil:
			return nil
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return chat.Refusal(err)
		}
	}
}

// await submits a command, and waits for its outcome.
func (w *web) await(submit func(chat.Reply) error) (*eventlog.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), decideTimeout)
	defer cancel()
	return chat.Await(ctx, submit)
}
