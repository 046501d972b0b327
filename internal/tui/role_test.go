package tui

import (
	"fmt"
	"testing"
	"time"

	"ramai/client"
	"ramai/wire"
)

// newClass is a room in which this user has a role, with rules.
func newClass(t *testing.T, width, height int, role wire.Role, state map[string]wire.Value) *harness {
	st := newHarness(t, width, height, nil)
	st.welcome("anna", 3)
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 3, First: 1, Count: 3, Role: role, State: state})
	return st
}

func inTime(d time.Duration) wire.Time { return wire.TimeOf(start.Add(d)) }

// TestLocked: a locked room says so, keeps the draft of people who cannot post, and opens when its time is over.
func TestLocked(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}, {40, 15}} {
		st := newClass(t, size[0], size[1], wire.RoleGuest, nil)
		st.receive(wire.State{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: inTime(10 * time.Minute), SenderID: "by-budi", DisplayName: "budi"})
		st.has("lobby ⊘", "locked until 14:12", "budi: the room is locked until 14:12", "› the room is locked until 14:12")
		st.press("esc")
		st.golden(fmt.Sprintf("locked-%dx%d", size[0], size[1]))
		asked := len(st.chat.asked)
		st.types("hello")
		if st.press("enter"); len(st.chat.asked) != asked || st.room().editor.String() != "hello" {
			t.Fatalf("posted in a locked room: %q", st.chat.asked[asked:])
		}
		st.has("the room is locked until 14:12")
		if st.room().nextEnd() != 10*time.Minute {
			t.Errorf("the next change is in %v", st.room().nextEnd())
		}
		st.now = st.now.Add(10 * time.Minute)
		st.send(tick{})
		st.hasNot("locked")
		st.press("enter")
		st.asked(`say lobby "hello"`)
	}
	st := newClass(t, 80, 24, wire.RoleModerator, map[string]wire.Value{wire.LockKey: wire.TextValue(wire.LockOn)})
	st.types("hello")
	st.press("enter")
	st.asked(`say lobby "hello"`) // moderators post
	st.has("moderator   3 here")
}

// TestSlow: after a message the composer counts down, and after a refusal, too.
func TestSlow(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, map[string]wire.Value{wire.SlowKey: wire.NumberValue(12)})
	st.types("one")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", State: client.Saved, N: 4, At: st.now})
	st.has("› slow mode: you can post in 12 seconds")
	asked := len(st.chat.asked)
	st.types("two")
	st.has("─ slow mode: you can post in 12 seconds ─")
	if st.press("enter"); len(st.chat.asked) != asked || st.room().editor.String() != "two" {
		t.Fatalf("posted: %q", st.chat.asked[asked:])
	}
	st.now = st.now.Add(12 * time.Second)
	st.press("enter")
	st.asked(`say lobby "two"`)
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", State: client.Failed, Code: wire.NotAllowed, Reason: "slow", Rule: wire.SlowKey, RuleUntil: wire.TimeOf(st.now.Add(3 * time.Second))})
	st.has("✗ two", "slow mode: not posted; Up brings the text back", "› slow mode: you can post in 3 seconds")
	st.now = st.now.Add(2 * time.Second)
	st.has("› slow mode: you can post in 1 second")
	st.now = st.now.Add(time.Second)
	st.has("› say something in lobby")
}

// TestClosed: a room that the user may no longer read shows nothing of what was in it, and stays with its draft.
func TestClosed(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}, {40, 15}} {
		st := newClass(t, size[0], size[1], wire.RoleGuest, map[string]wire.Value{wire.TopicKey: wire.TextValue("secret topic")})
		st.types("my draft")
		st.receive(wire.Left{Room: wire.Lobby, Code: wire.NotAllowed, Reason: "banned", Rule: wire.RulePerson, Params: wire.Params{wire.ParamAction: wire.TextValue(wire.Ban)}, Until: inTime(time.Hour)})
		st.has("my draft")
		st.press("ctrl+u")
		st.hasNot("message 3", "secret topic", "budi", "3 here")
		st.has("lobby ⊘", "This room is closed for you", "you are banned from this room")
		st.press("esc")
		st.golden(fmt.Sprintf("closed-%dx%d", size[0], size[1]))
		asked := len(st.chat.asked)
		st.types("hello")
		if st.press("enter"); len(st.chat.asked) != asked {
			t.Errorf("posted in a closed room: %q", st.chat.asked[asked:])
		}
		st.press("ctrl+u")
		st.types("/join lobby")
		st.press("enter")
		st.asked("join lobby 50")
		st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 3, First: 1, Count: 3, Role: wire.RoleReader})
		st.hasNot("closed for you")
		st.has("› you can read here, but not post")
	}
	st := newLobby(t, 1, nil)
	st.types("/join den")
	st.press("enter")
	st.receive(client.RequestFailed{Request: wire.Join{Room: "den"}, Error: wire.Error{Code: wire.NotAllowed, Reason: "the room den is private", Rule: wire.RuleRole}})
	st.has("den ⊘", "This room is closed for you", "the room den is private")
}

