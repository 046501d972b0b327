package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// brokenChat is a client that panics when it is asked for events.
type brokenChat struct{ fakeChat }

func (*brokenChat) Next(context.Context) (client.Event, error) { panic("a panic of the test") }

// terminalConfig returns the configuration of a screen on a pipe, without input, and the buffer it writes to.
func terminalConfig(t *testing.T) (Config, *bytes.Buffer) {
	t.Helper()
	in, keys := io.Pipe()
	t.Cleanup(func() { keys.Close() })
	out := new(bytes.Buffer)
	return Config{Server: &url.URL{Scheme: "http", Host: "localhost"}, Room: wire.Lobby, Theme: Dark, In: in, Out: out, Environ: []string{"TERM=xterm-256color"},
		Width: 80, Height: 24, Zone: time.UTC, Now: time.Now}, out
}

// TestFeedFails: if fetching events panics, the terminal is restored and the cause is reported.
func TestFeedFails(t *testing.T) {
	config, out := terminalConfig(t)
	_, err := run(t.Context(), config, new(brokenChat))
	if err == nil || !strings.Contains(err.Error(), "the screen failed: a panic of the test\n") || !strings.Contains(err.Error(), "terminal_test.go") {
		t.Errorf("the error is %v", err)
	}
	for _, mode := range []string{"?1049", "?2004", "?1004"} {
		if on, off := strings.LastIndex(out.String(), "\x1b["+mode+"h"), strings.LastIndex(out.String(), "\x1b["+mode+"l"); off < on {
			t.Errorf("mode %s was left on", mode)
		}
	}
}

// wants delivers a message to a screen and returns the messages of its commands, in order.
func (st *harness) wants(msg tea.Msg) (all []tea.Msg) {
	_, cmd := st.screen.Update(msg)
	var add func(tea.Cmd)
	add = func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		msg := cmd()
		if v := reflect.ValueOf(msg); v.Kind() == reflect.Slice { // a batch, or a sequence, which has no name
			for i := range v.Len() {
				add(v.Index(i).Interface().(tea.Cmd))
			}
			return
		}
		all = append(all, msg)
	}
	add(cmd)
	return all
}

// TestStopped: messages that arrive from Ctrl-Z on are new to the user who resumes, however late they arrive; earlier ones
// are not.
func TestStopped(t *testing.T) {
	for _, c := range []struct {
		name             string
		meanwhile, after int // messages
		blurred          bool
	}{
		{"meanwhile", 2, 1, false},
		{"on its way", 0, 3, false},
		{"elsewhere by then", 1, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newLobby(t, 10, func(c *Config, _ *fakeChat) { c.Suspend = true })
			if got := st.wants(keyPress("ctrl+z")); !reflect.DeepEqual(got, []tea.Msg{tea.SuspendMsg{}}) {
				t.Fatalf("the commands of Ctrl-Z are %v", got)
			}
			st.send(tea.SuspendMsg{}) // bubbletea reports it afterwards
			for range c.meanwhile {
				st.says("budi", "missed")
			}
			if c.meanwhile > 0 && st.room().unread() == 0 {
				t.Error("messages that arrived meanwhile count as read")
			}
			if c.blurred {
				st.send(tea.BlurMsg{})
			}
			st.send(tea.ResumeMsg{})
			for range c.after {
				st.says("budi", "on its way")
			}
			r := st.room()
			if !r.timeline.unreadDivider || r.timeline.dividerAfter != 10 {
				t.Errorf("the divider is after %d (%v)", r.timeline.dividerAfter, r.timeline.unreadDivider)
			}
			if unread := r.unread() > 0; unread != c.blurred {
				t.Errorf("%d are unread", r.unread())
			}
			st.press("esc")
			st.says("budi", "seen")
			if r.timeline.unreadDivider != c.blurred {
				t.Error("a message that arrives in view counts as new")
			}
		})
	}
}

