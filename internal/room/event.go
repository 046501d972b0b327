package room

import "strconv"

// AppendEvent appends a server-sent event (HTML Living Standard, section 9.2). Its id is the position LOG:N, or if log is
// empty it has none. data must have no line breaks.
func AppendEvent(dst []byte, name, log string, n uint64, data []byte) []byte {
	if log != "" {
		dst = append(append(append(dst, "id: "...), log...), ':')
		dst = append(strconv.AppendUint(dst, n, 10), '\n')
	}
	dst = append(append(append(dst, "event: "...), name...), '\n')
	dst = append(append(dst, "data: "...), data...)
	return append(dst, "\n\n"...)
}
