package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// What cannot be set, asked or announced has the right code on every transport, and changes nothing.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	const secret, other = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
	asJSON := []string{"Content-Type", "application/json", "Authorization", "Bearer " + secret}
	messages := base + "/api/v1/rooms/lobby/messages"
	poll := `{"text":"Tea?","as":"poll","options":["yes","no"]}`
	for i, body := range []string{poll, `{"text":"why?","as":"question"}`, `{"text":"deleted"}`, `{"text":"x"}`} {
		if resp, answer := call(t, http.MethodPost, messages, body, asJSON...); resp.StatusCode != http.StatusCreated {
			t.Fatalf("post %d: %d %s", i+1, resp.StatusCode, answer)
		}
	}
	call(t, http.MethodDelete, messages+"/3", "", "Authorization", "Bearer "+secret) // number 5
	post(t, base, "lobby", "theirs", "Authorization", "Bearer "+other)
	call(t, http.MethodPost, messages, poll, "Content-Type", "application/json", "Authorization", "Bearer "+other)
	_, before := call(t, http.MethodGet, messages, "")

	p := dial(t, base, wire.Protocol)
	p.hear(t, "welcome")
	p.say(string(wire.Append(nil, wire.Hello{Session: secret})))
	p.hear(t, "welcome")
	var pins []string
	for n := range 21 {
		pins = append(pins, fmt.Sprint(n+1))
	}
	for i, c := range []struct {
		what, key, value string // JSON
		code             wire.Code
	}{
		{"an unknown key", `"colour"`, `"red"`, wire.BadRequest},
		{"no key", `""`, `"red"`, wire.BadRequest},
		{"a key of 1 kB", `"` + strings.Repeat("k", 1000) + `"`, `"red"`, wire.BadRequest},
		{"a number as key", `7`, `"red"`, wire.BadRequest},
		{"a long topic", `"topic"`, `"` + strings.Repeat("x", 301) + `"`, wire.TooLong},
		{"a topic of two lines", `"topic"`, `"a\nb"`, wire.BadRequest},
		{"an empty topic", `"topic"`, `"  "`, wire.BadRequest},
		{"a control character", `"topic"`, `"\u0007"`, wire.BadRequest},
		{"a number as topic", `"topic"`, `7`, wire.BadRequest},
		{"21 pins", `"pin"`, "[" + strings.Join(pins, ",") + "]", wire.BadRequest},
		{"pins in another order", `"pin"`, "[4,1]", wire.BadRequest},
		{"a pin twice", `"pin"`, "[1,1]", wire.BadRequest},
		{"no list of pins", `"pin"`, "1", wire.BadRequest},
		{"a deleted pin", `"pin"`, "[1,3]", wire.Gone},
		{"a pin that is no message", `"pin"`, "[1,5]", wire.BadRequest},
		{"a pin that is not there yet", `"pin"`, "[1,8]", wire.BadRequest},
		{"a deleted message on stage", `"stage"`, "3", wire.Gone},
		{"a change on stage", `"stage"`, "5", wire.BadRequest},
		{"an unknown message on stage", `"stage"`, "99", wire.BadRequest},
		{"number 0 on stage", `"stage"`, "0", wire.BadRequest},
		{"a number beyond the highest", `"stage"`, "18446744073709551616", wire.BadRequest},
		{"a text on stage", `"stage"`, `"1"`, wire.BadRequest},
		{"an unknown state of a poll", `"poll/1"`, `"answered"`, wire.BadRequest},
		{"the state of a message", `"poll/4"`, `"closed"`, wire.BadRequest},
		{"the state of a question as a poll", `"poll/2"`, `"closed"`, wire.BadRequest},
		{"the state of a deleted message", `"question/3"`, `"answered"`, wire.Gone},
		{"the state of an unknown poll", `"poll/99"`, `"closed"`, wire.BadRequest},
		{"a number with a zero in front", `"poll/01"`, `"closed"`, wire.BadRequest},
		{"somebody else's poll", `"poll/7"`, `"closed"`, wire.NotAllowed},
		{"an object as value", `"topic"`, `{}`, wire.BadRequest},
		{"true as value", `"topic"`, `true`, wire.BadRequest},
		{"half of a surrogate pair", `"topic"`, `"\ud800"`, wire.BadRequest},
		{"a fraction", `"stage"`, `1.5`, wire.BadRequest},
		{"nested lists", `"pin"`, `[[1]]`, wire.BadRequest},
	} {
		p.say(fmt.Sprintf(`{"type":"set","room":"lobby","id":"bad%d","key":%s,"value":%s}`, i, c.key, c.value))
		if f := p.hear(t, "refused"); f.Code != c.code || f.ID != fmt.Sprint("bad", i) || f.Reason == "" {
			t.Errorf("%s: refused with %s for %q (%s), want %s", c.what, f.Code, f.ID, f.Reason, c.code)
		}
		resp, answer := call(t, http.MethodPut, base+"/api/v1/rooms/lobby/state/"+strings.Trim(c.key, `"`), `{"value":`+c.value+`}`, asJSON...)
		if resp.StatusCode != statusOf(c.code) || !strings.Contains(answer, `"`+string(c.code)+`"`) {
			t.Errorf("%s over HTTP: %d %s, want %d %s", c.what, resp.StatusCode, answer, statusOf(c.code), c.code)
		}
	}
	topic := base + "/api/v1/rooms/lobby/state/topic"
	for _, c := range []struct {
		what, method, address, body string
		header                      []string
		status                      int
	}{
		{"no value", http.MethodPut, topic, `{"id":"x"}`, asJSON, 400},
		{"no body", http.MethodPut, topic, ``, asJSON, 400},
		{"an array as body", http.MethodPut, topic, `["x"]`, asJSON, 400},
		{"an end", http.MethodPut, topic, `{"value":"x","until":"2030-01-01T00:00:00Z"}`, asJSON, 400},
		{"an id with a space", http.MethodPut, topic, `{"value":"x","id":"a b"}`, asJSON, 400},
		{"another id with a space", http.MethodDelete, topic + "?id=a%20b", ``, asJSON, 400},
		{"no session", http.MethodPut, topic, `{"value":"x"}`, asJSON[:2], 403},
		{"a deletion without a session", http.MethodDelete, topic, ``, nil, 403},
		{"a deletion of an unknown key", http.MethodDelete, topic + "s", ``, asJSON, 400},
		{"text as content type", http.MethodPut, topic, `x`, asJSON[2:], 415},
		{"another method", http.MethodPost, topic, `{"value":"x"}`, asJSON, 405},
		{"a body that is too long", http.MethodPut, topic, `{"value":"` + strings.Repeat("x", 1<<17) + `"}`, asJSON, 413},
	} {
		if resp, answer := call(t, c.method, c.address, c.body, c.header...); resp.StatusCode != c.status {
			t.Errorf("%s over HTTP: %d %s, want %d", c.what, resp.StatusCode, answer, c.status)
		}
	}
	for what, request := range map[string]string{
		"no value": `{"type":"set","room":"lobby","id":"x","key":"topic"}`, "an end": `{"type":"set","room":"lobby","id":"x","key":"topic","value":"x","until":"2030-01-01T00:00:00Z"}`,
	} {
		p.say(request)
		if f := p.hear(t, "refused"); f.Code != wire.BadRequest {
			t.Errorf("%s: refused with %s (%s)", what, f.Code, f.Reason)
		}
	}
	anonymous := dial(t, base, wire.Protocol) // its session is new: it is no author
	anonymous.hear(t, "welcome")
	anonymous.say(`{"type":"set","room":"lobby","id":"x","key":"question/2","value":"answered"}`)
	if f := anonymous.hear(t, "refused"); f.Code != wire.NotAllowed {
		t.Errorf("somebody else's question: refused with %s (%s)", f.Code, f.Reason)
	}

	options := func(k int) string {
		var all []string
		for i := range k {
			all = append(all, fmt.Sprintf(`"option %d"`, i))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	for i, c := range []struct {
		what, fields string
		code         wire.Code
		status       int
	}{
		{"an unknown form", `"as":"song"`, wire.BadRequest, 400},
		{"a number as form", `"as":7`, wire.BadRequest, 400},
		{"a notice", `"as":"notice"`, wire.NotAllowed, 403},
		{"a poll without options", `"as":"poll"`, wire.BadRequest, 400},
		{"a poll with one option", `"as":"poll","options":["yes"]`, wire.BadRequest, 400},
		{"a 13th option", `"as":"poll","options":` + options(13), wire.BadRequest, 400},
		{"equal options", `"as":"poll","options":["yes","no","yes"]`, wire.BadRequest, 400},
		{"an empty option", `"as":"poll","options":["yes",""]`, wire.BadRequest, 400},
		{"a long option", `"as":"poll","options":["yes","` + strings.Repeat("x", 81) + `"]`, wire.BadRequest, 400},
		{"an option of two lines", `"as":"poll","options":["yes","n\no"]`, wire.BadRequest, 400},
		{"numbers as options", `"as":"poll","options":[1,2]`, wire.BadRequest, 400},
		{"a text as options", `"as":"poll","options":"yes"`, wire.BadRequest, 400},
		{"options of a question", `"as":"question","options":["yes","no"]`, wire.BadRequest, 400},
		{"options of a message", `"options":["yes","no"]`, wire.BadRequest, 400},
	} {
		p.say(fmt.Sprintf(`{"type":"say","room":"lobby","id":"as%d","text":"x",%s}`, i, c.fields))
		if f := p.hear(t, "refused"); f.Code != c.code || f.Reason == "" {
			t.Errorf("%s: refused with %s (%s), want %s", c.what, f.Code, f.Reason, c.code)
		}
		resp, answer := call(t, http.MethodPost, messages, `{"text":"x",`+c.fields+`}`, asJSON...)
		if resp.StatusCode != c.status || !strings.Contains(answer, `"`+string(c.code)+`"`) {
			t.Errorf("%s over HTTP: %d %s, want %d %s", c.what, resp.StatusCode, answer, c.status, c.code)
		}
	}
	if resp, answer := call(t, http.MethodPatch, messages+"/1", `{"text":"x","as":"question"}`, asJSON...); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an edit with a form: %d %s", resp.StatusCode, answer)
	}
	for _, query := range []string{"limit=0", "limit=501", "limit=x", "prefix=" + strings.Repeat("x", 129), "after=" + strings.Repeat("x", 129)} {
		if resp, answer := call(t, http.MethodGet, base+"/api/v1/rooms/lobby/state?"+query, ""); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("the state with %.20s: %d %s", query, resp.StatusCode, answer)
		}
	}
	for _, query := range []string{"as=notice", "as=song", "as=poll&after=1", "as=poll&at=2026-01-01T00:00:00Z"} {
		if resp, answer := call(t, http.MethodGet, messages+"?"+query, ""); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("messages with %s: %d %s", query, resp.StatusCode, answer)
		}
	}
	for _, request := range []string{`"type":"history","as":"notice"`, `"type":"history","as":"poll","after":1`, `"type":"history","as":7`, `"type":"state","limit":501`, `"type":"state","prefix":7`, `"type":"state","after":"` + strings.Repeat("x", 129) + `"`} {
		p.say(`{"room":"lobby",` + request + `}`)
		if f := p.hear(t, "error"); f.Code != wire.BadRequest {
			t.Errorf("%.40s: %s (%s)", request, f.Code, f.Reason)
		}
	}

	if _, after := call(t, http.MethodGet, messages, ""); after != before {
		t.Errorf("the room was\n%s\nand is\n%s", before, after)
	}
	if _, got := call(t, http.MethodGet, base+"/api/v1/rooms/lobby/state", ""); got != `{"n":7,"settings":[{"key":"poll/1","value":"open"},{"key":"poll/7","value":"open"},{"key":"question/2","value":"open"}],"more":false}`+"\n" {
		t.Errorf("the settings are %s", got)
	}
}

