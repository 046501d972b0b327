package eventlogtest

import (
	"slices"
	"testing"

	"ramai/internal/eventlog"
)

// testStarts: a start counts once and frees only the temporary names of its node, and from then on batches of the node's
// earlier incarnations have no effect. Neither have copies of a batch.
func testStarts(t *testing.T, location Location) {
	j := open(t, location)
	apply := func(b eventlog.Batch) []eventlog.Outcome {
		t.Helper()
		outcomes, err := j.Apply(&b, j.Position()+1)
		if err != nil {
			t.Fatalf("Apply: %v", err)
		}
		return outcomes
	}
	start := func(node string, after uint64, nonce string) eventlog.Batch {
		return eventlog.Batch{At: j.at, Node: node, Commands: commands(eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: node, After: after, Nonce: nonce}})}
	}
	batch := func(node string, incarnation, seq uint64, commands ...eventlog.Command) eventlog.Batch {
		return eventlog.Batch{At: j.at, Node: node, Incarnation: incarnation, Seq: seq, Commands: commands}
	}
	if got := summarize(apply(start("a", 0, "one"))) + summarize(apply(start("b", 0, "two"))); got != "donedone" || j.Incarnation("a") != 1 || j.Incarnation("b") != 2 {
		t.Fatalf("two nodes start: %s, incarnations %d and %d", got, j.Incarnation("a"), j.Incarnation("b"))
	}
	first := batch("a", 1, 1, bound("anna", "Anna"), once("anna", "lobby", "1", "x"))
	if got := summarize(apply(first)); got != "done\nsaved 1" {
		t.Fatalf("the outcomes of a batch are %q", got)
	}
	apply(batch("b", 2, 1, bound("bert", "Bert")))
	for name, b := range map[string]eventlog.Batch{
		"a copy": first, "a batch of an unknown incarnation": batch("a", 9, 2, once("anna", "lobby", "2", "x")),
		"one with the incarnation of another node": batch("a", 2, 2, once("anna", "lobby", "3", "x")),
		"one of a node that has not started":       batch("c", 1, 1, once("anna", "lobby", "4", "x")),
	} {
		if got := apply(b); len(got) != 0 || j.Bounds("lobby").Last != 1 {
			t.Errorf("%s: %s, and the lobby is at %d", name, summarize(got), j.Bounds("lobby").Last)
		}
	}
	if got := summarize(apply(start("a", 0, "three"))); got != "refused internal" {
		t.Errorf("a repeated start: %s", got)
	}
	again := apply(start("a", 1, "four"))
	if !slices.Equal(again[0].Renamed, []string{"anna"}) || j.Name("bert") != "Bert" || j.Name("anna") != "" {
		t.Errorf("a start renames %q; the names are %q and %q", again[0].Renamed, j.Name("anna"), j.Name("bert"))
	}
	if got := apply(batch("a", 1, 2, once("anna", "lobby", "5", "x"))); len(got) != 0 {
		t.Errorf("a batch of the earlier incarnation: %s", summarize(got))
	}
	current := j.Incarnation("a")
	if got := summarize(apply(batch("a", current, 1, once("anna", "lobby", "6", "x")))); got != "saved 2" {
		t.Errorf("a batch of the new incarnation: %s", got)
	}
	if !location.Persistent {
		return
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Store = location.Open()
	if got := apply(batch("a", current, 1, once("anna", "lobby", "7", "x"))); len(got) != 0 || j.Incarnation("b") != 2 {
		t.Errorf("opened again, a copy: %s, and the other incarnation is %d", summarize(got), j.Incarnation("b"))
	}
}
