//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The checker of the fault tests reads only what clients have written down. It knows nothing about servers.

// A faultNote is a line in the log of a client.
type faultNote struct {
	Client string // its name
	Node   int    // the member that it was connected to
	Kind   string // "begin": a client that follows the room from number 0 on; "ack", "heard", "hole", "erased", "banned", or "end" at the newest number
	ID     string // of a message
	N      int    // its number
	Frame  string // as it was heard
}

// faultProblems returns what is wrong in the journals of the clients, each in the order in which it was written.
func faultProblems(journals ...[]faultNote) (problems []string) {
	problem := func(class, format string, v ...any) {
		problems = append(problems, class+": "+fmt.Sprintf(format, v...))
	}
	acknowledged, erased := map[string]int{}, map[int]string{} // number by id; text by number
	frames := map[int]faultNote{}                              // the first that was heard with each number
	for _, notes := range journals {
		last := 0
		for _, x := range notes {
			switch x.Kind {
			case "ack":
				if before, known := acknowledged[x.ID]; known && before != x.N {
					problem("doubled", "%s: %s was acknowledged with the numbers %d and %d", x.Client, x.ID, before, x.N)
				} else if !known && x.N <= last {
					problem("order", "%s: %s has the number %d, and the message before it %d", x.Client, x.ID, x.N, last)
				}
				if acknowledged[x.ID] == 0 {
					acknowledged[x.ID] = x.N
				}
				last = max(last, x.N)
			case "erased":
				erased[x.N] = x.Frame
			case "banned":
				problem("banned", "%s: a message was accepted at member %d", x.Client, x.Node)
			}
		}
	}
	for _, notes := range journals {
		at, ids, follows := 0, map[string]int{}, false
		for _, x := range notes {
			switch x.Kind {
			case "begin":
				follows = true
			case "hole":
				problem("hole", "%s at member %d after %d: %s", x.Client, x.Node, at, x.Frame)
			case "heard":
				if x.N != at+1 {
					problem("order", "%s at member %d heard %d after %d", x.Client, x.Node, x.N, at)
				}
				at = max(at, x.N)
				if x.ID != "" {
					if before := ids[x.ID]; before != 0 && before != x.N {
						problem("doubled", "%s at member %d heard %s as %d and %d", x.Client, x.Node, x.ID, before, x.N)
					}
					ids[x.ID] = x.N
				}
				text, gone := erased[x.N]
				if gone && strings.HasPrefix(x.Client, "final") && strings.Contains(x.Frame, text) {
					problem("erased", "%s at member %d heard the text of %d, which was erased", x.Client, x.Node, x.N)
				}
				if first, known := frames[x.N]; !known {
					frames[x.N] = x
				} else if first.Frame != x.Frame && !gone {
					problem("different", "%s at member %d heard as %d: %s, and %s at member %d: %s", x.Client, x.Node, x.N, x.Frame, first.Client, first.Node, first.Frame)
				}
			case "end":
				if at < x.N {
					problem("lost", "%s at member %d ended at %d, and the newest number is %d", x.Client, x.Node, at, x.N)
				}
			}
		}
		if !follows {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(acknowledged)) {
			if n := acknowledged[id]; ids[id] != n && erased[n] == "" {
				problem("lost", "%s was acknowledged as %d, and %s heard it as %d (0: never)", id, n, notes[0].Client, ids[id])
			}
		}
	}
	return problems
}

// TestFaultProblems plants one fault of each class, and expects the checker to see it, and nothing else.
func TestFaultProblems(t *testing.T) {
	frame := func(n int, text string) string {
		b, _ := json.Marshal(map[string]any{"n": n, "text": text})
		return string(b)
	}
	build := func() [][]faultNote {
		writer := []faultNote{{Client: "w", Kind: "ack", ID: "a", N: 1}, {Client: "w", Kind: "ack", ID: "b", N: 2}, {Client: "w", Kind: "ack", ID: "c", N: 3}}
		journals := [][]faultNote{writer}
		for _, client := range []string{"r", "final"} {
			notes := []faultNote{{Client: client, Kind: "begin"}}
			for i, id := range []string{"a", "b", "c"} {
				notes = append(notes, faultNote{Client: client, Kind: "heard", ID: id, N: i + 1, Frame: frame(i+1, "text of "+id)})
			}
			journals = append(journals, append(notes, faultNote{Client: client, Kind: "end", N: 3}))
		}
		return journals
	}
	if p := faultProblems(build()...); len(p) > 0 {
		t.Fatalf("a run without faults has the problems %q", p)
	}
	for name, c := range map[string]struct {
		plant func(j [][]faultNote)
		want  []string
	}{
		"a message is missing at the end":                    {func(j [][]faultNote) { j[2] = slices.Delete(j[2], 3, 4) }, []string{"lost", "lost"}},
		"an acknowledged message is replaced by another one": {func(j [][]faultNote) { j[1][2].ID, j[2][2].ID = "x", "x" }, []string{"lost", "lost"}},
		"members have different bytes":                       {func(j [][]faultNote) { j[2][2].Frame = frame(2, "other") }, []string{"different"}},
		"a retry is posted again":                            {func(j [][]faultNote) { j[0] = append(j[0], faultNote{Client: "w", Kind: "ack", ID: "b", N: 4}) }, []string{"doubled"}},
		"a message is heard twice":                           {func(j [][]faultNote) { j[1][3].ID, j[2][3].ID = "b", "b" }, []string{"doubled", "lost"}},
		"a frame is heard again":                             {func(j [][]faultNote) { j[1] = slices.Insert(j[1], 3, j[1][2]) }, []string{"order"}},
		"frames are swapped":                                 {func(j [][]faultNote) { j[1][2], j[1][3] = j[1][3], j[1][2] }, []string{"order"}},
		"a writer's messages are swapped":                    {func(j [][]faultNote) { j[0][0].N, j[0][1].N = 2, 1 }, []string{"order", "lost"}},
		"a gap is reported": {func(j [][]faultNote) {
			j[1] = slices.Insert(j[1], 2, faultNote{Client: "r", Kind: "hole", Frame: "gap"})
		}, []string{"hole"}},
		"an erased text is shown": {func(j [][]faultNote) {
			j[0] = append(j[0], faultNote{Client: "w", Kind: "erased", N: 2, Frame: "text of b"})
		}, []string{"erased"}},
		"a banned sender posts": {func(j [][]faultNote) { j[0] = append(j[0], faultNote{Client: "w", Kind: "banned"}) }, []string{"banned"}},
	} {
		journals := build()
		c.plant(journals)
		problems := faultProblems(journals...)
		for _, class := range c.want {
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, class+":") }) {
				t.Errorf("%s: the problems %q, want one of %q", name, problems, class)
			}
		}
		for _, p := range problems {
			if class, _, _ := strings.Cut(p, ":"); !slices.Contains(c.want, class) {
				t.Errorf("%s: the problem %q is none of %q", name, p, c.want)
			}
		}
	}
}
