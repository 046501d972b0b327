package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
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

// MaxToken is the length of the longest token, in bytes.
const MaxToken = 8 << 10

// CheckToken checks the form of a JWT: three parts of base64url, separated by dots.
func CheckToken(s string) *CodedError {
	if len(s) > MaxToken || strings.Count(s, ".") != 2 || !only(strings.ReplaceAll(s, ".", ""), idByte) {
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("a token is a JWT of at most %d bytes: three parts of base64url, separated by dots", MaxToken)}
	}
	return nil
}

// Link connects a second device to a sender. The new device sends it without a code, and is answered by LinkCode. A device of the
// sender sends the code, is answered by Linking with the name of the new device, and sends it again with Confirm. Then the new
// device receives a Welcome with a session of that sender.
type Link struct {
	Code    string `json:"code,omitempty"`    // see ParseLinkCode
	Confirm bool   `json:"confirm,omitempty"` // with a code: link the device
	Name    string `json:"name,omitempty"`    // without a code: what the other device calls this one, a line of at most MaxDevice bytes
}

// LinkCode has the code of a new device, as its user types it on a device of the sender.
type LinkCode struct {
	Code      string `json:"code"`
	ExpiresMS int64  `json:"expires_in_ms"`
	Ref       string `json:"ref,omitempty"` // of the request
}

// Linking answers Link on a device of the sender.
type Linking struct {
	Code   string `json:"code"`
	Name   string `json:"name"`             // of the new device, as it calls itself
	Linked bool   `json:"linked,omitempty"` // it is linked now
	Ref    string `json:"ref,omitempty"`    // of the request
}

// SignOut ends the session of this connection, or all sessions of its sender. Their connections are closed.
type SignOut struct {
	All bool `json:"all,omitempty"`
}

var (
	_ = request(Link{}, parseLink)
	_ = request(SignOut{}, parseSignOut)
	_ = answer[LinkCode]()
	_ = answer[Linking]()
)

// Type implements Frame.
func (Link) Type() string { return "link" }

// Type implements Frame.
func (LinkCode) Type() string { return "code" }

// Type implements Frame.
func (Linking) Type() string { return "linking" }

// Type implements Frame.
func (SignOut) Type() string { return "signout" }

// parseLink parses the request.
func parseLink(f fields) (Frame, string, *CodedError) {
	var l Link
	code, bad := f.string("code")
	if bad == nil && code != "" {
		l.Code, bad = ParseLinkCode(code)
	}
	if bad != nil {
		return nil, "code", bad
	}
	if l.Confirm, bad = f.flag("confirm"); bad == nil && l.Confirm && l.Code == "" {
		bad = &CodedError{Code: BadRequest, Reason: "it needs the code that is confirmed"}
	}
	if bad != nil {
		return nil, "confirm", bad
	}
	if l.Name, bad = f.string("name"); bad == nil && len(l.Name) > MaxDevice {
		bad = &CodedError{Code: TooLong, Reason: fmt.Sprintf("it has %d bytes; at most %d are allowed", len(l.Name), MaxDevice)}
	}
	if bad == nil {
		bad = checkLine(l.Name)
	}
	return l, "name", bad
}

// parseSignOut parses the request.
func parseSignOut(f fields) (Frame, string, *CodedError) {
	all, bad := f.flag("all")
	return SignOut{All: all}, "all", bad
}

const (
	// MaxDevice is the length of the longest name of a device, in bytes.
	MaxDevice = 100
	// LinkCodeLen is the number of characters of a code, which are letters and digits that nobody confuses.
	LinkCodeLen      = 8
	linkCodeAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
)

// NewLinkCode returns a new code of 40 bits, read from random.
func NewLinkCode(random io.Reader) (string, error) {
	var b [LinkCodeLen]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = linkCodeAlphabet[int(b[i])%len(linkCodeAlphabet)]
	}
	return string(b[:]), nil
}

// ParseLinkCode returns the code that was typed: small letters, spaces and hyphens do not matter.
func ParseLinkCode(s string) (string, *CodedError) {
	code := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s[:min(len(s), 4*LinkCodeLen)]))
	if len(code) != LinkCodeLen || strings.Trim(code, linkCodeAlphabet) != "" {
		return "", &CodedError{Code: BadRequest, Reason: fmt.Sprintf("a code has %d letters and digits, without I, O, 0 and 1; the other device shows it", LinkCodeLen)}
	}
	return code, nil
}
