package web

import (
	"bytes"
	"net/http"
	"time"

	"ramai/internal/chat"
	"ramai/internal/httpfield"
	"ramai/internal/session"
	"ramai/wire"
)

// ndjson is the media type of JSON objects, one on each line.
const ndjson = "application/x-ndjson"

// stream answers GET /api/v1/rooms/ROOM/stream?after=&last= with the headers of a response that does not end. A session
// writes the body, as for any other client.
func (w *web) stream(out http.ResponseWriter, r *http.Request) {
	client, err := w.streamClient(r)
	if err == nil { // the session checks it again, when the status is sent already
		err = chat.Refusal(w.Chat.MayRead(&chat.Actor{SenderID: client.Who.SenderID, Addr: client.Addr}, client.Room))
	}
	if err == nil {
		err = w.acquireSlot(r)
	}
	if err != nil {
		w.fail(out, err)
		return
	}
	handedOver := false
	defer func() {
		if !handedOver {
			w.ReleaseSlot(client.Addr.Addr())
		}
	}()
	kind := "text/event-stream; charset=utf-8"
	if client.Protocol == chat.Lines {
		kind = ndjson
	}
	header := describe(out, kind)
	header.Set("X-Accel-Buffering", "no") // makes nginx forward data at once
	if r.Method == http.MethodHead {
		return
	}
	if r.ProtoMajor > 1 {
		handedOver = true
		w.streamHTTP2(out, r, client)
		return
	}
	header.Set("Connection", "close") // the response has no length and ends with the connection
	nc, _, hijack := http.NewResponseController(out).Hijack()
	if hijack != nil {
		w.fail(out, &wire.CodedError{Code: wire.Internal, Reason: "this connection does not support streams"})
		return
	}
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 200 OK\r\n")
	header.Write(&head)
	head.WriteString("\r\n")
	nc.SetDeadline(time.Now().Add(handshakeTimeout))
	if _, err := nc.Write(head.Bytes()); err != nil {
		nc.Close()
		return
	}
	nc.SetDeadline(time.Time{})
	handedOver = true
	w.startSession(nc, nil, client)
}

// streamClient describes the client that requests a stream, and where its stream begins.
func (w *web) streamClient(r *http.Request) (session.Client, *wire.CodedError) {
	c, err := w.anonymousClient(r, r.PathValue("room"))
	if err != nil {
		return c, err
	}
	c.Who = who(r)
	c.Protocol = chat.Events
	if wantsLines(r) {
		c.Protocol = chat.Lines
	}
	q := r.URL.Query()
	if c.Last, err = parseLast(q.Get("last"), wire.DefaultJoin); err != nil {
		return c, err
	}
	// The header is newer than the URL: a browser that reconnects requests the same URL again.
	name, after := "after", q.Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		name, after = "Last-Event-ID", id
	}
	if after != "" {
		c.After, err = w.position(name, after)
	}
	return c, err
}

// accepts reports whether a request accepts a media type by name.
func accepts(r *http.Request, kind string) bool {
	q, named := httpfield.Quality(r.Header.Values("Accept"), kind)
	return named && q > 0
}

// wantsLines reports whether a request prefers lines to events.
func wantsLines(r *http.Request) bool {
	accept := r.Header.Values("Accept")
	q, _ := httpfield.Quality(accept, ndjson, "application/*", "*/*")
	events, _ := httpfield.Quality(accept, "text/event-stream", "text/*", "*/*")
	return q > events || q == events && accepts(r, ndjson)
}

// streamHTTP2 streams over HTTP/2, where many requests share a connection, so it cannot be taken over. It returns when
// the stream has ended.
func (w *web) streamHTTP2(out http.ResponseWriter, r *http.Request, client session.Client) {
	f := newHTTP2Conn(out, r)
	out.WriteHeader(http.StatusOK)
	f.control.Flush()
	f.control.SetReadDeadline(time.Time{})
	f.control.SetWriteDeadline(time.Time{})
	w.startSession(f, nil, client)
	<-f.closed
}
