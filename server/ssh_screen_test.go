package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/crypto/ssh"

	"ramai/internal/exitcode"
	"ramai/server"
	"ramai/wire"
)

// terminal is an SSH session with a screen.
type terminal struct {
	*ssh.Session
	t             *testing.T
	stdin         io.WriteCloser
	width, height int // of the emulator; a window can have any size

	mu   sync.Mutex
	text []byte // guarded by mu: everything that was written to it
}

func (o *overSSH) terminal(c *ssh.Client, line string, width, height int) *terminal {
	o.t.Helper()
	s, err := c.NewSession()
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { s.Close() })
	term := &terminal{Session: s, t: o.t, width: 80, height: 24}
	if width > 0 && width <= 500 {
		term.width, term.height = width, height
	}
	if err := s.RequestPty("xterm-256color", height, width, nil); err != nil {
		o.t.Fatal(err)
	}
	if term.stdin, err = s.StdinPipe(); err != nil {
		o.t.Fatal(err)
	}
	s.Stdout, s.Stderr = term, term
	if line == "" {
		err = s.Shell()
	} else {
		err = s.Start(line)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return term
}

func (term *terminal) Write(b []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	term.text = append(term.text, b...)
	return len(b), nil
}

// shows waits for a text, either in the output or on the screen, where text written in pieces is contiguous.
func (term *terminal) shows(want string) {
	term.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		term.mu.Lock()
		text := bytes.Clone(term.text)
		term.mu.Unlock()
		if bytes.Contains(text, []byte(want)) || strings.Contains(term.screen(text), want) {
			return
		}
		if time.Now().After(end) {
			term.t.Fatalf("%q is not shown:\n%q", want, text)
		}
	}
}

// screen returns what a terminal shows after the output so far.
func (term *terminal) screen(text []byte) string {
	screen := vt.NewEmulator(term.width, term.height)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		io.Copy(io.Discard, screen) // replies of the terminal
	}()
	screen.Write(text)
	shown := screen.String()
	screen.InputPipe().(io.Closer).Close()
	<-answered
	return shown
}

func (term *terminal) types(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term.stdin, keys); err != nil {
		term.t.Fatal(err)
	}
}

// TestSSHScreen: a client with a key gets its draft back when it returns, and a window can have any size.
func TestSSHScreen(t *testing.T) {
	t.Parallel()
	var folder string
	o := serveSSH(t, func(c *server.Config) { folder = filepath.Join(c.Data, "ssh", "screens") })
	remembered := func(draft string) { // a session ends a moment after its channel
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			files, _ := filepath.Glob(filepath.Join(folder, "*.json"))
			if len(files) == 1 {
				if b, _ := os.ReadFile(files[0]); strings.Contains(string(b), draft) {
					if info, err := os.Stat(files[0]); err != nil || time.Since(info.ModTime()) > time.Hour {
						t.Error("the state of a registered name is stored as that of a guest")
					}
					return
				}
			}
			if time.Now().After(end) {
				t.Fatalf("%q is not stored in %v", draft, files)
			}
		}
	}
	c := o.connect("anna", ssh.PublicKeys(newKey(t)))
	plain := dial(t, o.url+"/r/den")
	plain.expect(wire.Greeting)
	first := o.terminal(c, "den", 80, 24)
	first.shows("den")
	first.types("\x9bMabc\x15") // once crashed the program: an incomplete 8-bit mouse report
	first.types("hello\r")
	plain.expect("anna: hello")
	first.types("half a thou")
	first.shows("half a thou")
	for _, size := range [][2]int{{0, 0}, {10000, 10000}, {1, 1}, {20, 6}, {80, 24}} {
		if err := first.WindowChange(size[1], size[0]); err != nil {
			t.Fatal(err)
		}
	}
	plain.say("still there?")
	first.shows("still there?")
	plain.expect("still there?")
	first.Close()
	for _, size := range [][2]int{{0, 0}, {10000, 10000}} {
		remembered("half a thou")
		again := o.terminal(c, "den", size[0], size[1])
		again.shows("half a thou")
		again.types("\x03\x04") // clear it, and leave
		if err := again.Wait(); err != nil {
			t.Errorf("%v: %v", size, err)
		}
		again = o.terminal(c, "den", 80, 24)
		again.shows("say something")
		again.types("half a thou")
		again.shows("half a thou")
		again.Close()
	}
}

