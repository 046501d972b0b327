// Package logging writes the log of a service as text or JSON, through a queue that never blocks.
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

// maxQueued limits the bytes that wait to be written. As many again may be in the write in progress.
const maxQueued = 256 << 10

// Format is the format of log lines.
type Format string

// The formats.
const (
	Text Format = "text" // key=value
	JSON Format = "json" // one object per line
)

// Handler returns a handler that writes to w. It writes values as strings, except for numbers, booleans, and times: a duration
// as "1s", and a fmt.Stringer as its String.
func (f Format) Handler(w io.Writer) slog.Handler {
	opt := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch v := a.Value.Any().(type) {
		case error: // the handlers call Error
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

// Queue is an io.Writer that never blocks: lines wait in memory until the underlying writer has taken them. Lines that do not
// fit are dropped and counted, and the log reports how many as soon as there is space.
type Queue struct {
	out     io.Writer
	format  Format
	written chan struct{} // closed when everything is written after Close

	mu         sync.Mutex
	wake       sync.Cond
	queued     []byte // guarded by mu: whole lines
	unreported uint64 // guarded by mu: dropped lines that the log has not reported
	dropped    uint64 // guarded by mu: all dropped lines
	closed     bool   // guarded by mu
}

// NewQueue returns a queue that writes to w. Its own lines have the format f.
func NewQueue(w io.Writer, f Format) *Queue {
	q := &Queue{out: w, format: f, written: make(chan struct{})}
	q.wake.L = &q.mu
	go q.run()
	return q
}

// Write implements io.Writer. b is one line or several. It does not retain b, and never returns an error.
func (q *Queue) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.queued)+len(b) > maxQueued || q.unreported > 0 { // a gap is reported before any later line
		q.unreported++
		q.dropped++
		return len(b), nil
	}
	q.queued = append(q.queued, b...)
	q.wake.Signal()
	return len(b), nil
}

// Dropped returns the number of dropped lines.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Close waits until all queued lines are written, or ctx ends. Later lines are dropped.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
	select {
	case <-q.written:
		return nil
	case <-ctx.Done():
		return errors.New("the end of the log was not written in time")
	}
}

// run writes queued lines until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.written)
	var spare []byte
	for {
		lines, dropped, ok := q.next(spare)
		if !ok {
			return
		}
		if dropped > 0 {
			var notice bytes.Buffer
			slog.New(q.format.Handler(&notice)).Warn("log lines were dropped because the log was not read fast enough", "lines", dropped)
			lines = append(lines, notice.Bytes()...)
		}
		q.out.Write(lines) // there is nowhere to report an error
		spare = lines[:0]
	}
}

// next waits for lines, and returns all queued lines and the number of lines dropped after them. spare becomes the memory for
// later lines. ok is false when the queue is closed and empty.
func (q *Queue) next(spare []byte) (lines []byte, dropped uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queued) == 0 && q.unreported == 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.queued) == 0 && (q.unreported == 0 || q.closed) {
		return nil, 0, false
	}
	lines, q.queued = q.queued, spare
	dropped, q.unreported = q.unreported, 0
	return lines, dropped, true
}
