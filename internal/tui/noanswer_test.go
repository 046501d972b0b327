package tui

import (
	"fmt"
	"os"
	"testing"
	"time"

	"ramai/client"
	"ramai/wire"
)

// TestNoAnswer: if a message is not answered for some seconds, the status says so, and the connection is checked
// repeatedly. This never happens without an unanswered message.
func TestNoAnswer(t *testing.T) {
	for _, size := range [][2]int{{120, 40}, {80, 24}, {40, 15}} {
		st := newHarness(t, size[0], size[1], nil)
		st.welcome("anna", 10)
		checks := func(want int) {
			t.Helper()
			got := 0
			for _, a := range st.chat.asked {
				if a == "check" {
					got++
				}
			}
			if got != want {
				t.Errorf("%v: %d checks, want %d", size, got, want)
			}
		}
		wait := func(d time.Duration) {
			st.now = st.now.Add(d)
			st.send(clearNotice{})
		}
		wait(time.Minute)
		st.has("live")
		st.types("hello")
		st.press("enter")
		wait(10 * time.Second) // the message waits for its turn
		st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Sending})
		wait(2 * time.Second)
		st.has("live")
		checks(0)
		if next := st.status.nextChange(); next != time.Second {
			t.Errorf("the status changes in %v", next)
		}
		wait(time.Second)
		st.has("no answer for 3 s")
		checks(1)
		for range 9 {
			wait(time.Second)
		}
		st.has("no answer for 12 s")
		checks(1)
		wait(time.Second)
		checks(2)
		st.receive(client.Disconnected{Err: fmt.Errorf("the server was silent for too long: read tcp 1->2: %w", os.ErrDeadlineExceeded), Wait: 4 * time.Second})
		st.has("the server does not answer")
		st.hasNot("read tcp")
		st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Waiting})
		st.has("retry in 4 s")
		st.hasNot("no answer")
		st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: "anna"})
		st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Sending})
		wait(2 * time.Second)
		st.says("budi", "x")
		st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Saved, N: 12}, wire.Message{Room: wire.Lobby, N: 12, ID: "id-1", SenderID: "me", Text: "hello"})
		wait(time.Minute)
		st.has("live")
		checks(2)
		if next := st.status.nextChange(); next != 0 {
			t.Errorf("an idle status changes in %v", next)
		}
	}
}
