package linemode

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// MaxLine is how long a line of input can be, in bytes: what fits a frame of the server. A text is shorter still, but
// that is for the server to say.
const MaxLine = 64 << 10

// inputLine is a line without its end, or nothing if it was too long.
type inputLine struct {
	text    string
	tooLong bool
}

// readLines sends the lines of r until its end, or until stop closes, and then closes lines. It ignores an error of r
// as if it were the end: there is nothing else to be done about it.
func readLines(r io.Reader, lines chan<- inputLine, stop <-chan struct{}) {
	defer close(lines)
	in := bufio.NewReader(r)
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		select {
		case lines <- line:
		case <-stop:
			return
		}
	}
}

// readLine reads up to the next newline, and never holds more than MaxLine bytes.
func readLine(in *bufio.Reader) (inputLine, error) {
	var line inputLine
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(text)+len(part) > MaxLine+len("\r\n") {
			line.tooLong = true
		} else {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && len(text) == 0 && !line.tooLong {
			return line, err
		}
		break // a last line needs no newline
	}
	line.text = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if len(line.text) > MaxLine {
		line.tooLong = true
	}
	if line.tooLong {
		line.text = ""
	}
	return line, nil
}
