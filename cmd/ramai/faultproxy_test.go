//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ramai/server"
)

// The members of a fault test connect to each other only through forwarders of the test, which can hold the bytes in each direction.

// A faultNetwork is the network between members.
type faultNetwork struct {
	mu      sync.Mutex
	changed *sync.Cond
	held    map[[2]int]bool       // guarded by mu: bytes from the first to the second member wait
	conns   map[net.Conn]struct{} // guarded by mu
	closed  bool                  // guarded by mu
	work    sync.WaitGroup
	close   []func()
}

func newFaultNetwork(t *testing.T) *faultNetwork {
	n := &faultNetwork{held: map[[2]int]bool{}, conns: map[net.Conn]struct{}{}}
	n.changed = sync.NewCond(&n.mu)
	t.Cleanup(func() {
		n.mu.Lock()
		n.closed = true
		n.changed.Broadcast()
		n.mu.Unlock()
		for _, f := range n.close {
			f()
		}
		n.reset()
		n.work.Wait()
	})
	return n
}

// link forwards connections of member from to the address of member to. It returns the address to connect to.
func (n *faultNetwork) link(t *testing.T, from, to int, address string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.close = append(n.close, func() { ln.Close() })
	n.work.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			n.work.Go(func() { n.forward(in, from, to, address) })
		}
	})
	return ln.Addr().String()
}

func (n *faultNetwork) forward(in net.Conn, from, to int, address string) {
	defer in.Close()
	if !n.pass(from, to) {
		return
	}
	out, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer out.Close()
	n.mu.Lock()
	n.conns[in], n.conns[out] = struct{}{}, struct{}{}
	n.mu.Unlock()
	var both sync.WaitGroup
	copyBytes := func(dst, src net.Conn, from, to int) {
		buf := make([]byte, 32<<10)
		for {
			read, err := src.Read(buf)
			if err != nil || !n.pass(from, to) {
				break
			}
			if _, err := dst.Write(buf[:read]); err != nil {
				break
			}
		}
		dst.Close()
		src.Close()
	}
	both.Go(func() { copyBytes(out, in, from, to) })
	both.Go(func() { copyBytes(in, out, to, from) })
	both.Wait()
	n.mu.Lock()
	delete(n.conns, in)
	delete(n.conns, out)
	n.mu.Unlock()
}

// pass waits until bytes from a member to another one may pass. It returns false at the end of the test.
func (n *faultNetwork) pass(from, to int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.held[[2]int{from, to}] && !n.closed {
		n.changed.Wait()
	}
	return !n.closed
}

// hold makes bytes wait, each from the first to the second member.
func (n *faultNetwork) hold(directions ...[2]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range directions {
		n.held[d] = true
	}
}

// heal lets everything pass again.
func (n *faultNetwork) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.held)
	n.changed.Broadcast()
}

// reset closes all connections.
func (n *faultNetwork) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		c.Close()
	}
}

// both returns the two directions between members.
func both(a, b int) [][2]int { return [][2]int{{a, b}, {b, a}} }

// A faultMember is a member of a fault test, which its process gets in the environment variable faultEnv.
type faultMember struct {
	Data, Listen string
	ClockFile    string // by how much the clock is wrong, as a duration; read at the start and at each SIGUSR1
	Cluster      server.Cluster
}

const faultEnv = "RAMAI_FAULT_MEMBER"

func init() { testPrograms["ramai-faulty"] = faultServe }

// faultServe runs a member as ramai serve does, with settings for which there are no flags.
func faultServe() {
	var m faultMember
	if err := json.Unmarshal([]byte(os.Getenv(faultEnv)), &m); err != nil {
		panic(err)
	}
	var wrong atomic.Int64
	readClock := func() {
		b, err := os.ReadFile(m.ClockFile)
		if d, parseErr := time.ParseDuration(string(b)); err == nil && parseErr == nil {
			wrong.Store(int64(d))
		}
	}
	readClock()
	jump := make(chan os.Signal, 1)
	signal.Notify(jump, syscall.SIGUSR1)
	go func() {
		for range jump {
			readClock()
		}
	}()
	cfg := server.Defaults()
	cfg.Data, cfg.Cluster, cfg.Rate, cfg.Quiet = m.Data, m.Cluster, 0, true
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }
	o := serveOptions{listen: m.Listen, logFormat: "text", durability: string(cfg.Durability), io: string(cfg.IO)}
	if err := runServe(context.Background(), cfg, o, io.Discard, os.Stderr); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
