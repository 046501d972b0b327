package wire

import "time"

// Code is the machine-readable reason of a refusal. The list is closed, so clients may switch over it.
type Code string

// The codes of ramai.v1.
const (
	BadFrame    Code = "bad_frame"    // not a JSON object with a type
	BadRequest  Code = "bad_request"  // a field is missing or wrong
	TooLong     Code = "too_long"     // the text is longer than the limit
	RateLimited Code = "rate_limited" // too fast; try again after RetryAfter
	NotAllowed  Code = "not_allowed"  // a rule of the server forbids it
	NameTaken   Code = "name_taken"   // another sender has the name, or one that looks like it
	IDReused    Code = "id_reused"    // the id was used for another text
	Gone        Code = "gone"         // the message was deleted
	Closed      Code = "closed"       // the poll is closed
	Unavailable Code = "unavailable"  // not possible now; trying again later may succeed
	Internal    Code = "internal"     // an error of the server
)

// Codes returns all codes.
func Codes() []Code {
	return []Code{BadFrame, BadRequest, TooLong, RateLimited, NotAllowed, NameTaken, IDReused, Gone, Closed, Unavailable, Internal}
}

// A CodedError is a refusal: a code for machines and a sentence for people.
type CodedError struct {
	Code       Code
	Reason     string        // what is wrong and what would be right
	RetryAfter time.Duration // > 0: trying again after that may succeed
}

// Error returns the code and the reason.
func (e *CodedError) Error() string { return string(e.Code) + ": " + e.Reason }

// Close codes used by sessions (RFC 6455 section 7.4.1). Those about frames come from the decoder.
const (
	CloseProtocolError = 1002
	ClosePolicy        = 1008
	CloseRestart       = 1012 // reconnect: the server restarts
	CloseTryAgain      = 1013 // reconnect: the server has no memory for what the client sends
)
