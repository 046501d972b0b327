package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// candidate is a server to measure.
type candidate struct {
	name    string
	v1      bool                                 // speaks ramai.v1; all speak the plain protocol
	command func(port int, data string) []string // data is an empty folder
}

func ramai(name, path string, extra []string) *candidate {
	return &candidate{name: name, v1: true, command: func(port int, data string) []string {
		return append([]string{path, "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", port),
			"--rate", "0", "--quiet", "--data", data}, extra...)
	}}
}

// peerNames are the peers, for people.
const peerNames = "bun, node, gorilla, coder, floor"

// findPeers returns the requested peers, or those that are installed.
func findPeers(ctx context.Context, names []string, work string) (found []*candidate, err error) {
	const dir = "bench/peers/"
	none := func(string) error { return nil }
	goPeer := func(name string) func(string) error {
		return func(out string) error { return build(ctx, dir+name, out, ".") }
	}
	for _, p := range []struct {
		name, needs, program, script string
		build                        func(out string) error
	}{
		{"bun", dir + "node_modules/.bin/bun", dir + "node_modules/.bin/bun", dir + "bun.js", none},
		{"node", dir + "node_modules/ws", "node", dir + "nodews.cjs", none},
		{"gorilla", dir + "gorilla", filepath.Join(work, "gorilla"), "", goPeer("gorilla")},
		{"coder", dir + "coder", filepath.Join(work, "coder"), "", goPeer("coder")},
		{"floor", gcc(), filepath.Join(work, "floor"), "", func(out string) error { return buildC(ctx, "floor", out) }},
	} {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		if _, err := os.Stat(p.needs); err != nil {
			if len(names) > 0 {
				return nil, fmt.Errorf("the peer %s is not installed; run make tools bench/peers/node_modules", p.name)
			}
			continue
		}
		if err := p.build(p.program); err != nil {
			return nil, err
		}
		found = append(found, &candidate{name: p.name, command: func(port int, _ string) []string {
			return slices.DeleteFunc([]string{p.program, p.script, strconv.Itoa(port)}, func(s string) bool { return s == "" })
		}})
	}
	if len(found) < len(names) && !slices.Equal(names, []string{"none"}) {
		return nil, fmt.Errorf("unknown peer in %s; want some of %s, or none", strings.Join(names, ", "), peerNames)
	}
	return found, nil
}

// gcc returns the path of the C compiler, or a name that no file has.
func gcc() string {
	path, err := exec.LookPath("gcc")
	if err != nil {
		return "gcc: not found"
	}
	return path
}

// server is a running server.
type server struct {
	port int
	cmd  *exec.Cmd
	data string
}

// start starts a server on a free loopback port with an empty data folder, and waits until it listens.
func (b *bench) start(ctx context.Context, c *candidate, extra ...string) (s *server, err error) {
	s = new(server)
	if s.data, err = os.MkdirTemp(b.work, "data-"); err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	args := c.command(s.port, s.data)
	if c.v1 {
		args = append(args, extra...)
	}
	var errs bytes.Buffer
	s.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	s.cmd.Stderr = &errs
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			nc.Close()
			time.Sleep(200 * time.Millisecond) // leave out the cost of starting
			return s, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not listen: %s", c.name, errs.String())
}

// stop kills the server and removes its data. No client is connected any more.
func (s *server) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	os.RemoveAll(s.data)
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// usage is the kernel's view of a server at one time.
type usage struct {
	cpu    time.Duration // of the process, user and system
	rss    float64       // bytes of memory of the process (VmRSS)
	socket float64       // bytes in the kernel of all TCP sockets of this machine
}

func (s *server) readUsage() (r usage, err error) {
	proc := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	stat, err1 := os.ReadFile(proc + "stat")
	status, err2 := os.ReadFile(proc + "status")
	sockets, err3 := os.ReadFile("/proc/net/sockstat")
	if err := errors.Join(err1, err2, err3); err != nil {
		return r, fmt.Errorf("read the usage of the server (requires Linux): %w", err)
	}
	// proc(5): utime and stime are fields 14 and 15, in hundredths of a second. Field 2, in parentheses, may contain
	// spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return r, fmt.Errorf("cannot parse %sstat", proc)
	}
	for _, ticks := range fields[11:13] {
		n, _ := strconv.Atoi(ticks)
		r.cpu += time.Duration(n) * 10 * time.Millisecond
	}
	r.rss = numberAfter(string(status), "VmRSS:") * 1024
	_, tcp, _ := strings.Cut(string(sockets), "TCP:")
	r.socket = numberAfter(tcp, " mem ") * float64(os.Getpagesize())
	return r, nil
}

// numberAfter returns the number that follows a word.
func numberAfter(text, word string) float64 {
	_, rest, _ := strings.Cut(text, word)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseFloat(fields[0], 64)
	return n
}
