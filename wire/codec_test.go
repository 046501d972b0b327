package wire

import (
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

func FuzzParseFrame(f *testing.F) {
	for _, v := range []Frame{Message{At: 1}, Page{Messages: []Message{{}}}, Saved{}, Welcome{}, Joined{}, Presence{}, Unknown{Kind: "x"},
		Tally{Of: map[uint64]Counts{1: {"up": 1}}}, Marked{}, State{Value: NumberValue(1)}, Settings{Settings: []Setting{{}}},
		HeldBack{}, Preview{Sample: []Message{{}}}, Restored{Of: Targets{{From: 1, To: 2}}}, Left{}, Invited{}, Message{As: ActionMessage, Action: &Action{Do: DoSet, Value: TextValue("x")}}} {
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
