package linemode

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
)

// MaxLine is the maximum length of an input line in bytes: one that fits into a frame. A server's limit for a message is
// lower.
const MaxLine = 64 << 10

// inputLine is a line without its newline. text is empty if the line is too long.
type inputLine struct {
	text    string
	tooLong bool
}

// startReading starts readLines for in, and returns a function that ends a blocked read. The goroutine belongs to running if
// that is possible.
func startReading(running *sync.WaitGroup, in io.Reader, lines chan<- inputLine, stop <-chan struct{}) (interrupt func()) {
	r, interrupt := interruptible(in)
	if interrupt == nil {
		// Nobody waits for this goroutine: a blocked read cannot be interrupted. There is one such goroutine per run, it
		// holds nothing but its buffer, and it ends with the read or with the process.
		go readLines(r, lines, stop)
		return func() {}
	}
	running.Go(func() {
		defer r.Close()
		readLines(r, lines, stop)
	})
	return interrupt
}

// readLines sends the lines of r until its end or an error, or until stop closes, and then closes lines.
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

// readLine reads up to the next newline. It holds at most MaxLine bytes.
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
