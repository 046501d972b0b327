package rehearse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/frame"
	"ramai/wire"
)

// faultyServer is a server of both protocols that sends some clients messages other than the published ones.
type faultyServer struct {
	// fault returns the payloads that client number client, from 0, is sent for message n, from 1.
	fault func(client int, n uint64, payload []byte) [][]byte

	mu        sync.Mutex
	conns     []net.Conn
	published uint64
	pongs     int    // since the last ping
	allPonged func() // called when each client has answered it
}

// serve serves one connection.
func (l *faultyServer) serve(w http.ResponseWriter, req *http.Request) {
	v1 := req.Header.Get("Sec-WebSocket-Protocol") == wire.Protocol
	nc, in, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	greeting := []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	if v1 {
		greeting = append(greeting, "Sec-WebSocket-Protocol: "+wire.Protocol+"\r\n"...)
	}
	greeting = append(greeting, "\r\n"...)
	if !v1 {
		greeting = frame.AppendText(greeting, []byte(wire.Greeting))
	}
	l.mu.Lock()
	nc.Write(greeting)
	l.conns = append(l.conns, nc)
	l.mu.Unlock()
	dec := frame.NewDecoder(&frame.Config{TextOnly: true, MaxMessage: 1 << 16, MaxFragments: 1})
	buf := make([]byte, 4096)
	for {
		k, err := in.Read(buf)
		for b := buf[:k]; len(b) > 0; {
			m, used, err := dec.Next(b)
			if err != nil {
				return
			}
			switch b = b[used:]; m.Op {
			case frame.Text:
				l.receive(nc, v1, m.Payload)
			case frame.Pong:
				l.receivePong()
			}
		}
		if err != nil {
			return
		}
	}
}

// receive handles a message from a client.
func (l *faultyServer) receive(nc net.Conn, v1 bool, payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v1 {
		r, err := wire.ParseRequest(payload)
		if err != nil {
			panic(err)
		}
		say, ok := r.Frame.(wire.Say)
		if !ok { // a join
			nc.Write(frame.AppendText(nil, wire.Append(nil, wire.Joined{Room: wire.Lobby, HistoryID: "L", N: 0, First: 1})))
			return
		}
		payload = wire.Append(nil, wire.Message{Room: say.Room, N: l.published + 1, SenderID: "x", ID: say.ID, Text: say.Text})
	}
	l.published++
	for i, nc := range l.conns {
		var out []byte
		for _, p := range l.fault(i, l.published, payload) {
			out = frame.AppendText(out, p)
		}
		nc.Write(out)
	}
}

// ping sends a ping to all clients. After their answers, which follow what they have sent before, it calls then.
func (l *faultyServer) ping(then func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pongs, l.allPonged = 0, then
	for _, nc := range l.conns {
		nc.Write(frame.AppendPing(nil, nil))
	}
}

func (l *faultyServer) receivePong() {
	l.mu.Lock()
	l.pongs++
	then := l.allPonged
	if l.pongs < len(l.conns) {
		then = func() {}
	}
	l.mu.Unlock()
	then()
}

// rehearse runs a rehearsal with three clients, one of them a publisher.
func (l *faultyServer) rehearse(ctx context.Context, c Config) (*Report, error) {
	web := httptest.NewServer(http.HandlerFunc(l.serve))
	defer web.Close()
	c.URL, c.Clients, c.Publishers, c.Rate, c.Size, c.Duration = web.URL, 3, 1, 100, 64, cmp.Or(c.Duration, 300*time.Millisecond)
	return Run(ctx, c)
}

