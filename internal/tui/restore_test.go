package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ramai/wire"
)

// eraseSender delivers the frames of an erasure of messages of a sender, and returns the number of the frame.
func (st *harness) eraseSender(sender string, of ...wire.Range) uint64 {
	n := st.room().timeline.head + 1
	st.receive(wire.Changed{Room: wire.Lobby, N: n, At: wire.TimeOf(st.now), Of: of, SenderID: sender, Erasure: n})
	return n
}

// TestRestored: after an undo the texts are on the screen again, and nothing outside the window is loaded.
func TestRestored(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}, {40, 15}} {
		st := newHarness(t, size[0], size[1], nil)
		st.welcome("anna", 300)
		before := st.shown()
		erased := st.eraseSender("by-budi", wire.Range{From: 1, To: 300})
		st.has("message deleted", "message 299")
		st.hasNot("message 300")
		st.golden(fmt.Sprintf("erased-%dx%d", size[0], size[1]))
		st.receive(wire.Restored{Room: wire.Lobby, N: erased + 1, At: wire.TimeOf(st.now), Erasure: erased}) // its steps follow
		st.has("message deleted")
		asked := len(st.chat.asked)
		st.chat.head = erased + 2
		st.receive(wire.Restored{Room: wire.Lobby, N: erased + 2, At: wire.TimeOf(st.now), Of: wire.Targets{{From: 1, To: 300}}, Erasure: erased})
		if got := st.shown(); got != before {
			t.Fatalf("after the undo the screen is\n%s\nwant\n%s", got, before)
		}
		if got := st.chat.asked[asked:]; len(got) > 3 || got[0] != `settings lobby after ""` || got[1] != "history lobby before 301" {
			t.Errorf("the undo took the requests %q", got)
		}
		st.press("pgup", "pgup")
		st.hasNot("message deleted")
	}
}

// TestRestoredInSteps: frames that arrive while messages are loaded are not lost, nor is anything when the connection breaks.
func TestRestoredInSteps(t *testing.T) {
	st := newLobby(t, 300, nil)
	erased := st.eraseSender("by-budi", wire.Range{From: 1, To: 300})
	n := erased + 1
	r := st.room()
	r.update(wire.Restored{Room: wire.Lobby, N: n, Of: wire.Targets{{From: 281, To: 300}}})
	st.receive(wire.Restored{Room: wire.Lobby, N: n + 1, Of: wire.Targets{{From: 251, To: 280}}})
	for _, asked := range st.chat.asked {
		if strings.HasPrefix(asked, "history") {
			t.Fatalf("asked for %s, while another page is loaded", asked)
		}
	}
	st.send(page{room: wire.Lobby, kind: restored, target: 300, err: errors.New("connection lost")})
	st.has("message deleted", "cannot read the history: connection lost")
	st.chat.head = n + 1
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: n + 1, First: 1, Count: 3})
	for _, it := range r.timeline.items {
		if it.gone {
			t.Errorf("message %d is shown as deleted", it.n)
		}
	}
}

// TestRestoredOld: a server that answers with the state of before the undo is not asked without end.
func TestRestoredOld(t *testing.T) {
	st := newLobby(t, 300, nil)
	erased := st.eraseSender("by-budi", wire.Range{From: 1, To: 300})
	st.chat.head = erased
	st.receive(wire.Restored{Room: wire.Lobby, N: erased + 1, Of: wire.Targets{{From: 1, To: 300}}})
	st.has("message deleted", "the server answers with an old state")
	st.chat.head = erased + 2
	st.receive(wire.Restored{Room: wire.Lobby, N: erased + 2, Of: wire.Targets{{From: 1, To: 300}}})
	st.has("message 300")
	st.hasNot("message deleted")
}

// TestPresetReloads: a preset changes settings that have no frames, so all are loaded.
func TestPresetReloads(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, nil)
	st.chat.settings = []wire.Settings{{N: 4, Settings: []wire.Setting{{Key: wire.MaySayKey, Value: wire.TextValue("moderator")}, {Key: wire.PresetKey, Value: wire.TextValue("announcement")}}}}
	st.receive(wire.State{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), Key: wire.PresetKey, Value: wire.TextValue("announcement"), SenderID: "by-budi", DisplayName: "budi"})
	st.asked(`settings lobby after ""`)
	st.has("only moderators")
}
