package frame

import (
	"compress/flate"
	"strconv"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws/wsflate"
)

// Bits is a window of deflate, the logarithm of its bytes: 8 to 15.
type Bits int

// Windows: the one that [AppendDeflated] has, and those that there can be at least and at most.
const (
	TextBits  Bits = 12
	LeastBits Bits = 8
	MostBits  Bits = 15
)

// AnswerDeflate judges one offer of a Sec-WebSocket-Extensions header (RFC 7692, section 7.1). It returns the answer
// that accepts the offer, and the window that the offer has for what the server sends. False: it is another extension, not
// well-formed, or has a window smaller than least.
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
		p.ServerMaxWindowBits = wsflate.WindowBits(window) // who asked for it is to be told
	}
	return p.Option(), window, true
}

// bits reads a window; 0: there is none like that. The library's parser lets "08" pass.
func bits(value []byte) Bits {
	n, err := strconv.Atoi(string(value))
	if err != nil || strconv.Itoa(n) != string(value) || n < int(LeastBits) || n > int(MostBits) {
		return 0
	}
	return Bits(n)
}

// isAcceptable judges one parameter of an offer; value is nil if it has none. The library's parser lets a doubled
// client_max_window_bits pass.
func isAcceptable(name string, value []byte) bool {
	switch name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return value == nil
	case "server_max_window_bits":
		return bits(value) != 0
	case "client_max_window_bits": // a hint that may be ignored: a window of any size is inflated
		return value == nil || bits(value) != 0
	}
	return false
}

// level is how hard messages are deflated. The next ones take half as long again, or twice as long, for two bytes in a
// hundred.
const level = flate.BestSpeed

// deflateTail ends what a flush of the deflater writes, and does not travel (RFC 7692, section 7.2.1).
const deflateTail = "\x00\x00\xff\xff"

// deflater is a [flate.Writer] with what it has written.
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
	d.w, _ = flate.NewWriter(d, level) // fails for levels that do not exist
	return d
}}

// AppendDeflated appends a text message as one unmasked, deflated frame, for readers with a window of TextBits or more;
// or, where that would not be smaller, as AppendText does. The bytes depend on the payload alone. The payload must be valid
// UTF-8, and the reader must have accepted permessage-deflate.
func AppendDeflated(dst, payload []byte) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	deflated := d.deflate(payload, TextBits)
	if len(deflated) >= len(payload) {
		return AppendText(dst, payload)
	}
	return append(AppendHeader(dst, Text|Deflated, len(deflated)), deflated...)
}

// Deflate appends what payload is deflated to, for readers with a window of that size. It is the payload of a frame whose
// Op is a kind of message and Deflated.
func Deflate(dst, payload []byte, window Bits) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	return append(dst, d.deflate(payload, window)...)
}

// deflate deflates payload, as long as d is not used again. The deflater always has the largest window, so each piece of
// payload that fits the window begins anew, and nothing in it refers to what is before it.
func (d *deflater) deflate(payload []byte, window Bits) []byte {
	d.out = d.out[:0]
	for {
		piece := payload[:min(len(payload), 1<<window)]
		d.w.Reset(d)
		d.w.Write(piece) // neither this nor Flush can fail: Write above does not
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
