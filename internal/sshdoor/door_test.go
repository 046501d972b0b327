package sshdoor

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"ramai/internal/session"
	"ramai/internal/tui"
	"ramai/wire"
)

func newDoor(t *testing.T, folder string) *Door {
	t.Helper()
	d, err := New(Config{Env: &session.Env{Random: rand.Reader, Log: slog.New(slog.DiscardHandler)}, Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Who does not come to the end of the handshake is not waited for.
func TestHandshakeTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, "")
		ours, theirs := net.Pipe()
		begin := time.Now()
		go d.server.HandleConn(theirs)
		io.Copy(io.Discard, ours) // the version, and then nothing
		if took := time.Since(begin); took != handshakeTakes {
			t.Errorf("it was closed after %v", took)
		}
		if d.all != 0 || len(d.conns) != 0 {
			t.Errorf("%d places are taken, of %d networks", d.all, len(d.conns))
		}
		d.Close()
	})
}

func TestPlaces(t *testing.T) {
	d := newDoor(t, "")
	network := func(s string) netip.Prefix { return session.Network(netip.MustParseAddr(s)) }
	for range maxFromNetwork {
		if !d.take(network("2001:db8::1"), false) {
			t.Fatal("there was no place")
		}
	}
	if d.take(network("2001:db8::2"), false) {
		t.Error("an address of the same /64 has a place of its own")
	}
	if !d.take(network("2001:db8:0:1::1"), false) {
		t.Error("another network has none")
	}
	for range maxConns - maxFromNetwork - 1 {
		if !d.take(network("127.0.0.1"), true) {
			t.Fatal("this machine has too few")
		}
	}
	if d.take(network("127.0.0.1"), true) {
		t.Error("there are more than there may be")
	}
	d.give(network("2001:db8::1"))
	if !d.take(network("2001:db8::3"), false) {
		t.Error("a place that was given back is not there")
	}
	d.Close()
	if d.take(network("192.0.2.1"), false) || d.enter() {
		t.Error("a closed door lets somebody in")
	}
}

// What makes a key a sender is kept, is nobody else's to read, and is not made anew when it is damaged.
func TestKeysAreKept(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "ssh")
	first, second := newDoor(t, folder), newDoor(t, folder)
	key := first.server.HostSigners[0].PublicKey()
	if first.Fingerprint() != second.Fingerprint() || first.keys.session(key) != second.keys.session(key) {
		t.Error("after a start the keys are others")
	}
	if other := newDoor(t, ""); other.keys.session(key) == first.keys.session(key) || other.Fingerprint() == first.Fingerprint() {
		t.Error("another server has the same keys")
	}
	if err := wire.CheckSession(first.keys.session(key)); err != nil {
		t.Errorf("a key stands for no session: %v", err)
	}
	for _, name := range []string{hostKeyFile, secretFile} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, secretFile), []byte("AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(first.cfg); err == nil {
		t.Error("a damaged secret is taken")
	}
}

// What screens were like is remembered for as many as there is room for, and damage is forgotten.
func TestMemories(t *testing.T) {
	k := newDoor(t, t.TempDir()).keys
	session := func(i byte) string { return "AAAAAAAAAAAAAAAAAAAA" + string([]byte{'A' + i, 'A'}) }
	for i := range byte(3) {
		if err := k.remember(session(i), tui.Memory{Room: string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}
	if m := k.memory(session(1)); m.Room != "b" {
		t.Errorf("remembered is %+v", m)
	}
	if err := os.WriteFile(k.memoryFile(session(1)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m := k.memory(session(1)); m.Room != "" {
		t.Errorf("of a damaged file there is %+v", m)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(k.memoryFile(session(2)), old, old); err != nil {
		t.Fatal(err)
	}
	if err := k.forget(2); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(k.memoryFile(session(2))); err == nil {
		t.Error("the oldest is still there")
	}
	if m := k.memory(session(0)); m.Room != "a" {
		t.Errorf("a younger one is gone: %+v", m)
	}
}
