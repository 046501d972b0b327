package client

import (
	"testing"
	"time"

	"ramai/wire"
)

// TestRules: a rule counts until its end, which joined does not have and pages and frames have.
func TestRules(t *testing.T) {
	var r Replica
	end := wire.TimeOf(time.Unix(1000, 0))
	before, after := time.Unix(999, 0), time.Unix(1000, 0)
	check := func(what string, at time.Time, pending []Sent, want string, wantUntil wire.Time) {
		t.Helper()
		got := "unset"
		v, until := r.Rule(wire.LockKey, pending, at)
		if v.Text != nil {
			got = *v.Text
		}
		if got != want || until != wantUntil {
			t.Errorf("%s: the room's lock is %s until %d, want %s until %d", what, got, until, want, wantUntil)
		}
	}
	check("at first", before, nil, "unset", 0)
	r.Apply(wire.Joined{N: 5, First: 1, HistoryID: "L", State: map[string]wire.Value{wire.LockKey: wire.TextValue(wire.LockOn)}})
	check("joined", after, nil, "on", 0)
	if !r.StaleSettings() {
		t.Error("the ends of the rules are not asked for")
	}
	r.AddSettings(wire.StateRequest{}, wire.Settings{N: 5, Settings: []wire.Setting{{Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: end}}})
	if r.StaleSettings() {
		t.Error("the settings are stale after they were loaded")
	}
	check("loaded", before, nil, "on", end)
	check("over", after, nil, "unset", 0)
	check("pending", after, []Sent{{Key: wire.LockKey, Value: wire.TextValue(wire.LockOn)}}, "on", 0)
	r.Apply(wire.State{N: 6, Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: end + 1000})
	check("extended", after, nil, "on", end+1000)
	r.Apply(wire.State{N: 7, Key: wire.LockKey})
	check("unset", before, nil, "unset", 0)
	r.Apply(wire.Joined{N: 8, First: 1, HistoryID: "L", State: map[string]wire.Value{wire.TopicKey: wire.TextValue("tea")}})
	if r.StaleSettings() {
		t.Error("settings without rules are stale")
	}
}

// TestRefusedByRule: a refusal by a rule of the room reaches the user with all it says, and delays nothing.
func TestRefusedByRule(t *testing.T) {
	c := opened(t, 3)
	c.say(wire.Lobby, "first")
	id := c.post(say{room: wire.Lobby, key: wire.LockKey, value: wire.TextValue(wire.LockOn), until: 77})
	frames := sent(c, time.Time{})
	if len(frames) != 2 || frames[1] != `{"type":"set","room":"lobby","id":"`+id+`","key":"lock","value":"on","until":"1970-01-01T00:00:00.077Z","ref":"`+id+`"}` {
		t.Fatalf("sends %q", frames)
	}
	params := wire.Params{wire.ParamSeconds: wire.NumberValue(10)}
	for _, f := range feed(t, c, time.Time{}, wire.Refused{Room: wire.Lobby, ID: c.outbox.says[0].id, Code: wire.NotAllowed, Reason: "slow", Rule: wire.SlowKey, Params: params, Until: 9}) {
		if s, ok := f.(Sent); ok && (s.State != Failed || s.Code != wire.NotAllowed || s.Rule != wire.SlowKey || s.Params[wire.ParamSeconds].Number == nil || s.RuleUntil != 9 || s.RetryAfter != 0) {
			t.Errorf("refused: %+v", s)
		}
	}
	if c.outbox.sent != 1 {
		t.Errorf("%d are still sending, want the setting", c.outbox.sent)
	}
}
