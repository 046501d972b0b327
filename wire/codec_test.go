package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const someSession = "AAAAAAAAAAAAAAAAAAAAAA"

func ptr[T any](v T) *T { return &v }

// nasty contains everything that must be escaped in a JSON string, and much that need not be.
const nasty = "\"\\/\n\t\r\b\f\x00\x1f\x7f\u0085\u2028\u2029 é 今 👩‍👩‍👧 </script>"

func TestRequestsRoundTrip(t *testing.T) {
	for _, f := range []Frame{
		Hello{Session: someSession},
		Hello{Session: someSession, Token: "e30.e30.AA_-", Held: true},
		Hello{Token: "e30.e30."},
		Link{},
		Link{Name: "Firefox on \"Android\""},
		Link{Code: "ABCD2345"},
		Link{Code: "ABCD2345", Confirm: true},
		SignOut{},
		SignOut{All: true},
		Join{Room: "lobby"},
		Join{Room: "lobby", Last: ptr(0)},
		Join{Room: "lobby", Last: ptr(MaxLast)},
		Join{Room: "lobby", After: &Position{HistoryID: nasty, N: 1<<64 - 1}},
		Leave{Room: "r-2_x"},
		Say{Room: "lobby", ID: "a-Z_0", Text: nasty},
		Say{Room: "lobby", ID: "1"},
		Say{Room: "lobby", ID: "1", Re: 1<<64 - 1},
		Change{Room: "lobby", ID: "1", Of: 1, Text: ptr(nasty)},
		Change{Room: "lobby", ID: "1", Of: 1<<64 - 1, Text: ptr("")},
		Change{Room: "lobby", ID: "1", Of: 7},
		Change{Room: "lobby", ID: "1", Held: "h-1"},
		Moderate{Room: "lobby", ID: "1", Approve: &HeldID{SenderID: "by", ID: "h-1"}},
		Moderate{Room: "lobby", ID: "1", Reject: &HeldID{SenderID: "by", ID: "h-1"}},
		Report{Room: "lobby", ID: "1", Of: 7, Text: nasty[2:3]},
		Report{Room: "lobby", ID: ReportID(7), Of: 7},
		Say{Room: "lobby", ID: "1", Text: "x", As: Question},
		Say{Room: "lobby", ID: "1", As: Poll, Options: []string{"\"", "b"}, Re: 3},
		Mark{Room: "lobby", Of: 1<<64 - 1, Key: "👩‍👩‍👧", On: true},
		Mark{Room: "lobby", Of: 1, Key: Upvote},
		Set{Room: "lobby", ID: "1", Key: TopicKey, Value: TextValue("\" today 今")},
		Set{Room: "lobby", ID: "1", Key: PinKey, Value: Value{Numbers: []uint64{1, 1<<64 - 1}}},
		Set{Room: "lobby", ID: "1", Key: StageKey, Value: NumberValue(7)},
		Set{Room: "lobby", ID: "1", Key: StageKey},
		StateRequest{Room: "lobby"},
		StateRequest{Room: "lobby", Prefix: "poll/", After: "poll/7", Limit: MaxSettings},
		History{Room: "lobby", As: Question},
		History{Room: "lobby", As: Poll, Before: ptr(uint64(7)), Limit: 1},
		History{Room: "lobby"},
		History{Room: "lobby", Before: ptr(uint64(0)), Limit: MaxPage},
		History{Room: "lobby", After: &Position{N: 7}, Limit: 1},
		History{Room: "lobby", After: &Position{HistoryID: "L", Epoch: "E", N: 1<<64 - 1}},
		Who{Room: "lobby"},
		Name{Name: nasty},
		Name{},
		Typing{Room: "lobby"},
		Ping{},
		Ping{ID: "1"},
	} {
		b := Append(nil, f)
		got, err := ParseRequest(b)
		if err != nil {
			t.Errorf("%s: %v", b, err)
		} else if !reflect.DeepEqual(got.Frame, f) || got.Type != f.Type() {
			t.Errorf("%s is read as %+v, want %+v", b, got, f)
		}
	}
}

