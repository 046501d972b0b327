//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// BenchmarkSSH measures the cost of SSH sessions for an otherwise idle server: the time to the first screen, the memory of
// an open one, and the bytes for a message of eleven characters that is typed key by key and posted.
func BenchmarkSSH(b *testing.B) {
	const screens = 20
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	address := free()
	server := exec.Command("ramai", "serve", "--listen", free(), "--ssh", address, "--in-memory", "--data", b.TempDir(), "--rate", "0", "--quiet")
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Signal(os.Interrupt)
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			b.Fatal(err)
		}
	}
	resident := func() float64 { // MB
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.Process.Pid))
		if err != nil {
			b.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			b.Fatal(err)
		}
		return kb / 1000
	}
	var start time.Duration
	var memory, size float64
	for b.Loop() {
		before := resident()
		var all []*screenSession
		for range screens {
			begin := time.Now()
			v := openScreen(b, address)
			v.shows("say something")
			start += time.Since(begin)
			all = append(all, v)
		}
		time.Sleep(time.Second)
		if memory == 0 { // later runs reuse the memory of the first
			memory = (resident() - before) / screens
		}
		v := all[0]
		was := v.written()
		for _, key := range "hello there" {
			fmt.Fprintf(v.keys, "%c", key)
			time.Sleep(50 * time.Millisecond) // one frame for each
		}
		fmt.Fprint(v.keys, "\r")
		v.shows("✓")
		time.Sleep(200 * time.Millisecond)
		size += float64(v.written() - was)
		for _, v := range all {
			v.conn.Close()
		}
		time.Sleep(time.Second)
	}
	b.ReportMetric(float64(start.Milliseconds())/float64(b.N)/screens, "ms/start")
	b.ReportMetric(memory, "MB/session")
	b.ReportMetric(size/float64(b.N), "B/text")
}

// screenSession is an SSH session with a screen.
type screenSession struct {
	b    *testing.B
	conn *ssh.Client
	keys io.Writer

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

func openScreen(b *testing.B, address string) *screenSession {
	b.Helper()
	v := &screenSession{b: b}
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	var err error
	v.conn, err = ssh.Dial("tcp", address, &ssh.ClientConfig{User: "guest", HostKeyCallback: ssh.InsecureIgnoreHostKey(), Auth: []ssh.AuthMethod{
		ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil }),
	}})
	check(err)
	s, err := v.conn.NewSession()
	check(err)
	check(s.RequestPty("xterm-256color", 24, 80, nil))
	v.keys, err = s.StdinPipe()
	check(err)
	s.Stdout = v
	check(s.Shell())
	return v
}

func (v *screenSession) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.out.Write(b)
}

func (v *screenSession) written() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.out.Len()
}

func (v *screenSession) shows(words string) {
	v.b.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		v.mu.Lock()
		found := bytes.Contains(v.out.Bytes(), []byte(words))
		v.mu.Unlock()
		if found {
			return
		}
		if time.Now().After(end) {
			v.b.Fatalf("%q is not shown", words)
		}
	}
}
