package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A pipe that is not read does not block the logger. Lines that do not fit are dropped and counted, and reported at their place
// once the pipe is read again. Later lines are written.
func TestQueueNeverBlocks(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	q := NewQueue(w, Text)
	logger := slog.New(Text.Handler(q))
	const lines = 20000
	for i := range lines { // some 1.5 MB: more than the pipe and the queue take
		logger.Info("line", "i", i, "filler", strings.Repeat("x", 20))
	}
	dropped := q.Dropped()
	if dropped == 0 || dropped == lines {
		t.Fatalf("%d of %d lines were dropped", dropped, lines)
	}
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(r)
		read <- all
	}()
	for q.hasUnreported() { // until the gap is reported
		time.Sleep(time.Millisecond)
	}
	logger.Info("afterwards")
	if err := q.Close(t.Context()); err != nil {
		t.Error(err)
	}
	w.Close()
	all := strings.SplitAfter(strings.TrimSuffix(string(<-read), "\n"), "\n")
	next, reported := 0, 0 // a gap is reported where it is, and there may be several if the writer started late
	for _, line := range all[:len(all)-1] {
		var gap int
		if _, notice, ok := strings.Cut(line, " lines="); ok && strings.Contains(line, "dropped") {
			if _, err := fmt.Sscan(notice, &gap); err != nil {
				t.Fatalf("a notice without a number: %s", line)
			}
			next, reported = next+gap, reported+gap
			continue
		}
		if !strings.Contains(line, fmt.Sprintf("i=%d ", next)) {
			t.Fatalf("instead of line %d: %s", next, line)
		}
		next++
	}
	if next != lines || reported != int(dropped) {
		t.Errorf("%d lines are accounted for, and %d reported as dropped; want %d and %d", next, reported, lines, dropped)
	}
	if !strings.Contains(all[len(all)-1], "afterwards") {
		t.Errorf("the last: %s", all[len(all)-1])
	}
}

func (q *Queue) hasUnreported() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.unreported > 0
}

// Close writes queued lines, and gives up on a blocked writer when its context ends.
func TestQueueClose(t *testing.T) {
	var out bytes.Buffer
	q := NewQueue(&out, Text)
	for range 1000 {
		q.Write([]byte("line\n"))
	}
	if err := q.Close(t.Context()); err != nil || out.Len() != 5000 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	q.Write([]byte("late\n"))
	if q.Dropped() != 1 {
		t.Error("a line after Close is not counted")
	}

	stuck, never := io.Pipe()
	defer stuck.Close()
	q = NewQueue(never, Text)
	q.Write([]byte("line\n"))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Close(over); err == nil {
		t.Error("Close returned nil, but the line was not read")
	}
}

// Values that are not numbers, booleans, or times are strings in JSON. Text and JSON have the same values.
func TestFormats(t *testing.T) {
	at := time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC)
	attrs := []any{
		"remote", netip.MustParseAddrPort("192.0.2.1:5"), "listener", &net.TCPAddr{IP: net.IPv6loopback, Port: 7}, "signal", os.Interrupt,
		"retry_in", 1500 * time.Millisecond, "err", errors.New("no"), "level_of", slog.LevelWarn, "n", uint64(7), "deflate", true, "until", at,
	}
	const want = `"remote":"192.0.2.1:5","listener":"[::1]:7","signal":"interrupt","retry_in":"1.5s","err":"no","level_of":"WARN","n":7,"deflate":true,"until":"2026-11-29T01:02:03Z"`
	var asJSON, asText bytes.Buffer
	slog.New(JSON.Handler(&asJSON)).Info("line", attrs...)
	slog.New(Text.Handler(&asText)).Info("line", attrs...)
	if !strings.Contains(asJSON.String(), want) {
		t.Errorf("%s\nwant %s", asJSON.String(), want)
	}
	var fields map[string]any
	if err := json.Unmarshal(asJSON.Bytes(), &fields); err != nil || fields["level"] != "INFO" {
		t.Errorf("%v, %v", fields, err)
	}
	inText := regexp.MustCompile(`"|T01:02:03Z|T01:02:03.000Z`).ReplaceAllString(asText.String(), "")
	for pair := range strings.SplitSeq(regexp.MustCompile(`"|T01:02:03Z`).ReplaceAllString(want, ""), ",") {
		if !strings.Contains(inText, strings.Replace(pair, ":", "=", 1)) {
			t.Errorf("text has no %s: %s", pair, inText)
		}
	}
}