// TestResume: mode 2027 is set again before anything is drawn, but only if it was set before.
func TestResume(t *testing.T) {
	st := newHarness(t, 80, 24, nil)
	if got := st.wants(tea.ResumeMsg{}); len(got) != 0 {
		t.Errorf("without the mode the commands are %v", got)
	}
	st.send(tea.ModeReportMsg{Mode: ansi.ModeUnicodeCore, Value: ansi.ModeReset})
	if got := st.wants(tea.ResumeMsg{}); len(got) != 2 || got[0] != tea.Msg(tea.RawMsg{Msg: "\x1b[?2027h"}) || reflect.TypeOf(got[1]) != reflect.TypeOf(tea.ClearScreen()) {
		t.Errorf("with the mode the commands are %v", got)
	}
}

// TestCursor: the screen does not change the shape of the cursor, so it need not be restored.
func TestCursor(t *testing.T) {
	config, out := terminalConfig(t)
	c := &fakeChat{events: make(chan client.Event)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sizes := make(chan Size)
	config.Sizes = sizes
	go func() {
		c.events <- client.Event{Frame: wire.Welcome{SenderID: "me", Session: "s"}}
		sizes <- Size{40, 10}
		sizes <- Size{80, 24}
		time.Sleep(3 * frameInterval)
		cancel()
	}()
	if _, err := run(ctx, config, c); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[?25h") {
		t.Error("no cursor is shown")
	}
	if styles := regexp.MustCompile(`\x1b\[\d* q`).FindAllString(out.String(), -1); len(styles) > 0 {
		t.Errorf("its shape is set: %q", styles)
	}
}

// TestWheel: if a terminal reports that it turns the wheel into keys, that mode is off while the screen is on.
func TestWheel(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) { c.Suspend = true })
	raw := func(s string) tea.Msg { return tea.RawMsg{Msg: s} }
	for i, c := range []struct {
		msg  tea.Msg
		want []tea.Msg
	}{
		{keyPress("ctrl+z"), []tea.Msg{tea.SuspendMsg{}}},
		{tea.ResumeMsg{}, nil},
		{tea.ModeReportMsg{Mode: ansi.ModeSynchronizedOutput, Value: ansi.ModeReset}, []tea.Msg{raw("\x1b[?1007$p")}},
		{tea.ModeReportMsg{Mode: ansi.ModeUnicodeCore, Value: ansi.ModeNotRecognized}, nil},
		{tea.ModeReportMsg{Mode: alternateScroll, Value: ansi.ModeReset}, nil},
		{keyPress("ctrl+z"), []tea.Msg{tea.SuspendMsg{}}},
		{tea.ModeReportMsg{Mode: alternateScroll, Value: ansi.ModePermanentlySet}, nil},
		{tea.ModeReportMsg{Mode: alternateScroll, Value: ansi.ModeSet}, []tea.Msg{raw("\x1b[?1007l")}},
		{keyPress("ctrl+z"), []tea.Msg{raw("\x1b[?1007h"), tea.SuspendMsg{}}},
		{tea.ResumeMsg{}, []tea.Msg{raw("\x1b[?1007l")}},
	} {
		if got := st.wants(c.msg); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d: at %#v the commands are %q, want %q", i, c.msg, got, c.want)
		}
	}
}

// TestWheelRestored: the mode is restored at the end.
func TestWheelRestored(t *testing.T) {
	for state, want := range map[ansi.ModeSetting]int{ansi.ModeSet: 1, ansi.ModeReset: 0} {
		config, out := terminalConfig(t)
		in, keys := io.Pipe()
		config.In = in
		go func() {
			io.WriteString(keys, ansi.ReportMode(ansi.ModeSynchronizedOutput, ansi.ModeReset))
			io.WriteString(keys, ansi.ReportMode(alternateScroll, state))
			time.Sleep(3 * frameInterval)
			keys.Close()
		}()
		if _, err := run(t.Context(), config, new(fakeChat)); err != nil {
			t.Fatal(err)
		}
		off, on := strings.Index(out.String(), "\x1b[?1007l"), strings.Index(out.String(), "\x1b[?1007h")
		if n := strings.Count(out.String(), "\x1b[?1007h"); n != want || want > 0 && (off < 0 || on < off) {
			t.Errorf("with the mode %d: it is off at %d, on at %d of\n%q", state, off, on, out)
		}
	}
}
