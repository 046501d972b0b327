package sshserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/internal/tui"
	"ramai/wire"
)

// TestKeysPersist: keys are stored, are readable only by the server's user, and are not replaced if damaged.
func TestKeysPersist(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "ssh")
	first, second := newTestServer(t, folder), newTestServer(t, folder)
	key := first.keys.host.PublicKey()
	if first.Fingerprint() != second.Fingerprint() || first.keys.session(key) != second.keys.session(key) {
		t.Error("after a restart the keys have changed")
	}
	if other := newTestServer(t, ""); other.keys.session(key) == first.keys.session(key) || other.Fingerprint() == first.Fingerprint() {
		t.Error("another server has the same keys")
	}
	if err := wire.CheckSession(first.keys.session(key)); err != nil {
		t.Errorf("the session of a key is invalid: %v", err)
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
		t.Error("a damaged secret is accepted")
	}
}

// TestCertificate: a certificate identifies the same sender as its key, however often it is renewed.
func TestCertificate(t *testing.T) {
	k := newTestServer(t, "").keys
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := signer.PublicKey()
	for serial := range uint64(2) {
		if k.session(&ssh.Certificate{Key: key, Serial: serial}) != k.session(key) {
			t.Error("the sender has changed")
		}
	}
}

// TestHostKeyCutShort: the error about a file truncated by a crash names the file and what to do.
func TestHostKeyCutShort(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, hostKeyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Folder: folder})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, hostKeyFile)) {
		t.Errorf("%v", err)
	}
}

// TestScreenStates: the states of screens are stored up to a limit, and damaged ones are ignored.
func TestScreenStates(t *testing.T) {
	k := newTestServer(t, t.TempDir()).keys
	k.maxStates = 20
	session := func(i byte) string { return "AAAAAAAAAAAAAAAAAAAA" + string([]byte{'A' + i, 'A'}) }
	store := func(i byte, owner bool) {
		t.Helper()
		if err := k.storeState(session(i), tui.State{Room: string(rune('a' + i)), Rooms: []tui.RoomState{{HistoryID: "L"}}}, owner); err != nil {
			t.Fatal(err)
		}
	}
	for i := range byte(3) {
		store(i, true)
	}
	if m := k.loadState(session(1)); m.Room != "b" {
		t.Errorf("the stored state is %+v", m)
	}
	if err := os.WriteFile(k.stateFile(session(1)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m := k.loadState(session(1)); m.Room != "" {
		t.Errorf("the state from a damaged file is %+v", m)
	}
	if err := k.storeState(session(3), tui.State{Room: "d", Rooms: []tui.RoomState{{Name: "d"}}}, true); err != nil {
		t.Fatal(err)
	}
	if m := k.loadState(session(3)); m.Room != "" {
		t.Errorf("a screen that has seen nothing has stored %+v", m)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(k.stateFile(session(2)), old, old); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		files, err := os.ReadDir(filepath.Join(k.folder, stateFolder))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for i := byte(3); i < 23; i++ { // senders without names
		store(i, false)
		if i == 20 && count() != 21 {
			t.Errorf("the folder was pruned when there were %d states", count())
		}
	}
	if n := count(); n > 20 || n < 18 {
		t.Errorf("%d states are stored", n)
	}
	for _, i := range []byte{0, 2} {
		if m := k.loadState(session(i)); m.Room != string(rune('a'+i)) {
			t.Errorf("the state of a named sender was deleted for senders without names: %+v", m)
		}
	}
	for i := byte(30); i < 52; i++ { // now too many of them own one
		store(i, true)
	}
	for i, want := range map[byte]string{2: "", 22: "", 51: string(rune('a' + 51))} {
		if m := k.loadState(session(i)); m.Room != want {
			t.Errorf("the state of sender %d is %+v, want %q", i, m, want)
		}
	}
}
