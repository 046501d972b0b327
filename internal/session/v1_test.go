package session

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/frame"
	"ramai/wire"
)

func TestWelcome(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Protocol: chat.V1})
	st.settle()
	w := l.frames[0].(wire.Welcome)
	want := wire.Welcome{
		Protocol: "ramai.v1", Server: "ramai test", SenderID: wire.SenderIDOf(w.Session), Session: w.Session, Text: "Welcome to chat! Type a message",
		Limits: wire.Limits{Text: 4000, Frame: wire.MaxRequest(4000), Rate: 5, Burst: 20, Rooms: 8},
	}
	if w != want || wire.CheckSession(w.Session) != nil {
		t.Errorf("welcomed with %+v, want %+v", w, want)
	}
}

// TestWelcomeComesFirst: the welcome precedes everything, whatever was sent right after the handshake.
func TestWelcomeComesFirst(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.connect(Client{Protocol: chat.V1})
	l.send(wire.Join{Room: wire.Lobby}, wire.Ping{ID: "x"})
	l.receive(len(l.up))
	l.expect("welcome", "joined lobby 1-0 count 1", "pong x")
}

func TestHello(t *testing.T) {
	st := newHarness(t, setting{})
	a := st.connect(Client{Protocol: chat.V1})
	st.settle()
	session := a.frames[0].(wire.Welcome).Session
	a.send(wire.Name{Name: "ann"})
	a.expect("welcome", "name ann")

	b := st.connect(Client{Protocol: chat.V1})
	b.send(wire.Hello{Session: session})
	st.settle()
	w := b.frames[1].(wire.Welcome)
	if w.Session != session || w.SenderID != wire.SenderIDOf(session) || w.Name != "ann" {
		t.Errorf("hello is answered by %+v", w)
	}
	b.say("a", "it is me")
	b.expect("welcome", "welcome", "saved lobby a 1")

	for name, before := range map[string]wire.Frame{
		"a second hello": wire.Hello{Session: session}, "hello after something else": wire.Ping{},
	} {
		l := st.v1()
		l.send(before)
		l.heard()
		l.send(wire.Hello{Session: session})
		l.expect("error bad_request")
		if l.s.SenderID() != wire.SenderIDOf(session) != (name != "a second hello") {
			t.Errorf("%s: the sender is %s", name, l.s.SenderID())
		}
	}
	l := st.v1()
	l.send(wire.Hello{Session: "short"})
	l.expect("error bad_request")
}

func TestJoin(t *testing.T) {
	historyID := newHarness(t, setting{}).store.HistoryID() // the same in each harness
	for name, c := range map[string]struct {
		join  wire.Join
		reset bool
		first int // the first replayed message; the last is 60
	}{
		"default":               {wire.Join{}, false, 11},
		"last 0":                {wire.Join{Last: new(0)}, false, 61},
		"last 7":                {wire.Join{Last: new(7)}, false, 54},
		"last of more than all": {wire.Join{Last: new(500)}, false, 1},
		"after 0":               {wire.Join{After: &wire.Position{HistoryID: historyID}}, false, 1},
		"after 55":              {wire.Join{After: &wire.Position{HistoryID: historyID, N: 55}}, false, 56},
		"after the newest":      {wire.Join{After: &wire.Position{HistoryID: historyID, N: 60}}, false, 61},
		"after another log":     {wire.Join{After: &wire.Position{HistoryID: "another", N: 55}}, true, 11},
		"another log's 0":       {wire.Join{After: &wire.Position{HistoryID: ""}}, true, 11},
		"a number beyond":       {wire.Join{After: &wire.Position{HistoryID: historyID, N: 61}}, true, 11},
		"the largest number":    {wire.Join{After: &wire.Position{HistoryID: historyID, N: 1<<64 - 1}}, true, 11},
		"another log's largest": {wire.Join{After: &wire.Position{HistoryID: "x", N: 1<<64 - 1}}, true, 11},
	} {
		t.Run(name, func(t *testing.T) {
			st := newHarness(t, setting{})
			l := st.v1()
			for i := range 60 {
				l.say(fmt.Sprint("m", i+1), fmt.Sprint(i+1))
			}
			l.heard()
			c.join.Room = wire.Lobby
			l.send(c.join)
			reset := ""
			if c.reset {
				reset = " reset"
			}
			want := []string{"joined lobby 1-60 count 1" + reset}
			for n := c.first; n <= 60; n++ {
				want = append(want, fmt.Sprintf("message lobby %d %d", n, n))
			}
			l.expect(want...)
		})
	}
}