func TestFramesRoundTrip(t *testing.T) {
	m := Message{Room: "lobby", N: 1<<64 - 1, At: 1_700_000_000_123, SenderID: "by", DisplayName: nasty, ID: "id", Text: nasty}
	for _, f := range []Frame{
		Welcome{Protocol: Protocol, Server: "ramai 1", SenderID: SenderIDOf(someSession), Session: someSession, Name: "anna", Known: true, Text: Greeting,
			Limits: Limits{Text: 4000, Frame: 65536, Rate: 0.5, Burst: 20, Rooms: 8, EditWindow: 900_000}},
		Joined{Room: "lobby", HistoryID: "L", N: 3, First: 1, Count: 2, Reset: true},
		Joined{Room: "lobby", From: ptr(uint64(0)), Unread: ptr(3), Role: RoleOwner},
		Left{Room: "lobby", Code: NotAllowed, Reason: nasty, Rule: RulePerson, Params: Params{ParamAction: TextValue(Ban)}, Until: 7}, Left{},
		OwnRole{Room: "lobby", Role: RoleModerator, Until: 7, Ref: "r"}, OwnRole{},
		m,
		Message{Room: "lobby", N: 9, Re: 1<<64 - 1, Edited: 10},
		HeldBack{Room: "lobby", ID: "1", Ref: "r"},
		Message{Room: "lobby", N: 9, Edited: 10, Gone: true},
		Message{Room: "~lobby", N: 9, As: ReportMessage, Of: 1<<64 - 1, Text: nasty},
		Message{Room: "~lobby", N: 9, As: ActionMessage, Action: &Action{Do: DoSet, Key: "role/x", Value: TextValue(nasty), Before: NumberValue(7), Until: 5, SenderID: "x", DisplayName: nasty}},
		Message{Room: "~lobby", N: 9, As: ActionMessage, Action: &Action{Do: DoErase, Of: 3, Count: 4, Erasure: 1<<64 - 1, Reason: nasty}},
		Changed{Room: "lobby", N: 9, At: 5, Of: Target(4), SenderID: "by", DisplayName: nasty, ID: "id", Text: ptr(nasty)},
		Changed{Room: "lobby", N: 9, Of: Target(1<<64 - 1)},
		Changed{Room: "lobby", N: 9, Of: Targets{}},
		Changed{Room: "lobby", N: 9, Of: Targets{{1, 3}, {7, 7}}},
		Message{},
		Message{Room: "lobby", N: 9, As: Poll, Options: []string{nasty, "b"}, Tally: Counts{"0": 1, "👍": 1<<64 - 1}, Tallied: 1<<64 - 1},
		Tally{Room: "lobby", N: 9, At: 5, Of: map[uint64]Counts{3: {"up": 2}, 1<<64 - 1: {}}},
		Marked{Room: "lobby", Of: 3, Key: "👍", On: true, Ref: "r"}, Marked{},
		State{Room: "lobby", N: 9, At: 5, Key: TopicKey, Value: TextValue(nasty), SenderID: "by", DisplayName: nasty, ID: "id"}, State{Key: StageKey}, State{Room: "lobby", N: 9, At: 5, Key: SlowKey, Value: NumberValue(30), Until: 7, SenderID: "by", ID: "id"},
		Settings{Room: "lobby", N: 9, Settings: []Setting{{Key: PinKey, Value: Value{Numbers: []uint64{1, 2}}}, {Key: LockKey, Value: TextValue(LockOn), Until: 5}}, More: true, Ref: "r"}, Settings{Settings: []Setting{}},
		Joined{Room: "lobby", State: map[string]Value{TopicKey: TextValue(nasty), PinKey: {Numbers: []uint64{}}, StageKey: NumberValue(0)}, Mine: Mine{3: {"up", "👍"}}},
		Page{Messages: []Message{}, As: Question, Mine: Mine{3: {"up"}, 1<<64 - 1: {"0", "👍"}}},
		Presence{Room: "lobby", Count: 2, Names: []string{"anna", nasty}},
		Page{Room: "lobby", HistoryID: "L", Messages: []Message{m, {Room: "lobby", N: 2}}, More: true},
		Page{Room: "lobby", HistoryID: nasty, Messages: []Message{}},
		Page{Messages: []Message{m, {N: 2, Re: 1}}, Head: 9, Skipped: []Range{{3, 3}, {5, 1<<64 - 1}}},
		Page{Messages: []Message{}, Ref: "r"}, Saved{Ref: "r"}, Joined{Ref: "r"}, Welcome{Ref: "r"}, Pong{Ref: "r"}, Refused{Ref: "r"},
		Who{Names: []string{}, Ref: "r"}, Name{Ref: "r"}, Error{Request: "say", Room: "lobby", Ref: "r"},
		Presence{Names: []string{}}, Typing{Room: "lobby", By: []Sender{}},
		Gap{Room: "lobby", From: 1, To: 9},
		Saved{Room: "lobby", ID: "id", N: 4, At: -1},
		Refused{Room: "lobby", ID: "id", Code: RateLimited, Reason: nasty, RetryAfterMS: 200},
		Refused{Room: "lobby", ID: "id", Code: NotAllowed, Rule: SlowKey, Params: Params{ParamSeconds: NumberValue(30), ParamRole: TextValue("known")}, Until: 7},
		Error{Code: NotAllowed, Rule: RulePerson, Params: Params{ParamAction: TextValue(Ban)}, Until: 7, Request: "join", Room: "lobby"},
		Restarting{RetryAfterMS: 1},
		LinkCode{Code: "ABCD2345", ExpiresMS: 300_000, Ref: "r"}, Linking{Code: "ABCD2345", Name: nasty, Linked: true, Ref: "r"}, Linking{},
		Pong{}, Pong{ID: "1"},
		Error{Code: BadFrame, Reason: nasty, RetryAfterMS: 5},
		Who{Room: "lobby", Count: 2, Names: []string{"anna"}},
		Name{Name: "anna"},
		Typing{Room: "lobby", By: []Sender{{SenderID: "x", DisplayName: "anna"}, {SenderID: "y"}}},
	} {
		b := Append(nil, f)
		got, err := ParseFrame(b)
		if err != nil {
			t.Errorf("%s: %v", b, err)
		} else if !reflect.DeepEqual(got, f) {
			t.Errorf("%s is read as %+v, want %+v", b, got, f)
		}
	}
}

