package commands

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ramai/wire"
)

// TestErase: nothing is erased before it was shown and confirmed, and exactly what was shown is erased.
func TestErase(t *testing.T) {
	h := newHost()
	h.preview = wire.Preview{Count: 3, To: 41, Sample: []wire.Message{{SenderID: "idOfBudi00000000", DisplayName: "budi", Text: "buy", At: wire.TimeOf(start)}}}
	want := "preview by idOfBudi00000000\n? Erase 3 messages of budi for everyone? /undo brings them back within 23 hours.\n  budi 14:02  buy\n   and 2 older"
	if got := h.run(t, "/erase budi"); got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
	h.said = nil
	h.confirm.Do(h)
	if got, want := strings.Join(h.said, "\n"), "erase by idOfBudi00000000 to 41\n3 messages of budi erased; /undo 77 brings them back"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h.preview = wire.Preview{Count: 3, To: 41, Held: 2, HeldTo: 9}
	if got, want := h.run(t, "/erase budi"), "brings them back within 23 hours.\n   and 3 older\n   2 messages waiting for a moderator, which /undo does not bring back"; !strings.HasSuffix(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	h.preview.Count = 0
	if got, want := h.run(t, "/erase budi"), "preview by idOfBudi00000000\n? Reject 2 messages of budi waiting for a moderator? /undo does not bring them back."; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	h.said = nil
	h.confirm.Do(h)
	if got, want := strings.Join(h.said, "\n"), "erase by idOfBudi00000000 to 41\n2 messages of budi rejected"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h.preview = wire.Preview{}
	for line, want := range map[string]string{
		"/erase budi 10m": "preview by idOfBudi00000000 since 2026-11-25T13:52:00.000Z\nthere are no such messages of budi",
		"/erase budi 0m":  "! invalid time 0m (want 1s to 366d, for example 10m, 2h or 1d)",
		"/undo":           "! you have not erased anything here since you connected; /undo N undoes erasure N",
		"/undo 5":         "undo 5\nerasure 5 is undone",
		"/undo xyzzyx":    "! nobody called xyzzyx has posted here lately; #150 means the sender of message 150",
	} {
		if got := h.run(t, line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	h.erasure, h.fail = 9, errors.New("no")
	if got := h.run(t, "/undo"); got != "undo 9\nerasure 9 is undone" {
		t.Error(got)
	}
	if got := h.run(t, "/erase budi"); got != "preview by idOfBudi00000000\n! no" {
		t.Error(got)
	}
}

// TestAddressCommands: the address of a message can be muted and banned, and its messages erased, and so can those of newcomers.
func TestAddressCommands(t *testing.T) {
	h := newHost()
	h.preview = wire.Preview{Count: 3, To: 41, Addresses: 1, Present: 4, Kept: 2}
	for line, want := range map[string]string{
		"/mute #7 address":      `set address "mute" of 7: the address of message 7 is muted until 14:02`,
		"/ban #7 address 1h":    `set address "ban" until 15:02 of 7: the address of message 7 is banned until 15:02`,
		"/unban #7 address":     "set address null of 7: the address of message 7 is neither banned nor muted",
		"/mute #x address":      "! invalid message #x address (want its number, for example #150)",
		"/erase #7 address":     "preview address of 7\n? Erase 3 messages from the address of message 7 for everyone? /undo brings them back within 23 hours.\n   and 3 older\n   from 1 address; people here from there now: 4\n   2 messages of moderators and owners stay",
		"/erase #7 address 10m": "preview address of 7 since 2026-11-25T13:52:00.000Z\n?",
		"/erase newcomers 10m":  "preview newcomers since 2026-11-25T13:52:00.000Z\n? Erase 3 messages of newcomers for everyone?",
		"/erase newcomers":      "! ",
	} {
		if got := h.run(t, line); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s\nwant %s", line, got, want)
		}
	}
}

// TestUndoPerson: nothing that a moderator did is undone before it was shown and confirmed.
func TestUndoPerson(t *testing.T) {
	h := newHost()
	if got := h.run(t, "/undo budi 10m"); got != "undo by idOfBudi00000000 since 13:52 to 0\nbudi did nothing here that can be undone in that time" {
		t.Error(got)
	}
	h.undone = wire.Undone{To: 40, Count: 12, RestCount: 2, Steps: []wire.UndoStep{
		{Key: wire.LockKey}, {Key: wire.PersonPrefix + "idOfAnna00000000", Value: wire.TextValue(wire.Mute), Until: wire.TimeOf(start)}, {Key: wire.AddressKey, AddressOf: 9}, {Action: wire.Action{Do: wire.DoErase, Erasure: 5, Count: 1}},
	}, Rest: []wire.UndoStep{{Action: wire.Action{Do: wire.DoDelete, Of: 3, DisplayName: "anna"}}}}
	const want = `undo by idOfBudi00000000 to 0
? Undo what budi did in lobby as a moderator? Steps: 12
   the room is open
   anna is muted until 14:02
   the address of message 9 is neither banned nor muted
   bring back what erasure 5 erased: 1 message
   and 8 more
   stays: deleted message 3 of anna
   and 1 more that cannot be undone`
	if got := h.run(t, "/undo budi"); got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
	h.said = nil
	h.undone = wire.Undone{Count: 11, Failed: 1, Steps: []wire.UndoStep{{Key: wire.LockKey, Reason: "it is too late"}}}
	h.confirm.Do(h)
	if got, want := strings.Join(h.said, "\n"), "undo by idOfBudi00000000 to 40\nwhat budi did is undone: 11 steps, and 1 refused\n   refused: the room is open: it is too late"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestUndoAll: what takes several requests is asked for until nothing is left, also behind steps that are refused.
func TestUndoAll(t *testing.T) {
	asked := []uint64{}
	answers := []wire.Undone{{Failed: 2, Next: 30, Steps: make([]wire.UndoStep, 2)}, {Count: 3, Failed: 1, Next: 20, Steps: make([]wire.UndoStep, 1)}, {Count: 1}}
	undone, err := undoAll(t.Context(), undoing{nil, func(actions wire.ActionsOf) (wire.Undone, error) {
		asked = append(asked, actions.Before)
		return answers[len(asked)-1], nil
	}}, "lobby", wire.ActionsOf{SenderID: "idOfBudi00000000"}, 40)
	if err != nil || !slices.Equal(asked, []uint64{0, 30, 20}) || undone.Count != 4 || undone.Failed != 3 || len(undone.Steps) != 3 {
		t.Errorf("after the requests %v: %+v, %v", asked, undone, err)
	}
}

// TestUndoStopped: after an error it is said what was undone before.
func TestUndoStopped(t *testing.T) {
	for what, end := range map[string]func() (wire.Undone, error){
		"the server stops early": func() (wire.Undone, error) {
			return wire.Undone{Count: 2, Unknown: 4, Next: 7, Code: wire.Unavailable, Reason: "it is busy"}, nil
		},
		"a request fails": func() (wire.Undone, error) { return wire.Undone{}, errors.New("it is busy") },
	} {
		asked := 0
		undone, err := undoAll(t.Context(), undoing{nil, func(wire.ActionsOf) (wire.Undone, error) {
			if asked++; asked == 1 {
				return wire.Undone{Count: 3, Next: 9}, nil
			}
			return end()
		}}, "lobby", wire.ActionsOf{SenderID: "idOfBudi00000000"}, 40)
		if err == nil || asked != 2 {
			t.Fatalf("%s: after %d requests the error is %v", what, asked, err)
		}
		want := "a part of what budi did is undone: 3 steps"
		if undone.Unknown > 0 {
			want = "a part of what budi did is undone: 5 steps, and 4 not known yet"
		}
		a := undoneBy(newHost(), Person{ID: "idOfBudi00000000", Name: "budi"}, &undone, err)
		if a.Title != want || len(a.Rows) != 2 || !strings.Contains(a.Rows[0].Text, "it is busy") || a.Rows[1].Text != "/undo budi continues" {
			t.Errorf("%s: %+v, want %s", what, a, want)
		}
	}
}

// undoing is a server that undoes in several requests.
type undoing struct {
	Server
	next func(wire.ActionsOf) (wire.Undone, error)
}

func (u undoing) UndoBy(_ context.Context, _ string, actions wire.ActionsOf, _ uint64) (wire.Undone, error) {
	return u.next(actions)
}