// A setting reaches everyone in the room and everyone who comes later, in whatever way; the plain protocol shows a poll in one
// line, and no setting.
func TestSettings(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	author, plain := dial(t, base, wire.Protocol), dial(t, base+"/r/den", "")
	author.hear(t, "welcome")
	if got := plain.receive(); got != wire.Greeting {
		t.Fatalf("a plain client is greeted with %q", got)
	}
	for i, request := range []string{
		`{"type":"say","id":"1","text":"Tea?","as":"poll","options":["yes","no, \"never\""]}`, `{"type":"say","id":"2","text":"why?","as":"question"}`,
		`{"type":"set","id":"3","key":"topic","value":" Tea "}`, `{"type":"set","id":"4","key":"pin","value":[1,2]}`, `{"type":"set","id":"5","key":"stage","value":2}`,
		`{"type":"set","id":"6","key":"poll/1","value":"closed"}`, `{"type":"set","id":"7","key":"stage","value":null}`, `{"type":"say","id":"8","text":"and how?","as":"question"}`,
	} {
		author.say(strings.Replace(request, `,`, `,"room":"den",`, 1))
		if f := author.hear(t, "saved"); f.N != uint64(i+1) {
			t.Fatalf("%s is saved as %d", request, f.N)
		}
	}
	for _, want := range []string{`Tea? (1) yes (2) no, "never"`, "why?", "and how?"} {
		if got := plain.receive(); got != want {
			t.Errorf("a plain client hears %q, want %q", got, want)
		}
	}
	late := dial(t, base, wire.Protocol)
	late.hear(t, "welcome")
	late.say(`{"type":"join","room":"den"}`)
	if got := late.next(); !strings.Contains(got, `"state":{"pin":[1,2],"poll/1":"closed","topic":"Tea"}`) || !strings.Contains(got, `"n":8`) {
		t.Errorf("who joins late is told %s", got)
	}
	for n, want := range []string{
		`"text":"Tea?","as":"poll","options":["yes","no, \"never\""]}`, `"text":"why?","as":"question"}`, `"key":"topic","value":"Tea"`, `"key":"pin","value":[1,2]`,
		`"key":"stage","value":2`, `"key":"poll/1","value":"closed"`, `"key":"stage","value":null`, `"text":"and how?","as":"question"}`,
	} {
		if got := late.next(); !strings.Contains(got, want) || !strings.Contains(got, fmt.Sprintf(`"n":%d,`, n+1)) {
			t.Errorf("number %d is %s, want %s", n+1, got, want)
		}
	}
	author.say(`{"type":"state","room":"den","limit":2,"ref":"r1"}`)
	if got, want := author.next(), `{"type":"settings","room":"den","n":8,"settings":[{"key":"pin","value":[1,2]},{"key":"poll/1","value":"closed"}],"more":true,"ref":"r1"}`; got != want {
		t.Errorf("a page of settings is %s, want %s", got, want)
	}
	author.say(`{"type":"state","room":"den","prefix":"question/","after":"question/2"}`)
	if got, want := author.next(), `{"type":"settings","room":"den","n":8,"settings":[{"key":"question/8","value":"open"}],"more":false}`; got != want {
		t.Errorf("a page of settings is %s, want %s", got, want)
	}
	author.say(`{"type":"state","room":"nobody-was-here"}`)
	if got, want := author.next(), `{"type":"settings","room":"nobody-was-here","n":0,"settings":[],"more":false}`; got != want {
		t.Errorf("the settings of a room that is not there are %s, want %s", got, want)
	}
	author.say(`{"type":"history","room":"den","as":"question","limit":1,"ref":"r2"}`)
	if got := author.next(); !strings.Contains(got, `"text":"and how?"`) || strings.Contains(got, `"text":"why?"`) || strings.Contains(got, "skipped") || !strings.Contains(got, `"head":8,`) || !strings.Contains(got, `"more":true,"as":"question","ref":"r2"}`) {
		t.Errorf("the newest question: %s", got)
	}
	author.say(`{"type":"history","room":"den","as":"question","before":8}`)
	if got := author.next(); !strings.Contains(got, `"text":"why?"`) || strings.Contains(got, `"text":"and how?"`) || !strings.Contains(got, `"more":false,"as":"question"}`) {
		t.Errorf("older questions: %s", got)
	}
	if _, got := call(t, http.MethodGet, base+"/api/v1/rooms/den/messages?as=poll", ""); !strings.Contains(got, `"options":["yes","no, \"never\""]`) || strings.Contains(got, "why?") || !strings.Contains(got, `"as":"poll"`) {
		t.Errorf("the polls over HTTP: %s", got)
	}
	if _, got := call(t, http.MethodGet, base+"/api/v1/rooms/den/state?prefix=t", ""); got != `{"n":8,"settings":[{"key":"topic","value":"Tea"}],"more":false}`+"\n" {
		t.Errorf("the topic over HTTP: %s", got)
	}
}

