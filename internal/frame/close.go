package frame

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// AppendClose appends an unmasked close frame. The reason is made valid UTF-8 and cut, between characters, to the 123
// bytes that fit. If code must not be sent, as 0 or the 1005 that [CloseCode] returns for an empty payload, the payload
// is empty, so a close frame can be answered with the code it came with.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if !isSendable(code) {
		return AppendHeader(dst, Close, 0)
	}
	reason = cut(strings.ToValidUTF8(reason, "\uFFFD"), maxControl-2)
	dst = AppendHeader(dst, Close, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, reason...)
}

// CloseCode parses the payload of a close frame. An empty one means 1005, "no status" (RFC 6455, section 7.1.5).
func CloseCode(payload []byte) (code uint16, reason string) {
	if len(payload) < 2 {
		return uint16(ws.StatusNoStatusRcvd), ""
	}
	return binary.BigEndian.Uint16(payload), string(payload[2:])
}

// checkClose checks the payload of a close frame (RFC 6455, sections 5.5.1 and 7.4).
func checkClose(payload []byte) *Error {
	if len(payload) == 0 {
		return nil
	}
	if len(payload) == 1 {
		return refuse(ws.StatusProtocolError, "a close frame with a body of 1 byte; send none, or a code of 2 bytes and a reason")
	}
	if code := binary.BigEndian.Uint16(payload); !isSendable(code) {
		return refuse(ws.StatusProtocolError,
			"close code %d may not be sent; use 1000-1003, 1007-1014 or 3000-4999", code)
	}
	if !utf8.Valid(payload[2:]) {
		return refuse(ws.StatusInvalidFramePayloadData, "the reason of a close frame is not valid UTF-8")
	}
	return nil
}

// isSendable reports whether a close frame may carry code: the codes of RFC 6455, section 7.4, and of the IANA registry
// that are not for internal use only, and the ranges for libraries and applications.
func isSendable(code uint16) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 || 3000 <= code && code <= 4999
}

// cut shortens s, which is valid UTF-8, to whole characters of at most n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
