package rehearse

import (
	"encoding/binary"
	"strings"
)

// A text is a head and padding. The head is "~", the run (4 hex digits), and 24 letters of 4 bits each, "@" for 0 to
// "O" for 15, highest first: the publisher (16 bits), the sequence number (32), and when it was due, in nanoseconds
// since the beginning (48). Letters that differ in 4 bits only can be read eight at a time.
const (
	runLen  = 1 + 4
	headLen = runLen + 24
)

// paddingOf returns the text after the head, for texts of the given size.
func paddingOf(size int) string {
	const filler = "the quick brown fox jumps over the lazy dog "
	return strings.Repeat(filler, size/len(filler)+1)[:size-headLen]
}

func appendText(dst, run []byte, s stamp, due int64, padding string) []byte {
	seq := uint64(s.seq())
	dst = append(dst, run...)
	dst = binary.BigEndian.AppendUint64(dst, letters(uint64(s.publisher())<<16|seq>>16&0xffff))
	dst = binary.BigEndian.AppendUint64(dst, letters(seq&0xffff<<16|uint64(due)>>32&0xffff))
	dst = binary.BigEndian.AppendUint64(dst, letters(uint64(due)&0xffffffff))
	return append(dst, padding...)
}

// readHead reads the letters of a text of at least headLen bytes. It returns false if they are invalid.
func readHead(text []byte) (s stamp, due int64, ok bool) {
	text = text[runLen:headLen]
	a, ok1 := fromLetters(binary.BigEndian.Uint64(text))
	b, ok2 := fromLetters(binary.BigEndian.Uint64(text[8:]))
	c, ok3 := fromLetters(binary.BigEndian.Uint64(text[16:]))
	return stampOf(int(a>>16), int(a&0xffff<<16|b>>16)), int64(b&0xffff<<32 | c), ok1 && ok2 && ok3
}

const atSigns = 0x4040404040404040

// letters spreads 32 bits over eight letters.
func letters(v uint64) uint64 {
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v | v<<4) & 0x0f0f0f0f0f0f0f0f
	return v ^ atSigns
}

// fromLetters is the reverse of letters.
func fromLetters(v uint64) (uint64, bool) {
	v ^= atSigns
	ok := v&0xf0f0f0f0f0f0f0f0 == 0
	v = (v | v>>4) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	v = (v | v>>16) & 0x00000000ffffffff
	return v, ok
}