// Field names are exact, at the top level and inside, in both directions.
func TestFieldNamesAreExact(t *testing.T) {
	r, err := ParseRequest([]byte(`{"type":"join","room":"lobby","LAST":3,"after":{"LOG":"L","Epoch":"E","N":7}}`))
	if want := (Join{Room: "lobby", After: &Position{}}); err != nil || !reflect.DeepEqual(r.Frame, want) {
		t.Errorf("%+v, %v, want %+v", r.Frame, err, want)
	}
	f, bad := ParseFrame([]byte(`{"type":"name","NAME":"anna","TYPE":"pong"}`))
	if bad != nil || f != Frame(Name{}) {
		t.Errorf("%+v, %v", f, bad)
	}
}

// TestHandWrittenEncoders compares the hand-written encoders with encoding/json by decoding their output.
func TestHandWrittenEncoders(t *testing.T) {
	m := Message{Room: "lobby", N: 12, At: 1_700_000_000_123, SenderID: "by", DisplayName: nasty, ID: "id", Text: nasty}
	for _, f := range []Frame{
		m, Message{}, Message{Of: 7, Action: &Action{Do: DoSet, Key: "slow", Before: NumberValue(7)}}, Message{Re: 1, Edited: 2, Gone: true}, Message{As: Poll, Options: []string{"a", nasty}, Tally: Counts{nasty: 1, "b": 2}, Tallied: 3},
		Tally{Room: nasty, N: 1, At: 5, Of: map[uint64]Counts{1: {"a": 1}, 20: {}}}, Page{Messages: []Message{}, As: Poll, Mine: Mine{2: {"a"}, 10: {"a", nasty}}}, Saved{Room: nasty, ID: "id", N: 4, At: 5, Ref: "r"}, Saved{},
		Page{Room: "lobby", HistoryID: nasty, Messages: []Message{m, m}, More: true, Ref: "r"}, Page{Head: 9, Messages: []Message{m}, Skipped: []Range{{1, 2}, {4, 4}}}, Page{Messages: []Message{}},
	} {
		body, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if err := json.Unmarshal(Append(nil, f), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		want["type"] = f.Type()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%T: %v\nwant %v", f, got, want)
		}
	}
}

