package reactor

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// member is one of many connections that echo.
type member struct {
	*source
	peer *net.TCPConn
}

func join(t *testing.T, r Reactor) member {
	t.Helper()
	s, peer := connect(t, r, nil, func(s *source) { s.echo = true })
	return member{s, peer}
}

// leave ends the connection from either side.
func (m member) leave() {
	switch rand.IntN(4) {
	case 0:
		m.peer.Close()
	case 1:
		m.peer.CloseWrite()
	case 2:
		m.peer.SetLinger(0) // send a reset
		m.peer.Close()
	case 3:
		m.conn.Finish()
		m.peer.CloseWrite()
	}
}

func manyConnections(t *testing.T, open func(Options) Reactor) {
	const many = 2000
	r := open(Options{Loops: 3})
	defer r.Close()
	crowd := make([]member, many)
	var left []member
	for i := range crowd {
		crowd[i] = join(t, r)
	}
	for range 2 {
		for i, m := range crowd {
			m.peer.Write([]byte{byte(i), byte(i >> 8)})
		}
		for i, m := range crowd {
			expect(t, m.peer, []byte{byte(i), byte(i >> 8)})
			if rand.IntN(2) == 0 {
				m.leave()
				left = append(left, m)
				crowd[i] = join(t, r)
			}
		}
	}
	for _, m := range crowd {
		m.leave()
	}
	for _, m := range append(left, crowd...) {
		m.waitClosed(t)
		m.peer.Close()
	}
}

// wakesMeetEnds calls methods of connections that are ending, have ended, or have had their slot reused.
func wakesMeetEnds(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Loops: 3})
	defer r.Close()
	var departed, members []member
	for range 16 {
		members = append(members, join(t, r))
	}
	for range 200 {
		i := rand.IntN(len(members))
		m := members[i]
		var callers sync.WaitGroup
		for range 4 {
			asked := append(departed[max(0, len(departed)-8):len(departed):len(departed)], members...)
			callers.Go(func() {
				for range 500 {
					asked[rand.IntN(len(asked))].ask()
				}
			})
		}
		m.peer.Write([]byte("hello"))
		if rand.IntN(2) == 0 {
			expect(t, m.peer, []byte("hello"))
		}
		m.leave()
		members[i] = join(t, r)
		m.waitClosed(t)
		m.peer.Close()
		departed = append(departed, m)
		callers.Wait()
	}
	for _, m := range members {
		m.peer.Write([]byte("still here"))
		expect(t, m.peer, []byte("still here"))
	}
}

// ask calls a method of the connection that has no lasting effect.
func (m member) ask() {
	switch rand.IntN(8) {
	case 0:
		m.conn.WakeAfter(time.Duration(rand.IntN(20)) * time.Millisecond)
	case 1:
		m.conn.Undelivered()
	default:
		m.conn.Wake()
	}
}

// busyWriterLeavesRoom exchanges messages on one connection while another writes as fast as its peer reads.
func busyWriterLeavesRoom(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Loops: 1})
	defer r.Close()
	greedy, greedyPeer := connect(t, r, nil, func(s *source) { s.always = make([]byte, 1<<20) })
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, greedyPeer) })
	m := join(t, r)
	for i := range 200 {
		m.peer.Write([]byte{byte(i)})
		expect(t, m.peer, []byte{byte(i)})
	}
	greedyPeer.Close()
	greedy.waitClosed(t)
	reading.Wait()
}
