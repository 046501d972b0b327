package client

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"ramai/wire"
)

var update = flag.Bool("update", false, "rewrite client/testdata")

const (
	replicaCases = "testdata/replica.json"           // written by hand
	generated    = "testdata/replica-generated.json" // by generate
)

// run applies the steps of a case to a replica.
func (c *replicaCase) run(t *testing.T) {
	t.Helper()
	r := new(Replica)
	asked := map[string]*PageRequest{}
	deleted := map[uint64]bool{} // messages seen as deleted since the last reset
	for i, s := range c.Steps {
		switch {
		case s.Frame != nil:
			f, err := wire.ParseFrame(s.Frame)
			if err != nil {
				t.Fatalf("%s: step %d: %v", c.Name, i, err)
			}
			if j, ok := f.(wire.Joined); ok && j.Reset {
				clear(deleted)
			}
			r.Apply(f)
		case s.Saved != nil:
			r.Apply(sentChange(s.Saved))
		case s.Ask != nil:
			h := wire.History{Room: "r", Before: s.Ask.Before, At: s.Ask.At, As: s.Ask.As}
			if s.Ask.After != nil {
				h.After = &wire.Position{N: *s.Ask.After}
			}
			asked[s.Ask.ID] = r.Ask(h)
		case s.Page != nil:
			f, err := wire.ParseFrame(s.Page.Page)
			if err != nil {
				t.Fatalf("%s: step %d: %v", c.Name, i, err)
			}
			if used := r.AddPage(asked[s.Page.ID], f.(wire.Page)); used != s.Page.Used {
				t.Fatalf("%s: step %d: page %s is used: %v, want %v", c.Name, i, s.Page.ID, used, s.Page.Used)
			}
		case s.Settings != nil:
			r.AddSettings(wire.StateRequest{}, *s.Settings)
		case s.Cancel != "":
			r.Cancel(asked[s.Cancel])
		case s.Forget != nil:
			r.Forget(s.Forget.From, s.Forget.To)
		default:
			t.Fatalf("%s: step %d is empty", c.Name, i)
		}
		last := uint64(0)
		for _, m := range r.Messages(nil) {
			if m.N <= last {
				t.Fatalf("%s: step %d: %d follows %d", c.Name, i, m.N, last)
			}
			if one, ok := r.Message(m.N, nil); !ok || !reflect.DeepEqual(one, m) {
				t.Fatalf("%s: step %d: Message returns %+v, %v; Messages has %+v", c.Name, i, one, ok, m)
			}
			if s.Page != nil && !m.Gone { // a page may have restored messages
				delete(deleted, m.N)
			}
			if last = m.N; deleted[m.N] && !m.Gone {
				t.Fatalf("%s: step %d: the deleted message %d is back", c.Name, i, m.N)
			}
			if m.Gone {
				deleted[m.N] = true
			}
		}
	}
	var messages []wire.Message
	mine := wire.Mine{}
	for i := range r.rows {
		messages = append(messages, r.rows[i].Message)
		if keys := r.shown(&r.rows[i]).Mine; keys != nil {
			mine[r.rows[i].N] = keys
		}
	}
	if !reflect.DeepEqual(messages, c.Messages) && len(messages)+len(c.Messages) > 0 {
		t.Fatalf("%s: has %+v\nwant %+v", c.Name, messages, c.Messages)
	}
	if !reflect.DeepEqual(mine, c.Mine) && len(mine)+len(c.Mine) > 0 {
		t.Fatalf("%s: own marks %v, want %v", c.Name, mine, c.Mine)
	}
	for key, want := range c.State {
		got := r.setting(key, Pending{})
		if m, ok := r.ShownMessage(keyNumber(key), Pending{}); ok {
			got = wire.TextValue(m.Status)
		}
		if !got.Equal(want) {
			t.Fatalf("%s: %s is %+v, want %+v", c.Name, key, got, want)
		}
	}
	if missing := append([]wire.Range{}, r.Missing()...); !reflect.DeepEqual(missing, c.Missing) {
		t.Fatalf("%s: %v are missing, want %v", c.Name, missing, c.Missing)
	}
}

func sentChange(c *replicaChange) Sent {
	s := Sent{Room: "r", State: Saved, N: c.N, At: c.At.Std(), Of: c.Of, Deletes: c.Text == nil, Key: c.Key, Value: c.Value}
	if c.Text != nil {
		s.Text = *c.Text
	}
	return s
}

func readCases(t *testing.T, file string) (cases []replicaCase) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%s: %d cases, %v", file, len(cases), err)
	}
	return cases
}

func TestReplicaCases(t *testing.T) {
	for _, c := range readCases(t, replicaCases) {
		t.Run(c.Name, c.run)
	}
}

var replicaSeeds = flag.Uint64("replica-seeds", 150, "number of seeds of TestReplicaConverges, at least 150")

// TestReplicaConverges compares a replica with the server's messages after random histories. Some of them are in testdata,
// for the test of replica.js.
func TestReplicaConverges(t *testing.T) {
	var kept []replicaCase
	for seed := range max(*replicaSeeds, 150) {
		c := generate(seed, 20+int(seed%10)*20)
		c.run(t)
		if seed%50 < 3 && seed < 150 {
			kept = append(kept, c)
		}
	}
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, c := range kept {
		if i > 0 {
			out.WriteString(",\n")
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	out.WriteString("\n]\n")
	if *update {
		if err := os.WriteFile(generated, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(generated); err != nil || !bytes.Equal(b, out.Bytes()) {
		t.Errorf("%s is not what generate returns; run go test ./client -run TestReplicaConverges -update (%v)", generated, err)
	}
}
