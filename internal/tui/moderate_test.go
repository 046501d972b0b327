package tui

import (
	"fmt"
	"testing"
	"time"

	"ramai/client"
	"ramai/wire"
)

// TestErase: /erase shows what it would erase, erases it after y, and /undo brings it back.
func TestErase(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}, {40, 15}} {
		st := newClass(t, size[0], size[1], wire.RoleModerator, nil)
		spam := wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "idOfEko000000000", DisplayName: "eko", Text: "buy\x1b[2J cheap\npills"}
		st.receive(spam)
		st.chat.preview = wire.Preview{Room: wire.Lobby, Count: 12, To: 4, Sample: []wire.Message{spam}}
		st.types("/erase eko 10m")
		st.press("enter")
		st.asked("preview lobby by idOfEko000000000 since 2026-11-25T13:52:00.000Z")
		st.has("Please confirm", "Erase 12 messages of eko", "buy cheap pills", "and 11 older", "y erase them")
		st.golden(fmt.Sprintf("erase-%dx%d", size[0], size[1]))
		st.press("y") // too early: it may have been meant for a draft
		st.asked("preview lobby by idOfEko000000000 since 2026-11-25T13:52:00.000Z")
		st.press("ctrl+u")
		st.types("/erase eko")
		st.press("enter")
		st.now = st.now.Add(confirmGrace)
		st.press("y")
		st.asked("erase lobby by idOfEko000000000 to 4")
		st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Saved, N: 5, Moderate: &wire.Moderate{Erase: &wire.Selection{}, To: 4}})
		st.has("12 messages of eko erased; /undo 5")
		st.types("/undo")
		st.press("enter")
		st.asked("undo lobby 5")
		st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", State: client.Failed, Reason: "older than 23 hours", Moderate: &wire.Moderate{Undo: 5}})
		st.has("/undo: older than 23 hours")
	}
}

// TestWaitIsNotFrozen: the line of a message that slow mode refused stays true.
func TestWaitIsNotFrozen(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, nil)
	st.types("one")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Failed, Code: wire.NotAllowed, Rule: wire.SlowKey, RuleUntil: wire.TimeOf(st.now.Add(90 * time.Second))})
	st.has("slow mode: not posted; Up brings the text back", "› slow mode: you can post in 1 minute 30 seconds")
}

// TestWithdraw: a message that waits for a moderator says so, and its author takes it back.
func TestWithdraw(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, nil)
	st.types("may I?")
	st.press("enter")
	held := client.Sent{Room: wire.Lobby, ID: "id-1", Text: "may I?", State: client.Held}
	st.chat.pending.Sent = append(st.chat.pending.Sent, held)
	st.receive(held)
	st.has("may I?", "waits for a moderator; /withdraw takes it back")
	st.types("/withdraw")
	st.press("enter")
	st.asked("withdraw lobby id-1")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", Withdraws: "id-1", State: client.Failed, Code: wire.Gone, Reason: "it was approved"})
	st.has("/withdraw: it was approved", "waits for a moderator")
	withdrawn := held
	withdrawn.State, withdrawn.Code, withdrawn.Reason = client.Failed, wire.Gone, "you have withdrawn the message"
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", Withdraws: "id-1", State: client.Saved}, withdrawn)
	st.has("withdrawn: may I?")
	st.hasNot("waits for a moderator")
}