func TestJoinAgainMovesThePosition(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	l.say("a", "1")
	l.say("b", "2")
	l.heard()
	l.send(wire.Join{Room: wire.Lobby, Last: new(1)})
	l.expect("joined lobby 1-2 count 1", "message lobby 2 2")
	l.say("c", "3")
	l.expectOf("message", "message lobby 3 3")
}

func TestJoinOfAnUnknownRoomStoresNothing(t *testing.T) {
	st := newHarness(t, setting{maxRooms: 1})
	l := st.v1()
	l.send(wire.Join{Room: "nowhere"})
	l.expect("joined nowhere 1-0 count 1")
	l.say("a", "the only room there may be")
	l.expect("saved lobby a 1")
	l.send(wire.Say{Room: "nowhere", ID: "b", Text: "one too many"})
	l.expect("refused nowhere b not_allowed 0")
}

func TestLeave(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.joined(wire.Lobby), st.joined(wire.Lobby)
	a.send(wire.Leave{Room: wire.Lobby}, wire.Leave{Room: "never-joined"}, wire.Ping{ID: "x"})
	a.expect("pong x")
	b.say("1", "without a")
	b.expectOf("message", "message lobby 1 without a")
	a.expect()
	a.send(wire.Who{Room: wire.Lobby})
	a.expect("who lobby 1 ")
}

func TestEightRooms(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	for i := range 8 {
		l.send(wire.Join{Room: fmt.Sprint("r", i)})
		l.expect(fmt.Sprintf("joined r%d 1-0 count 1", i))
	}
	l.send(wire.Join{Room: "r8"})
	l.expect("error not_allowed")
	l.send(wire.Join{Room: "r3"})
	l.expect("joined r3 1-0 count 1")
	l.send(wire.Leave{Room: "r0"}, wire.Join{Room: "r8"})
	l.expect("joined r8 1-0 count 1")
}

func TestTwoTabsWithOneSession(t *testing.T) {
	st := newHarness(t, setting{})
	a := st.connect(Client{Protocol: chat.V1})
	st.settle()
	session := a.frames[0].(wire.Welcome).Session
	b := st.connect(Client{Protocol: chat.V1})
	b.send(wire.Hello{Session: session})
	for _, l := range []*link{a, b} {
		l.send(wire.Join{Room: wire.Lobby})
		l.heard()
	}
	a.send(wire.Name{Name: "ann"})
	a.say("x", "once")
	b.say("x", "once")
	a.expectOf("message name saved", "message lobby 1 ann: once", "name ann", "saved lobby x 1")
	b.expectOf("message saved", "message lobby 1 ann: once", "saved lobby x 1")
	st.advance(time.Second)
	a.expect("presence lobby 1 ann") // two connections of one sender
	a.end(nil)
	b.say("y", "still her")
	b.expectOf("message", "message lobby 2 ann: still her")
}

func TestPing(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	l.send(wire.Ping{ID: "abc"}, wire.Ping{})
	l.expect("pong abc", "pong ")
}

func TestWho(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	l.send(wire.Who{Room: "empty"})
	l.expect("who empty 0 ")
	for _, name := range []string{"zoe", "ann", "mia", ""} {
		c := st.joined("den")
		c.send(wire.Name{Name: name})
		c.expect("name " + name)
	}
	st.plain(Client{Room: "den"})
	l.send(wire.Who{Room: "den"})
	l.expect("who den 5 ann,mia,zoe")
}

