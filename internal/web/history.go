package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ramai/internal/chat"
	"ramai/internal/room"
	"ramai/wire"
)

// getMessages answers GET /api/v1/rooms/ROOM/messages?after=&before=&at=&as=&limit=.
func (w *web) getMessages(out http.ResponseWriter, r *http.Request) {
	ask, err := w.parseHistory(r.PathValue("room"), r.URL.Query())
	var past *wire.HistoryResponse
	if err == nil {
		a := actorOf(r)
		err = w.handOver(out, a, func(again bool) (_ []room.Range, err *wire.CodedError) {
			if past, err = w.read(a, ask, writeTimeout, again); err != nil {
				return nil, err
			}
			return rangeOf(ask.Room, past.Messages), nil
		}, func() { answer(out, http.StatusOK, past) })
	}
	if err != nil {
		w.fail(out, err)
	}
}

// read reads a page of history for an actor within a time. A page that is read again is not counted.
func (w *web) read(a *chat.Actor, ask wire.History, within time.Duration, again bool) (*wire.HistoryResponse, *wire.CodedError) {
	type result struct {
		page wire.Page
		err  error
	}
	done := make(chan result, 1) // nobody may be waiting any more
	receive := func(p wire.Page, err error) { done <- result{p, err} }
	if again {
		w.Chat.ReadAgain(a, ask, receive)
	} else if err := w.Chat.History(a, ask, receive); err != nil {
		return nil, chat.Refusal(err)
	}
	var page wire.Page
	select {
	case read := <-done:
		if read.err != nil {
			return nil, chat.Refusal(read.err)
		}
		page = read.page
	case <-time.After(within):
		return nil, &wire.CodedError{Code: wire.Unavailable, Reason: "the messages could not be read in time; try again", RetryAfter: time.Second}
	}
	past := &wire.HistoryResponse{HistoryID: page.HistoryID, Epoch: page.Epoch, First: page.First, Reset: page.Reset, Target: page.Target, Head: page.Head, Messages: page.Messages, Skipped: page.Skipped, More: page.More, As: page.As, Mine: page.Mine}
	if past.Messages == nil {
		past.Messages = []wire.Message{}
	}
	return past, nil
}

// parseHistory parses the range of messages in a query.
func (w *web) parseHistory(room string, q url.Values) (ask wire.History, err *wire.CodedError) {
	ask = wire.History{Room: room}
	if ask.Limit, err = parseLimit(q, wire.MaxPage); err != nil {
		return ask, err
	}
	if before := q.Get("before"); before != "" {
		n, bad := strconv.ParseUint(before, 10, 64)
		if bad != nil {
			return ask, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid before %q (want a number)", truncate(before))}
		}
		ask.Before = &n
	}
	if after := q.Get("after"); after != "" {
		if ask.After, err = w.position("after", after); err != nil {
			return ask, err
		}
	}
	if at := q.Get("at"); at != "" {
		t, err := wire.ParseTime(at)
		if err != nil {
			return ask, &wire.CodedError{Code: wire.BadRequest, Reason: "at: " + err.Reason}
		}
		ask.At = &t
	}
	ask.As = q.Get("as")
	return ask, ask.Check()
}

// position parses LOG:EPOCH:N, LOG:N, or N in the current history.
func (w *web) position(name, s string) (*wire.Position, *wire.CodedError) {
	p, ok := wire.ParsePosition(s)
	if !ok {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid %s %q (want a number, or a position LOG:EPOCH:N from the server)", name, truncate(s))}
	}
	if p.HistoryID == "" {
		p.HistoryID = w.Chat.Position(0).HistoryID
	}
	return &p, nil
}
