package tui_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/charmbracelet/x/vt"
	"github.com/coder/websocket"
	"github.com/creack/pty"

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

func (s *memoryStore) Load() tui.State   { return s.m }
func (s *memoryStore) Store(m tui.State) { s.m = m }

// TestRun runs several screens in one process that talk to each other.
func TestRun(t *testing.T) {
	address := serve(t)
	budis := new(memoryStore)
	anna, budi, dewi := openScreen(t, address, "anna", nil), openScreen(t, address, "budi", func(c *tui.Config) { c.StateStore = budis }), openScreen(t, address, "", nil)
	for _, s := range []*terminalScreen{anna, budi, dewi} {
		s.sees("live")
	}
	anna.sees("3 here")
	anna.types("Good morning!\r")
	budi.sees("anna   Good morning!")
	anna.sees("✓ Good morning!")
	budi.types("Hi @anna\r")
	anna.sees("Hi @anna")
	dewi.sees("Hi @anna")
	anna.rings()
	dewi.resize(30, 8)
	dewi.sees("anna Good morning!")
	dewi.types("/who\r")
	dewi.sees("are in lobby")
	dewi.types("q")
	dewi.types("\x1b[200~one\rtwo\x1b[201~\r") // Enter after a paste is a separate key: it does not answer the question
	dewi.sees("pasted 2 lines")
	dewi.types("l\r")
	anna.sees("two")

	anna.types("a draft\x04") // not empty, so it does not leave
	anna.types("\x15\x04")
	anna.ends()
	if anna.err != nil || len(anna.left.Unsaved) != 0 {
		t.Errorf("the exit status is %+v, %v", anna.left, anna.err)
	}
	budi.types("unfinished")
	budi.sees("unfinished")
	budi.stop()
	budi.ends()
	if !errors.Is(budi.err, context.Canceled) || budis.m.Rooms[0].Draft != "unfinished" {
		t.Errorf("the exit status is %+v, %v; the stored state is %+v", budi.left, budi.err, budis.m)
	}
}

// TestTerminal runs a screen on a real terminal: it is made raw, its input is bounded, and it is restored.
func TestTerminal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no pseudoterminals")
	}
	keyboard, screen, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	before, err := term.GetState(screen.Fd())
	if err != nil {
		t.Fatal(err)
	}
	var copies sync.WaitGroup
	s := openScreen(t, serve(t), "anna", func(c *tui.Config) {
		answers := c.In
		copies.Go(func() { io.Copy(keyboard, answers) })
		c.In, c.Out = screen, screen
	})
	copies.Go(func() { io.Copy(s, keyboard) })
	t.Cleanup(func() { // runs before the cleanups of openScreen
		s.stop()
		<-s.done
		s.keys.Close()
		screen.Close()
		keyboard.Close()
		copies.Wait()
	})
	s.sees("live")
	for _, typed := range []string{"\x9bMabc\x15", "\x1b[200~\x9bM\x1b[201~\x15", "\xe3", "unharmed\r"} {
		if _, err := keyboard.WriteString(typed); err != nil {
			t.Fatal(err)
		}
	}
	s.sees("✓ unharmed")
	keyboard.WriteString("\xe3") // only the beginning of a character
	time.Sleep(100 * time.Millisecond)
	s.stop()
	<-s.done
	screen.WriteString("over") // after everything that the screen has written
	for late := time.After(quitTimeout); ; {
		_, more := s.shown()
		if strings.HasSuffix(s.written(), "over") {
			break
		}
		select {
		case <-more:
		case <-late:
			t.Fatal("the output does not arrive")
		}
	}
	s.ends()
	after, err := term.GetState(screen.Fd())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, after) {
		t.Error("the terminal is not restored")
	}
}

// TestPanic: the terminal is restored after a panic.
func TestPanic(t *testing.T) {
	var broken atomic.Bool
	s := openScreen(t, serve(t), "", func(c *tui.Config) {
		c.Now = func() time.Time {
			if broken.Load() {
				panic("a panic of the test")
			}
			return time.Now()
		}
	})
	s.sees("live")
	broken.Store(true)
	s.types("x")
	s.ends()
	if s.err == nil || !strings.Contains(s.err.Error(), "a panic of the test") {
		t.Errorf("the error is %v", s.err)
	}
}

// TestDeleted: when the terminal is closed, the screen ends.
func TestDeleted(t *testing.T) {
	s := openScreen(t, serve(t), "", nil)
	s.sees("live")
	s.keys.CloseWithError(io.ErrUnexpectedEOF) // the terminal is gone
	s.ends()
}

// TestOriginal runs two screens against a server like the original: plain lines, sent to everybody.
func TestOriginal(t *testing.T) {
	var mu sync.Mutex
	all := map[*websocket.Conn]bool{}
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		tell := func(c *websocket.Conn, text []byte) { c.Write(r.Context(), websocket.MessageText, text) }
		mu.Lock()
		tell(c, []byte(wire.Greeting))
		all[c] = true
		mu.Unlock()
		for {
			_, text, err := c.Read(r.Context())
			mu.Lock()
			if err != nil {
				delete(all, c)
				mu.Unlock()
				return
			}
			for c := range all {
				tell(c, text)
			}
			mu.Unlock()
		}
	}))
	t.Cleanup(chat.Close)
	anna, budi := openScreen(t, chat.URL, "", nil), openScreen(t, chat.URL, "", nil)
	anna.sees("live, plain")
	budi.sees("live, plain")
	anna.types("hello\r")
	anna.sees("✓ hello")
	budi.sees("hello")
	budi.types("/who\r")
	budi.sees("this server has one room")
	budi.types("\x03\x04")
	budi.ends()
}

// TestFlood: in a flood the frame rate is limited, keys are still shown, and everything is there at the end.
func TestFlood(t *testing.T) {
	address := serve(t)
	s := openScreen(t, address, "", nil)
	s.sees("live")
	c := speaker(t, address)
	const many = 3000
	begin := time.Now()
	for i := range many {
		if _, err := c.Say(wire.Lobby, fmt.Sprintf("flood %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	s.types("seen?")
	s.sees("seen?")
	s.sees(fmt.Sprintf("flood %d", many-1))
	out := s.written()
	if drawn, most := strings.Count(out, "\x1b[?25l"), int(time.Since(begin)/(time.Second/30))+10; drawn > most {
		t.Errorf("it was drawn %d times, want at most %d", drawn, most)
	}
}

// TestUndo runs two screens: a moderator erases the messages of somebody and undoes that, and the other screen shows the texts again.
func TestUndo(t *testing.T) {
	address := serve(t) + "/r/class"
	inClass := func(c *tui.Config) { c.Room = "class" }
	var passed atomic.Int64
	anna := openScreen(t, address, "anna", func(c *tui.Config) {
		inClass(c)
		c.Now = func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	})
	anna.sees("live")
	anna.types("welcome\r")
	anna.sees("✓ welcome")
	budi := openScreen(t, address, "budi", inClass)
	budi.sees("anna   welcome")
	budi.types("buy cheap pills\r")
	anna.sees("buy cheap pills")
	dewi := openScreen(t, address, "dewi", inClass)
	dewi.sees("buy cheap pills")
	anna.types("/erase budi\r")
	anna.sees("Please confirm")
	passed.Store(int64(time.Minute)) // an answer at once may have been meant for the draft
	anna.types("y")
	dewi.sees("message deleted")
	anna.sees("erased; /undo")
	anna.types("/undo\r")
	dewi.sees("budi   buy cheap pills")
	anna.sees("budi   buy cheap pills")
	budi.sees("buy cheap pills")
}
