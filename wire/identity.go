package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
)

// Sizes of a session secret and of the public sender that is derived from it, in characters of base64url.
const (
	SessionLen  = 22 // 128 bits
	SenderIDLen = 16 // 96 bits
)

// NewSession draws a session, a secret of 128 bits, from random.
func NewSession(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// CheckSession tells whether s has the form of a session: 22 characters of base64url. Any such string is one.
func CheckSession(s string) *CodedError {
	if len(s) != SessionLen || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: "a session is 22 characters of base64url, as the welcome gave it"}
	}
	return nil
}

// SenderIDOf derives the public sender from a session: the first 96 bits of SHA-256 over its characters, in base64url.
func SenderIDOf(session string) string {
	sum := sha256.Sum256([]byte(session))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
