package room

import (
	"ramai/internal/eventlog"
	"ramai/internal/frame"
	"ramai/wire"
)

// Encoding is a form in which a room's messages are sent.
type Encoding uint8

// The encodings of WebSocket messages, of the same with permessage-deflate, and of HTTP streams.
const (
	Text Encoding = iota // plain protocol: the bare text
	JSON                 // ramai.v1
	DeflatedText
	DeflatedJSON
	Events    // HTTP response of server-sent events
	JSONLines // HTTP response of JSON lines
	encodings
)

// ReceivesState reports whether readers of e are also sent the state of the room.
func (e Encoding) ReceivesState() bool { return e != Text && e != DeflatedText }

// Deflated returns the encoding for readers of e that negotiated permessage-deflate. Encodings that have no deflated
// form are their own.
func (e Encoding) Deflated() Encoding {
	switch e {
	case Text:
		return DeflatedText
	case JSON:
		return DeflatedJSON
	}
	return e
}

// minDeflate is the smallest payload that is deflated, in bytes. Below it, deflating saves less than inflating costs.
const minDeflate = 512

// encode appends r as it is sent: one complete WebSocket frame, event or line. It appends nothing for a record that the
// encoding does not show; readers then only move on. The result depends only on the row, the history and the epoch.
func (h *Hub) encode(e Encoding, dst []byte, r *eventlog.Record, scratch []byte) (frames, used []byte, err error) {
	shown := true
	if e == Text || e == DeflatedText {
		scratch, shown, err = r.AppendLine(scratch[:0])
	} else {
		scratch, err = r.AppendFrame(scratch[:0])
	}
	if err != nil || !shown {
		return dst, scratch, err
	}
	switch e {
	case JSONLines:
		return append(append(dst, scratch...), '\n'), scratch, nil
	case Events:
		return AppendEvent(dst, r.FrameType(), wire.Position{HistoryID: h.historyID, Epoch: h.store.Epoch().Name, N: r.N}, scratch), scratch, nil
	case DeflatedText, DeflatedJSON:
		if len(scratch) >= minDeflate {
			return h.deflate(dst, scratch), scratch, nil
		}
	}
	return frame.AppendText(dst, scratch), scratch, nil
}
