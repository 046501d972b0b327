package tui

import (
	"io"
	"unicode/utf8"

	"github.com/charmbracelet/x/term"
)

// Limits of the input.
const (
	maxPaste    = 256 << 10 // bytes
	maxSequence = 1 << 10   // bytes of an escape sequence
)

const (
	escape   = 0x1b
	pasteEnd = "\x1b[201~"
)

// inputFilter protects the key decoder. It truncates endless pastes and sequences, and drops invalid UTF-8 and 8-bit
// control characters, which no terminal sends.
type inputFilter struct {
	in    io.Reader
	ready []byte // filtered and not yet returned
	part  []byte // the beginning of a character

	state  filterState
	length int // of the sequence, or the paste
	params []byte
	match  int // how many bytes of pasteEnd were just matched
}

// filterState says what the next byte belongs to.
type filterState uint8

const (
	inText      filterState = iota
	afterEscape             // after an escape
	inControl               // CSI (ECMA-48): up to a byte from @ to ~
	inString                // OSC, DCS, APC, PM, SOS: up to BEL or ESC \
	inStringEnd             // after an escape in it
	inPaste
)

// Read implements io.Reader.
func (r *inputFilter) Read(b []byte) (int, error) {
	for len(r.ready) == 0 {
		n, err := r.in.Read(b)
		r.feed(b[:n])
		if len(r.ready) == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(b, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// tty is a real terminal with a filter. It is still a file that can be polled.
type tty struct {
	file
	inputFilter
}

// file is a file that can be polled.
type file interface {
	term.File
	Name() string
}

// Read implements io.Reader. It may return 0 bytes: waiting here would block the poller of the file.
func (t *tty) Read(b []byte) (int, error) {
	const kept = utf8.UTFMax + len(pasteEnd) // bytes that may be returned in addition to those read
	n, err := t.file.Read(b[:max(len(b)-kept, 1)])
	t.feed(b[:n])
	n = copy(b, t.ready)
	t.ready = t.ready[n:]
	return n, err
}

// feed processes input, one character at a time.
func (r *inputFilter) feed(b []byte) {
	r.part = append(r.part, b...)
	for len(r.part) > 0 && utf8.FullRune(r.part) {
		c, size := utf8.DecodeRune(r.part)
		if !(c == utf8.RuneError && size == 1 || c >= 0x80 && c < 0xa0) {
			r.filter(r.part[:size])
		}
		r.part = r.part[size:]
	}
	r.part = append([]byte(nil), r.part...)
}

// filter passes a character on, unless its sequence or paste is too long.
func (r *inputFilter) filter(c []byte) {
	first, within := c[0], true
	switch r.state {
	case inText:
		if first == escape {
			r.state, r.length = afterEscape, 0
		}
	case afterEscape:
		switch first {
		case '[':
			r.state, r.params = inControl, r.params[:0]
		case ']', 'P', '_', '^', 'X':
			r.state = inString
		case escape:
		default:
			r.state = inText
		}
	case inControl:
		r.length += len(c)
		if first >= '@' && first <= '~' || first < ' ' {
			if r.state = inText; string(r.params) == "200" && first == '~' {
				r.state, r.length, r.match = inPaste, 0, 0
			}
			if first == escape {
				r.state, r.length = afterEscape, 0
			}
		} else if within = r.length < maxSequence; len(r.params) < 8 {
			r.params = append(r.params, c...)
		}
	case inString, inStringEnd:
		r.length += len(c)
		switch {
		case first == '\a' || r.state == inStringEnd && first == '\\':
			r.state = inText
		case first == escape:
			r.state = inStringEnd
		default:
			r.state, within = inString, r.length < maxSequence
		}
	case inPaste:
		r.length += len(c)
		within = r.length < maxPaste
		switch {
		case first == pasteEnd[r.match]:
			r.match++
		case first == escape:
			r.match = 1
		default:
			r.match = 0
		}
		if r.match == len(pasteEnd) {
			if r.state = inText; !within {
				r.ready = append(r.ready, pasteEnd...)
			}
		}
	}
	if within {
		r.ready = append(r.ready, c...)
	}
}
