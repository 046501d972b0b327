package room

import "ramai/wire"

// AppendEvent appends a server-sent event (HTML Living Standard, section 9.2). Its id is the position at; with a zero
// position it has none. data must not contain line breaks.
func AppendEvent(dst []byte, name string, at wire.Position, data []byte) []byte {
	if at.HistoryID != "" {
		dst = append(wire.AppendPosition(append(dst, "id: "...), at), '\n')
	}
	dst = append(append(append(dst, "event: "...), name...), '\n')
	dst = append(append(dst, "data: "...), data...)
	return append(dst, "\n\n"...)
}