// A vote that is not possible has the right code on every transport. One that replaces another is announced as two marks.
func TestVotes(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	const secret = "AAAAAAAAAAAAAAAAAAAAAA"
	p := dial(t, base, wire.Protocol)
	p.hear(t, "welcome")
	p.say(string(wire.Append(nil, wire.Hello{Session: secret})))
	p.hear(t, "welcome")
	for _, request := range []string{
		`{"type":"say","room":"den","id":"1","text":"Tea?","as":"poll","options":["yes","no"]}`, `{"type":"say","room":"den","id":"2","text":"Milk?","as":"poll","options":["yes","no"]}`,
		`{"type":"set","room":"den","id":"3","key":"poll/2","value":"closed"}`, `{"type":"say","room":"den","id":"4","text":"why?","as":"question"}`,
	} {
		p.say(request)
		p.hear(t, "saved")
	}
	for _, c := range []struct {
		what, of, key string
		code          wire.Code
		status        int
	}{
		{"an option out of range", "1", "2", wire.BadRequest, 400},
		{"the 13th option", "1", "12", wire.BadRequest, 400},
		{"an option with a zero in front", "1", "01", wire.BadRequest, 400},
		{"an option of a question", "4", "0", wire.BadRequest, 400},
		{"a closed poll", "2", "0", wire.Closed, 409},
		{"a setting", "3", "0", wire.BadRequest, 400},
		{"an unknown poll", "99", "0", wire.BadRequest, 400},
	} {
		p.say(`{"type":"mark","room":"den","of":` + c.of + `,"key":"` + c.key + `","on":true}`)
		if f := p.hear(t, "error"); f.Code != c.code || f.Reason == "" {
			t.Errorf("%s: refused with %s (%s), want %s", c.what, f.Code, f.Reason, c.code)
		}
		resp, answer := call(t, http.MethodPut, base+"/api/v1/rooms/den/messages/"+c.of+"/marks/"+c.key, "", "Authorization", "Bearer "+secret)
		if resp.StatusCode != c.status || !strings.Contains(answer, `"`+string(c.code)+`"`) {
			t.Errorf("%s over HTTP: %d %s, want %d %s", c.what, resp.StatusCode, answer, c.status, c.code)
		}
	}
	p.say(`{"type":"mark","room":"den","of":1,"key":"0","on":true,"ref":"a"}`)
	p.expect(`{"type":"marked","room":"den","of":1,"key":"0","on":true,"ref":"a"}`)
	p.say(`{"type":"mark","room":"den","of":1,"key":"1","on":true,"ref":"b"}`)
	p.expect(`{"type":"marked","room":"den","of":1,"key":"0","on":false}`)
	p.expect(`{"type":"marked","room":"den","of":1,"key":"1","on":true,"ref":"b"}`)
	p.say(`{"type":"change","room":"den","id":"5","of":1,"text":"Coffee?"}`)
	if f := p.hear(t, "refused"); f.Code != wire.NotAllowed {
		t.Errorf("another text of a poll with votes: %s (%s)", f.Code, f.Reason)
	}
	p.say(`{"type":"change","room":"den","id":"6","of":1,"text":null}`)
	p.hear(t, "saved")
}

