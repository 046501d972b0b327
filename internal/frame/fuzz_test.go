package frame

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// FuzzDecoder decodes arbitrary bytes as a whole and in pieces. Both must have the same result, and accepted streams must
// decode as with a simple reader.
func FuzzDecoder(f *testing.F) {
	for _, tt := range ruleTests() {
		if len(tt.stream) < 2000 {
			f.Add([]byte(tt.stream), []byte{1}, tt.client, !tt.binary, tt.deflate)
			f.Add([]byte(tt.stream), []byte{2, 7, 1}, tt.client, !tt.binary, tt.deflate)
		}
	}
	f.Fuzz(func(t *testing.T, stream, sizes []byte, client, textOnly, deflate bool) {
		cfg := &Config{Client: client, TextOnly: textOnly, Deflate: deflate, MaxMessage: 200, MaxFragments: 3}
		whole := decode(t, cfg, string(stream), always(len(stream)))
		pieces := decode(t, cfg, string(stream), cycle(sizes))
		if !whole.same(pieces) {
			t.Fatalf("whole: %v\nin pieces: %v", whole, pieces)
		}
		for _, m := range whole.messages {
			if m.op == Text && !utf8.ValidString(m.payload) {
				t.Errorf("a text that is not UTF-8: %q", m.payload)
			}
			if m.op == Binary && textOnly {
				t.Errorf("a binary message: %q", m.payload)
			}
			if most := map[bool]int{true: maxControl, false: cfg.MaxMessage}[m.op.isControl()]; len(m.payload) > most {
				t.Errorf("opcode %#x with %d bytes, want at most %d", m.op, len(m.payload), most)
			}
		}
		if seen := reference(stream); whole.err == nil && !slices.Equal(seen, whole.messages) {
			t.Fatalf("messages %q, but the frames hold %q", whole.messages, seen)
		}
	})
}

// cycle returns a function that repeats sizes, each at least 1.
func cycle(sizes []byte) func() int {
	i := 0
	return func() int {
		if len(sizes) == 0 {
			return 1
		}
		i++
		return max(int(sizes[(i-1)%len(sizes)]), 1)
	}
}

// reference reads the messages of well-formed frames with the library.
func reference(stream []byte) (messages []message) {
	r := bytes.NewReader(stream)
	var data message
	var deflated bool
	for {
		h, err := ws.ReadHeader(r)
		if err != nil || h.Length > int64(r.Len()) {
			return messages
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return messages
		}
		if h.Masked {
			ws.Cipher(payload, h.Mask, 0)
		}
		if h.OpCode.IsControl() {
			messages = append(messages, message{Op(h.OpCode), string(payload)})
			continue
		}
		if h.OpCode != ws.OpContinuation {
			data, deflated = message{op: Op(h.OpCode)}, h.Rsv1()
		}
		data.payload += string(payload)
		if h.Fin && deflated {
			data.payload = unpacked(data.payload)
		}
		if h.Fin {
			messages = append(messages, data)
		}
	}
}

// unpacked inflates a valid payload with the library.
func unpacked(payload string) string {
	var text []byte
	r := strings.NewReader(payload + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")
	for r.Len() > 0 {
		b, err := io.ReadAll(io.LimitReader(flate.NewReader(r), 1<<20))
		if text = append(text, b...); err != nil {
			return "invalid: " + err.Error()
		}
	}
	return string(text)
}

// FuzzRoundTrip encodes payloads as a client and as a server, and decodes them again.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello"), []byte{3}, uint32(0x12345678))
	f.Add([]byte("\xff"), []byte{}, uint32(0))
	f.Add(bytes.Repeat([]byte{'x'}, 300), []byte{100, 1}, uint32(1))
	f.Fuzz(func(t *testing.T, payload, sizes []byte, key uint32) {
		mask := [4]byte{byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key)}
		ping := payload[:min(len(payload), maxControl)]
		want := []message{{Binary, string(payload)}, {Ping, string(ping)}, {Pong, string(ping)}}

		fromClient := AppendMasked(nil, Binary, payload, mask)
		fromClient = AppendMasked(fromClient, Ping, ping, mask)
		fromClient = AppendMasked(fromClient, Pong, ping, mask)
		fromServer := append(AppendHeader(nil, Binary, len(payload)), payload...)
		fromServer = AppendPing(fromServer, payload)
		fromServer = AppendPong(fromServer, payload)
		if utf8.Valid(payload) {
			want = append(want, message{Text, string(payload)})
			fromClient = AppendMasked(fromClient, Text, payload, mask)
			fromServer = AppendText(fromServer, payload)
			want = append(want, message{Text, string(payload)})
			fromClient = append(fromClient, compressed(true, Text, packed(string(payload)))...)
			fromServer = AppendDeflated(fromServer, payload)
		}

		for client, stream := range map[bool][]byte{false: fromClient, true: fromServer} {
			cfg := &Config{Client: client, Deflate: true, MaxMessage: 2*len(payload) + 100, MaxFragments: 1}
			r := decode(t, cfg, string(stream), cycle(sizes))
			if r.err != nil || r.partial || !slices.Equal(r.messages, want) {
				t.Fatalf("client %v: %v, want %q", client, r, want)
			}
		}
	})
}

// FuzzAppendClose checks that our decoder accepts every close frame that AppendClose returns.
func FuzzAppendClose(f *testing.F) {
	f.Add(uint16(1000), "bye")
	f.Add(uint16(1005), "\xff")
	f.Fuzz(func(t *testing.T, code uint16, reason string) {
		r := decode(t, &Config{Client: true}, string(AppendClose(nil, code, reason)), always(200))
		if r.err != nil || len(r.messages) != 1 || r.partial {
			t.Fatalf("AppendClose(%d, %q) decodes to %v", code, reason, r)
		}
	})
}
