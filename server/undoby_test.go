package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ramai/server"
	"ramai/wire"
)

// newModerated returns a room with an owner, the moderators mod and mia, and three guests, who have posted the messages 2 to 4.
func newModerated(t *testing.T) *raid {
	s := serve(t, func(c *server.Config) { trustLoopback(c); c.InMemory = true })
	r := &raid{tb: t, base: "http" + strings.TrimPrefix(s.url, "ws"), room: "den"}
	for _, who := range []string{"owner", "ann", "bob", "cid"} {
		r.say("of "+who, sessionOf(who), "198.51.100.7")
	}
	for _, who := range []string{"mod", "mia"} {
		r.set("role/"+by(who), `{"value":"moderator"}`, sessionOf("owner"))
	}
	return r
}

func by(who string) string { return wire.SenderIDOf(sessionOf(who)) }

// undoBy makes a request, and returns the answer.
func (r *raid) undoBy(fields string) (u wire.Undone) {
	r.tb.Helper()
	r.moderate(fmt.Sprintf(`{"undo_by":{"by":%q},%s}`, by("mod"), fields), sessionOf("owner"), &u)
	return u
}

// stepsText describes steps.
func stepsText(steps []wire.UndoStep) string {
	var texts []string
	for _, s := range steps {
		what := s.Action.Do
		if s.Key != "" {
			key, _, _ := strings.Cut(s.Key, "/")
			value := "none"
			if s.Value.Text != nil {
				value = *s.Value.Text
			} else if s.Value.Number != nil {
				value = fmt.Sprint(*s.Value.Number)
			}
			what = key + "=" + value
		}
		texts = append(texts, what)
	}
	return strings.Join(texts, " ")
}

// becomes waits until a condition holds.
func becomes(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition does not become true")
		}
	}
}

// TestUndoBy: the owner undoes what a moderator did, and nothing else. A preview says what that is, and repeating it changes nothing.
func TestUndoBy(t *testing.T) {
	t.Parallel()
	r := newModerated(t)
	mod, mia, owner := sessionOf("mod"), sessionOf("mia"), sessionOf("owner")
	r.set("slow", `{"value":5,"until":"2100-01-01T00:00:00Z"}`, owner)
	r.set("slow", `{"value":60}`, mod)
	r.set("slow", `{"value":90}`, mod)
	r.set("person/"+by("ann"), `{"value":"ban"}`, mod)
	r.set("person/"+by("bob"), `{"value":"ban"}`, mod)
	r.set("person/"+by("bob"), `{"value":"mute"}`, mia) // changed since: stays
	r.set("person/"+by("cid"), `{"value":"mute"}`, mod)
	r.set("person/"+by("cid"), `{"value":null}`, mod) // as before
	r.set("address", `{"value":"mute","address_of":4}`, mod)
	r.set("lock", `{"value":"on"}`, mia)
	r.moderate(fmt.Sprintf(`{"erase":{"by":%q},"to":4}`, by("ann")), mod, &wire.PostResponse{})
	if status, got := r.do(http.MethodDelete, "/api/v1/rooms/den/messages/4", "", mod, moderatorAddr); status != http.StatusOK {
		t.Fatal(status, got)
	}

	preview := r.undoBy(`"dry":true`)
	if got, want := stepsText(preview.Steps), "erase address=none person=none slow=5"; got != want || preview.Count != 4 || !preview.Dry {
		t.Fatalf("the preview has %d steps: %s; want %s", preview.Count, got, want)
	}
	if got := stepsText(preview.Rest); got != "delete" || preview.RestCount != 1 || preview.Rest[0].Why != wire.StaysDeleted || preview.Rest[0].Reason == "" {
		t.Errorf("the preview says that %d actions cannot be undone: %s", preview.RestCount, got)
	}
	if slow := preview.Steps[3]; slow.Until.String() != "2100-01-01T00:00:00.000Z" {
		t.Errorf("the former rule ends at %v", slow.Until)
	}
	r.set("newcomer", `{"value":7}`, mod) // the owner has not seen this
	request := fmt.Sprintf(`"id":"u1","to":%d`, preview.To)
	if done := r.undoBy(request); done.Count != 4 || done.Failed != 0 || done.Next != 0 || done.Dry {
		t.Errorf("undoing: %+v", done)
	}
	if again := r.undoBy(request); again.Count != 0 || again.Failed != 0 {
		t.Errorf("repeating it: %+v", again)
	}
	status, state := r.do(http.MethodGet, "/api/v1/rooms/den/state", "", owner, moderatorAddr)
	for text, want := range map[string]bool{
		`"key":"slow","value":5,"until":"2100-01-01T00:00:00.000Z"`: true, by("ann"): false, `"key":"person/` + by("bob") + `","value":"mute"`: true,
		`"key":"lock"`: true, `address/`: false, `"key":"newcomer","value":7`: true, `"key":"role/` + by("mod") + `","value":"moderator"`: true,
	} {
		if strings.Contains(state, text) != want {
			t.Errorf("the state has %q: %v, want %v: %d %s", text, !want, want, status, state)
		}
	}
	becomes(t, func() bool { return r.messages(owner, moderatorAddr)[1].Text == "of ann" })
}

