package room

import (
	"strconv"

	"ramai/wire"
)

// EventID is a position as the id of a server-sent event, and as an HTTP client names it: LOG:N.
func EventID(log string, n uint64) string { return log + ":" + strconv.FormatUint(n, 10) }

// AppendEvent appends a server-sent event (HTML Living Standard, section 9.2). data must have no line breaks; an empty
// id is none.
func AppendEvent[T ~string | ~[]byte](dst []byte, name, id string, data T) []byte {
	if id != "" {
		dst = append(append(append(dst, "id: "...), id...), '\n')
	}
	dst = append(append(append(dst, "event: "...), name...), '\n')
	dst = append(append(dst, "data: "...), data...)
	return append(dst, "\n\n"...)
}

// event appends a message as an event.
func (h *Hub) event(dst []byte, m *wire.Message, payload []byte) []byte {
	dst = append(append(append(dst, "id: "...), h.log...), ':')
	dst = append(strconv.AppendUint(dst, m.N, 10), '\n')
	return AppendEvent(dst, "message", "", payload)
}
