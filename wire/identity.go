package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
)

// Lengths of a session secret and of the sender id derived from it, in characters of base64url.
const (
	SessionLen  = 22 // 128 bits
	SenderIDLen = 16 // 96 bits
)

// NewSession returns a new session secret of 128 bits, read from random.
func NewSession(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// CheckSession checks the form of a session secret: 22 characters of base64url.
func CheckSession(s string) *CodedError {
	if len(s) != SessionLen || !only(s, idByte) {
		return &CodedError{Code: BadRequest, Reason: "a session has 22 characters of base64url, as in the welcome"}
	}
	return nil
}

// SenderIDOf returns the sender id of a session: the first 96 bits of SHA-256 over its characters, in base64url.
func SenderIDOf(session string) string {
	sum := sha256.Sum256([]byte(session))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