// TestRole: a role is shown, and so is its change. Owners and moderators can delete messages of others.
func TestRole(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, nil)
	st.press("alt+v")
	st.hasNot("d delete")
	st.press("esc")
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleModerator, Until: inTime(2 * time.Hour)})
	st.has("your role in lobby is now moderator, until 16:02", "moderator   3 here   live")
	st.press("alt+v")
	st.has("d delete")
	st.press("d", "d")
	st.asked("delete lobby 3")
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleOwner})
	st.has("lobby ★", "owner   3 here")
}

// TestCommandResult: a change says what is so once it is saved, and why it was refused.
func TestCommandResult(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleModerator, nil)
	st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "idOfEko000000000", DisplayName: "eko", Text: "spam"})
	st.types("/mute eko 10m")
	st.press("enter")
	st.asked(`set lobby person/idOfEko000000000 "mute"`)
	st.hasNot("is muted")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Key: "person/idOfEko000000000", State: client.Saved, N: 4, At: st.now})
	st.has("eko is muted until 14:12")
	st.types("/role eko moderator")
	st.press("enter")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-2", Key: "role/idOfEko000000000", State: client.Failed, Code: wire.NotAllowed, Reason: "only the owner appoints moderators", Rule: wire.RuleRole})
	st.has("/role eko moderator: only the owner appoints moderators")
}

// TestCardOfSender: w shows who has sent the selected message, and a moderator acts on that person from there.
func TestCardOfSender(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}, {40, 15}} {
		st := newClass(t, size[0], size[1], wire.RoleOwner, nil)
		st.receive(wire.Message{Room: wire.Lobby, N: 4, At: wire.TimeOf(start), SenderID: "idOfEko000000000", DisplayName: "eko", Text: "spam"})
		st.chat.settings = []wire.Settings{{}, {Settings: []wire.Setting{{Key: "person/idOfEko000000000", Value: wire.TextValue(wire.Mute), Until: inTime(time.Minute)}}}}
		st.press("alt+v", "w")
		st.has("eko", "sender idOfEko000000000", "is muted until 14:03", "ban for a day", "Up Down choose")
		st.golden(fmt.Sprintf("card-%dx%d", size[0], size[1]))
		st.now = st.now.Add(time.Second)
		st.press("down", "enter")
		st.asked(`set lobby person/idOfEko000000000 "mute"`)
	}
	st := newClass(t, 80, 24, wire.RoleModerator, nil)
	st.chat.settings = []wire.Settings{{Settings: []wire.Setting{{Key: wire.LockKey, Value: wire.TextValue(wire.LockOn)}, {Key: wire.SlowKey, Value: wire.NumberValue(10)}}}}
	st.types("/rules")
	st.press("enter")
	st.has("The rules of lobby", "the room is locked", "slow mode: one message every 10 seconds")
	st.now = st.now.Add(time.Second)
	st.press("down", "enter")
	st.has("slow mode: one message every 10 seconds", "end this rule")
	st.press("enter")
	st.asked("set lobby slow null")
}

// TestOffered: commands that need a higher role are not offered.
func TestOffered(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, nil)
	st.types("/m")
	st.has("/me TEXT")
	st.hasNot("/mute", "/may")
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleModerator})
	st.has("/me TEXT", "/mute")
	st.hasNot("/may")
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleOwner})
	st.has("/may")
}

// TestModeratorsRoom: the room of the moderators opens beside a room that this user moderates, once, and its tab counts what waits.
func TestModeratorsRoom(t *testing.T) {
	st := newClass(t, 80, 24, wire.RoleGuest, nil)
	st.hasNot("~lobby")
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleModerator})
	st.has("~lobby")
	if last := st.chat.asked[len(st.chat.asked)-1]; last != fmt.Sprintf("join ~lobby %d", wire.DefaultJoin) {
		t.Errorf("asked for %s", last)
	}
	st.receive(wire.Joined{Room: "~lobby", HistoryID: "log", N: 3, First: 1, Role: wire.RoleModerator})
	st.receive(wire.Message{Room: "~lobby", N: 4, At: wire.TimeOf(start), SenderID: "by-budi", DisplayName: "budi", As: wire.HeldMessage, Text: "may I?"})
	st.has("~lobby 1")
	st.receive(wire.Message{Room: "~lobby", N: 5, At: wire.TimeOf(start), SenderID: "by-budi", DisplayName: "budi", As: wire.ReportMessage, Of: 2, Text: "spam"})
	st.has("~lobby 2")
	st.do(st.leaveRoom("~lobby"))
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleOwner})
	st.hasNot("~lobby")

	st = newHarness(t, 80, 24, nil) // in as many rooms as the server allows
	st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: "anna", Limits: wire.Limits{Text: 4000, Rooms: 1}},
		wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 3, First: 1, Count: 3, Role: wire.RoleModerator})
	asked := len(st.chat.asked)
	st.receive(wire.OwnRole{Room: wire.Lobby, Role: wire.RoleOwner})
	if st.hasNot("~lobby"); len(st.chat.asked) != asked {
		t.Errorf("asked for %s", st.chat.asked[asked:])
	}

	st = newClass(t, 80, 24, wire.RoleModerator, nil) // the role is lost before the server handles the join
	refused := client.RequestFailed{Request: wire.Join{Room: "~lobby"}}
	refused.Code, refused.Reason, refused.Rule = wire.NotAllowed, "only moderators read ~lobby", wire.RuleRole
	st.receive(refused)
	st.has("~lobby ⊘", "say something in lobby")
}
