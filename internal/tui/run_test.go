package tui_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/coder/websocket"
	"github.com/creack/pty"

	"ramai/internal/tui"
	"ramai/wire"
)

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
