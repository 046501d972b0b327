package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

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

func BenchmarkParseSay(b *testing.B) {
	in := Append(nil, Say{Room: "lobby", ID: "m-1", Text: strings.Repeat("words and ", 12)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(in); err != nil {
			b.Fatal(err)
		}
	}
}
