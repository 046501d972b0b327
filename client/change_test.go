package client

import (
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"ramai/wire"
)

// TestChangesModel steps a client that posts, edits, deletes and sets through random cuts and refusals. Everything happens once,
// in order, and the client ends with the server's messages.
func TestChangesModel(t *testing.T) {
	rooms := []string{"lobby", "tea"}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for _, r := range rooms {
			w.core.join(room{name: r})
		}
		w.settle(rooms...)
		type post struct{ room, id string }
		var posts []post
		gone, topics := map[post]bool{}, map[string]string{}
		room := rapid.SampledFrom(rooms)
		w.walk(t, rooms, func() {
			text := "to be changed " + strconv.Itoa(len(w.said))
			r := room.Draw(t, "say in")
			posts = append(posts, post{r, w.say(say{room: r, text: text}, text)})
		}, func() {
			if len(posts) == 0 {
				return
			}
			p := rapid.SampledFrom(posts).Draw(t, "change")
			if gone[p] {
				return
			}
			c := say{room: p.room, of: w.numbers[p.id], text: "new " + strconv.Itoa(len(w.said))}
			if w.core.outbox.has(p.room, p.id) {
				c.of, c.ofID = 0, p.id
			}
			if c.deletes = rapid.IntRange(0, 3).Draw(t, "delete if 0") == 0; c.deletes {
				c.text, gone[p] = "", true
			}
			w.say(c, p.id+" becomes "+c.text)
		}, func() {
			topic := "topic " + strconv.Itoa(len(w.said))
			r := room.Draw(t, "set in")
			topics[r] = topic
			w.say(say{room: r, key: wire.TopicKey, value: wire.TextValue(topic)}, "topic = "+topic)
		})

		for _, name := range rooms {
			r := w.server.room(name)
			want := slices.DeleteFunc(slices.Clone(r.messages), func(m wire.Message) bool { _, ok := r.others[m.N]; return ok })
			if got := w.replica(name).Messages(nil); !slices.EqualFunc(got, want, func(a, b wire.Message) bool { return reflect.DeepEqual(a, b) }) {
				t.Fatalf("%s: has %+v\nwant %+v", name, got, want)
			}
			if topic := w.replica(name).Shown(Pending{}).Topic; topic != topics[name] {
				t.Fatalf("%s: the topic is %q, want %q", name, topic, topics[name])
			}
			if missing := w.replica(name).Missing(); missing != nil {
				t.Fatalf("%s: %v are missing", name, missing)
			}
		}
	})
}

// sents returns the reported states, except waiting and sending.
func (w *world) sents() (all []Sent) {
	for {
		e, ok := w.core.pop()
		if !ok {
			return all
		}
		if s, ok := e.Frame.(Sent); ok && s.State >= Saved {
			all = append(all, s)
		}
	}
}

// connectedCore returns the core of a connected client.
func connectedCore(t *testing.T) *world {
	w := newWorld(t)
	w.connect()
	w.settle()
	return w
}

// TestChangeFollowsItsMessage: the changes of a message that was not saved fail, or are withdrawn, with it.
func TestChangeFollowsItsMessage(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		want         Sent
	}{
		{"refused", `{"type":"refused","room":"lobby","id":"1","code":"too_long","reason":"too long"}`,
			Sent{Code: wire.TooLong, Reason: "the message was not saved: too long"}},
		{"held", `{"type":"held","room":"lobby","id":"1"}`,
			Sent{Code: wire.NotAllowed, Reason: "the message is held for a moderator; it can be changed once it is approved"}},
	} {
		w := connectedCore(t)
		w.core.post(say{room: "lobby", id: "1", text: "one"})
		w.core.post(say{room: "lobby", id: "2", ofID: "1", text: "ONE"})
		w.core.post(say{room: "lobby", id: "3", ofID: "1", deletes: true})
		w.core.post(say{room: "lobby", id: "4", text: "four"})
		for w.send() {
		}
		if n := len(w.server.fromClient); n != 1 {
			t.Errorf("%s: %d frames were sent before the answer, want the message alone", test.name, n)
		}
		if err := w.core.received(w.now, []byte(test.answer)); err != nil {
			t.Fatal(err)
		}
		changes := slices.DeleteFunc(w.sents(), func(s Sent) bool { return !s.Changes() })
		test.want.Room, test.want.State, test.want.OfID = "lobby", Failed, "1"
		edit, deletion := test.want, test.want
		edit.ID, edit.Text, deletion.ID, deletion.Deletes = "2", "ONE", "3", true
		if !reflect.DeepEqual(changes, []Sent{edit, deletion}) {
			t.Errorf("%s: the final states of the changes are %+v", test.name, changes)
		}
		if w.send(); len(w.core.outbox.says) != 1 || w.core.outbox.blocked != 0 || w.core.outbox.sent != 1 {
			t.Errorf("%s: the message after them is not sent: %+v", test.name, w.core.outbox)
		}
	}
}

