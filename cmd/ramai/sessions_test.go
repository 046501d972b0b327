package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ramai/client"
)

const someSession = "AAAAAAAAAAAAAAAAAAAAAA"

func TestSessionsPersist(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "ramai", "sessions")
	file := sessionFile(folder, "http://127.0.0.1:2000", "anna")
	if s, err := loadSession(file); s != "" || err != nil {
		t.Fatalf("before: %q, %v", s, err)
	}
	for _, s := range []string{someSession, strings.Repeat("B", 22)} {
		if err := saveSession(file, s); err != nil {
			t.Fatal(err)
		}
		if got, err := loadSession(file); got != s || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{folder: 0o700, file: 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
	}
	if err := os.WriteFile(file, []byte("no session"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := loadSession(file); s != "" || err != nil {
		t.Errorf("a damaged file: %q, %v", s, err)
	}
}

func TestSessionFiles(t *testing.T) {
	file := func(server, name string) string { return sessionFile("folder", server, name) }
	one := file("http://Example.org:2000", "anna")
	for _, other := range []string{"ws://example.org:2000/", "http://example.org:2000/r/tea"} {
		if file(other, "anna") != one {
			t.Errorf("%s counts as another server", other)
		}
	}
	for _, other := range []string{
		file("https://example.org:2000", "anna"), file("http://example.org:2001", "anna"), file("http://example.org:2000", "Anna"),
		file("http://example.org:2000", "../../anna"),
	} {
		if other == one || filepath.Dir(other) != "folder" {
			t.Errorf("%s and %s", one, other)
		}
	}
}

// TestSessionOfTheSameServer: different spellings of one server share a session; servers that only might be the same do
// not.
func TestSessionOfTheSameServer(t *testing.T) {
	for _, c := range []struct {
		kept, now string
		found     bool
	}{
		{"http://127.0.0.1:2000", "http://localhost:2000", true},
		{"http://localhost:2000", "ws://[::1]:2000/r/tea", true},
		{"http://[::1]:2000", "http://LOCALHOST.:2000/", true},
		{"http://localhost", "http://127.0.0.1:80", true},
		{"http://localhost:2000", "https://127.0.0.1:2000", true},
		{"http://chat.example.org", "https://chat.example.org", true},
		{"http://chat.example.org:80", "wss://Chat.Example.org.:443/r/tea", true},
		{"http://chat.example.org:2000", "https://chat.example.org:2000", true},
		{"https://anna:secret@chat.example.org", "https://chat.example.org", true},
		{"https://chat.example.org", "http://chat.example.org", false},
		{"https://127.0.0.1:2000", "http://localhost:2000", false},
		{"http://localhost:2000", "http://localhost:2001", false},
		{"http://chat.example.org", "https://chat.example.org:8443", false},
		{"http://chat.example.org:2000", "https://chat.example.org", false},
		{"http://localhost:2000", "http://127.0.0.2:2000", false},
		{"http://localhost:2000", "http://localhost.example.org:2000", false},
		{"http://chat.example.org", "http://www.chat.example.org", false},
	} {
		t.Run(c.kept+" "+c.now, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			session := strings.Repeat("A", 22)
			newIdentity(c.kept, "anna", io.Discard).held(session)
			for name, want := range map[string]bool{"anna": c.found, "budi": false} {
				if got := newIdentity(c.now, name, io.Discard).config(client.Config{}).Session; (got == session) != want {
					t.Errorf("%s at %s has %q", name, c.now, got)
				}
			}
		})
	}
	// An explicit session takes precedence.
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	own := strings.Repeat("B", 21) + "A"
	newIdentity("http://chat.example.org", "anna", io.Discard).held(strings.Repeat("A", 22))
	newIdentity("https://chat.example.org", "anna", io.Discard).held(own)
	if got := newIdentity("https://chat.example.org", "anna", io.Discard).session; got != own {
		t.Errorf("over TLS anna has %q", got)
	}
}

func TestSessionFolder(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", filepath.Join(t.TempDir(), "state"))
	if got, err := sessionFolder(); err != nil || got != filepath.Join(os.Getenv("XDG_STATE_HOME"), "ramai", "sessions") {
		t.Errorf("%s, %v", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative") // the XDG specification says to ignore it
	if got, err := sessionFolder(); err != nil || !filepath.IsAbs(got) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestIdentityNotStorable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", file) // not a folder
	var notes strings.Builder
	who := newIdentity("http://127.0.0.1:2000", "anna", &notes)
	who.held(someSession)
	if !strings.Contains(notes.String(), "cannot store the session of anna") {
		t.Errorf("notes: %s", &notes)
	}
}
