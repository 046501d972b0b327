package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/internal/proxytest"
	"ramai/server"
	"ramai/wire"
)

// TestSSHNameReleased: if the operator releases a name, its holder is notified on every connection, and continues without a
// name.
func TestSSHNameReleased(t *testing.T) {
	t.Parallel()
	var operator http.Handler
	o := serveSSH(t, nil, func(s *server.Server) { operator = s.Operator() })
	c := o.connect("anna", ssh.PublicKeys(newKey(t)))
	type sshRun struct {
		*ssh.Session
		io.WriteCloser
		*json.Decoder
	}
	enter := func() sshRun {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		input, _ := s.StdinPipe()
		output, _ := s.StdoutPipe()
		if err := s.Start("den --json"); err != nil {
			t.Fatal(err)
		}
		return sshRun{s, input, json.NewDecoder(output)}
	}
	until := func(v sshRun, want string) {
		t.Helper()
		late := time.AfterFunc(20*time.Second, func() { v.Session.Close() })
		defer late.Stop()
		for line := json.RawMessage(nil); !strings.Contains(string(line), want); {
			if err := v.Decode(&line); err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
		}
	}
	const noName = `{"type":"name","name":""}`
	first := enter()
	io.WriteString(first, "mine\n")
	until(first, `"from":"anna"`)
	second := enter()
	until(second, `"type":"joined"`)
	other := dial(t, o.url, wire.Protocol)
	other.until(`"welcome"`)

	r := httptest.NewRequest(http.MethodPost, server.ReleasePath, strings.NewReader("Anna"))
	answer := httptest.NewRecorder()
	if operator.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		t.Fatalf("released: %d %s", answer.Code, answer.Body)
	}
	until(first, noName)
	until(second, noName)
	other.say(`{"type":"name","name":"anna"}`)
	other.expect(`{"type":"name","name":"anna"}`) // and nothing before it
	for _, v := range []sshRun{first, second} {
		io.WriteString(v, "still here\n")
		until(v, `"from":"",`)
		v.WriteCloser.Close()
		if err := v.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// TestSSHNoName: a client that cannot have a name is told why, on a screen and in line mode.
func TestSSHNoName(t *testing.T) {
	o := serveSSH(t, nil)
	c := o.connect("an\u202ena", asGuest)
	const want = `"anna" cannot be your name: the name has the invisible character U+202E`
	if out, notes, status := command(t, c, "den --json", "hello\n"); status != 0 || !strings.HasPrefix(notes, want) || strings.Contains(notes, "ssh -t") {
		t.Errorf("%d %q %q", status, out, notes)
	}
	screen := o.terminal(c, "den", 80, 24)
	screen.shows("cannot be your name")
	screen.shows("it out")
	screen.types("\x04")
	if err := screen.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSSHNameRegistrationsRateLimited: the keys of one address can register a limited number of names an hour, whichever
// keys they are. Beyond that they hold a name only temporarily. An owner of a name is charged once.
func TestSSHNameRegistrationsRateLimited(t *testing.T) {
	t.Parallel()
	const names = 3 // an hour: one in 20 minutes
	data := t.TempDir()
	var later atomic.Int64
	start := func() *overSSH {
		return serveSSHTo(t, "2001:db8::1", func(c *server.Config) {
			c.Data, c.Rate, c.Burst, c.NewNames = data, 1000, 1000, names
			c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
		})
	}
	o := start()
	id := 0
	newcomer := func() (string, ssh.Signer) {
		id++
		return fmt.Sprint("name", id), newKey(t)
	}
	speaks := func(name string, key ssh.Signer) {
		t.Helper()
		c, err := o.dial(name, ssh.PublicKeys(key))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		out, notes, status := command(t, c, "den --json", "one\ntwo\n")
		if said := textsIn(t, out); status != 0 || len(said) != 2 || said[0].DisplayName != name || said[1].DisplayName != name {
			t.Fatalf("%s cannot post: %d %s%s", name, status, out, notes)
		}
	}
	owned := func(name string, want bool) {
		t.Helper()
		v1 := dial(t, o.url, wire.Protocol)
		v1.say(`{"type":"name","name":"` + name + `"}`)
		if got := strings.Contains(v1.until(`"name_taken"`), "is registered for an SSH key"); got != want {
			t.Errorf("%s is registered: %t, want %t", name, got, want)
		}
	}
	own := func(want bool) (string, ssh.Signer) {
		t.Helper()
		name, key := newcomer()
		speaks(name, key)
		owned(name, want)
		return name, key
	}
	name, key := own(true)
	for range 5 {
		speaks(name, key)
	}
	for range names - 1 {
		own(true)
	}
	late, itsKey := own(false)
	own(false)
	later.Add(int64(20 * time.Minute))
	speaks(name, key)
	speaks(late, itsKey)
	owned(late, true)
	own(false)

	o.stop()
	if err := <-o.done; err != nil {
		t.Fatal(err)
	}
	o = start()
	speaks(name, key)
	speaks(late, itsKey)
	for range names {
		own(true)
	}
	own(false)
}

// TestSSHSecretMissing: if the secret from which senders are derived is missing, nobody owns the names, and the log says
// so.
func TestSSHSecretMissing(t *testing.T) {
	var folder string
	var notes proxytest.Buffer
	in := func(c *server.Config) {
		if folder == "" {
			folder = c.Data
		}
		c.Data, c.Logger = folder, slog.New(slog.NewTextHandler(&notes, nil))
	}
	key := newKey(t)
	o := serveSSH(t, in)
	command(t, o.connect("anna", ssh.PublicKeys(key)), "den", "mine\n")
	for _, missing := range []bool{false, true} {
		o.stop()
		if err := <-o.done; err != nil {
			t.Fatal(err)
		}
		if missing {
			if err := os.Remove(filepath.Join(folder, "ssh", "secret")); err != nil {
				t.Fatal(err)
			}
		}
		o = serveSSH(t, in)
		if strings.Contains(notes.String(), "the SSH secret was missing") != missing {
			t.Errorf("missing is %v, and the log says\n%s", missing, notes.String())
		}
	}
}
