package frame

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// TestEncodersMatchLibrary: the encoders return the library's frames, at all lengths where the form of the header changes.
func TestEncodersMatchLibrary(t *testing.T) {
	const before = "before"
	mask := [4]byte{0xf1, 0x02, 0x83, 0x74}
	for _, n := range []int{0, 1, 3, 125, 126, 127, 65535, 65536, 70000} {
		payload := bytes.Repeat([]byte("é"), n)[:n]
		plain := func(op ws.OpCode) []byte { return ws.MustCompileFrame(ws.NewFrame(op, true, payload)) }
		check := func(what string, got, want []byte) {
			t.Helper()
			if !bytes.Equal(got, append([]byte(before), want...)) {
				t.Errorf("%s of %d bytes differs from the library's frame", what, n)
			}
		}
		check("AppendText", AppendText([]byte(before), payload), plain(ws.OpText))
		check("AppendText of a string", AppendText([]byte(before), string(payload)), plain(ws.OpText))
		check("AppendHeader", append(AppendHeader([]byte(before), Binary, n), payload...), plain(ws.OpBinary))
		masked := ws.MustCompileFrame(ws.MaskFrameWith(ws.NewTextFrame(payload), mask))
		check("AppendMasked", AppendMasked([]byte(before), Text, payload, mask), masked)
		if n <= maxControl {
			check("AppendPing", AppendPing([]byte(before), payload), plain(ws.OpPing))
			check("AppendPong", AppendPong([]byte(before), payload), plain(ws.OpPong))
		}
		if got, want := HeaderLen(n), len(AppendHeader(nil, Text, n)); got != want {
			t.Errorf("HeaderLen(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestAppendMaskedKeepsPayload(t *testing.T) {
	payload := []byte("unchanged")
	AppendMasked(nil, Text, payload, [4]byte{1, 2, 3, 4})
	if string(payload) != "unchanged" {
		t.Errorf("the payload became %q", payload)
	}
}

func TestControlPayloadIsCut(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, 126)
	if got, want := AppendPing(nil, long), ws.MustCompileFrame(ws.NewPingFrame(long[:125])); !bytes.Equal(got, want) {
		t.Errorf("ping: % x", got)
	}
	if got, want := AppendPong(nil, long), ws.MustCompileFrame(ws.NewPongFrame(long[:125])); !bytes.Equal(got, want) {
		t.Errorf("pong: % x", got)
	}
}

func TestAppendClose(t *testing.T) {
	tests := []struct {
		name   string
		code   uint16
		reason string
		want   string
	}{
		{"no code", 0, "unseen", "\x88\x00"},
		{"no reason", 1000, "", "\x88\x02\x03\xe8"},
		{"reason", 1012, "bye", "\x88\x05\x03\xf4bye"},
		{"code that must not be sent", 1005, "unseen", "\x88\x00"},
		{"longest", 1008, strings.Repeat("r", 123), "\x88\x7d\x03\xf0" + strings.Repeat("r", 123)},
		{"too long", 1008, strings.Repeat("r", 124), "\x88\x7d\x03\xf0" + strings.Repeat("r", 123)},
		{"cut before a character", 1008, strings.Repeat("r", 121) + "€", "\x88\x7b\x03\xf0" + strings.Repeat("r", 121)},
		{"cut after a character", 1008, strings.Repeat("r", 120) + "€€", "\x88\x7d\x03\xf0" + strings.Repeat("r", 120) + "€"},
		{"not UTF-8", 1008, "a\xff\xfeb", "\x88\x07\x03\xf0a\uFFFDb"},
		{"not UTF-8, too long", 1008, strings.Repeat("\x80r", 62), "\x88\x7d\x03\xf0" + strings.Repeat("\uFFFDr", 30) + "\uFFFD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := AppendClose([]byte("before"), tt.code, tt.reason); string(got) != "before"+tt.want {
				t.Errorf("got %q, want %q", got[len("before"):], tt.want)
			}
		})
	}
}

func TestCloseCode(t *testing.T) {
	tests := []struct {
		payload string
		code    uint16
		reason  string
	}{
		{"", 1005, ""},
		{"\x03", 1005, ""},
		{"\x03\xe8", 1000, ""},
		{"\x0f\xa0bye", 4000, "bye"},
	}
	for _, tt := range tests {
		if code, reason := CloseCode([]byte(tt.payload)); code != tt.code || reason != tt.reason {
			t.Errorf("CloseCode(%q) = %d, %q, want %d, %q", tt.payload, code, reason, tt.code, tt.reason)
		}
	}
}

// TestCloseCodes: all close codes follow RFC 6455, section 7.4, and the IANA registry.
func TestCloseCodes(t *testing.T) {
	for n := range 1 << 16 {
		code := uint16(n)
		var want bool
		switch code {
		case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014:
			want = true
		default:
			want = code >= 3000 && code <= 4999
		}
		body := []byte{byte(code >> 8), byte(code)}
		err := checkClose(body)
		if (err == nil) != want || err != nil && err.Code != 1002 {
			t.Errorf("a close frame with code %d: error %v, want it accepted: %v", code, err, want)
		}
		if sent := len(AppendClose(nil, code, "")) == 4; sent != want {
			t.Errorf("AppendClose sends code %d: %v, want %v", code, sent, want)
		}
	}
}

func TestEncodersDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1<<10)
	payload := bytes.Repeat([]byte{'x'}, 200)
	text, reason := string(payload), strings.Repeat("é", 100)
	for name, encode := range map[string]func(){
		"AppendText":           func() { AppendText(dst, payload) },
		"AppendText, a string": func() { AppendText(dst, text) },
		"AppendPing":           func() { AppendPing(dst, payload) },
		"AppendPong":           func() { AppendPong(dst, payload) },
		"AppendClose":          func() { AppendClose(dst, 1008, reason) },
		"AppendHeader":         func() { AppendHeader(dst, Text, 1<<20) },
		"AppendMasked":         func() { AppendMasked(dst, Text, payload, [4]byte{1, 2, 3, 4}) },
	} {
		if n := testing.AllocsPerRun(100, encode); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	payload := bytes.Repeat([]byte{'x'}, 200)
	dst := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		AppendText(dst, payload)
	}
}
