package frame

import (
	"compress/flate"
	"strconv"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws/wsflate"
)

// Bits is a deflate window, as the logarithm of its size in bytes: 8 to 15.
type Bits int

// Windows: the one used by [AppendDeflated], the smallest and the largest.
const (
	TextBits  Bits = 12
	LeastBits Bits = 8
	MostBits  Bits = 15
)

// AnswerDeflate evaluates one offer of a Sec-WebSocket-Extensions header (RFC 7692, section 7.1). It returns the answer
// that accepts the offer, and the window that the server may use. It returns false if the offer is for another
// extension, malformed, or for a window smaller than least.
func AnswerDeflate(offer httphead.Option, least Bits) (answer httphead.Option, window Bits, ok bool) {
	ok = string(offer.Name) == wsflate.ExtensionName
	asked := make(map[string]bool)
	window = MostBits
	offer.Parameters.ForEach(func(key, value []byte) bool {
		name := string(key)
		ok = ok && !asked[name] && isAcceptable(name, value)
		if name == "server_max_window_bits" {
			window = bits(value)
			ok = ok && window >= least
		}
		asked[name] = true
		return ok
	})
	if !ok {
		return httphead.Option{}, 0, false
	}
	p := wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	if asked["server_max_window_bits"] {
		p.ServerMaxWindowBits = wsflate.WindowBits(window) // required in the answer to an offer that has it
	}
	return p.Option(), window, true
}

// bits parses a window and returns 0 for an invalid one. The library's parser accepts "08".
func bits(value []byte) Bits {
	n, err := strconv.Atoi(string(value))
	if err != nil || strconv.Itoa(n) != string(value) || n < int(LeastBits) || n > int(MostBits) {
		return 0
	}
	return Bits(n)
}

// isAcceptable evaluates one parameter of an offer; value is nil if it has none. The library's parser accepts
// client_max_window_bits twice.
func isAcceptable(name string, value []byte) bool {
	switch name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return value == nil
	case "server_max_window_bits":
		return bits(value) != 0
	case "client_max_window_bits": // a hint that may be ignored: windows of any size can be inflated
		return value == nil || bits(value) != 0
	}
	return false
}

// level is the compression level. The next ones take 1.5 and 2 times as long and save two percent.
const level = flate.BestSpeed

// deflateTail is the end of a flushed deflate stream, which is not sent (RFC 7692, section 7.2.1).
const deflateTail = "\x00\x00\xff\xff"

// deflater is a [flate.Writer] with its output.
type deflater struct {
	w   *flate.Writer
	out []byte
}

func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	d.w, _ = flate.NewWriter(d, level) // fails only for invalid levels
	return d
}}

// AppendDeflated appends a text message as one unmasked, deflated frame for readers with a window of TextBits or more.
// If that is not smaller, it does the same as AppendText. The result depends only on the payload, which must be valid
// UTF-8. Readers must have negotiated permessage-deflate.
func AppendDeflated(dst, payload []byte) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	deflated := d.deflate(payload, TextBits)
	if len(deflated) >= len(payload) {
		return AppendText(dst, payload)
	}
	return append(AppendHeader(dst, Text|Deflated, len(deflated)), deflated...)
}

// Deflate appends the deflated payload for readers with a window of the given size. It is the payload of a frame whose
// Op is Text or Binary with Deflated.
func Deflate(dst, payload []byte, window Bits) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	return append(dst, d.deflate(payload, window)...)
}

// deflate returns the deflated payload, valid until d is used again. The deflater always uses the largest window, so it
// is reset for each piece of the payload that fits the window, and nothing refers to a previous piece.
func (d *deflater) deflate(payload []byte, window Bits) []byte {
	d.out = d.out[:0]
	for {
		piece := payload[:min(len(payload), 1<<window)]
		d.w.Reset(d)
		d.w.Write(piece) // neither this nor Flush can fail, because Write above does not
		d.w.Flush()
		if payload = payload[len(piece):]; len(payload) == 0 {
			break
		}
	}
	if out := d.out[:len(d.out)-len(deflateTail)]; len(out) > 0 {
		return out
	}
	return []byte{0} // RFC 7692, section 7.2.3.6
}
