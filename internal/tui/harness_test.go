package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// harness is a screen that a test steps: it delivers events, keys and pages in the test's goroutine, with a clock of its
// own.
type harness struct {
	t testing.TB
	*screen
	chat *fakeChat
	now  time.Time
	bell int
	quit bool
}

// start is the time at which tests begin: a Wednesday.
var start = time.Date(2026, 11, 25, 14, 2, 0, 0, time.UTC)

func newHarness(t testing.TB, width, height int, change func(*Config, *fakeChat)) *harness {
	t.Helper()
	st := &harness{t: t, chat: &fakeChat{history: map[string][]wire.Message{}}, now: start}
	server, err := url.Parse("http://127.0.0.1:2000/")
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Server: server, Room: wire.Lobby, Last: 50, Theme: Dark, Bell: true, Environ: []string{"TERM=xterm-256color"},
		Width: width, Height: height, Zone: time.UTC, Now: func() time.Time { return st.now }}
	if change != nil {
		change(&config, st.chat)
	}
	if st.screen, err = newScreen(t.Context(), config, st.chat); err != nil {
		t.Fatal(err)
	}
	st.status.ticking = true // the test controls the clock
	st.sleep = func(_ context.Context, d time.Duration) { st.now = st.now.Add(d) }
	st.send(tea.WindowSizeMsg{Width: width, Height: height})
	return st
}

// newLobby returns a screen of 80 by 24 cells on which anna has entered the lobby, which has n messages.
func newLobby(t testing.TB, n int, change func(*Config, *fakeChat)) *harness {
	t.Helper()
	st := newHarness(t, 80, 24, change)
	st.welcome("anna", n)
	return st
}

// send delivers a message to the screen, and runs the command it returns at once.
func (st *harness) send(msg tea.Msg) {
	_, cmd := st.screen.Update(msg)
	st.do(cmd)
}

func (st *harness) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			st.do(c)
		}
	case tea.QuitMsg:
		st.quit = true
	case tea.RawMsg:
		if msg.Msg == "\a" {
			st.bell++
		}
	case page, proof, settingsPage, settingsRetry, notice, questionsAnswer, whoAnswer, foundAnswer, commandAnswer, roomsAnswer, reachable:
		st.send(msg)
	}
}

// receive delivers frames to the screen.
func (st *harness) receive(frames ...wire.Frame) {
	var b batch
	for _, f := range frames {
		st.chat.answered(f)
		b.events = append(b.events, client.Event{Frame: f})
	}
	st.send(b)
}

// welcome begins every conversation: a name, and a room with n messages, the newest of which are sent.
func (st *harness) welcome(name string, n int) {
	st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: name, Limits: wire.Limits{Text: 4000, Rooms: 8}})
	st.fillHistory(wire.Lobby, n)
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", Epoch: st.chat.epoch, N: uint64(n), First: 1, Count: 3}, wire.Presence{Room: wire.Lobby, Count: 3, Names: []string{"anna", "budi", "dewi"}})
	for _, m := range st.chat.history[wire.Lobby][max(n-50, 0):] {
		st.receive(m)
	}
}

// fillHistory gives a room n messages.
func (st *harness) fillHistory(room string, n int) {
	for i := 1; i <= n; i++ {
		from := []string{"budi", "dewi"}[i/3%2]
		st.chat.history[room] = append(st.chat.history[room], wire.Message{Room: room, N: uint64(i), At: wire.TimeOf(start.Add(time.Duration(i-n) * time.Minute)),
			SenderID: "by-" + from, DisplayName: from, ID: fmt.Sprint(i), Text: fmt.Sprintf("message %d", i)})
	}
}

// says posts a message in the lobby under another name.
func (st *harness) says(from, text string) {
	all := st.chat.history[wire.Lobby]
	m := wire.Message{Room: wire.Lobby, N: uint64(len(all)) + 1, At: wire.TimeOf(st.now), SenderID: "by-" + from, DisplayName: from, ID: fmt.Sprint("x", len(all)), Text: text}
	st.chat.history[wire.Lobby] = append(all, m)
	st.receive(m)
}

