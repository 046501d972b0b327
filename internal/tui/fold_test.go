package tui

import (
	"fmt"
	"strings"
	"testing"

	"ramai/client"
	"ramai/wire"
)

// TestFold: a long message is folded after 20 lines, and a key shows it in full.
func TestFold(t *testing.T) {
	st := newHarness(t, 80, 40, nil)
	st.welcome("anna", 3)
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "row %d\n", i+1)
	}
	st.says("budi", strings.TrimSpace(text.String()))
	st.has("row 20", "… 30 more lines · Alt-E shows them")
	st.hasNot("row 21")
	st.press("alt+e")
	st.has("budi   row 1\n", "row 30")
	st.hasNot("more lines")
	st.press("alt+e")
	st.has("… 30 more lines")
	st.hasNot("row 21")
	st.press("end", "ctrl+end")
	st.says("budi", strings.Repeat("x\n", 20)+"last")
	st.has("last") // one more line is no reason to fold
}

// TestNotesAreWhole: notes are wrapped, not truncated.
func TestNotesAreWhole(t *testing.T) {
	for _, width := range []int{80, 60, 40} {
		st := newHarness(t, width, 24, nil)
		st.welcome("anna", 3)
		st.receive(wire.Gap{Room: wire.Lobby, From: 4, To: 123456789})
		if whole := strings.Join(strings.Fields(strings.ReplaceAll(st.shown(), "─", " ")), " "); !strings.Contains(whole, "messages 4 to 123,456,789 are no longer on the server") {
			t.Errorf("at %d columns the note is truncated:\n%s", width, st.shown())
		}
	}
}

// TestSyllables: a word of Devanagari is not broken inside a syllable.
func TestSyllables(t *testing.T) {
	for _, grapheme := range []bool{false, true} {
		d := newDisplay(Config{})
		if grapheme {
			d.method = 1
		}
		for _, line := range wrap([]span{{text: clean(strings.Repeat("हिन्दी क्षत्रिय ", 8), d.method)}}, 17, 0, d.method) {
			for word := range strings.FieldsSeq(flat(line)) {
				if word != "हिन्दी" && word != "क्षत्रिय" {
					t.Errorf("a word is broken: %q", word)
				}
			}
		}
	}
}

// TestPendingMessage: a message that is not saved is shown under this user's name, grouped with the messages before it.
func TestPendingMessage(t *testing.T) {
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.State = State{Room: wire.Lobby, Rooms: []RoomState{{Name: wire.Lobby, HistoryID: "log", Unsaved: []string{"from the last run"}}}}
	})
	st.welcome("anna", 3)
	st.types("now")
	st.press("enter")
	st.has("        anna ✗ from the last run", "\n                   … now")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Saved, N: 4, At: st.now})
	st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(st.now), SenderID: "me", DisplayName: "anna", ID: "id-1", Text: "now"})
	st.has("anna ✓ now")
}

// TestLocale: times are formatted for the locale.
func TestLocale(t *testing.T) {
	for locale, want := range map[string]string{"LANG=de_DE.UTF-8": "14:02 ", "LANG=en_US.UTF-8": " 2:02 PM ", "LC_TIME=en_GB.UTF-8": "14:02 ", "LANG=C.UTF-8": "14:02 ", "LC_TIME=hi_IN": " 2:02 PM "} {
		st := newLobby(t, 1, func(c *Config, _ *fakeChat) { c.Environ = append(c.Environ, locale) })
		st.has(want)
		if locale == "LANG=en_US.UTF-8" {
			st.has("Wednesday, November 25, 2026")
		} else {
			st.has("Wednesday, 25 November 2026")
		}
	}
}
