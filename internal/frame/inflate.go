package frame

import (
	"encoding/binary"
	mathbits "math/bits"

	"github.com/gobwas/ws"
)

// inflateTail ends a message with what did not travel, and with an empty last block: so it ends as a stream does.
var inflateTail = []byte(deflateTail + "\x01\x00\x00\xff\xff")

// inflate returns what a message of at most limit bytes was deflated from (RFC 7692, section 7.2.2). It stops at the
// first byte above the limit.
//
// What cannot be inflated is refused with 1007: the frames are in order, but what is in them is not of the kind that
// they say it is, which is what RFC 6455, section 7.4.1, has that code for. RFC 7692 names none.
//
// Package compress/flate is not used for this. It decodes with tables that take microseconds to fill, and a block of a
// dozen bytes can ask for new ones and hold nothing: 8 KB of such blocks took it 20 ms, in which nobody else of a loop is
// served, and 12 MB of memory. Here a compressed byte costs some 50 ns at most. Messages are short, so smaller tables
// are also faster for good ones.
func inflate(payload []byte, limit int) ([]byte, *Error) {
	f := inflater{in: payload, limit: limit, out: make([]byte, 0, min(3*len(payload), limit))}
	// A last block may be followed by others (RFC 7692, section 7.2.1), as a stream of their own.
	for f.err == nil && f.pos < len(payload)+len(inflateTail) {
		f.stream()
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.out, nil
}

// inflater is one message that is being inflated (RFC 1951). What is inflated is also what later blocks refer to.
type inflater struct {
	in    []byte // and behind it inflateTail
	pos   int    // bytes taken into acc
	acc   uint64 // the next bits, the first lowest
	n     uint   // how many
	out   []byte
	limit int
	begin int // where in out the stream began: nothing refers to what is before

	err              *Error // the first
	symbols, offsets huffman
}

// fail ends it, with the first err.
func (f *inflater) fail(err *Error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *inflater) corrupt() {
	f.fail(refuse(ws.StatusInvalidFramePayloadData, "a compressed message is not in the format of deflate"))
}

// stream takes blocks up to a last one, and the rest of its last byte.
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

// fill makes acc hold 48 bits or more, which is enough for all that belongs to a symbol, or all that are left.
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

// rest is what follows acc, up to the end of the message or of inflateTail.
func (f *inflater) rest() []byte {
	if f.pos < len(f.in) {
		return f.in[f.pos:]
	}
	return inflateTail[f.pos-len(f.in):]
}

// readBits takes a number of n bits, 0 to 16.
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

// align drops the rest of a byte, and empties acc.
func (f *inflater) align() {
	f.pos -= int(f.n / 8)
	f.acc, f.n = 0, 0
}

// hasRoom tells whether n more bytes may be inflated.
func (f *inflater) hasRoom(n int) bool {
	if len(f.out)+n > f.limit {
		f.fail(refuse(ws.StatusMessageTooBig, "a message that inflates to more than %d bytes; that is the limit", f.limit))
	}
	return f.err == nil
}

// stored takes a block that is not compressed (section 3.2.4), behind its type.
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

// compressed takes what is in a compressed block (section 3.2.5).
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

// repeat appends length bytes of out, from distance before its end on; they may be among those that it appends.
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

// order is the one in which the lengths of the codes for lengths come (section 3.2.7).
var order = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables takes the codes of a block that has its own (section 3.2.7) into symbols and offsets.
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
	coded := &f.symbols // until its own are known
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

// A codeRange is a range of lengths or distances: from base on, as far as a number of so many bits reaches.
type codeRange struct {
	base uint16
	bits uint8
}

// lengths and distances are what symbols mean (section 3.2.5).
var (
	lengths   = append(codeRanges(3, 4, maxSymbols-endOfBlock-2), codeRange{base: 258}) // the longest has a symbol of its own
	distances = codeRanges(1, 2, maxDistances)
)

// codeRanges makes n of them, one behind the other. The first of them have no bits; from then on each few have one more.
func codeRanges(base, few, n int) (all []codeRange) {
	for i := range n {
		s := codeRange{uint16(base), uint8(max(0, i/few-1))}
		all = append(all, s)
		base += 1 << s.bits
	}
	return all
}

// maxCode is how many bits a code has at most.
const maxCode = 15

// huffman is a Huffman code (section 3.2.2). Codes of one length are consecutive numbers, so how many there are of each
// length says it all. A code is looked for length by length.
type huffman struct {
	end     [maxCode + 1]uint32 // behind the last code of that many bits, as the upper bits of 16
	index   [maxCode + 1]int32  // what to add to a code of that many bits for its place in symbols
	symbols [288]uint16         // in the order of their codes
	least   uint                // bits of the shortest code
}

// init makes h the code whose symbols have codes of these lengths; 0: none. It returns false if there is no such code, or
// a part of it would mean nothing. As an exception there may be a single symbol, with a code of one bit, or none at all.
func (h *huffman) init(lengths []uint8) bool {
	var count, place [maxCode + 1]int
	for _, n := range lengths {
		if n > 0 {
			count[n]++
		}
	}
	code, used := 0, 0
	h.least = 0
	for n := 1; n <= maxCode; n++ {
		code <<= 1
		h.index[n], place[n] = int32(used-code), used
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
			h.symbols[place[n]] = uint16(s)
			place[n]++
		}
	}
	return true
}

// symbol takes a symbol. What has no code is the end of a block, and not in order.
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

// The codes of blocks that have none of their own (section 3.2.6).
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
