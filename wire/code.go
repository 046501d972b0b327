package wire

import "time"

// Code says for machines why something was refused. The list is closed: a client may switch over it.
type Code string

// The codes of ramai.v1.
const (
	BadFrame    Code = "bad_frame"    // not a JSON object with a type
	BadRequest  Code = "bad_request"  // understood, but a field is missing or wrong
	TooLong     Code = "too_long"     // the text is longer than the limit
	RateLimited Code = "rate_limited" // too fast; RetryAfter says when it will do
	NotAllowed  Code = "not_allowed"  // a rule of the server forbids it
	NameTaken   Code = "name_taken"   // somebody holds the name, or one that looks like it
	IDReused    Code = "id_reused"    // the id was used for another text
	Unavailable Code = "unavailable"  // not now; the same again later may do
	Internal    Code = "internal"     // a fault of the server
)

// Codes are all of them.
func Codes() []Code {
	return []Code{BadFrame, BadRequest, TooLong, RateLimited, NotAllowed, NameTaken, IDReused, Unavailable, Internal}
}

// An CodedError is a refusal: a code for machines, a sentence for people.
type CodedError struct {
	Code       Code
	Reason     string        // what was wrong and what would be right
	RetryAfter time.Duration // > 0: trying again after that helps
}

// CodedError returns the code and the reason.
func (e *CodedError) Error() string { return string(e.Code) + ": " + e.Reason }

// Close codes that a session chooses (RFC 6455 section 7.4.1); those about frames come from the decoder.
const (
	CloseProtocolError = 1002
	ClosePolicy        = 1008
	CloseRestart       = 1012 // come back: the server starts again
	CloseTryAgain      = 1013 // come back: the server has no memory for what the client sends
)
