package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ramai/wire"
)

// record is a bad request to change, mark or set something, or to post something else than a text. On ramai.v1 it is a
// frame, over HTTP a request with a body of JSON. Clients of the plain protocol and readers of streams cannot make it: what
// they send instead is too long to be posted, and is not read.
type record struct {
	name         string
	frame        string // fields of the frame after its room
	answer       string // to the frame
	method, path string // after the room
	body         string
	status       int
	session      string // of the request over HTTP; empty: none. On ramai.v1 a sender has one in any case
	hello        string // session of the sender on ramai.v1; empty: a new one
}

// markerSession is the session of a sender who has wire.MaxOwnKeys marks on message 1 of the room "den".
var markerSession = strings.Repeat("M", wire.SessionLen)

// fillDen posts what the rows of hostileRecords name in the room "den".
func fillDen(t *testing.T, base string) {
	t.Helper()
	author := []string{"Authorization", "Bearer " + strings.Repeat("A", wire.SessionLen)}
	for _, say := range []string{`{"text":"a message"}`, `{"text":"a deleted message"}`, `{"text":"open","as":"poll","options":["x","y"]}`, `{"text":"closed","as":"poll","options":["x","y"]}`} {
		if resp, answer := call(t, http.MethodPost, base+"/api/v1/rooms/den/messages", say, append(author, "Content-Type", "application/json")...); resp.StatusCode != http.StatusCreated {
			t.Fatalf("posting %s: %d %s", say, resp.StatusCode, answer)
		}
	}
	if resp, answer := call(t, http.MethodDelete, base+"/api/v1/rooms/den/messages/2", "", author...); resp.StatusCode != http.StatusOK {
		t.Fatalf("deleting: %d %s", resp.StatusCode, answer)
	}
	p := dial(t, base, wire.Protocol)
	p.hear(t, "welcome")
	p.say(string(wire.Append(nil, wire.Hello{Session: strings.Repeat("A", wire.SessionLen)})))
	p.hear(t, "welcome")
	p.say(`{"type":"set","room":"den","id":"close","key":"poll/4","value":"closed"}`)
	p.hear(t, "saved")
	p.CloseNow()
	for i, key := range strings.Fields("up 👍 ❤️ 😂 🎉 😮 ❓ 😀 😁 😎 😴 👏")[:wire.MaxOwnKeys] {
		if resp, answer := call(t, http.MethodPut, base+"/api/v1/rooms/den/messages/1/marks/"+url.PathEscape(key), "", "Authorization", "Bearer "+markerSession); resp.StatusCode != http.StatusOK {
			t.Fatalf("mark %d: %d %s", i, resp.StatusCode, answer)
		}
	}
}