// TestBadRequests: an invalid request gets an answer that says what is wrong, and the connection stays open.
func TestBadRequests(t *testing.T) {
	deep := strings.Repeat("[", 20000)
	for name, c := range map[string]struct{ sent, want string }{
		"no JSON":              {`hello`, "error bad_frame"},
		"empty":                {``, "error bad_frame"},
		"no object":            {`[1]`, "error bad_frame"},
		"null":                 {`null`, "error bad_frame"},
		"cut":                  {`{"type":"ping"`, "error bad_frame"},
		"two values":           {`{"type":"ping"}{"type":"ping"}`, "error bad_frame"},
		"no type":              {`{"room":"lobby"}`, "error bad_frame"},
		"type is no string":    {`{"type":7}`, "error bad_frame"},
		"deep":                 {deep, "error bad_frame"},
		"deep in a field":      {`{"type":"ping","id":` + deep, "error bad_frame"},
		"unknown type":         {`{"type":"dance"}`, "error bad_request"},
		"a server's type":      {`{"type":"message","room":"lobby","n":1}`, "error bad_request"},
		"join without a room":  {`{"type":"join"}`, "error bad_request"},
		"room with capitals":   {`{"type":"join","room":"Lobby"}`, "error bad_request"},
		"room with a dash":     {`{"type":"join","room":"-x"}`, "error bad_request"},
		"long room":            {`{"type":"join","room":"` + strings.Repeat("a", 65) + `"}`, "error bad_request"},
		"last of 501":          {`{"type":"join","room":"lobby","last":501}`, "error bad_request"},
		"last below 0":         {`{"type":"join","room":"lobby","last":-1}`, "error bad_request"},
		"last and after":       {`{"type":"join","room":"lobby","last":1,"after":{"log":"x","n":1}}`, "error bad_request"},
		"after below 0":        {`{"type":"join","room":"lobby","after":{"log":"x","n":-1}}`, "error bad_request"},
		"leave without a room": {`{"type":"leave"}`, "error bad_request"},
		"say without an id":    {`{"type":"say","room":"lobby","text":"x"}`, "error bad_request"},
		"say with a bad id":    {`{"type":"say","room":"lobby","id":"a b","text":"x"}`, "error bad_request"},
		"say without a text":   {`{"type":"say","room":"lobby","id":"a"}`, "refused lobby a bad_request 0"},
		"say to a bad room":    {`{"type":"say","room":"NO","id":"a","text":"x"}`, "refused NO a bad_request 0"},
		"say with controls":    {`{"type":"say","room":"lobby","id":"a","text":"\u001b[2J"}`, "refused lobby a bad_request 0"},
		"say with NUL":         {`{"type":"say","room":"lobby","id":"a","text":"\u0000"}`, "refused lobby a bad_request 0"},
		"history both ways":    {`{"type":"history","room":"lobby","before":1,"after":1}`, "error bad_request"},
		"history of 501":       {`{"type":"history","room":"lobby","limit":501}`, "error bad_request"},
		"history of -1":        {`{"type":"history","room":"lobby","limit":-1}`, "error bad_request"},
		"typing nowhere":       {`{"type":"typing","room":""}`, "error bad_request"},
		"who of nothing":       {`{"type":"who"}`, "error bad_request"},
		"ping with a bad id":   {`{"type":"ping","id":"a b"}`, "error bad_request"},
		"hello too short":      {`{"type":"hello","session":"x"}`, "error bad_request"},
		"unknown fields":       {`{"type":"ping","id":"x","new":{"a":[1]}}`, "pong x"},
		"text too long": {`{"type":"say","room":"lobby","id":"a","text":"` + strings.Repeat("x", 4001) + `"}`,
			"refused lobby a too_long 0"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newHarness(t, setting{}).v1()
			l.sendText(c.sent)
			l.expect(c.want)
			l.send(wire.Ping{ID: "alive"})
			l.expect("pong alive")
		})
	}
}

