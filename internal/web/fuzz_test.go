package web

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/gobwas/httphead"

	"ramai/internal/frame"
)

// FuzzHandshake looks for a handshake whose response is not well-formed, or has what was not asked for.
func FuzzHandshake(f *testing.F) {
	const key = "AAAAAAAAAAAAAAAAAAAAAA=="
	f.Add("Upgrade", "13", key, "ramai.v1", "permessage-deflate; client_max_window_bits")
	f.Add("keep-alive, upgrade", "13", key, "other, ramai.v1", `permessage-deflate; server_max_window_bits="12", x; y="a\"b"`)
	f.Fuzz(func(t *testing.T, connection, version, key, protocol, extensions string) {
		r := &http.Request{ProtoMajor: 1, ProtoMinor: 1, Proto: "HTTP/1.1", Header: http.Header{
			"Connection": {connection}, "Sec-Websocket-Version": {version}, "Sec-Websocket-Key": {key},
			"Sec-Websocket-Protocol": {protocol}, "Sec-Websocket-Extensions": {extensions},
		}}
		hs, status, bad := parseHandshake(r)
		if (hs == nil) != (bad != nil) || (hs == nil) != (status >= 400) {
			t.Fatalf("status %d, %v", status, bad)
		}
		if hs == nil {
			return
		}
		b := bufio.NewReader(bytes.NewReader(hs.response()))
		resp, err := http.ReadResponse(b, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || b.Buffered() > 0 {
			t.Fatalf("the response is %q, %v", hs.response(), err)
		}
		answer := resp.Header.Values("Sec-WebSocket-Extensions")
		if !hs.deflate {
			if len(answer) > 0 {
				t.Errorf("%q is answered with %q", extensions, answer)
			}
			return
		}
		got, ok := httphead.ParseOptions([]byte(answer[0]), nil)
		if !ok || len(answer) != 1 || len(got) != 1 {
			t.Fatalf("%q is answered with %q", extensions, answer)
		}
		if _, window, ok := frame.AnswerDeflate(got[0], frame.TextBits); !ok || window < frame.TextBits {
			t.Errorf("%q is answered with %q", extensions, answer)
		}
	})
}
