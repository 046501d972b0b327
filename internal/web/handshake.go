package web

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gobwas/httphead"

	"ramai/internal/frame"
	"ramai/internal/httpfield"
	"ramai/wire"
)

// version is the only version of the WebSocket protocol (RFC 6455).
const version = "13"

// upgradeRequest is the result of a handshake.
type upgradeRequest struct {
	key       string
	v1        bool            // the subprotocol is ramai.v1; false: there is none
	deflate   bool            // permessage-deflate is negotiated
	extension httphead.Option // the extension in the response
}

// parseHandshake checks the client's handshake (RFC 6455, section 4.2.1). An error comes with a status.
func parseHandshake(r *http.Request) (hs *upgradeRequest, status int, _ *wire.CodedError) {
	refuse := func(status int, reason string) (*upgradeRequest, int, *wire.CodedError) {
		return nil, status, &wire.CodedError{Code: wire.BadRequest, Reason: reason}
	}
	keys, versions := r.Header.Values("Sec-WebSocket-Key"), httpfield.List(r.Header.Values("Sec-WebSocket-Version"))
	switch {
	case !r.ProtoAtLeast(1, 1) || r.ProtoMajor > 1:
		return refuse(http.StatusBadRequest, "a WebSocket begins with a request of HTTP/1.1, and this one is of "+r.Proto)
	case !httpfield.Has(r.Header.Values("Connection"), "upgrade"):
		return refuse(http.StatusBadRequest, "the request has Upgrade: websocket, but not Connection: Upgrade, which a proxy has to pass on too")
	case len(versions) == 0:
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Version is missing; it has to be "+version)
	case !slices.Equal(versions, []string{version}):
		return refuse(http.StatusUpgradeRequired, fmt.Sprintf("Sec-WebSocket-Version is %.40q; it has to be %s", strings.Join(versions, ", "), version))
	case len(keys) != 1 || !isKey(keys[0]):
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key has to be 16 bytes in base64, once")
	}
	hs = &upgradeRequest{key: keys[0], v1: slices.Contains(httpfield.List(r.Header.Values("Sec-WebSocket-Protocol")), wire.Protocol)}
	for _, line := range r.Header.Values("Sec-WebSocket-Extensions") {
		offers, ok := httphead.ParseOptions([]byte(line), nil)
		if !ok {
			return refuse(http.StatusBadRequest, "Sec-WebSocket-Extensions is not well-formed")
		}
		for _, offer := range offers {
			if !hs.deflate { // the first acceptable offer is used
				hs.extension, _, hs.deflate = frame.AnswerDeflate(offer, frame.TextBits)
			}
		}
	}
	return hs, 0, nil
}

func isKey(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(b) == 16
}

// response is the server's handshake (section 4.2.2).
func (hs *upgradeRequest) response() []byte {
	sum := sha1.Sum([]byte(hs.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	b.WriteString("Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n")
	if hs.v1 {
		b.WriteString("Sec-WebSocket-Protocol: " + wire.Protocol + "\r\n")
	}
	if hs.deflate {
		b.WriteString("Sec-WebSocket-Extensions: ")
		httphead.WriteOptions(&b, []httphead.Option{hs.extension})
		b.WriteString("\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