// types writes text, one character at a time.
func (st *harness) types(text string) {
	for _, c := range split(text) {
		r := []rune(c)[0]
		st.send(tea.KeyPressMsg{Text: c, Code: r})
	}
}

// press presses keys by their names in bindings.
func (st *harness) press(keys ...string) {
	for _, k := range keys {
		st.send(keyPress(k))
	}
}

func keyPress(k string) tea.KeyPressMsg {
	var m tea.KeyPressMsg
	for {
		before, after, ok := strings.Cut(k, "+")
		if !ok || after == "" {
			break
		}
		switch before {
		case "ctrl":
			m.Mod |= tea.ModCtrl
		case "alt":
			m.Mod |= tea.ModAlt
		case "shift":
			m.Mod |= tea.ModShift
		}
		k = after
	}
	named := map[string]rune{"enter": tea.KeyEnter, "tab": tea.KeyTab, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft,
		"right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace,
		"delete": tea.KeyDelete, "f1": tea.KeyF1}
	if code, ok := named[k]; ok {
		m.Code = code
		return m
	}
	m.Code = []rune(k)[0]
	if m.Mod == 0 {
		m.Text = k
	}
	return m
}

// shown returns the screen as text, one row per line, after the renderer has written it into cells.
func (st *harness) shown() string {
	cells := uv.NewScreenBuffer(st.total, st.height)
	cells.Method = st.method
	uv.NewStyledString(st.View().Content).Draw(cells, cells.Bounds())
	var b strings.Builder
	for y := range st.height {
		b.WriteString(strings.TrimRight(ansi.Strip(cells.Line(y).Render()), " ") + "\n")
	}
	return b.String()
}

// terminal renders views one after the other as bubbletea does, and keeps the bytes.
type terminal struct {
	out  bytes.Buffer
	scr  *uv.TerminalRenderer
	cell uv.ScreenBuffer
}

func newTerminal(width, height int) *terminal {
	d := new(terminal)
	d.scr = uv.NewTerminalRenderer(&d.out, []string{"TERM=xterm-256color"})
	d.scr.SetColorProfile(colorprofile.ANSI256)
	d.scr.SetScrollOptim(true)
	d.scr.SetRelativeCursor(false)
	d.scr.SetFullscreen(true)
	d.scr.Resize(width, height)
	d.scr.Erase()
	d.cell = uv.NewScreenBuffer(width, height)
	return d
}

// draw renders another view.
func (d *terminal) draw(t testing.TB, v tea.View, method ansi.Method) {
	d.cell.Method = method
	d.cell.Clear()
	uv.NewStyledString(v.Content).Draw(d.cell, d.cell.Bounds())
	d.scr.Render(d.cell.RenderBuffer)
	if v.Cursor != nil {
		d.scr.MoveTo(v.Cursor.X, v.Cursor.Y)
	}
	if err := d.scr.Flush(); err != nil {
		t.Fatal(err)
	}
}

// golden compares the screen with the file in testdata.
func (st *harness) golden(name string) {
	st.t.Helper()
	file := filepath.Join("testdata", name+".txt")
	got := st.shown()
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			st.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		st.t.Fatal(err)
	}
	if got != string(want) {
		st.t.Errorf("%s: the screen is\n%s\nwant\n%s", name, got, want)
	}
}

// has fails unless something is on the screen.
func (st *harness) has(words ...string) {
	st.t.Helper()
	for _, w := range words {
		if !strings.Contains(st.shown(), w) {
			st.t.Fatalf("%q is not on the screen:\n%s", w, st.shown())
		}
	}
}

func (st *harness) hasNot(words ...string) {
	st.t.Helper()
	for _, w := range words {
		if strings.Contains(st.shown(), w) {
			st.t.Fatalf("%q is on the screen:\n%s", w, st.shown())
		}
	}
}

// asked fails unless this was the last request.
func (st *harness) asked(want string) {
	st.t.Helper()
	if got := st.chat.asked; len(got) == 0 || got[len(got)-1] != want {
		st.t.Fatalf("the last request is %q, want %q", got, want)
	}
}
