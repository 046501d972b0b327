package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
)

// TestPressed: a key has the same name however a terminal reports it.
func TestPressed(t *testing.T) {
	for _, c := range []struct{ sent, want string }{
		{"\x1f", "ctrl+_"},
		{"\x1b[45;6u", "ctrl+_"},
		{"\x1b[45:95;6u", "ctrl+_"},
		{"\x1b[27;5;95~", "ctrl+_"},
		{"\x1b[27;6;95~", "ctrl+_"},
		{"\x1b[95;5u", "ctrl+_"},       // a French keyboard
		{"\x1b[45:95:47;6u", "ctrl+_"}, // a German one
		{"\x1b>", "alt+>"},
		{"\x1b[46;4u", "alt+>"},
		{"\x1b[46:62;4u", "alt+>"},
		{"\x1b[27;4;62~", "alt+>"},
		{"\x1b[47:63;4u", "alt+?"},
		{"\x1b[27;4;63~", "alt+?"},
		{"\x1b[50:64;6u", "ctrl+@"},
		{"\x1b[38:49:49;4u", "alt+1"}, // a French one, where digits have Shift
		{"\x1b[27;4;49~", "alt+1"},
		{"\x1b[49;3u", "alt+1"},
		{"\r", "enter"},
		{"\x1b[109;5u", "enter"},
		{"\x1b[27;5;109~", "enter"},
		{"\x1b[109;7u", "alt+enter"},
		{"\x1b[13;3u", "alt+enter"},
		{"\x1b[13;2u", "shift+enter"},
		{"\x1b[105;5u", "tab"},
		{"\x1b[91;5u", "esc"},
		{"\x1b[104;5u", "ctrl+h"},
		{"\x01", "ctrl+a"},
		{"\x1b[97;5u", "ctrl+a"},
		{"\x1b[97:65;6u", "ctrl+shift+a"},
		{"\x1b[27;6;65~", "ctrl+shift+a"},
		{"\x1b[97::113;5u", "ctrl+a"},     // a French one, where A is at Q
		{"\x1b[1089::99;5u", "ctrl+c"},    // a Russian one
		{"\x1b[1102:1070:46;4u", "alt+>"}, // the same, with Shift
		{"\x1bA", "alt+shift+a"},
		{"\x1b[1;2A", "shift+up"},
		{"\x1b[32;2u", "shift+space"},
		{"A", "shift+a"},
		{"-", "-"},
	} {
		var d uv.EventDecoder
		_, e := d.Decode([]byte(c.sent))
		press, ok := e.(uv.KeyPressEvent)
		if !ok {
			t.Errorf("%q is %T", c.sent, e)
			continue
		}
		if got := pressed(tea.Key(press)); got != c.want {
			t.Errorf("%q is %s, want %s", c.sent, got, c.want)
		}
	}
}

// TestPress: the documented keys work with every way of reporting keys, and a setting can use any name of a key.
func TestPress(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.Keys = []string{"who=alt+?", "help=Alt+Shift+."}
	})
	st.welcome("anna", 10)
	send := func(sent string) {
		var d uv.EventDecoder
		_, e := d.Decode([]byte(sent))
		st.send(tea.KeyPressMsg(e.(uv.KeyPressEvent)))
	}
	composed := func(want string) {
		t.Helper()
		if got := st.room().editor.String(); got != want {
			t.Errorf("the composer contains %q, want %q", got, want)
		}
	}
	for _, undo := range []string{"\x1b[45;6u", "\x1b[45:95;6u", "\x1b[27;6;95~"} {
		st.types("one two")
		st.press("ctrl+w")
		send(undo)
		composed("one two")
		st.press("ctrl+c")
	}
	st.types("said")
	send("\x1b[109;5u")
	st.asked(`say lobby "said"`)
	st.types("/")
	send("\x1b[91;5u")
	composed("")
	st.types("bu")
	send("\x1b[105;5u")
	composed("@budi: ")
	st.press("ctrl+c")
	send("\x1b[47:63;4u")
	st.asked("who lobby")
	st.press("esc")
	send("\x1b[46;4u")
	st.has("Keys and commands")
	if !st.View().KeyboardEnhancements.ReportAlternateKeys {
		t.Error("the terminal is not asked to report what keys write with Shift")
	}
	for _, wrong := range []string{"who=ctrl+m", "who=ctrl+I", "who=ctrl+[", "who=alt+shift+1", "who=ctrl+shift+2", "who=shift+a", "who=shift+-", "who=alt+shift+.,help=alt+>"} {
		if CheckKeys(strings.Split(wrong, ",")) == nil {
			t.Errorf("%s can be assigned", wrong)
		}
	}
}