// TestChangeAtOlderServer: a server that does not know changes answers with an error that does not name them.
func TestChangeAtOlderServer(t *testing.T) {
	w := connectedCore(t)
	failed := make(chan error, 1)
	w.core.asks = append(w.core.asks, &ask{frame: wire.History{Room: "lobby"}, done: func(_ wire.Frame, err error) { failed <- err }})
	w.core.post(say{room: "lobby", id: "c1", of: 7, text: "x"})
	for w.send() {
	}
	w.server.fromClient = nil
	err := w.core.received(w.now, []byte(`{"type":"error","code":"bad_request","reason":"unknown type \"change\"","room":"lobby","ref":"c1"}`))
	if got := w.sents(); err != nil || len(got) != 1 || got[0].State != Failed || got[0].Code != wire.BadRequest || got[0].ID != "c1" {
		t.Errorf("the final state of the change is %+v, %v", got, err)
	}
	select {
	case err := <-failed:
		t.Errorf("the request for a page got the error: %v", err)
	default:
	}
}

// TestChangeFrame checks the frames that are sent.
func TestChangeFrame(t *testing.T) {
	for want, s := range map[string]say{
		`{"type":"say","room":"r","id":"i","text":"t"}`:                      {room: "r", id: "i", text: "t"},
		`{"type":"say","room":"r","id":"i","text":"t","re":3}`:               {room: "r", id: "i", text: "t", re: 3},
		`{"type":"change","room":"r","id":"i","of":3,"text":"","ref":"i"}`:   {room: "r", id: "i", of: 3},
		`{"type":"change","room":"r","id":"i","of":3,"text":"t","ref":"i"}`:  {room: "r", id: "i", of: 3, ofID: "j", text: "t"},
		`{"type":"change","room":"r","id":"i","of":3,"text":null,"ref":"i"}`: {room: "r", id: "i", of: 3, deletes: true},

		`{"type":"say","room":"r","id":"i","text":"t","as":"poll","options":["a","b"]}`: {room: "r", id: "i", text: "t", as: wire.Poll, options: []string{"a", "b"}},
		`{"type":"set","room":"r","id":"i","key":"topic","value":"t","ref":"i"}`:        {room: "r", id: "i", key: "topic", value: wire.TextValue("t")},
		`{"type":"set","room":"r","id":"i","key":"pin","value":[1,2],"ref":"i"}`:        {room: "r", id: "i", key: "pin", value: wire.Value{Numbers: []uint64{1, 2}}},
		`{"type":"set","room":"r","id":"i","key":"stage","value":null,"ref":"i"}`:       {room: "r", id: "i", key: "stage"},
	} {
		if got := string(s.frame()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestPendingChanges: a replica shows changes that are not saved yet, except on deleted messages.
func TestPendingChanges(t *testing.T) {
	var r Replica
	for n, text := range []string{"one", "two", "three"} {
		r.Apply(wire.Message{N: uint64(n + 1), Text: text})
	}
	r.Apply(wire.Changed{N: 4, Of: wire.Target(3)})
	got := r.Messages([]Sent{{Of: 1, Text: "first"}, {Of: 1, Text: "ONE"}, {Of: 2, Deletes: true}, {Of: 3, Text: "x"}, {Of: 9, Text: "x"}, {OfID: "i", Text: "x"}, {Text: "a message"}})
	want := []wire.Message{{N: 1, Text: "ONE"}, {N: 2, Gone: true}, {N: 3, Edited: 4, Gone: true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shown as %+v, want %+v", got, want)
	}
	if m := r.Messages(nil); m[0].Text != "one" || m[1].Text != "two" {
		t.Errorf("stored as %+v", m)
	}
}

// TestJoinedFrom: a replay counts messages, not numbers, so the server says where it starts.
func TestJoinedFrom(t *testing.T) {
	from := uint64(3)
	r := &room{}
	if r.start(wire.Joined{N: 100, First: 1, From: &from}, 50); r.n != 3 {
		t.Errorf("it starts after %d, want 3", r.n)
	}
	if r.start(wire.Joined{N: 100, First: 1}, 50); r.n != 50 {
		t.Errorf("with an older server it starts after %d, want 50", r.n)
	}
}
