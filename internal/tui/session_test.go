package tui

import (
	"errors"
	"testing"

	"ramai/client"
	"ramai/wire"
)

// TestDevice: a code is shown, a device is let in only after y, and who this user has become is still shown after the connection that
// it costs.
func TestDevice(t *testing.T) {
	st := newLobby(t, 3, func(c *Config, _ *fakeChat) { c.Device = "a terminal on laptop" })
	st.types("/device")
	st.press("enter")
	st.asked("link code for a terminal on laptop")
	st.has("Use the identity of your other device here", "/device ABCD-2345", "The code counts once, for 5 minutes")
	st.press("esc")
	st.types("/device wxyz2345")
	st.press("enter")
	st.asked("link wxyz2345 confirm false")
	st.has("Please confirm", `Let the device "anna's phone" post as you?`, "y let it in")
	st.now = st.now.Add(confirmGrace)
	st.press("y")
	st.asked("link wxyz2345 confirm true")
	st.has(`the device "anna's phone" posts as you now`)
	st.press("up")
	if got := st.room().editor.String(); got != "" {
		t.Errorf("the code is remembered: %q", got)
	}
	st.types("/signout all")
	st.press("enter")
	st.press("y")
	st.asked("sign out all true")
	st.receive(client.Disconnected{Err: errors.New("cut")})
	st.has("cut")
	st.receive(wire.Welcome{SenderID: "ab12000000000000", Session: "AAAAAAAAAAAAAAAAAAAAAA"})
	st.has("you are guest ab12 now")
	st.receive(client.Disconnected{Err: errors.New("cut")})
	st.receive(wire.Welcome{SenderID: "ab12000000000000", Session: "AAAAAAAAAAAAAAAAAAAAAA"})
	st.has("you are guest ab12 now")
	st.now = st.now.Add(noticeTime)
	st.receive(client.Disconnected{Err: errors.New("cut")})
	st.has("cut")
}

// TestAudit: what was done is listed, and the moderators' room shows it in words.
func TestAudit(t *testing.T) {
	st := newLobby(t, 3, func(_ *Config, f *fakeChat) {
		f.logged = []wire.Message{{N: 1, As: wire.ActionMessage, SenderID: "idOfAnna00000000", DisplayName: "anna", At: wire.TimeOf(start), Action: &wire.Action{Do: wire.DoErase, Count: 3, Erasure: 7, SenderID: "idOfBudi00000000", DisplayName: "bu\x1b[2Jdi"}}}
	})
	st.types("/audit")
	st.press("enter")
	st.asked("history ~lobby")
	st.has("What was done in lobby", "anna", "14:02  erased 3 messages of budi")
	st.press("esc")
	m := st.chat.logged[0]
	m.Room, m.N = wire.Lobby, 4
	st.receive(m)
	st.has("erased 3 messages of budi; /undo 7")
}
