package session

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"ramai/internal/frame"
	"ramai/wire"
)

// FuzzSession sends what a hostile client may send, split anywhere. With framed, each line of sent is one text message;
// otherwise sent is the raw input of the socket. The link and the harness check the session's invariants and the contract
// of a Source, and that its output follows the rules of WebSocket and ramai.v1.
func FuzzSession(f *testing.F) {
	mask := [4]byte{1, 2, 3, 4}
	frames := frame.AppendMasked(nil, frame.Ping, []byte("ping"), mask)
	frames = frame.AppendMasked(frames, frame.Text, []byte(`{"type":"join","room":"lobby"}`), mask)
	frames = append(frames, 0x01, 0x82, 0, 0, 0, 0, 'h', 'i', 0x80, 0x80, 0, 0, 0, 0) // a text in two frames
	frames = frame.AppendMasked(frames, frame.Close, []byte("\x03\xe8bye"), mask)
	f.Add(frames, []byte{1, 100}, true, false, false)
	f.Add(frames, []byte{255}, false, false, true)
	f.Add(frame.AppendMasked(nil, frame.Binary, []byte("x"), mask), []byte{3}, true, false, false)
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, []byte{3}, false, false, false)
	f.Add([]byte("\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte{3}, false, false, true)
	for _, lines := range [][]string{
		{"hello", "", "a\x01b", strings.Repeat("x", 5000)},
		{
			`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"type":"join","room":"lobby","after":{"log":"x","n":7}}`,
			`{"type":"say","room":"lobby","id":"a","text":"hi"}`, `{"type":"say","room":"lobby","id":"a","text":"ho"}`,
			`{"type":"name","name":"ann"}`, `{"type":"typing","room":"lobby"}`, `{"type":"who","room":"lobby"}`,
			`{"type":"history","room":"lobby","after":0,"limit":3}`, `{"type":"leave","room":"lobby"}`, `{"type":"ping","id":"x"}`,
		},
		{
			`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA","held":true}`, `{"type":"say","room":"den","id":"a","text":"mine"}`,
			`{"type":"join","room":"~den","last":50}`, `{"type":"say","room":"~den","id":"b","text":"among moderators"}`,
			`{"type":"set","room":"den","id":"c","key":"hold","value":"all","until":"2026-01-02T04:00:00Z"}`, `{"type":"set","room":"~den","id":"d","key":"lock","value":"on"}`,
			`{"type":"change","room":"den","id":"e","held":"a","text":null}`, `{"type":"moderate","room":"den","id":"f","approve":{"by":"x","held":"a"}}`,
			`{"type":"moderate","room":"den","id":"g","reject":{"by":"x","held":"a"}}`, `{"type":"moderate","room":"den","id":"h","erase":{"by":"x"},"dry":true}`,
			`{"type":"moderate","room":"den","id":"i","erase":{"newcomers":true,"since":"2026-01-01T00:00:00Z"},"to":1}`, `{"type":"moderate","room":"den","id":"j","undo":1}`,
			`{"type":"report","room":"den","of":1,"text":"look"}`, `{"type":"invite","room":"den","id":"k","role":"guest","uses":3}`,
			`{"type":"redeem","room":"den","invite":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"type":"link"}`, `{"type":"signout","all":true}`,
		},
		{`{"type":"join","room":"lobby","last":500}`, `{"type":"say","room":"den","id":"b"}`, `{"type":7}`, `[[[[`, `null`},
	} {
		f.Add([]byte(strings.Join(lines, "\n")), []byte{7, 200, 1}, true, true, false)
		f.Add([]byte(strings.Join(lines, "\n")), []byte{255}, false, true, true)
	}
	f.Fuzz(func(t *testing.T, sent, cuts []byte, v1, framed, deflate bool) {
		st := newHarness(t, setting{rate: 5, burst: 20, buffer: 1})
		st.publishVaried(10)
		l := st.connect(Client{Protocol: protocolOf(v1), Deflate: deflate, Addr: remote})
		if framed {
			for line := range strings.SplitSeq(strings.ToValidUTF8(string(sent), "?"), "\n") {
				l.sendText(line)
			}
		} else {
			l.up = slices.Clone(sent)
		}
		for i := 0; len(cuts) > 0 && i < 1000 && !l.closed; i++ {
			cut := int(cuts[i%len(cuts)])
			l.receive(cut + 1)
			l.max = cut + 1
			if l.next(); l.unconfirmed != nil {
				l.write(cut / 2)
			}
			if i%3 == 0 {
				st.stepLog()
			}
		}
		l.max = 64 << 10
		st.advance(time.Minute)
		checkClose(t, l)
	})
}

// checkClose checks that the server closes with a code that PROTOCOL.md lists, or echoes the client's code.
func checkClose(t *testing.T, l *link) {
	ours := []uint16{wire.CloseProtocolError, wire.ClosePolicy, uint16(ws.StatusUnsupportedData), uint16(ws.StatusInvalidFramePayloadData), uint16(ws.StatusMessageTooBig)}
	switch {
	case l.closed && l.code == 0:
		t.Errorf("closed without a close frame: %v", l.err)
	case l.closed && l.err != nil && !slices.Contains(ours, l.code):
		t.Errorf("closed with %d: %v", l.code, l.err)
	case !l.closed && (l.code != 0 || l.err != nil):
		t.Errorf("code %d and %v, but the connection is open", l.code, l.err)
	}
}
