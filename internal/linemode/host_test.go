package linemode

import (
	"fmt"
	"strings"
	"testing"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// TestQuestion: the line after a question answers it, and nothing else does.
func TestQuestion(t *testing.T) {
	r, _, notes := newRunner(0)
	r.Commands = true
	for i, m := range []wire.Message{{SenderID: "idOfAnna00000000", DisplayName: "anna"}, {SenderID: "another-anna0000", DisplayName: "Anna"}} {
		if m.N = uint64(i + 1); r.handle(client.Event{Frame: m}) != nil {
			t.Fatal("not handled")
		}
	}
	said := func(lines ...string) string {
		notes.Reset()
		for _, line := range lines {
			r.read(t.Context(), inputLine{text: line})
		}
		return notes.String()
	}
	got := said("/mute anna")
	if !strings.HasPrefix(got, "which anna?\n  1  Anna  anot · message 2, ") || !strings.HasSuffix(got, "type the number of a line; anything else cancels\n") {
		t.Fatalf("the question is\n%s", got)
	}
	if got := said("3"); got != "cancelled\n" || len(r.pending) > 0 {
		t.Errorf("the answer 3 gives %s", got)
	}
	chosen := -1
	host{r, t.Context()}.Choose(commands.Choice{Title: "which?", Rows: []commands.Row{{Text: "a"}, {Text: "b"}}, Do: func(_ commands.Host, i int) { chosen = i }})
	if got := said("2"); got != "" || chosen != 1 {
		t.Errorf("the answer 2 chooses %d: %s", chosen, got)
	}
	done := 0
	ask := func() {
		host{r, t.Context()}.Confirm(commands.Confirmation{Question: "erase it\x1b[2J?", Yes: "erase it", Rows: []commands.Row{{Name: "anna", Text: "a\nb"}}, Do: func(commands.Host) { done++ }})
	}
	notes.Reset()
	if ask(); notes.String() != "erase it?\n  anna  a b\ntype y to erase it; anything else cancels\n" {
		t.Errorf("the question is\n%s", notes)
	}
	for _, line := range []string{"n", "", "1", "/help"} {
		ask()
		if said(line); done > 0 || r.unanswered != nil {
			t.Errorf("%q confirms, or leaves the question open", line)
		}
	}
	ask()
	if said(" Y "); done != 1 {
		t.Error("y does not confirm")
	}
}

func TestAuthors(t *testing.T) {
	var a authors
	for n := range uint64(3 * maxAuthors) {
		a.saw(n, fmt.Sprint(n))
		a.saw(n, "again")
	}
	if len(a.of) != maxAuthors || len(a.order) != maxAuthors || a.of[3*maxAuthors-1] != fmt.Sprint(3*maxAuthors-1) {
		t.Errorf("%d are remembered", len(a.of))
	}
}

// TestBecomes: line mode says who the user has become after another device has linked this one.
func TestBecomes(t *testing.T) {
	r, _, notes := newRunner(0)
	for _, w := range []wire.Welcome{{SenderID: "idOfAnna00000000", Name: "anna"}, {SenderID: "idOfBudi00000000", Name: "budi"}, {SenderID: "idOfBudi00000000", Name: "budi"}} {
		notes.Reset()
		if r.handle(client.Event{Frame: w}) != nil {
			t.Fatal("not handled")
		}
	}
	if got := notes.String(); !strings.HasPrefix(got, "connected again\n") {
		t.Errorf("the same again: %s", got)
	}
	notes.Reset()
	if r.welcomed(wire.Welcome{SenderID: "ab12000000000000"}); notes.String() != "you are guest ab12 now\n" {
		t.Errorf("somebody else: %s", notes.String())
	}
}
