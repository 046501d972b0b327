package server_test

import (
	"fmt"
	"strings"
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
}

// hostileRecords returns the rows of the matrix about records. The room "den" is empty, and the sender has no session.
func hostileRecords() (rows []hostile) {
	long := strings.Repeat("x", 4001)
	options := strings.Repeat(`"x",`, 12) + `"x"`
	for _, r := range []record{
		{"an edit of an unknown message", `"type":"change","id":"a","of":7,"text":"x"`, "refused bad_request", "PATCH", "/messages/7", `{"text":"x"}`, 403},
		{"an edit of message 0", `"type":"change","id":"a","of":0,"text":"x"`, "refused bad_request", "PATCH", "/messages/0", `{"text":"x"}`, 400},
		{"an edit of message 2^64", `"type":"change","id":"a","of":18446744073709551616,"text":"x"`, "refused bad_request", "PATCH", "/messages/18446744073709551616", `{"text":"x"}`, 400},
		{"an edit that is too long", `"type":"change","id":"a","of":1,"text":"` + long + `"`, "refused too_long", "PATCH", "/messages/1", `{"text":"` + long + `"}`, 403},
		{"an edit without a text", `"type":"change","id":"a","of":1`, "refused bad_request", "PATCH", "/messages/1", `{}`, 400},
		{"a deletion of an unknown message", `"type":"change","id":"a","of":7,"text":null`, "refused bad_request", "DELETE", "/messages/7", ``, 403},
		{"a reply to itself", `"type":"say","id":"a","text":"x","re":1`, "refused bad_request", "POST", "/messages", `{"text":"x","re":1}`, 400},
		{"a reply to a negative number", `"type":"say","id":"a","text":"x","re":-1`, "refused bad_request", "POST", "/messages", `{"text":"x","re":-1}`, 400},
		{"a poll of 13 options", `"type":"say","id":"a","text":"x","as":"poll","options":[` + options + `]`, "refused bad_request", "POST", "/messages", `{"text":"x","as":"poll","options":[` + options + `]}`, 400},
		{"a poll of one option", `"type":"say","id":"a","text":"x","as":"poll","options":["x"]`, "refused bad_request", "POST", "/messages", `{"text":"x","as":"poll","options":["x"]}`, 400},
		{"an unknown kind of message", `"type":"say","id":"a","text":"x","as":"dance"`, "refused bad_request", "POST", "/messages", `{"text":"x","as":"dance"}`, 400},
		{"an unknown setting", `"type":"set","id":"a","key":"dance","value":"x"`, "refused bad_request", "GET", "/state?limit=x", ``, 400},
		{"a topic of many lines", `"type":"set","id":"a","key":"topic","value":"a\nb"`, "refused bad_request", "GET", "/state?limit=-1", ``, 400},
		{"21 pins", `"type":"set","id":"a","key":"pin","value":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]`, "refused bad_request", "GET", "/state?limit=99999999999999999999", ``, 400},
	} {
		http := fmt.Sprintf("%s /api/v1/rooms/den%s HTTP/1.1\r\nHost: localhost\r\n%s", r.method, r.path, jsonT) + body(r.body)
		rows = append(rows, hostile{
			name: r.name,
			input: perTarget{
				plain: framed(0x81, strings.Repeat("/edit", 1000)), v1: framed(0x81, `{"room":"den",`+r.frame+`}`),
				post: http, stream: listn + "\r\n" + r.body, handshake: at("/r/den/"+r.method, shake) + key + "\r\n",
			},
			want: perTarget{plain: "notice", v1: r.answer, post: fmt.Sprint("HTTP ", r.status), stream: "lives", handshake: "HTTP 404"},
		})
	}
	return rows
}
