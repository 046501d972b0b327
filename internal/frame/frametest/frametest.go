// Package frametest makes compressed messages that take long to inflate for their size.
package frametest

// order is the order in which code lengths for code lengths are stored (RFC 1951, section 3.2.7).
var order = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// ShortBlocks returns a compressed message of n blocks of eleven bytes. Each defines a code with only an end of block,
// and has no content.
func ShortBlocks(n int) []byte {
	symbols := make([]int, 257)
	symbols[256] = 1
	return blocks(n, symbols, map[int]int{18: 1, 1: 1})
}

// LongCodes returns a compressed message of n blocks of about thirty bytes. Each defines a code with as many long codes
// as possible that have little in common, and has no content.
func LongCodes(n int) []byte {
	symbols := make([]int, 263)
	for i := range symbols {
		symbols[i] = 10
	}
	copy(symbols, []int{1, 2, 11, 12, 13, 14, 15, 15})
	return blocks(n, symbols, map[int]int{16: 1, 10: 2, 1: 4, 2: 5, 11: 5, 12: 5, 13: 5, 14: 5, 15: 5})
}

// blocks returns a compressed message of n blocks whose symbols have codes of the given lengths. ofLengths holds the
// lengths of the codes for these lengths.
func blocks(n int, symbols []int, ofLengths map[int]int) []byte {
	all := append(symbols[:len(symbols):len(symbols)], 1) // a distance as well
	lengths := make([]int, len(order))
	for s, bits := range ofLengths {
		lengths[s] = bits
	}
	of, codes := codes(lengths), codes(symbols)
	var w writer
	for range n {
		w.number(0b10_0, 3) // not the last block; dynamic codes
		w.number(len(symbols)-257, 5)
		w.number(0, 5)
		w.number(len(order)-4, 4)
		for _, s := range order {
			w.number(lengths[s], 3)
		}
		for i := 0; i < len(all); {
			same := 1
			for i+same < len(all) && all[i+same] == all[i] {
				same++
			}
			switch {
			case all[i] == 0 && same >= 11:
				same = min(same, 138)
				w.code(of[18])
				w.number(same-11, 7)
			case i > 0 && all[i-1] == all[i] && same >= 3 && ofLengths[16] > 0:
				same = min(same, 6)
				w.code(of[16])
				w.number(same-3, 2)
			default:
				same = 1
				w.code(of[all[i]])
			}
			i += same
		}
		w.code(codes[256])
	}
	w.number(0b00_0, 3) // with the tail of the message, this is the start of an empty block
	return w.b
}

// code is a Huffman code of some bits.
type code struct{ value, bits int }

// codes returns the codes for the given lengths (RFC 1951, section 3.2.2).
func codes(lengths []int) []code {
	all := make([]code, len(lengths))
	next := 0
	for bits := 1; bits <= 15; bits++ {
		next <<= 1
		for s, n := range lengths {
			if n == bits {
				all[s] = code{next, bits}
				next++
			}
		}
	}
	return all
}

// writer writes bits, lowest bit of a byte first.
type writer struct {
	b []byte
	n int
}

// number writes the lowest bits of v, lowest first.
func (w *writer) number(v, bits int) {
	for i := range bits {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// code writes a code, highest bit first.
func (w *writer) code(c code) {
	for i := range c.bits {
		w.number(c.value>>(c.bits-1-i), 1)
	}
}