// A change without a text is refused, because a client that forgets the text does not want to delete the message.
func TestChangeWantsATextOrNull(t *testing.T) {
	for _, c := range []struct{ frame, want string }{
		{`{"type":"change","room":"lobby","id":"1","of":7}`, `the field "text" of change: it is missing; it is the new text, or null to delete the message`},
		{`{"type":"change","room":"lobby","id":"1","of":7,"text":5}`, `the field "text" of change: it must be a string, not a number`},
		{`{"type":"change","room":"lobby","id":"1","text":"x"}`, `the field "of" of change: it must be the number of a message, from 1`},
		{`{"type":"change","room":"lobby","id":"1","of":0,"text":"x"}`, `the field "of" of change: it must be the number of a message, from 1`},
		{`{"type":"say","room":"lobby","id":"1","text":"x","re":0}`, `the field "re" of say: it must be the number of a message, from 1`},
		{`{"type":"say","room":"lobby","id":"1","text":"x","re":-1}`, `the field "re" of say: it must be a whole number from 0 to 18446744073709551615, not -1`},
	} {
		r, err := ParseRequest([]byte(c.frame))
		if err == nil || err.Code != BadRequest || err.Reason != c.want {
			t.Errorf("%s: %v, want %q", c.frame, err, c.want)
			continue
		}
		if refused, ok := r.Refused(err).(Refused); !ok || refused.Room != "lobby" || refused.ID != "1" {
			t.Errorf("%s is answered by %+v", c.frame, r.Refused(err))
		}
	}
	if r, err := ParseRequest([]byte(`{"type":"say","room":"lobby","id":"1","text":"x","re":null}`)); err != nil || r.Frame.(Say).Re != 0 {
		t.Errorf("re null: %+v, %v", r, err)
	}
}

func TestAppendAppends(t *testing.T) {
	for _, f := range []Frame{Message{}, Page{}, Saved{}, Pong{}, Name{Name: "x"}} {
		if got := string(Append([]byte("before"), f)); got != "before"+string(Append(nil, f)) {
			t.Errorf("%T: %s", f, got)
		}
	}
	if got := string(Append(nil, Pong{})); got != `{"type":"pong"}` {
		t.Errorf("a frame without fields is %s", got)
	}
}

func TestAppendMessageAllocatesNothing(t *testing.T) {
	m := Message{Room: "lobby", N: 1 << 40, At: 1_700_000_000_123, SenderID: "by", DisplayName: "anna", ID: "id", Text: nasty}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendMessage(buf[:0], &m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { buf = AppendLine(buf[:0], &m) }); n != 0 {
		t.Errorf("a plain line: %v allocations", n)
	}
}

