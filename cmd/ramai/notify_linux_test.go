package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotify: systemd is notified when the server can be joined, and when it stops.
func TestNotify(t *testing.T) {
	folder, err := os.MkdirTemp("", "ramai-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	hears := func(want string) {
		t.Helper()
		b := make([]byte, 100)
		manager.SetReadDeadline(time.Now().Add(limit))
		if n, err := manager.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("%q, %v; want %s", b[:n], err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--in-memory", "--listen", "127.0.0.1:0"}, nil, io.Discard, io.Discard)
	}()
	hears("READY=1")
	cancel()
	hears("STOPPING=1")
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestCredentials: a file that systemd has loaded for the service has a path that does not depend on the name of the unit.
func TestCredentials(t *testing.T) {
	var p path
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if err := p.Set("$CREDENTIALS_DIRECTORY/key"); err == nil || !strings.Contains(err.Error(), "LoadCredential=") {
		t.Errorf("without credentials: %q, %v", p, err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/ramai.service")
	if err := p.Set("$CREDENTIALS_DIRECTORY/key"); err != nil || p != "/run/credentials/ramai.service/key" {
		t.Errorf("%q, %v", p, err)
	}
}
