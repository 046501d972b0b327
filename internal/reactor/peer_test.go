package reactor

import (
	"net"
	"testing"
	"time"
)

// TestPeer: a dead peer is distinguished from one that does not read, but only while data is unacknowledged.
func TestPeer(t *testing.T) {
	const timeout = 200 * time.Millisecond
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	pair := func() (server net.Conn, client *net.TCPConn) {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if server, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close(); server.Close() })
		return server, nc.(*net.TCPConn)
	}
	blocked, _ := pair()
	silent, _ := pair()
	departed, client := pair()
	dropIncoming(t, client)
	go blocked.Write(make([]byte, 64<<20)) // until it is closed
	if _, err := departed.Write([]byte("anyone there?")); err != nil {
		t.Fatal(err)
	}
	here := []*Peer{Watch(blocked), Watch(silent)}
	for p, begin := Watch(departed), time.Now(); !p.Dead(timeout); time.Sleep(timeout / 10) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal("a vanished peer is not reported as dead")
		}
		for i, p := range here {
			if p.Dead(timeout) {
				t.Fatalf("peer %d is reported as dead", i)
			}
		}
	}
	for range 20 {
		for i, p := range here {
			if p.Dead(timeout) {
				t.Fatalf("peer %d is reported as dead", i)
			}
		}
		time.Sleep(timeout / 10)
	}
}