// TestUndoByEnds: how long a rule holds counts as a part of it, and a rule about an address gets its former value back.
func TestUndoByEnds(t *testing.T) {
	t.Parallel()
	r := newModerated(t)
	mod, owner := sessionOf("mod"), sessionOf("owner")
	const far = "2100-01-01T00:00:00Z"
	r.set("person/"+by("ann"), `{"value":"mute","until":"`+far+`"}`, owner)
	r.set("person/"+by("ann"), `{"value":"mute"}`, mod)
	r.set("slow", `{"value":5}`, owner)
	r.set("slow", `{"value":5,"until":"`+far+`"}`, mod)
	r.set("address", `{"value":"ban","address_of":4}`, owner)
	r.set("address", `{"value":"mute","address_of":4}`, mod)
	preview := r.undoBy(`"dry":true`)
	if got, want := stepsText(preview.Steps), "address=ban slow=5 person=mute"; got != want {
		t.Fatalf("the preview has the steps %s; want %s", got, want)
	}
	if done := r.undoBy(fmt.Sprintf(`"id":"u1","to":%d`, preview.To)); done.Count != 3 || done.Failed != 0 {
		t.Fatalf("undoing: %+v", done)
	}
	_, state := r.do(http.MethodGet, "/api/v1/rooms/den/state", "", owner, moderatorAddr)
	for _, want := range []string{`"key":"slow","value":5}`, `"key":"person/` + by("ann") + `","value":"mute","until":"2100`, `"value":"ban"`} {
		if !strings.Contains(state, want) {
			t.Errorf("the state lacks %s: %s", want, state)
		}
	}
}

// TestUndoByRefused: only owners undo what a moderator did, and nothing gives up their room.
func TestUndoByRefused(t *testing.T) {
	t.Parallel()
	r := newModerated(t)
	for body, want := range map[string]string{
		`{"undo_by":{},"dry":true}`:                                   "by must be a sender",
		`{"undo_by":"x","dry":true}`:                                  "an object",
		`{"undo_by":{"by":"x"}}`:                                      "undo_by needs to",
		`{"undo_by":{"by":"x"},"undo":3,"dry":true}`:                  "exactly one of",
		`{"undo_by":{"by":"x"},"to":99}`:                              "there is no record 99 in the room ~den",
		`{"undo_by":{"by":"x","since":"yesterday"},"dry":true}`:       "since",
		`{"undo_by":{"by":"x","since":"2026-01-01"},"dry":true}`:      "since",
		`{"undo_by":{"by":"` + by("nobody") + `"},"dry":true,"id":7}`: "id",
	} {
		if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/moderate", body, sessionOf("owner"), moderatorAddr); status != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s, want %q", body, status, got, want)
		}
	}
	if status, got := r.do(http.MethodPost, "/api/v1/rooms/~den/moderate", `{"undo_by":{"by":"x"},"dry":true}`, sessionOf("owner"), moderatorAddr); status != http.StatusBadRequest {
		t.Errorf("in the room of the moderators: %d %s", status, got)
	}
	for _, who := range []string{"mod", "ann", "nobody"} {
		status, got := r.do(http.MethodPost, "/api/v1/rooms/den/moderate", fmt.Sprintf(`{"undo_by":{"by":%q},"dry":true}`, by("mia")), sessionOf(who), moderatorAddr)
		if status != http.StatusForbidden || !strings.Contains(got, `"params":{"role":"owner"}`) {
			t.Errorf("%s: %d %s", who, status, got)
		}
	}
	r.set("role/"+by("ann"), `{"value":"trusted"}`, sessionOf("owner"))
	r.set("role/"+by("mod"), `{"value":"owner"}`, sessionOf("owner")) // who is a moderator now
	var u wire.Undone
	r.moderate(fmt.Sprintf(`{"undo_by":{"by":%q},"dry":true}`, by("owner")), sessionOf("mod"), &u)
	if got := stepsText(u.Steps) + "; " + stepsText(u.Rest); got != "role=none role=none; set" || u.Rest[0].Why != wire.StaysOwner {
		t.Errorf("undoing what the former owner did: %s", got)
	}
}

// TestUndoByInPortions: more erasures than hide messages at once are undone one portion after the other.
func TestUndoByInPortions(t *testing.T) {
	t.Parallel()
	r := newModerated(t)
	for i := range 12 {
		n := r.say(fmt.Sprint("spam ", i), sessionOf("bob"), moderatorAddr)
		r.moderate(fmt.Sprintf(`{"erase":{"by":%q},"to":%d}`, by("bob"), n), sessionOf("mod"), &wire.PostResponse{})
	}
	preview := r.undoBy(`"dry":true`)
	first := r.undoBy(fmt.Sprintf(`"id":"u1","to":%d`, preview.To))
	var second wire.Undone
	r.moderate(fmt.Sprintf(`{"undo_by":{"by":%q,"before":%d},"id":"u1","to":%d}`, by("mod"), first.Next, preview.To), sessionOf("owner"), &second)
	if preview.Count != 12 || first.Count != 10 || first.Next == 0 || second.Count != 2 || second.Next != 0 {
		t.Errorf("the preview has %d steps; undone are %d (next: %d), and %d (next: %d)", preview.Count, first.Count, first.Next, second.Count, second.Next)
	}
	becomes(t, func() bool {
		for _, m := range r.messages(sessionOf("owner"), moderatorAddr) {
			if m.Gone {
				return false
			}
		}
		return true
	})
}
