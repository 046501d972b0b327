package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ramai/server"
)

// TestHowToJoin: the server prints who can join, including over SSH.
func TestHowToJoin(t *testing.T) {
	at := func(ip string) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 2022} }
	local, everywhere := at("127.0.0.1"), at("::")
	for _, test := range []struct {
		addr, ssh *net.TCPAddr
		want      string // beginning of the last line; empty: no such line
	}{
		{local, nil, "Only clients on this machine can join. To"},
		{local, local, "Only clients on this machine can join. To"},
		{local, everywhere, "Only clients on this machine can join, except over SSH, which is open to the network. To"},
		{everywhere, everywhere, ""},
	} {
		_, got, _ := strings.Cut(howToJoin(reachOf(test.addr, server.TLS{}), test.ssh, "ramai"), "/r/ROOM)\n")
		if !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("%v and %v: %q, want %q", test.addr, test.ssh, got, test.want)
		}
	}
}

// TestSameOutput: a file or pipe that is both stdout and stderr is recognized.
func TestSameOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	open := func(path string) *os.File {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	file, again, other := open(path), open(path), open(path+"2")
	if !sameOutput(file, again) || sameOutput(file, other) || sameOutput(file, io.Discard) || !sameOutput(io.Discard, io.Discard) {
		t.Errorf("%v %v %v %v", sameOutput(file, again), sameOutput(file, other), sameOutput(file, io.Discard), sameOutput(io.Discard, io.Discard))
	}
}

// On a terminal, the address of the page is the first line, before the log. Nothing waits for it to be read.
func TestServeBeginsWithAddress(t *testing.T) {
	cfg := server.Defaults()
	cfg.InMemory, cfg.SSH = true, true
	o := serveOptions{listen: "127.0.0.1:0", ssh: "127.0.0.1:0", logFormat: "text", durability: string(cfg.Durability), io: string(cfg.IO)}
	terminal, program := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- runServe(ctx, cfg, o, program, program)
		program.Close()
	}()
	lines := bufio.NewScanner(terminal)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "Open http://localhost:") {
		t.Errorf("the first line is %q", lines.Text())
	}
	for lines.Scan() && !strings.Contains(lines.Text(), "listening") {
	}
	cancel()
	for lines.Scan() {
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestHowToJoinInOrder: the address of the page comes first, then ssh, then the terminal, with the program as it was
// started.
func TestHowToJoinInOrder(t *testing.T) {
	for _, c := range []struct {
		listen, ssh string
		tls         server.TLS
		want        string
	}{
		{"127.0.0.1:2000", "", server.TLS{}, "Open http://localhost:2000/ in a browser, or join from a terminal:\n\n    bin/ramai join\n"},
		{"127.0.0.1:2001", "127.0.0.1:2022", server.TLS{}, "Open http://localhost:2001/ in a browser, or join from a terminal:\n\n    ssh -p 2022 localhost\n    bin/ramai join http://localhost:2001\n"},
		{"192.0.2.1:2000", "[::]:2022", server.TLS{}, "Open http://192.0.2.1:2000/ in a browser, or join from a terminal:\n\n    ssh -p 2022 192.0.2.1\n    bin/ramai join http://192.0.2.1:2000\n"},
		{"[2001:db8::1]:443", "", server.TLS{Cert: "x"}, "Open https://[2001:db8::1]/ in a browser, or join from a terminal:\n\n    bin/ramai join https://[2001:db8::1]\n"},
		{"0.0.0.0:443", "", server.TLS{Domains: []string{"chat.example.org"}}, "Open https://chat.example.org/ in a browser, or join from a terminal:\n\n    bin/ramai join https://chat.example.org\n"},
		{"0.0.0.0:2000", "", server.TLS{}, "Open http://" + networkAddress() + ":2000/ in a browser, or join from a terminal:\n\n    bin/ramai join http://" + networkAddress() + ":2000\n"},
	} {
		listen, err := net.ResolveTCPAddr("tcp", c.listen)
		if err != nil {
			t.Fatal(err)
		}
		var ssh *net.TCPAddr
		if c.ssh != "" {
			if ssh, err = net.ResolveTCPAddr("tcp", c.ssh); err != nil {
				t.Fatal(err)
			}
		}
		if out := howToJoin(reachOf(listen, c.tls), ssh, "bin/ramai"); !strings.HasPrefix(out, c.want) {
			t.Errorf("%s and %s:\n%swant\n%s", c.listen, c.ssh, out, c.want)
		}
	}
}

func TestIsGoRun(t *testing.T) {
	for path, want := range map[string]bool{
		"/tmp/go-build123/b001/exe/ramai": true, "/home/go-build/bin/ramai": false, "bin/ramai": false, "ramai": false,
	} {
		if isGoRun(path) != want {
			t.Errorf("%s: %v, want %v", path, !want, want)
		}
	}
}
