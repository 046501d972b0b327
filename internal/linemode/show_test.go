package linemode

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"ramai/client"
	"ramai/wire"
)

func TestShow(t *testing.T) {
	welcomed := wire.Welcome{Session: "secretsecretsecretsecr", Text: "Wel\x1b[31mcome"}
	message := wire.Message{Room: "lobby", N: 1, DisplayName: "an\u202ena\n\x1b]0;x\a", Text: "one\x1b[2J\ntwo\u0085\tthree"}
	edited := "one\x1b"
	tests := []struct {
		name          string
		frame         wire.Frame
		raw           string
		greeting      string
		asJSON, plain bool
		want          string
	}{
		{name: "a welcome", frame: welcomed, greeting: "Welcome"},
		{name: "the first time in the room", frame: wire.Joined{}, greeting: "Welcome\x1b", want: "From server: Welcome\n"},
		{name: "the second time in the room", frame: wire.Joined{}},
		{name: "a welcome of the plain protocol", frame: welcomed, plain: true, greeting: "Welcome", want: "From server: Welcome\n"},
		{name: "a message", frame: message, want: "From server: anna : one\n             two\tthree\n"},
		{name: "a message that was edited", frame: wire.Message{DisplayName: "anna", Text: "new", Edited: 7}, want: "From server: anna: new (edited)\n"},
		{name: "a poll", frame: wire.Message{DisplayName: "anna", Text: "Which?", As: wire.Poll, Options: []string{"A", "B\x1b"}, Tally: wire.Counts{"0": 3}}, want: "From server: anna: Which? (1) A (2) B\n"},
		{name: "counts", frame: wire.Tally{N: 7}},
		{name: "a setting", frame: wire.State{N: 7, Key: wire.TopicKey, Value: wire.TextValue("topic")}},
		{name: "a message that was deleted", frame: wire.Message{DisplayName: "anna", Edited: 7, Gone: true}},
		{name: "an edit", frame: wire.Changed{N: 7, DisplayName: "anna", Of: wire.Target(1), Text: &edited}, want: "From server: anna: one (edited)\n"},
		{name: "a deletion", frame: wire.Changed{N: 7, DisplayName: "anna", Of: wire.Target(1)}},
		{name: "a superseded change", frame: wire.Changed{N: 7, Text: &edited}},
		{name: "a deletion as JSON", frame: wire.Changed{}, asJSON: true, raw: `{"type":"changed"}`, want: "{\"type\":\"changed\"}\n"},
		{name: "a line", frame: client.Line{Text: "a: b\nc\r"}, want: "From server: a: b\n             c\n"},
		{name: "an empty line", frame: client.Line{}, want: "From server: \n"},
		{name: "something else", frame: wire.Saved{}},
		{name: "a frame", frame: wire.Saved{}, asJSON: true, raw: "{\"type\":\n \"saved\", \"new\":\"\x7f\"}", want: `{"type":"saved","new":"\u007f"}` + "\n"},
		{name: "a line as JSON", frame: client.Line{Text: "a\n\"b\u202e"}, asJSON: true, plain: true, raw: "a\n\"b\u202e", want: `{"type":"line","text":"a\n\"b\u202e"}` + "\n"},
		{name: "an event of the client itself", frame: client.Disconnected{}, asJSON: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := client.Event{Frame: test.frame}
			if test.raw != "" {
				e.Raw = []byte(test.raw)
			}
			var out strings.Builder
			if err := show(&out, e, test.asJSON, test.plain, test.greeting); err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want {
				t.Errorf("%q, want %q", &out, test.want)
			}
		})
	}
	var out strings.Builder
	if err := show(&out, client.Event{Frame: welcomed, Raw: wire.Append(nil, welcomed)}, true, false, "Welcome"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"type":"welcome"`) || strings.Contains(out.String(), "secret") {
		t.Errorf("the welcome is shown as %s", &out)
	}
}

// FuzzJSONLine checks two rules for the output for programs: it means the same as the input, and nothing in it affects a
// terminal.
func FuzzJSONLine(f *testing.F) {
	for _, s := range []string{`{}`, "{\"a\":\n[1, \"\u202e\U000e0041\x7f\u0085\"]}", `"\u001b"`, "\"\xff\"", `x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		line := JSON(b)
		if !json.Valid(b) {
			if line != nil {
				t.Fatalf("%q becomes %q", b, line)
			}
			return
		}
		text, end := strings.CutSuffix(string(line), "\n")
		if !end || strings.ContainsAny(text, "\n\t") || client.Printable(text) != text {
			t.Fatalf("%q becomes %q", b, line)
		}
		var got, want any
		if json.Unmarshal(b, &want) != nil { // valid, but with a number that is too large for Go
			return
		}
		if err := json.Unmarshal(line, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q becomes %q: %v", b, line, err)
		}
	})
}

// TestLogged: a record of the moderators' room is written in words.
func TestLogged(t *testing.T) {
	m := wire.Message{As: wire.ActionMessage, DisplayName: "anna", Action: &wire.Action{Do: wire.DoDelete, Of: 9, SenderID: "idOfBudi00000000", DisplayName: "bu\x1b[2Jdi"}}
	if got, want := PlainText(m), "anna: deleted message 9 of budi"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