// TestProtocolErrors: a violation of the WebSocket protocol closes the connection with the right code.
func TestProtocolErrors(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	masked := func(head ...byte) []byte { return append(head, mask[:]...) }
	fragments := func(n int) []byte {
		b := masked(0x01, 0x80)
		for range n - 2 {
			b = append(b, masked(0x00, 0x80)...)
		}
		return append(b, masked(0x80, 0x80)...)
	}
	badText := frame.AppendMasked(nil, frame.Text, []byte("a\xff"+strings.Repeat("b", 20)), mask)
	for name, c := range map[string]struct {
		sent []byte
		want string
	}{
		"binary":                {frame.AppendMasked(nil, frame.Binary, []byte("x"), mask), "CLOSE 1003"},
		"a text that is not":    {frame.AppendMasked(nil, frame.Text, []byte("a\xff"), mask), "CLOSE 1007"},
		"its first bad byte":    {badText[:8], "CLOSE 1007"},
		"a surrogate":           {frame.AppendMasked(nil, frame.Text, []byte("\xed\xa0\x80"), mask), "CLOSE 1007"},
		"a frame past 64 KiB":   {masked(0x81, 0x80|127, 0, 0, 0, 0, 0, 1, 0, 1), "CLOSE 1009"},
		"the top bit of 64":     {masked(0x81, 0x80|127, 0x80, 0, 0, 0, 0, 0, 0, 0), "CLOSE 1002"},
		"257 fragments":         {fragments(257), "CLOSE 1008"},
		"not masked":            {[]byte{0x81, 0x01, 'x'}, "CLOSE 1002"},
		"a reserved bit":        {masked(0xc1, 0x80), "CLOSE 1002"},
		"a reserved opcode":     {masked(0x83, 0x80), "CLOSE 1002"},
		"a fragmented ping":     {masked(0x09, 0x80), "CLOSE 1002"},
		"a continuation alone":  {masked(0x80, 0x80), "CLOSE 1002"},
		"a close of one byte":   {append(masked(0x88, 0x81), 7), "CLOSE 1002"},
		"a close code of 1005":  {frame.AppendMasked(nil, frame.Close, []byte{0x03, 0xed}, mask), "CLOSE 1002"},
		"a length not shortest": {masked(0x81, 0x80|126, 0, 5), "CLOSE 1002"},
	} {
		for _, v1 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, v1 %t", name, v1), func(t *testing.T) {
				st := newHarness(t, setting{})
				l := st.connect(Client{Protocol: protocolOf(v1)})
				l.heard()
				l.up = c.sent
				l.expect(c.want)
				if w := st.hub.Who(wire.Who{Room: wire.Lobby}); !l.closed || w.Count != 0 {
					t.Errorf("closed %t, and %d are in the room", l.closed, w.Count)
				}
			})
		}
	}
	st := newHarness(t, setting{})
	l := st.plain(Client{})
	l.up = fragments(256)
	l.expect("")
}

func TestLongestFrame(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.plain(Client{})
	l.sendText(strings.Repeat("x", wire.MaxRequest(4000)))
	if got := l.heard(); len(got) != 1 || !strings.HasPrefix(got[0], "! ") {
		t.Errorf("heard %.100q", got)
	}
	l.sendText(strings.Repeat("x", wire.MaxRequest(4000)+1))
	l.expect("CLOSE 1009")
}

