package tui_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"

	"ramai/client"
	"ramai/internal/tui"
	"ramai/server"
	"ramai/wire"
)

const quitTimeout = 30 * time.Second

// serve runs a server on its own port.
func serve(t testing.TB) string {
	t.Helper()
	config := server.Defaults()
	config.Data, config.Logger, config.Quiet, config.Rate = t.TempDir(), slog.New(slog.DiscardHandler), true, 0
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, server.Listeners{server.HTTP: l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// terminalScreen is a running screen, on a terminal that consists of a pipe and an emulator.
type terminalScreen struct {
	t     testing.TB
	keys  *io.PipeWriter
	sizes chan tui.Size
	stop  context.CancelFunc
	done  chan struct{}
	left  tui.ExitStatus
	err   error

	mu   sync.Mutex
	out  bytes.Buffer
	vt   *vt.Emulator
	more chan struct{}
}

func (s *terminalScreen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Write(b)
	s.vt.Write(b)
	close(s.more)
	s.more = make(chan struct{})
	return len(b), nil
}

// openScreen opens a screen under a name, or without one if name is empty.
func openScreen(t testing.TB, address, name string, change func(*tui.Config)) *terminalScreen {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Config{URL: address, Name: name, Last: wire.DefaultJoin})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	in, keys := io.Pipe()
	s := &terminalScreen{t: t, keys: keys, sizes: make(chan tui.Size), done: make(chan struct{}), more: make(chan struct{}), vt: vt.NewEmulator(80, 24)}
	answers := make(chan struct{})
	go func() {
		io.Copy(keys, s.vt)       // replies of the terminal
		io.Copy(io.Discard, s.vt) // once nobody reads keys; otherwise a query would block the emulator
		close(answers)
	}()
	config := tui.Config{Client: c, Server: at, Room: wire.Lobby, Last: wire.DefaultJoin, Theme: tui.Dark, Bell: true, In: in, Out: s,
		Environ: []string{"TERM=xterm-256color"}, Width: 80, Height: 24, Sizes: s.sizes, Zone: time.UTC, Now: time.Now}
	if change != nil {
		change(&config)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.done)
		s.left, s.err = tui.Run(ctx, config)
	}()
	t.Cleanup(func() {
		stop()
		<-s.done
		keys.Close()
		s.vt.InputPipe().(io.Closer).Close()
		<-answers
		c.Close()
	})
	return s
}

// written returns everything that was written to the terminal.
func (s *terminalScreen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// shown returns the text on the terminal, and a channel that is closed at the next change.
func (s *terminalScreen) shown() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vt.String(), s.more
}

// sees waits until words are on the terminal.
func (s *terminalScreen) sees(words string) {
	s.t.Helper()
	late := time.After(quitTimeout)
	for {
		text, more := s.shown()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-more:
		case <-s.done:
			s.t.Fatalf("the screen ended (%v) without %q", s.err, words)
		case <-late:
			s.t.Fatalf("%q did not appear on\n%s", words, text)
		}
	}
}

// rings waits for the bell, which is written apart from the screen.
func (s *terminalScreen) rings() {
	s.t.Helper()
	late := time.After(quitTimeout)
	for {
		_, more := s.shown()
		if strings.Contains(s.written(), "\a") {
			return
		}
		select {
		case <-more:
		case <-late:
			s.t.Fatal("the bell did not ring")
		}
	}
}

func (s *terminalScreen) resize(width, height int) {
	s.mu.Lock()
	s.vt.Resize(width, height)
	s.mu.Unlock()
	s.sizes <- tui.Size{Width: width, Height: height}
}

func (s *terminalScreen) types(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the end, and checks that the terminal is restored.
func (s *terminalScreen) ends() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(quitTimeout):
		s.t.Fatal("the screen does not end")
	}
	out := s.written()
	for _, mode := range []string{"?1049", "?2004", "?1004"} { // alternate screen, bracketed paste, focus
		if on, off := strings.LastIndex(out, "\x1b["+mode+"h"), strings.LastIndex(out, "\x1b["+mode+"l"); on < 0 || off < on {
			s.t.Errorf("mode %s was left on", mode)
		}
	}
	if hidden, shown := strings.LastIndex(out, "\x1b[?25l"), strings.LastIndex(out, "\x1b[?25h"); hidden > shown {
		s.t.Error("the cursor was left hidden")
	}
}

// memoryStore is a tui.StateStore in memory.
type memoryStore struct{ m tui.State }

func (s *memoryStore) Load() tui.State { return s.m }

func (s *memoryStore) Store(m tui.State) { s.m = m }
