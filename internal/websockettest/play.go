package websockettest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Timeout is the time limit of a case.
const Timeout = time.Minute

// Play sends the bytes of c to the other end of nc, which was upgraded, and checks what comes back.
func (c Case) Play(t *testing.T, nc net.Conn, toServer bool) {
	t.Helper()
	c.Filtered(t, nc, toServer, func(Frame) bool { return true })
}

// Filtered is Play for a peer that sends other frames as well: only those for which counts returns true are compared.
func (c Case) Filtered(t *testing.T, nc net.Conn, toServer bool, counts func(Frame) bool) {
	t.Helper()
	nc.SetDeadline(time.Now().Add(Timeout))
	back := make(chan struct{}, len(c.Want)+1) // one for each frame that came back
	var writer sync.WaitGroup
	defer writer.Wait()
	defer nc.Close()
	defer close(back)
	writer.Go(func() { // concurrently, because as much may come back
		had := 0
		for _, w := range c.writes(toServer) {
			for ; had < w.await; had++ {
				if _, ok := <-back; !ok {
					return
				}
			}
			if _, err := nc.Write(w.b); err != nil {
				return // the reader finds out whether that is right
			}
		}
	})
	r := bufio.NewReaderSize(nc, 32<<10)
	next := func() (f Frame, err error) {
		for err == nil {
			if f, err = Read(r, !toServer); err == nil && (counts(f) || f.First == fin|8) {
				return f, nil
			}
		}
		return f, err
	}
	for i, want := range c.Want {
		got, err := next()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if got.First != want.First || got.Payload != want.Payload {
			t.Fatalf("frame %d: %s, want %s", i, got, want)
		}
		back <- struct{}{}
	}
	got, err := next()
	if err != nil {
		t.Fatalf("the close frame: %v", err)
	}
	if got.First != fin|8 {
		t.Fatalf("%s, want a close frame", got)
	}
	code := uint16(0)
	if len(got.Payload) >= 2 {
		code = binary.BigEndian.Uint16([]byte(got.Payload))
	}
	if code != c.Code || code == 0 && got.Payload != "" {
		t.Errorf("closed with code %d and %q, want %d", code, got.Payload, c.Code)
	}
	checkEnd(t, nc, r, toServer)
}

// checkEnd checks that nothing follows the close frame. A server closes the connection; a client waits for that.
func checkEnd(t *testing.T, nc net.Conn, r io.Reader, toServer bool) {
	t.Helper()
	if !toServer {
		if end, ok := nc.(interface{ CloseWrite() error }); ok {
			end.CloseWrite()
		}
	}
	switch n, err := r.Read(make([]byte, 1)); {
	case n > 0:
		t.Error("something follows the close frame")
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.Error("the connection is not closed after the close frame")
	case err != io.EOF && (toServer || !errors.Is(err, syscall.ECONNRESET)):
		t.Errorf("after the close frame: %v", err)
	}
}