// hostileRecords returns the rows of the matrix about records. See fillDen for what the room "den" has.
func hostileRecords() (rows []hostile) {
	long := strings.Repeat("x", 4001)
	longKey := strings.Repeat("k", 1000)
	sender := strings.Repeat("S", wire.SessionLen)
	mark := func(of, key string) string { return `"type":"mark","of":` + of + `,"key":"` + key + `","on":true` }
	path := func(of, key string) string { return "/messages/" + of + "/marks/" + url.PathEscape(key) }
	options := strings.Repeat(`"x",`, 12) + `"x"`
	for _, r := range []record{
		{"an edit of an unknown message", `"type":"change","id":"a","of":7,"text":"x"`, "refused bad_request", "PATCH", "/messages/7", `{"text":"x"}`, 400, "", ""},
		{"an edit of message 0", `"type":"change","id":"a","of":0,"text":"x"`, "refused bad_request", "PATCH", "/messages/0", `{"text":"x"}`, 400, "", ""},
		{"an edit of message 2^64", `"type":"change","id":"a","of":18446744073709551616,"text":"x"`, "refused bad_request", "PATCH", "/messages/18446744073709551616", `{"text":"x"}`, 400, "", ""},
		{"an edit that is too long", `"type":"change","id":"a","of":1,"text":"` + long + `"`, "refused too_long", "PATCH", "/messages/1", `{"text":"` + long + `"}`, 413, "", ""},
		{"an edit without a text", `"type":"change","id":"a","of":1`, "refused bad_request", "PATCH", "/messages/1", `{}`, 400, "", ""},
		{"a deletion of an unknown message", `"type":"change","id":"a","of":7,"text":null`, "refused bad_request", "DELETE", "/messages/7", ``, 400, "", ""},
		{"a reply to a message that is to come", `"type":"say","id":"a","text":"x","re":1000000`, "refused bad_request", "POST", "/messages", `{"text":"x","re":1000000}`, 400, "", ""},
		{"a reply to a negative number", `"type":"say","id":"a","text":"x","re":-1`, "refused bad_request", "POST", "/messages", `{"text":"x","re":-1}`, 400, "", ""},
		{"a poll of 13 options", `"type":"say","id":"a","text":"x","as":"poll","options":[` + options + `]`, "refused bad_request", "POST", "/messages", `{"text":"x","as":"poll","options":[` + options + `]}`, 400, "", ""},
		{"a poll of one option", `"type":"say","id":"a","text":"x","as":"poll","options":["x"]`, "refused bad_request", "POST", "/messages", `{"text":"x","as":"poll","options":["x"]}`, 400, "", ""},
		{"an unknown kind of message", `"type":"say","id":"a","text":"x","as":"dance"`, "refused bad_request", "POST", "/messages", `{"text":"x","as":"dance"}`, 400, "", ""},
		{"an unknown setting", `"type":"set","id":"a","key":"dance","value":"x"`, "refused bad_request", "PUT", "/state/dance", `{"value":"x"}`, 400, "", ""},
		{"a topic of many lines", `"type":"set","id":"a","key":"topic","value":"a\nb"`, "refused bad_request", "PUT", "/state/topic", `{"value":"a\nb"}`, 400, "", ""},
		{"21 pins", `"type":"set","id":"a","key":"pin","value":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]`, "refused bad_request", "PUT", "/state/pin", `{"value":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]}`, 400, "", ""},

		{"a mark with a key of 1 kB", mark("1", longKey), "error bad_request", "PUT", path("1", longKey), ``, 400, sender, ""},
		{"a mark with an empty key", mark("1", ""), "error bad_request", "PUT", path("1", " "), ``, 400, sender, ""},
		{"a mark of an unknown message", mark("99", "up"), "error bad_request", "PUT", path("99", "up"), ``, 400, sender, ""},
		{"a mark of message 2^64", mark("18446744073709551616", "up"), "error bad_request", "PUT", path("18446744073709551616", "up"), ``, 400, sender, ""},
		{"a mark of something else", mark("5", "up"), "error bad_request", "DELETE", path("5", "up"), ``, 400, sender, ""},
		{"a mark of a deleted message", mark("2", "up"), "error gone", "PUT", path("2", "up"), ``, 410, sender, ""},
		{"a vote in something else than a poll", mark("1", "0"), "error bad_request", "PUT", path("1", "0"), ``, 400, sender, ""},
		{"a vote for an option out of range", mark("3", "2"), "error bad_request", "PUT", path("3", "2"), ``, 400, sender, ""},
		{"a vote for an option out of all ranges", mark("3", "12"), "error bad_request", "PUT", path("3", "-1"), ``, 400, sender, ""},
		{"a vote in a closed poll", mark("4", "0"), "error closed", "PUT", path("4", "0"), ``, 409, sender, ""},
		{"a 13th key", mark("1", "🐢"), "error not_allowed", "PUT", path("1", "🐢"), ``, 403, markerSession, markerSession},
		{"a mark by someone without a session", mark("1", "up"), "error bad_request", "PUT", path("1", "up"), ``, 403, "", "short"},
		{"closing somebody else's poll", `"type":"set","id":"a","key":"poll/3","value":"closed"`, "refused not_allowed", "PUT", "/state/poll%2F3", `{"value":"closed"}`, 403, sender, ""},
		{"closing a poll that is none", `"type":"set","id":"a","key":"poll/1","value":"closed"`, "refused bad_request", "PUT", "/state/poll%2F1", `{"value":"closed"}`, 400, sender, ""},
		{"pinning a deleted message", `"type":"set","id":"a","key":"pin","value":[1,2]`, "refused gone", "PUT", "/state/pin", `{"value":[1,2]}`, 410, sender, ""},
		{"an unknown message on stage", `"type":"set","id":"a","key":"stage","value":99`, "refused bad_request", "PUT", "/state/stage", `{"value":99}`, 400, sender, ""},
	} {
		hello, session := "", ""
		if r.hello != "" {
			hello = framed(0x81, `{"type":"hello","session":"`+r.hello+`"}`)
		}
		if r.session != "" {
			session = "Authorization: Bearer " + r.session + "\r\n"
		}
		http := fmt.Sprintf("%s /api/v1/rooms/den%s HTTP/1.1\r\nHost: localhost\r\n%s%s", r.method, r.path, session, jsonT) + body(r.body)
		rows = append(rows, hostile{
			name: r.name,
			input: perTarget{
				plain: framed(0x81, strings.Repeat("/edit", 1000)), v1: hello + framed(0x81, `{"room":"den",`+r.frame+`}`),
				post: http, stream: listn + "\r\n" + r.body, handshake: at("/r/den/"+r.method, shake) + key + "\r\n",
			},
			want: perTarget{plain: "notice", v1: r.answer, post: fmt.Sprint("HTTP ", r.status), stream: "lives", handshake: "HTTP 404"},
		})
	}
	return rows
}
