package commands

import (
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

// TestAudit: what was done is said in words, the newest first, and of one person if one is named.
func TestAudit(t *testing.T) {
	h := newHost()
	about := func(a wire.Action) wire.Action {
		a.SenderID, a.DisplayName = "idOfBudi00000000", "budi"
		return a
	}
	hour := wire.TimeOf(start.Add(time.Hour))
	actions := []struct {
		action wire.Action
		want   string
	}{
		{about(wire.Action{Do: wire.DoSet, Key: "person/idOfBudi00000000", Value: wire.TextValue(wire.Mute), Until: hour}), "muted budi until 15:02"},
		{about(wire.Action{Do: wire.DoSet, Key: "person/idOfBudi00000000", Value: wire.TextValue(wire.Ban)}), "banned budi"},
		{about(wire.Action{Do: wire.DoSet, Key: "person/idOfBudi00000000", Before: wire.TextValue(wire.Ban)}), "let budi read and post again"},
		{about(wire.Action{Do: wire.DoSet, Key: "role/idOfBudi00000000", Value: wire.TextValue("trusted"), Until: hour}), "gave budi the role trusted until 15:02"},
		{about(wire.Action{Do: wire.DoSet, Key: "role/idOfBudi00000000", Before: wire.TextValue("trusted")}), "took the role trusted from budi"},
		{wire.Action{Do: wire.DoSet, Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: hour}, "set: the room is locked until 15:02"},
		{wire.Action{Do: wire.DoSet, Key: wire.SlowKey, Before: wire.NumberValue(10)}, "set: slow mode is off"},
		{wire.Action{Do: wire.DoSet, Key: wire.PresetKey, Value: wire.TextValue(wire.PresetClass)}, "set the preset class"},
		{wire.Action{Do: wire.DoSet, Key: wire.PasswordKey, Value: wire.TextValue("set")}, "set the password"},
		{wire.Action{Do: wire.DoSet, Key: wire.PasswordKey}, "removed the password"},
		{wire.Action{Do: wire.DoSet, Key: "address/0123456789abcdef", Value: wire.TextValue(wire.Mute)}, "muted an address"},
		{about(wire.Action{Do: wire.DoErase, Count: 12, Erasure: 77}), "erased 12 messages of budi; /undo 77 brings them back within 23 hours"},
		{wire.Action{Do: wire.DoErase, Count: 1, Erasure: 78}, "erased 1 message; /undo 78 brings them back within 23 hours"},
		{wire.Action{Do: wire.DoUndo, Erasure: 77}, "undid erasure 77"},
		{about(wire.Action{Do: wire.DoApprove, Of: 5}), "approved message 5 of budi"},
		{about(wire.Action{Do: wire.DoReject}), "rejected a message of budi"},
		{about(wire.Action{Do: wire.DoDelete, Of: 9}), "deleted message 9 of budi"},
		{wire.Action{Do: wire.DoInvite, Value: wire.TextValue("guest"), Count: 30, Until: hour}, "made an invite with the role guest for 30 until 15:02"},
		{about(wire.Action{Do: wire.DoRedeem, Value: wire.TextValue("trusted")}), "got the role trusted with an invite"},
		{wire.Action{Do: wire.DoRedeem, Value: wire.TextValue("trusted"), Until: hour}, "got the role trusted with a token until 15:02"},
		{about(wire.Action{Do: wire.DoSettle, Of: 9}), "settled the report of budi about message 9"},
		{wire.Action{Do: "dance"}, "did something that this version does not know: dance"},
	}
	want := "history of ~lobby\nWhat was done in lobby"
	for i := range actions {
		n := uint64(i + 1)
		h.logged = append(h.logged, wire.Message{N: n, As: wire.ActionMessage, SenderID: "idOfAnna00000000", DisplayName: "anna", At: wire.TimeOf(start), Action: &actions[i].action})
		want = strings.Replace(want, "lobby\nWhat was done in lobby", "lobby\nWhat was done in lobby\n  anna 14:02  "+actions[i].want, 1)
	}
	h.logged = append(h.logged, wire.Message{N: 99, As: wire.ReportMessage, Of: 7, Text: "spam"}, wire.Message{N: 100, Text: "talk among moderators"})
	if got := h.run(t, "/audit"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := h.run(t, "/audit budi"); got != "history of ~lobby\nnothing was done in lobby lately" {
		t.Error(got)
	}
	h.role = wire.RoleOwner
	if got := h.run(t, "/audit citra"); !strings.HasPrefix(got, "!") {
		t.Error(got)
	}
	if got := h.run(t, "/audit budi"); got != "history of ~lobby\nhistory of ~~lobby\nnothing was done in lobby lately" {
		t.Error(got)
	}
	for _, m := range []struct {
		m    wire.Message
		want string
	}{
		{wire.Message{As: wire.HeldMessage, Text: "hello"}, "waits: hello"},
		{wire.Message{As: wire.ReportMessage, Of: 7}, "reports message 7"},
		{wire.Message{As: wire.ReportMessage, Of: 7, Text: "spam"}, "reports message 7: spam"},
		{wire.Message{Text: "talk"}, "talk"},
	} {
		if got := Logged(&m.m, h.When); got != m.want {
			t.Errorf("%+v: %s, want %s", m.m, got, m.want)
		}
	}
}