// TestSSHAddress: the address of a room works in a browser.
func TestSSHAddress(t *testing.T) {
	o := serveSSH(t, func(c *server.Config) { c.Port = 2345 })
	screen := o.terminal(o.connect("x", asGuest), "den", 80, 24)
	screen.shows("say something")
	screen.types("/link\r")
	screen.shows("http://127.0.0.1:2345/r/den")
	screen.types("\x04")
	if err := screen.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSSHScreenOptions: the options of a screen can be given over SSH, and its list of rooms is that of the server.
func TestSSHScreenOptions(t *testing.T) {
	t.Parallel()
	o := serveSSH(t, nil)
	plain := dial(t, o.url+"/r/elsewhere")
	plain.expect(wire.Greeting)
	plain.say("hello")
	plain.expect("hello")
	c := o.connect("x", asGuest)
	screen := o.terminal(c, "--mouse --notify osc9", 80, 24)
	screen.shows("say something in lobby")
	screen.shows("\x1b[?1002h") // xterm's mouse mode
	screen.types("/list\r")
	screen.shows("elsewhere  1 here · newest")
	if out, notes, status := command(t, c, "--notify bell", ""); status != exitcode.Usage || !strings.Contains(notes, "unknown kind of notification \"bell\"") {
		t.Errorf("status %d: %s%s", status, out, notes)
	}
}

// TestSSHBlockedLineMode: an SSH client that reads nothing loses nothing, and delays nobody.
func TestSSHBlockedLineMode(t *testing.T) {
	t.Parallel()
	const many = 1500
	o := serveSSH(t, nil)
	s, err := o.connect("x", asGuest).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	input, _ := s.StdinPipe()
	output, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("den --json"); err != nil {
		t.Fatal(err)
	}
	blocked := json.NewDecoder(output)
	var f struct {
		Type string
		N    uint64
	}
	for f.Type != "joined" {
		if err := blocked.Decode(&f); err != nil {
			t.Fatal(err)
		}
	}
	plain := dial(t, o.url+"/r/den")
	plain.expect(wire.Greeting)
	text := strings.Repeat("x", 4000) // in total more than SSH buffers
	plain.skip(text, many)
	for next := uint64(1); next <= many; {
		if err := blocked.Decode(&f); err != nil {
			t.Fatal(err)
		}
		if f.Type == "message" {
			if f.N != next {
				t.Fatalf("number %d follows %d", f.N, next-1)
			}
			next++
		}
	}
	input.Close()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSSHBlockedScreen: a client that blocks writes for too long loses its connection.
func TestSSHBlockedScreen(t *testing.T) {
	t.Parallel()
	o := serveSSH(t, func(c *server.Config) { c.SlowClientTimeout = time.Second })
	c := o.connect("x", asGuest)
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	output, _ := s.StdoutPipe()
	input, _ := s.StdinPipe()
	defer input.Close()
	if err := s.Start("den"); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	plain := dial(t, o.url+"/r/den")
	plain.expect(wire.Greeting)
	text := strings.Repeat("x", 4000)
	plain.skip(text, 700) // more than the blocked client's buffers hold
	ended := make(chan struct{})
	go func() {
		c.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("it is still connected")
	}
}

// TestSSHStop: when the server stops, SSH sessions end, and are told why.
func TestSSHStop(t *testing.T) {
	o := serveSSH(t, nil)
	c := o.connect("anna", ssh.PublicKeys(newKey(t)))
	screen := o.terminal(c, "", 80, 24)
	screen.shows("lobby")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var notes bytes.Buffer
	s.Stderr = &notes
	input, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("den"); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 100)); err != nil { // the welcome
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	o.stop()
	ended := make(chan error, 2)
	go func() { ended <- screen.Wait() }()
	go func() { ended <- s.Wait() }()
	for range 2 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("a session ended as if the client had left")
			}
		case <-ctx.Done():
			t.Fatal("a session does not end")
		}
	}
	screen.shows("\x1b[?1049l") // the terminal is restored
	if !strings.Contains(notes.String(), "the server is stopping") {
		t.Errorf("line by line: %q", notes.String())
	}
}

// TestSSHSmallScreen: a screen smaller than its window shows why.
func TestSSHSmallScreen(t *testing.T) {
	t.Parallel()
	o := serveSSHTo(t, "192.0.2.1", nil)
	c := o.connect("anna", ssh.PublicKeys(newKey(t))) // the same sender each time, who has the name
	for range 7 {                                     // the limit of the largest screens for an address
		o.terminal(c, "den", 500, 200).shows("say something in den")
	}
	o.terminal(c, "den", 500, 200).shows("the server has no memory for another large screen now")
	o.terminal(o.connect("budi", asGuest), "den", 80, 24).shows("say something in den")
}