func TestBadRequests(t *testing.T) {
	tests := []struct {
		name, in string
		code     Code
		reason   string // part of it
	}{
		{"nothing", ``, BadFrame, "one JSON object"},
		{"no JSON", `hello`, BadFrame, "one JSON object"},
		{"no object", `[1]`, BadFrame, "not an array"},
		{"null", `null`, BadFrame, `"type", not null`},
		{"no type", `{}`, BadFrame, `"type"`},
		{"a null type", `{"type":null}`, BadFrame, `"type"`},
		{"a number as type", `{"type":1}`, BadFrame, `the field "type": it must be a string, not a number`},
		{"two objects", `{"type":"who"}{}`, BadFrame, "one JSON object"},
		{"cut off", `{"type":"who"`, BadFrame, "one JSON object"},
		{"20,000 brackets", `{"type":"who","x":` + strings.Repeat("[", 20_000), BadFrame, "one JSON object"},
		{"20,000 pairs of brackets", `{"type":"who","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, BadFrame, "one JSON object"},
		{"an unknown type", `{"type":"dance"}`, BadRequest, `unknown type "dance"`},
		{"a server's type", `{"type":"message"}`, BadRequest, "unknown type"},
		{"a type without end", `{"type":"` + strings.Repeat("x", 50_000) + `"}`, BadRequest, "unknown type"},
		{"a number as room", `{"type":"who","room":7}`, BadRequest, `the field "room" of who: it must be a string, not a number`},
		{"no room", `{"type":"who"}`, BadRequest, "room name"},
		{"neither session nor token", `{"type":"hello"}`, BadRequest, "22 characters"},
		{"a token with two parts", `{"type":"hello","token":"a.b"}`, BadRequest, "three parts"},
		{"a token of other characters", `{"type":"hello","token":"a.b.c="}`, BadRequest, "three parts"},
		{"a long token", `{"type":"hello","token":"a.b.` + strings.Repeat("c", MaxToken) + `"}`, BadRequest, "8192 bytes"},
		{"held that is no bool", `{"type":"hello","session":"` + someSession + `","held":1}`, BadRequest, "true or false"},
		{"a code with a look-alike", `{"type":"link","code":"ABCD0123"}`, BadRequest, "8 letters and digits"},
		{"a long code", `{"type":"link","code":"` + strings.Repeat("A", 4000) + `"}`, BadRequest, "8 letters and digits"},
		{"confirmed without a code", `{"type":"link","confirm":true}`, BadRequest, "the code that is confirmed"},
		{"a long name of a device", `{"type":"link","name":"` + strings.Repeat("a", MaxDevice+1) + `"}`, TooLong, "at most 100"},
		{"a name of two lines", `{"type":"link","name":"a\nb"}`, BadRequest, ""},
		{"signout of all of something", `{"type":"signout","all":"yes"}`, BadRequest, "true or false"},
		{"short session", `{"type":"hello","session":"AAAA"}`, BadRequest, "22 characters"},
		{"session of other characters", `{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAA=="}`, BadRequest, "22 characters"},
		{"join, last too small", `{"type":"join","room":"lobby","last":-1}`, BadRequest, "0 to 500"},
		{"join, last too large", `{"type":"join","room":"lobby","last":501}`, BadRequest, "0 to 500"},
		{"join, both", `{"type":"join","room":"lobby","last":1,"after":{"log":"L","n":1}}`, BadRequest, "not both"},
		{"join, a negative number", `{"type":"join","room":"lobby","after":{"log":"L","n":-1}}`, BadRequest, `the field "after" of join`},
		{"join, a number too large", `{"type":"join","room":"lobby","after":{"log":"L","n":18446744073709551616}}`, BadRequest, `the field "after" of join`},
		{"leave", `{"type":"leave","room":"Lobby"}`, BadRequest, "room name"},
		{"say without id", `{"type":"say","room":"lobby","text":"x"}`, BadRequest, `the field "id" of say: an id has`},
		{"an array as id", `{"type":"say","room":"lobby","id":[1],"text":"x"}`, BadRequest, `the field "id" of say: it must be a string, not an array`},
		{"an object as text", `{"type":"say","room":"lobby","id":"1","text":{}}`, BadRequest, `the field "text" of say: it must be a string, not an object`},
		{"half a character", `{"type":"say","room":"lobby","id":"1","text":"\ud800"}`, BadRequest, `the field "text" of say: it is not valid Unicode`},
		{"the other half", `{"type":"name","name":"x\udc00"}`, BadRequest, `the field "name" of name: it is not valid Unicode`},
		{"no UTF-8", "{\"type\":\"name\",\"name\":\"\xff\"}", BadRequest, `the field "name" of name: it is not valid Unicode`},
		{"half a character in a log", `{"type":"join","room":"lobby","after":{"log":"\ud800","n":1}}`, BadRequest, `the field "after" of join`},
		{"a position that is none", `{"type":"join","room":"lobby","after":7}`, BadRequest, `the field "after" of join`},
		{"a broken number", `{"type":"join","room":"lobby","last":1.5}`, BadRequest, "0 to 500"},
		{"a string as number", `{"type":"history","room":"lobby","before":"7"}`, BadRequest, `the field "before" of history: it must be a number, not a string`},
		{"a ref that is none", `{"type":"ping","ref":"a b"}`, BadRequest, `the field "ref" of ping: a ref has`},
		{"a long ref", `{"type":"ping","ref":"` + strings.Repeat("x", 65) + `"}`, BadRequest, `the field "ref" of ping: a ref has`},
		{"an empty ref", `{"type":"ping","ref":""}`, BadRequest, `the field "ref" of ping: a ref has`},
		{"TYPE", `{"TYPE":"ping"}`, BadFrame, `"type"`},
		{"say without text", `{"type":"say","room":"lobby","id":"1"}`, BadRequest, `the field "text" of say: it is missing`},
		{"say with a null text", `{"type":"say","room":"lobby","id":"1","text":null}`, BadRequest, `the field "text" of say: it is missing`},
		{"say nowhere", `{"type":"say","id":"1","text":"x"}`, BadRequest, "room name"},
		{"history, after neither a number nor a position", `{"type":"history","room":"lobby","after":"7"}`, BadRequest, `the field "after" of history: it must be a number, or a position`},
		{"history, after a position that is none", `{"type":"history","room":"lobby","after":{"log":7}}`, BadRequest, `the field "after" of history: it must be a position`},
		{"history, after a negative number", `{"type":"history","room":"lobby","after":-7}`, BadRequest, `the field "after" of history: it must be a whole number`},
		{"history, both", `{"type":"history","room":"lobby","before":1,"after":1}`, BadRequest, "use one of before, after and at"},
		{"who, a long prefix", `{"type":"who","room":"lobby","prefix":"` + strings.Repeat("x", 129) + `"}`, BadRequest, `the field "prefix" of who: invalid prefix`},
		{"who, a prefix that is no string", `{"type":"who","room":"lobby","prefix":["a"]}`, BadRequest, `the field "prefix" of who: it must be a string`},
		{"who, limit too large", `{"type":"who","room":"lobby","limit":501}`, BadRequest, `the field "limit" of who`},
		{"history, at and after", `{"type":"history","room":"lobby","at":"2026-01-31T09:00:00Z","after":1}`, BadRequest, "use one of before, after and at"},
		{"history, at a number", `{"type":"history","room":"lobby","at":7}`, BadRequest, `the field "at" of history: it must be a string, not a number`},
		{"history, at no time", `{"type":"history","room":"lobby","at":""}`, BadRequest, `the field "at" of history: invalid time "" (want RFC 3339`},
		{"history, limit too large", `{"type":"history","room":"lobby","limit":501}`, BadRequest, "limit"},
		{"history, limit too small", `{"type":"history","room":"lobby","limit":-1}`, BadRequest, "limit"},
		{"typing", `{"type":"typing","room":"-"}`, BadRequest, "room name"},
		{"ping", `{"type":"ping","id":"a b"}`, BadRequest, "an id has"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseRequest([]byte(test.in))
			if err == nil {
				t.Fatal("taken")
			}
			if err.Code != test.code || !strings.Contains(err.Reason, test.reason) {
				t.Errorf("%v, want %s and %q", err, test.code, test.reason)
			}
			if len(err.Reason) > 300 || strings.Contains(err.Reason, "Go ") || strings.Contains(err.Reason, "wire.") || strings.Contains(err.Reason, "json") || strings.Contains(err.Reason, " a array") {
				t.Errorf("the reason is not one for people: %q", err.Reason)
			}
		})
	}
}

func TestUnknownTypeKeepsRefAndRoom(t *testing.T) {
	r, err := ParseRequest([]byte(`{"type":"dance","room":"den","ref":"d1"}`))
	if err == nil || r != (Request{Room: "den", Ref: "d1"}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestByteOrderMarkBeforeARequest(t *testing.T) {
	r, err := ParseRequest([]byte(BOM + `{"type":"join","room":"den","after":{"log":"L","n":7}}`))
	if err != nil || !reflect.DeepEqual(r.Frame, Join{Room: "den", After: &Position{HistoryID: "L", N: 7}}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBadSayNamesItsID(t *testing.T) {
	for in, want := range map[string]Say{
		`{"type":"say","room":"lobby","id":"1"}`:           {Room: "lobby", ID: "1"},
		`{"type":"say","room":"LOBBY","id":"1","text":""}`: {Room: "LOBBY", ID: "1"},
	} {
		r, err := ParseRequest([]byte(in))
		if err == nil || !reflect.DeepEqual(r.Frame, Frame(want)) {
			t.Errorf("%s: %+v, %v", in, r, err)
		}
	}
	for _, in := range []string{
		`{"type":"say","room":"lobby","id":"no good","text":""}`, `{"type":"hello","session":"short"}`, `{"type":"ping","id":"no good"}`,
		`{"type":"name","name":"\ud800"}`,
	} {
		if r, err := ParseRequest([]byte(in)); err == nil || r.Frame != nil {
			t.Errorf("%s: %+v, %v", in, r, err)
		}
	}
}

func TestSayMayBeEmpty(t *testing.T) {
	r, err := ParseRequest([]byte(`{"type":"say","room":"lobby","id":"1","text":""}`))
	if err != nil || !reflect.DeepEqual(r.Frame, Frame(Say{Room: "lobby", ID: "1"})) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	for _, in := range []string{
		`{"mood":{"a":[1,2]},"type":"who","room":"lobby","n":"x"}`,
		`{"type":"who","room":"lobby","text":7,"after":[],"last":"x","\ud800":"\ud800","x":"\ud800"}`, // fields of other requests
		`{"type":"who","room":"den","room":"lobby"}`,
		`{"type":"who","\u0072oom":"l\u006fbby","last":null}`,
	} {
		r, err := ParseRequest([]byte(in))
		if err != nil || !reflect.DeepEqual(r.Frame, Who{Room: "lobby"}) {
			t.Errorf("%s: %+v, %v", in, r, err)
		}
	}
}

// Errors also carry what an answer repeats of its request.
func TestRequestsAreKnownByTheirRef(t *testing.T) {
	for in, want := range map[string]string{
		`{"ref":"r-1","type":"ping","id":"x"}`:                               `{"type":"error","code":"bad_request","reason":"no","request":"ping","ref":"r-1"}`,
		`{"ref":"r-1","type":"history","room":"lobby"}`:                      `{"type":"error","code":"bad_request","reason":"no","request":"history","room":"lobby","ref":"r-1"}`,
		`{"ref":"r-1","type":"history","room":"lobby","limit":-1}`:           `{"type":"error","code":"bad_request","reason":"no","request":"history","room":"lobby","ref":"r-1"}`,
		`{"ref":"r-1","type":"history","room":"LOBBY"}`:                      `{"type":"error","code":"bad_request","reason":"no","request":"history","ref":"r-1"}`,
		`{"ref":"r-1","type":"say","room":"lobby","id":"1"}`:                 `{"type":"refused","room":"lobby","id":"1","code":"bad_request","reason":"no","ref":"r-1"}`,
		`{"ref":"r-1","type":"say","room":"lobby","id":"a b"}`:               `{"type":"error","code":"bad_request","reason":"no","request":"say","room":"lobby","ref":"r-1"}`,
		`{"ref":"r 1","type":"say","room":"lobby","id":"1","text":"x"}`:      `{"type":"error","code":"bad_request","reason":"no","request":"say","room":"lobby"}`,
		`{"ref":"r-1","type":"dance"}`:                                       `{"type":"error","code":"bad_request","reason":"no","ref":"r-1"}`,
		`{"type":"say","room":"lobby","id":"1","text":"\ud800","ref":"r-1"}`: `{"type":"refused","room":"lobby","id":"1","code":"bad_request","reason":"no","ref":"r-1"}`,
	} {
		r, _ := ParseRequest([]byte(in))
		if got := string(Append(nil, r.Refused(&CodedError{Code: BadRequest, Reason: "no"}))); got != want {
			t.Errorf("%s is refused by\n%s, want\n%s", in, got, want)
		}
	}
}

func TestFieldsAreAlwaysThere(t *testing.T) {
	for want, f := range map[string]Frame{
		`{"type":"presence","room":"lobby","count":3,"names":[]}`:  Presence{Room: "lobby", Count: 3},
		`{"type":"typing","room":"lobby","by":[]}`:                 Typing{Room: "lobby", By: []Sender{}},
		`{"type":"typing","room":"a","by":[{"by":"x","from":""}]}`: Typing{Room: "a", By: []Sender{{SenderID: "x"}}},
	} {
		if got := string(Append(nil, f)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestUnknownFrames(t *testing.T) {
	for in, want := range map[string]Unknown{
		`{"type":"edited","room":"lobby","n":7,"text":"x"}`: {Kind: "edited", Room: "lobby", N: 7},
		`{"type":"news"}`: {Kind: "news"},
		`{"type":"odd","room":"lobby","n":"seven"}`: {Kind: "odd"},
		`{"type":"odd","room":["lobby"],"n":7}`:     {Kind: "odd"},
	} {
		if f, err := ParseFrame([]byte(in)); err != nil || f != Frame(want) {
			t.Errorf("%s: %+v, %v", in, f, err)
		}
	}
	for _, in := range []string{``, `x`, `{}`, `{"type":"message","n":"x"}`, `{"type":"message","at":"yesterday"}`, `{"type":"message","at":7}`} {
		if f, err := ParseFrame([]byte(in)); err == nil {
			t.Errorf("%s: %+v", in, f)
		}
	}
}

func TestTime(t *testing.T) {
	at := TimeOf(time.Date(2026, 11, 22, 7, 8, 9, 10_999_999, time.FixedZone("", 3600)))
	if got := at.String(); got != "2026-11-22T06:08:09.010Z" {
		t.Errorf("%s", got)
	}
	var got Time
	if err := json.Unmarshal([]byte(`"2026-11-22T07:08:09.01+01:00"`), &got); err != nil || got != at {
		t.Errorf("%v, %v", got, err)
	}
	if b, err := json.Marshal(at); err != nil || string(b) != `"2026-11-22T06:08:09.010Z"` {
		t.Errorf("%s, %v", b, err)
	}
	if !at.Std().Equal(time.UnixMilli(int64(at))) {
		t.Errorf("%v", at.Std())
	}
}

func TestRetryAfterRoundsUp(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2} {
		e := &CodedError{Code: RateLimited, Reason: "slowly", RetryAfter: d}
		if got := RefusedBy("lobby", "1", e); !reflect.DeepEqual(got, Refused{Room: "lobby", ID: "1", Code: RateLimited, Reason: "slowly", RetryAfterMS: want}) {
			t.Errorf("%v: %+v", d, got)
		}
		if got := ErrorOf(e); !reflect.DeepEqual(got, Error{Code: RateLimited, Reason: "slowly", RetryAfterMS: want}) {
			t.Errorf("%v: %+v", d, got)
		}
	}
}

func TestAppendLine(t *testing.T) {
	for want, m := range map[string]Message{
		"Hello!":       {Text: "Hello!"},
		"anna: Hello!": {DisplayName: "anna", Text: "Hello!"},
		"":             {},
		"a\nb":         {Text: "a\nb"},
	} {
		if got := string(AppendLine(nil, &m)); got != want {
			t.Errorf("%+v is %q", m, got)
		}
	}
}

// FuzzParseRequest checks that any bytes give a request or an error without a panic, and that a request is the same
// after it was encoded and parsed again.
func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"type":"join","room":"lobby","after":{"log":"L","n":1}}`,
		`{"type":"join","room":"lobby","last":5}`, `{"type":"leave","room":"a"}`, `{"type":"say","room":"lobby","id":"1","text":"\u0000\ud800"}`,
		`{"type":"history","room":"lobby","before":1,"limit":2}`, `{"type":"history","room":"lobby","after":7}`,
		`{"type":"history","room":"lobby","after":{"log":"","epoch":"E","n":7}}`, `{"type":"who","room":"a","names":["x"]}`, `{"type":"name","name":"x"}`,
		`{"type":"typing","room":"a","by":[{"by":"x"}]}`, `{"type":"ping","ref":"r-1"}`, `{"TYPE":"ping"}`, `[`, `{"type":"say","ID":"1","text":null}`,
		`{"type":"mark","room":"a","of":1,"key":"\ud83d\udc4d","on":true}`, `{"type":"set","room":"a","id":"1","key":"pin","value":[1,2]}`,
		`{"type":"set","room":"a","id":"1","key":"poll/7","value":"hidden"}`, `{"type":"state","room":"a","prefix":"poll/","after":"poll/1","limit":3}`,
		`{"type":"hello","token":"e30.e30.AA","held":true}`, `{"type":"link","code":"abcd-2345","confirm":true}`, `{"type":"link","name":"x"}`, `{"type":"signout","all":true}`,
		`{"type":"say","room":"a","id":"1","text":"","as":"poll","options":["a","b"]}`, `{"type":"history","room":"a","as":"poll"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, bad := ParseRequest(b)
		if bad != nil {
			if bad.Code == "" || bad.Reason == "" || !utf8.ValidString(string(Append(nil, ErrorOf(bad)))) {
				t.Fatalf("%q: %+v", b, bad)
			}
			return
		}
		var want map[string]any
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("%q: %+v, and to encoding/json it is none: %v", b, got, err)
		}
		written := Append(nil, got.Frame)
		again, bad := ParseRequest(written)
		if bad != nil || !bytes.Equal(Append(nil, again.Frame), written) {
			t.Fatalf("%q: %s, then %+v, %v", b, written, again, bad)
		}
	})
}

func FuzzParseFrame(f *testing.F) {
	for _, v := range []Frame{Message{At: 1}, Page{Messages: []Message{{}}}, Saved{}, Welcome{}, Joined{}, Presence{}, Unknown{Kind: "x"},
		Tally{Of: map[uint64]Counts{1: {"up": 1}}}, Marked{}, State{Value: NumberValue(1)}, Settings{Settings: []Setting{{}}}} {
		f.Add(Append(nil, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseFrame(b)
		if err == nil && got == nil {
			t.Fatalf("%q: neither a frame nor an error", b)
		}
	})
}

// FuzzAppendString compares the hand-written string encoder with encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", nasty, "\xff", "a\xc3", "\xed\xa0\x80", "\ufffd", strings.Repeat("x", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		if !utf8.Valid(b) {
			t.Fatalf("%q is written as %q", s, b)
		}
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q is written as %q: %v", s, b, err)
		}
		if want := string([]rune(s)); got != want { // each invalid byte is one U+FFFD
			t.Fatalf("%q is written as %q and read as %q", s, b, got)
		}
		for _, c := range b {
			if c < ' ' {
				t.Fatalf("%q is written with a raw control character: %q", s, b)
			}
		}
	})
}

func BenchmarkAppendMessage(b *testing.B) {
	m := Message{Room: "lobby", N: 1 << 40, At: 1_700_000_000_123, SenderID: "ilvbTMFRZBJsbvJm", DisplayName: "anna", ID: "m-1", Text: strings.Repeat("words and ", 12)}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendMessage(buf[:0], &m)
	}
}

func BenchmarkParseSay(b *testing.B) {
	in := Append(nil, Say{Room: "lobby", ID: "m-1", Text: strings.Repeat("words and ", 12)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(in); err != nil {
			b.Fatal(err)
		}
	}
}
