// Package logging writes the log of a service: lines of text or JSON that carry the same facts, through a queue that never
// makes anybody wait.
package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// maxQueued is how many bytes of lines may wait to be written, besides as many that are being written.
const maxQueued = 256 << 10

// Format is how a line is written.
type Format string

// The formats.
const (
	Text Format = "text" // key=value
	JSON Format = "json" // one object a line
)

// Handler returns a handler that writes to w, and each value that is neither a number, a truth value nor a time as a
// string: a duration as "1s", whatever names itself by its name.
func (f Format) Handler(w io.Writer) slog.Handler {
	opt := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch v := a.Value.Any().(type) {
		case error: // the handlers do that
		case fmt.Stringer:
			if a.Value.Kind() != slog.KindTime {
				a.Value = slog.StringValue(v.String())
			}
		}
		return a
	}}
	if f == JSON {
		return slog.NewJSONHandler(w, opt)
	}
	return slog.NewTextHandler(w, opt)
}

// Queue is an io.Writer that never blocks: what is written waits in memory until the writer below has taken it. What does
// not fit is dropped and counted, and the log says how much as soon as it can.
type Queue struct {
	below   io.Writer
	format  Format
	written chan struct{} // closed when everything is written after Close

	mu      sync.Mutex
	wake    sync.Cond
	waiting []byte // guarded by mu: whole lines
	missing uint64 // guarded by mu: lines dropped that the log has not told of
	dropped uint64 // guarded by mu: of all time
	closed  bool   // guarded by mu
}

// NewQueue returns a queue before w, whose own lines are of a format.
func NewQueue(w io.Writer, f Format) *Queue {
	q := &Queue{below: w, format: f, written: make(chan struct{})}
	q.wake.L = &q.mu
	go q.run()
	return q
}

// Write implements io.Writer: b is a line, or several. It keeps no part of b, and returns no error.
func (q *Queue) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.waiting)+len(b) > maxQueued || q.missing > 0 { // those behind a gap wait until it is told
		q.missing++
		q.dropped++
		return len(b), nil
	}
	q.waiting = append(q.waiting, b...)
	q.wake.Signal()
	return len(b), nil
}

// Dropped is how many lines were dropped.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Close waits until everything that was written before is written below, but not beyond the end of ctx. What is written
// later is dropped.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
	select {
	case <-q.written:
		return nil
	case <-ctx.Done():
		return errors.New("the end of the log could not be written")
	}
}

// run writes what waits until the end.
func (q *Queue) run() {
	defer close(q.written)
	var spare []byte
	for {
		lines, missing, ok := q.take(spare)
		if !ok {
			return
		}
		if missing > 0 {
			var notice bytes.Buffer
			slog.New(q.format.Handler(&notice)).Warn("log lines were dropped because they were not read in time", "n", missing)
			lines = append(lines, notice.Bytes()...)
		}
		q.below.Write(lines) // there is nowhere to tell an error
		spare = lines[:0]
	}
}

// take waits for lines, and takes all that there are, and the number of those that were dropped after them. Its array is
// the next that lines are put into. ok is false at the end.
func (q *Queue) take(spare []byte) (lines []byte, missing uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && q.missing == 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.waiting) == 0 && (q.missing == 0 || q.closed) {
		return nil, 0, false
	}
	lines, q.waiting = q.waiting, spare
	missing, q.missing = q.missing, 0
	return lines, missing, true
}