// TestFindsFaults: a rehearsal finds a message that the server changes for one client, whether that client is the first or
// the last to receive it.
func TestFindsFaults(t *testing.T) {
	const lied = 5 // the message that is changed
	kinds := map[string]struct {
		change func(n uint64, p []byte, before []byte) [][]byte // for one client; before is the previous message
		want   func(rep *Report) bool                           // nil: the rehearsal is broken
	}{
		"lost": {func(n uint64, p, _ []byte) [][]byte {
			if n == lied {
				return nil
			}
			return [][]byte{p}
		}, func(rep *Report) bool {
			return rep.Lost == 1 && rep.Duplicated == 0 && rep.Delivered == 3*rep.Published-1
		}},
		"doubled": {func(n uint64, p, _ []byte) [][]byte {
			if n == lied {
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}, func(rep *Report) bool {
			return rep.Lost == 0 && rep.Duplicated == 1 && rep.Delivered == 3*rep.Published+1
		}},
		"one lost, one doubled": {func(n uint64, p, _ []byte) [][]byte {
			switch n {
			case lied:
				return nil
			case lied + 3:
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}, func(rep *Report) bool {
			return rep.Lost == 1 && rep.Duplicated == 1 && rep.Delivered == 3*rep.Published
		}},
		"swapped": {func(n uint64, p, before []byte) [][]byte {
			switch n {
			case lied:
				return nil
			case lied + 1:
				return [][]byte{p, before}
			}
			return [][]byte{p}
		}, func(rep *Report) bool { return rep.Lost == 0 && rep.Duplicated == 0 && rep.OutOfOrder > 0 }},
		"another word": {func(n uint64, p, _ []byte) [][]byte {
			if n == lied {
				p = bytes.Replace(p, []byte("quick"), []byte("quack"), 1)
			}
			return [][]byte{p}
		}, nil},
		"another last letter": {func(n uint64, p, _ []byte) [][]byte {
			if n == lied {
				p = bytes.Clone(p)
				p[len(bytes.TrimRight(p, `"}`))-1] ^= 1
			}
			return [][]byte{p}
		}, nil},
		"a message that was not published": {func(n uint64, p, _ []byte) [][]byte {
			if n == lied {
				p = bytes.Clone(p)
				p[bytes.IndexByte(p, '~')+runLen+4] ^= 8 // the highest letter of the sequence number
			}
			return [][]byte{p}
		}, nil},
		"v1: another number": {func(n uint64, p, _ []byte) [][]byte {
			if n == lied {
				p = bytes.Replace(p, []byte(`"n":5,`), []byte(`"n":6,`), 1)
			}
			return [][]byte{p}
		}, func(rep *Report) bool { return rep.tally == tally{Delivered: 3 * rep.Published, OutOfOrder: 2} }},
	}
	var runs sync.WaitGroup // concurrently, because they mostly wait
	defer runs.Wait()
	for name, kind := range kinds {
		for _, plain := range []bool{true, false} {
			if plain && strings.HasPrefix(name, "v1") {
				continue
			}
			for i := range 2 * len(reactors) {
				victim, io := i/2*2, []string{"default", "portable"}[i%2]
				try := func(length time.Duration) (*Report, error) {
					var before []byte
					l := &faultyServer{fault: func(client int, n uint64, p []byte) [][]byte {
						if client != victim {
							return [][]byte{p}
						}
						sent := kind.change(n, p, before)
						before = bytes.Clone(p)
						return sent
					}}
					ctx, end := context.WithCancel(context.Background())
					defer end()
					return l.rehearse(ctx, Config{Plain: plain, Drain: time.Hour, Duration: length, Reactor: reactors[io](), OnStage: func(stage string) {
						if stage == PublishingDone { // the second ping follows the last message
							l.ping(func() { l.ping(end) })
						}
					}})
				}
				runs.Go(func() {
					length := 300 * time.Millisecond
					rep, err := try(length)
					for err == nil && rep.Published < lied+4 { // a busy machine published too little for the fault
						length *= 2
						rep, err = try(length)
					}
					switch {
					case kind.want == nil && (!errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "not published")):
						t.Errorf("%s, plain %v, to %d, %s: %+v, %v; want ErrBroken", name, plain, victim, io, rep, err)
					case kind.want != nil && (err != nil || rep.Good() || !kind.want(rep)):
						t.Errorf("%s, plain %v, to %d, %s: %+v, %v", name, plain, victim, io, rep, err)
					}
				})
			}
		}
	}
}

// TestDuplicatesAreNotNew: a duplicate at one client does not count as a message that another client has not received
// yet.
func TestDuplicatesAreNotNew(t *testing.T) {
	var held func()
	l := new(faultyServer)
	l.fault = func(client int, n uint64, p []byte) [][]byte {
		switch {
		case client == 0:
			return [][]byte{p, p}
		case client == 1 && n == 5:
			frame, nc := frame.AppendText(nil, p), l.conns[1]
			held = func() { nc.Write(frame) }
			return nil
		}
		return [][]byte{p}
	}
	rep, err := l.rehearse(context.Background(), Config{Plain: true, OnStage: func(stage string) {
		if stage == PublishingDone {
			time.AfterFunc(2*duplicateWait, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				held()
			})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Lost != 0 || rep.Duplicated != rep.Published {
		t.Errorf("%+v", rep)
	}
}

// TestRefusedConnection: a rehearsal whose clients are not all accepted leaves nothing behind (see TestMain).
func TestRefusedConnection(t *testing.T) {
	came := 0
	l := &faultyServer{fault: func(int, uint64, []byte) [][]byte { return nil }}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		l.mu.Lock()
		came++
		full := came > 5
		l.mu.Unlock()
		if full {
			http.Error(w, "the server is full", http.StatusServiceUnavailable)
			return
		}
		l.serve(w, req)
	}))
	defer web.Close()
	_, err := Run(context.Background(), Config{
		URL: web.URL, Plain: true, Clients: 10, Publishers: 1, Rate: 1, Size: 64, Duration: time.Second,
	})
	if err == nil || errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "the server is full") {
		t.Errorf("error %v, want one that says that the server is full", err)
	}
}
