package frame

import (
	"encoding/binary"
	mathbits "math/bits"

	"github.com/gobwas/ws"
)

// inflateTail completes a message with the bytes that are not sent and an empty last block, so that it ends as a stream
// does.
var inflateTail = []byte(deflateTail + "\x01\x00\x00\xff\xff")

// inflate inflates a message to at most limit bytes (RFC 7692, section 7.2.2). It stops at the first byte beyond the
// limit.
//
// Invalid data is refused with 1007: the frames are valid, but their content is not of the announced type, which is
// what RFC 6455, section 7.4.1, has that code for. RFC 7692 names no code.
//
// Package compress/flate is not used for this. Its tables take microseconds to fill, and a block of a dozen bytes
// without content can require new ones: 8 KB of such blocks took 20 ms, during which a loop serves no other connection,
// and 12 MB of memory. Here a compressed byte costs at most about 50 ns. Since messages are short, smaller tables are
// faster for ordinary messages as well.
func inflate(payload []byte, limit int) ([]byte, *Error) {
	f := inflater{in: payload, limit: limit, out: make([]byte, 0, min(3*len(payload), limit))}
	// Further blocks may follow a last block (RFC 7692, section 7.2.1), as another stream.
	for f.err == nil && f.pos < len(payload)+len(inflateTail) {
		f.stream()
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.out, nil
}

// inflater is one message being inflated (RFC 1951). Its output is also the window that later blocks refer to.
type inflater struct {
	in    []byte // followed by inflateTail
	pos   int    // bytes read into acc
	acc   uint64 // next bits, lowest first
	n     uint   // number of bits in acc
	out   []byte
	limit int
	begin int // start of the stream in out: references do not reach beyond

	err              *Error // first error
	symbols, offsets huffman
}

// fail ends inflating, and keeps the first error.
func (f *inflater) fail(err *Error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *inflater) corrupt() {
	f.fail(refuse(ws.StatusInvalidFramePayloadData, "a compressed message is not valid deflate data"))
}

// stream reads blocks up to a last one, and the rest of its last byte.
func (f *inflater) stream() {
	f.begin = len(f.out)
	for last := false; !last && f.err == nil; {
		last = f.readBits(1) == 1
		switch f.readBits(2) {
		case 0:
			f.stored()
		case 1:
			f.compressed(&fixedSymbols, &fixedOffsets)
		case 2:
			if f.tables(); f.err == nil {
				f.compressed(&f.symbols, &f.offsets)
			}
		default:
			f.corrupt()
		}
	}
	f.align()
}

// fill loads at least 48 bits into acc, which is enough for all bits of a symbol, or all bits that are left.
func (f *inflater) fill() {
	if f.n >= 48 {
		return
	}
	if f.pos+8 <= len(f.in) {
		f.acc |= binary.LittleEndian.Uint64(f.in[f.pos:]) << f.n
		f.pos += int(63-f.n) / 8
		f.n |= 56
		return
	}
	for rest := f.rest(); f.n <= 56 && len(rest) > 0; rest = f.rest() {
		f.acc |= uint64(rest[0]) << f.n
		f.pos++
		f.n += 8
	}
}

// rest returns the input behind acc, up to the end of the message or of inflateTail.
func (f *inflater) rest() []byte {
	if f.pos < len(f.in) {
		return f.in[f.pos:]
	}
	return inflateTail[f.pos-len(f.in):]
}

// readBits reads a number of n bits, 0 to 16.
func (f *inflater) readBits(n uint) int {
	f.fill()
	v := f.acc & (1<<n - 1)
	f.dropBits(n)
	return int(v)
}

// dropBits drops n bits.
func (f *inflater) dropBits(n uint) {
	if n > f.n {
		f.corrupt()
		return
	}
	f.acc >>= n
	f.n -= n
}

// align drops the rest of a byte and empties acc.
func (f *inflater) align() {
	f.pos -= int(f.n / 8)
	f.acc, f.n = 0, 0
}

// hasRoom reports whether n more bytes may be appended.
func (f *inflater) hasRoom(n int) bool {
	if len(f.out)+n > f.limit {
		f.fail(refuse(ws.StatusMessageTooBig, "a message that inflates to more than %d bytes, which is the limit", f.limit))
	}
	return f.err == nil
}

// stored reads an uncompressed block (section 3.2.4), after its type.
func (f *inflater) stored() {
	f.align()
	n := f.readBits(16)
	if f.readBits(16) != n^0xffff {
		f.corrupt()
	}
	f.align()
	for n > 0 && f.err == nil {
		part := f.rest()
		part = part[:min(n, len(part))]
		if len(part) == 0 {
			f.corrupt()
		}
		if f.hasRoom(len(part)) {
			f.out = append(f.out, part...)
			f.pos += len(part)
			n -= len(part)
		}
	}
}

// compressed reads the content of a compressed block (section 3.2.5).
func (f *inflater) compressed(symbols, offsets *huffman) {
	for f.err == nil {
		f.fill()
		s := f.symbol(symbols)
		switch {
		case s < 256:
			if f.hasRoom(1) {
				f.out = append(f.out, byte(s))
			}
			continue
		case s == endOfBlock:
			return
		case s >= endOfBlock+1+len(lengths):
			f.corrupt()
			return
		}
		l := lengths[s-endOfBlock-1]
		length := int(l.base) + f.readBits(uint(l.bits))
		s = f.symbol(offsets)
		if s >= len(distances) {
			f.corrupt()
			return
		}
		d := distances[s]
		distance := int(d.base) + f.readBits(uint(d.bits))
		if distance > len(f.out)-f.begin {
			f.corrupt()
			return
		}
		if f.hasRoom(length) {
			f.repeat(distance, length)
		}
	}
}

// repeat appends length bytes of out that start at distance before its end. The ranges may overlap.
func (f *inflater) repeat(distance, length int) {
	from := len(f.out) - distance
	for length > 0 {
		part := f.out[from:]
		part = part[:min(len(part), length)]
		f.out = append(f.out, part...)
		length -= len(part)
	}
}

const (
	endOfBlock   = 256
	maxSymbols   = 286
	maxDistances = 30
)

// order is the order in which code lengths for code lengths are stored (section 3.2.7).
var order = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables reads the codes of a block with dynamic codes (section 3.2.7) into symbols and offsets.
func (f *inflater) tables() {
	symbols, offsets, n := f.readBits(5)+endOfBlock+1, f.readBits(5)+1, f.readBits(4)+4
	if symbols > maxSymbols || offsets > maxDistances {
		f.corrupt()
		return
	}
	var of [len(order)]uint8
	for _, s := range order[:n] {
		of[s] = uint8(f.readBits(3))
	}
	coded := &f.symbols // until its own code is known
	if !coded.init(of[:]) {
		f.corrupt()
	}
	var all [maxSymbols + maxDistances]uint8
	for i, n := 0, symbols+offsets; i < n && f.err == nil; {
		f.fill()
		s := f.symbol(coded)
		var again int
		switch {
		case s < 16:
			all[i] = uint8(s)
			i++
			continue
		case s == 16:
			again = 3 + f.readBits(2)
		case s == 17:
			again = 3 + f.readBits(3)
		default:
			again = 11 + f.readBits(7)
		}
		if i+again > n || s == 16 && i == 0 {
			f.corrupt()
			return
		}
		if s == 16 {
			for j := range again {
				all[i+j] = all[i-1]
			}
		}
		i += again
	}
	if !f.symbols.init(all[:symbols]) || !f.offsets.init(all[symbols:symbols+offsets]) {
		f.corrupt()
	}
}

// A codeRange is a range of lengths or distances: base plus a number of bits.
type codeRange struct {
	base uint16
	bits uint8
}

// lengths and distances are the meanings of symbols (section 3.2.5).
var (
	lengths   = append(codeRanges(3, 4, maxSymbols-endOfBlock-2), codeRange{base: 258}) // the maximum has a symbol of its own
	distances = codeRanges(1, 2, maxDistances)
)

// codeRanges returns n consecutive ranges. The first few have no bits; after that, each few have one more.
func codeRanges(base, short, n int) (all []codeRange) {
	for i := range n {
		s := codeRange{uint16(base), uint8(max(0, i/short-1))}
		all = append(all, s)
		base += 1 << s.bits
	}
	return all
}

// maxCode is the maximum length of a code in bits.
const maxCode = 15

// huffman is a Huffman code (section 3.2.2). Codes of one length are consecutive numbers, so the number of codes of
// each length defines them. Codes are looked up length by length.
type huffman struct {
	end     [maxCode + 1]uint32 // end of the codes with that many bits, as the upper bits of 16
	index   [maxCode + 1]int32  // added to a code of that many bits, it gives the index into symbols
	symbols [288]uint16         // in the order of their codes
	least   uint                // length of the shortest code
}

// init builds the code whose symbols have codes of the given lengths; 0 means none. It returns false if there is no
// such code, or if it is incomplete. As an exception there may be a single symbol with a code of one bit, or none at
// all.
func (h *huffman) init(lengths []uint8) bool {
	var count, offset [maxCode + 1]int
	for _, n := range lengths {
		if n > 0 {
			count[n]++
		}
	}
	code, used := 0, 0
	h.least = 0
	for n := 1; n <= maxCode; n++ {
		code <<= 1
		h.index[n], offset[n] = int32(used-code), used
		code += count[n]
		used += count[n]
		h.end[n] = uint32(code << (16 - n))
		if used == 0 {
			h.least = uint(n)
		}
	}
	if used > 0 && code != 1<<maxCode && (used != 1 || count[1] != 1) {
		return false
	}
	h.least++
	for s, n := range lengths {
		if n > 0 {
			h.symbols[offset[n]] = uint16(s)
			offset[n]++
		}
	}
	return true
}

// symbol reads a symbol. For bits that are not a code it fails and returns endOfBlock.
func (f *inflater) symbol(h *huffman) int {
	code := uint32(mathbits.Reverse16(uint16(f.acc)))
	for n := h.least; n <= maxCode; n++ {
		if code < h.end[n] {
			f.dropBits(n)
			return int(h.symbols[int32(code>>(16-n))+h.index[n]])
		}
	}
	f.corrupt()
	return endOfBlock
}

// The codes of blocks with fixed codes (section 3.2.6).
var fixedSymbols, fixedOffsets = fixed()

func fixed() (symbols, offsets huffman) {
	var n [288]uint8
	for s := range n {
		switch {
		case s < 144:
			n[s] = 8
		case s < 256:
			n[s] = 9
		case s < 280:
			n[s] = 7
		default:
			n[s] = 8
		}
	}
	symbols.init(n[:])
	for s := range 32 {
		n[s] = 5
	}
	offsets.init(n[:32])
	return symbols, offsets
}
