package localsocket

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// exchange sends bytes over a connection that echoes.
func exchange(t *testing.T, ln net.Listener, path string) {
	t.Helper()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		io.Copy(c, c)
		c.Close()
	}()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("hello"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
}

// A socket is for its user alone, replaces one left by a killed process, and is removed with its listener, whatever the
// length of its path.
func TestSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are those of Unix")
	}
	for name, folder := range map[string]string{"short": t.TempDir(), "long": filepath.Join(t.TempDir(), strings.Repeat("x", 120), strings.Repeat("y", 120))} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "admin.sock")
			old, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			old.(*listener).Listener.Close() // as after a kill: the file stays
			if _, err := os.Lstat(path); err != nil {
				t.Fatal(err)
			}
			if c, err := Dial(t.Context(), path); err == nil {
				c.Close()
				t.Fatal("a socket that nobody serves was connected to")
			}
			ln, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode() != os.ModeSocket|0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			exchange(t, ln, path)
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("after the listener was closed: %v", err)
			}
			again, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			ln.Close()
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("a listener that is closed twice has removed what is another's: %v", err)
			}
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("left in the temporary folder: %v", left)
			}
		})
	}
}
