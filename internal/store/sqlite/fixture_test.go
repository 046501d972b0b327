package sqlite

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// fixture creates a data folder with the database of an earlier version, and returns its path. All versions received
// the same input: two starts, names, messages in three rooms, one of them removed if the version could do that.
func fixture(t *testing.T, schema int) string {
	t.Helper()
	packed, err := os.Open(fmt.Sprintf("testdata/schema%d.db.gz", schema))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Folders of earlier versions are upgraded when they are opened, and keep all their content.
func TestFixtures(t *testing.T) {
	t.Parallel()
	for _, schema := range []int{4, 5, 6, 7, 8, 9} {
		t.Run(fmt.Sprint("schema ", schema), func(t *testing.T) {
			t.Parallel()
			dir := fixture(t, schema)
			for range 2 {
				s := open(t, dir, quiet)
				checkFixture(t, s, schema)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			// The commands that were applied then are known, and the next ones follow them.
			s := open(t, dir, quiet)
			defer s.Close()
			start := eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, After: s.Incarnation(eventlog.LocalNode), Nonce: "later"}}
			say := func(room, id, text string) eventlog.Command {
				return eventlog.Command{Kind: eventlog.Say, SenderID: "annaannaannaanna", Room: room, ID: id, Text: text}
			}
			outcomes, err := s.Apply(&eventlog.Batch{At: 1, Node: eventlog.LocalNode, Commands: []eventlog.Command{start}}, s.Position()+1)
			if err != nil {
				t.Fatal(err)
			}
			said, err := s.Apply(&eventlog.Batch{At: 1, Commands: []eventlog.Command{say("lobby", "a2", "four"), say("lobby", "a4", "six"), say("team", "a2", "more")}}, s.Position()+1)
			if err != nil {
				t.Fatal(err)
			}
			outcomes = append(outcomes, said...)
			if o := outcomes[0]; o.Status != eventlog.Saved || len(o.Renamed) != 1 || o.Renamed[0] != "doradoradoradora" {
				t.Errorf("a start is %+v, want one that frees the name that was bound", o)
			}
			if o := outcomes[1]; o.Status != eventlog.Repeat || o.N != 4 {
				t.Errorf("a repetition is %v with the number %d, want a repeat of 4", o.Status, o.N)
			}
			if outcomes[2].N != 6 || outcomes[2].At != 1_790_000_000_000 || outcomes[3].N != 2 {
				t.Errorf("new messages are %+v", outcomes[2:])
			}
		})
	}
}

func checkFixture(t *testing.T, s *Store, schema int) {
	t.Helper()
	if s.Position() != 5 {
		t.Errorf("the position is %d, want 5", s.Position())
	}
	lobby, bounds, err := s.Read("lobby", 0, 10)
	if err != nil || bounds != (eventlog.Bounds{First: 2, Last: 5}) {
		t.Fatalf("the lobby has %+v with the bounds %+v, %v", lobby, bounds, err)
	}
	team, _, err := s.Read("team", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	const at = 1_790_000_000_000
	want := []wire.Message{
		{Room: "lobby", N: 2, At: at, SenderID: "bertbertbertbert", DisplayName: "Bert", ID: "b1", Text: "two\nlines"},
		{Room: "lobby", N: 3, At: at, SenderID: "carlcarlcarlcarl", DisplayName: "Carl", ID: "c1", Text: "my own name"},
		{Room: "lobby", N: 4, At: at, SenderID: "annaannaannaanna", DisplayName: "Anna", ID: "a2", Text: "four"},
		{Room: "lobby", N: 5, At: at, SenderID: "annaannaannaanna", DisplayName: "Anna", ID: "a3", Text: "five"},
		{Room: "team", N: 1, At: at, SenderID: "annaannaannaanna", DisplayName: "Anna", ID: "a1", Text: "elsewhere"},
	}
	if got := messages(t, append(lobby, team...)); !reflect.DeepEqual(got, want) {
		t.Errorf("the messages are %+v, want %+v", got, want)
	}
	if s.Name("doradoradoradora") != "Dora" || s.Name("annaannaannaanna") != "Anna" || len(s.RegisteredNames()) != 1 || s.RegisteredNames()[0].Name != "Carl" {
		t.Errorf("the names are %q, %q, %v", s.Name("doradoradoradora"), s.Name("annaannaannaanna"), s.RegisteredNames())
	}
	if schema < 5 {
		return
	}
	if s.Epoch() != (eventlog.Epoch{Number: 2, Name: "epochtwo"}) || s.IDGeneration().Number != 2 {
		t.Errorf("the epoch is %+v, the generation of ids %+v", s.Epoch(), s.IDGeneration())
	}
	if got, want := s.Bounds("gone"), (eventlog.Bounds{First: 3, Last: 2}); got != want {
		t.Errorf("the removed room has the bounds %+v, want %+v", got, want)
	}
	if schema >= 6 && (s.Incarnation(eventlog.LocalNode) != 3 || s.Limits().MaxRooms != 1000) {
		t.Errorf("the incarnation is %d, the limits are %+v", s.Incarnation(eventlog.LocalNode), s.Limits())
	}
	for n, want := range map[uint64]bool{3: true, 4: false} {
		if got := s.Contains("lobby", &wire.Position{HistoryID: s.HistoryID(), Epoch: "epochone", N: n}); got != want {
			t.Errorf("number %d was stored in the first epoch: %v, want %v", n, got, want)
		}
	}
	if schema < 9 {
		return
	}
	settings, _, _ := s.Settings("lobby", "", "", 10)
	if len(settings) != 1 || settings[0].Key != wire.TopicKey || !settings[0].Value.Equal(wire.TextValue("Topic")) {
		t.Errorf("the lobby has the settings %+v", settings)
	}
	mine, err := s.Marks("lobby", "bertbertbertbert", 1, 5)
	if err != nil || !reflect.DeepEqual(mine, wire.Mine{4: {"up"}}) {
		t.Errorf("Bert has the marks %v, %v", mine, err)
	}
}