func TestWebSocketPingAndClose(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		want    string
	}{
		"without a code": {"", "CLOSE 1005 "},
		"normal":         {"\x03\xe8bye", "CLOSE 1000 "},
		"going away":     {"\x03\xe9", "CLOSE 1001 "},
		"their own":      {"\x0f\xa0", "CLOSE 4000 "},
	} {
		t.Run(name, func(t *testing.T) {
			l := newHarness(t, setting{}).v1()
			l.sendFrame(frame.Ping, []byte("are you there"))
			l.sendFrame(frame.Pong, []byte("unasked"))
			l.expect("PONG are you there")
			l.sendFrame(frame.Close, []byte(c.payload))
			l.send(wire.Ping{ID: "after the close"})
			l.expect(c.want)
			if !l.closed || l.err != nil {
				t.Errorf("closed %t, %v", l.closed, l.err)
			}
		})
	}
}

// TestMessageForm checks the frames that a joined client receives, byte by byte.
func TestMessageForm(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.joined(wire.Lobby)
	l.raw = nil
	l.send(wire.Name{Name: "Zoë"})
	l.say("id-1", "say \"hi\"\n<b>&\u2028</b>")
	l.heard()
	want := regexp.MustCompile(`\{"type":"message","room":"lobby","n":1,"at":"2026-01-02T03:04:05\.000Z","by":"` + l.s.SenderID() +
		`","from":"Zoë","id":"id-1","text":"say \\"hi\\"\\n<b>&\\u2028</b>"\}`)
	if !want.Match(l.raw) {
		t.Errorf("%q does not contain %s", l.raw, want)
	}
}

// TestAnswersHaveTheRef: the ref of a request is in its answer, including answers that come from the log.
func TestAnswersHaveTheRef(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	for _, c := range []struct{ sent, want string }{
		{`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA","ref":"1"}`, "welcome"},
		{`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA","ref":"1b"}`, "error hello "},
		{`{"type":"name","name":"ann","ref":"2"}`, "name"},
		{`{"type":"name","name":"server","ref":"3"}`, "error name "},
		{`{"type":"join","room":"lobby","ref":"4"}`, "joined"},
		{`{"type":"say","room":"lobby","id":"a","text":"one","ref":"5"}`, "saved"},
		{`{"type":"say","room":"lobby","id":"a","text":"one","ref":"6"}`, "saved"},
		{`{"type":"say","room":"lobby","id":"a","text":"two","ref":"7"}`, "refused"},
		{`{"type":"say","room":"lobby","id":"b","text":"\ud800","ref":"8"}`, "refused"},
		{`{"type":"history","room":"lobby","ref":"9"}`, "page"},
		{`{"type":"history","room":"lobby","limit":-1,"ref":"10"}`, "error history lobby"},
		{`{"type":"who","room":"lobby","ref":"11"}`, "who"},
		{`{"type":"ping","ref":"12"}`, "pong"},
		{`{"type":"dance","ref":"13"}`, "error  "},
	} {
		st.settle()
		l.heard()
		l.sendText(c.sent)
		st.settle()
		ref := regexp.MustCompile(`"ref":"(\w+)"`).FindStringSubmatch(c.sent)[1]
		var got []string
		for _, f := range l.frames {
			var answer struct{ Type, Ref, Request, Room string }
			if err := json.Unmarshal(wire.Append(nil, f), &answer); err != nil {
				t.Fatal(err)
			}
			if answer.Type == "error" {
				answer.Type += " " + answer.Request + " " + answer.Room
			}
			if answer.Ref == ref || strings.HasPrefix(answer.Type, "error") {
				got = append(got, answer.Type)
			}
		}
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s is answered by %q, want %q", c.sent, got, c.want)
		}
	}
	other := st.v1()
	other.sendText(`{"type":"name","name":"ann","ref":"x"}`)
	st.settle()
	if want := (wire.Error{Code: wire.NameTaken, Request: "name", Ref: "x"}); len(other.frames) != 1 {
		t.Errorf("a name that is taken is answered by %v", other.frames)
	} else if f := other.frames[0].(wire.Error); f.Code != want.Code || f.Request != want.Request || f.Ref != want.Ref {
		t.Errorf("a name that is taken is answered by %+v", f)
	}
}