// statusOf is the HTTP status of a refusal of a setting.
func statusOf(code wire.Code) int {
	switch code {
	case wire.BadRequest:
		return http.StatusBadRequest
	case wire.NotAllowed:
		return http.StatusForbidden
	case wire.Gone:
		return http.StatusGone
	case wire.TooLong:
		return http.StatusRequestEntityTooLarge
	}
	return 0
}

// A setting can be changed and unset over HTTP; a repetition with the same id changes nothing.
func TestSettingsOverHTTP(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	asJSON := []string{"Content-Type", "application/json", "Authorization", "Bearer AAAAAAAAAAAAAAAAAAAAAA"}
	reader := dial(t, base, wire.Protocol)
	reader.hear(t, "welcome")
	if resp, answer := call(t, http.MethodPost, base+"/api/v1/rooms/den/messages", `{"text":"Tea?","as":"poll","options":["yes","no"]}`, asJSON...); resp.StatusCode != http.StatusCreated {
		t.Fatalf("a poll: %d %s", resp.StatusCode, answer)
	}
	reader.say(`{"type":"join","room":"den","last":0}`)
	reader.hear(t, "joined")
	for _, c := range []struct {
		method, key, body string
		n                 uint64
		value             string // in the frame; empty: no frame
	}{
		{http.MethodPut, "topic", `{"value":" Tea ","id":"t1"}`, 2, `"Tea"`},
		{http.MethodPut, "topic", `{"value":" Tea ","id":"t1"}`, 2, ``},
		{http.MethodPut, "poll/1", `{"value":"closed"}`, 3, `"closed"`},
		{http.MethodPut, "stage", `{"value":1}`, 4, `1`},
		{http.MethodDelete, "stage?id=s1", ``, 5, `null`},
		{http.MethodDelete, "stage?id=s1", ``, 5, ``},
		{http.MethodPut, "pin", `{"value":[1]}`, 6, `[1]`},
		{http.MethodPut, "pin", `{"value":null}`, 7, `null`},
		{http.MethodPut, "poll%2F1", `{"value":"hidden"}`, 8, `"hidden"`}, // and a tally
	} {
		resp, answer := call(t, c.method, base+"/api/v1/rooms/den/state/"+c.key, c.body, asJSON...)
		if resp.StatusCode != http.StatusOK || !strings.Contains(answer, fmt.Sprintf(`"n":%d,`, c.n)) {
			t.Errorf("%s %s %s: %d %s, want number %d", c.method, c.key, c.body, resp.StatusCode, answer, c.n)
		}
		if c.value == "" {
			continue
		}
		if got := reader.next(); !strings.Contains(got, fmt.Sprintf(`"n":%d,`, c.n)) || !strings.Contains(got, `"value":`+c.value+`,`) {
			t.Errorf("%s %s %s: the frame is %s", c.method, c.key, c.body, got)
		}
	}
	if resp, answer := call(t, http.MethodPut, base+"/api/v1/rooms/den/state/topic", `{"value":"Coffee","id":"t1"}`, asJSON...); resp.StatusCode != http.StatusConflict || !strings.Contains(answer, `"id_reused"`) {
		t.Errorf("the same id with another value: %d %s", resp.StatusCode, answer)
	}
	if _, got := call(t, http.MethodGet, base+"/api/v1/rooms/den/state", ""); !strings.Contains(got, `"settings":[{"key":"poll/1","value":"hidden"},{"key":"topic","value":"Tea"}],"more":false}`) {
		t.Errorf("the settings are %s", got)
	}
}
