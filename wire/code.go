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
	NotAllowed  Code = "not_allowed"  // a rule of the server or of the room forbids it
	NameTaken   Code = "name_taken"   // another sender has the name, or one that looks like it
	IDReused    Code = "id_reused"    // the id was used for another text
	Gone        Code = "gone"         // the message was deleted
	Closed      Code = "closed"       // the poll is closed
	Held        Code = "held"         // a moderator of the room decides about the message
	Unavailable Code = "unavailable"  // not possible now; trying again later may succeed
	Internal    Code = "internal"     // an error of the server
)

// Codes returns all codes.
func Codes() []Code {
	return []Code{BadFrame, BadRequest, TooLong, RateLimited, NotAllowed, NameTaken, IDReused, Gone, Closed, Held, Unavailable, Internal}
}

// A CodedError is a refusal: a code for machines and a sentence for people.
type CodedError struct {
	Code       Code
	Reason     string        // what is wrong and what would be right
	RetryAfter time.Duration // > 0: trying again after that may succeed

	// Of a refusal by a rule of the room, so that clients can explain it in their language. Such a refusal has no RetryAfter,
	// which would delay what the client posts in other rooms.
	Rule   string // see the constants; empty: it was no rule
	Params Params // of the rule; may be nil
	Until  Time   // the rule does not refuse it after that; 0: the rule has no end
}

// Params are the parameters of a rule, by name: ParamRole and ParamSeconds, for example.
type Params map[string]Value

// Names of parameters.
const (
	ParamRole    = "role"    // a text: the role that would be allowed
	ParamSeconds = "seconds" // a number
	ParamAction  = "action"  // a text: Ban or Mute
	ParamHold    = "hold"    // a text: HoldFirst, HoldLinks or HoldAll
)

// Rules by which a room refuses, in the field rule. The others have the names of their keys: LockKey, MaySayKey, MayReactKey,
// MayLinkKey, NewcomerKey, SlowKey, and HoldKey.
const (
	RulePerson  = "person"  // the sender is banned or muted
	RuleRole    = "role"    // the sender's role is too low
	RuleAddress = "address" // the sender's address is banned or muted
	RuleReports = "reports" // with ParamSeconds: the sender has reported too many messages
)

// Error returns the code and the reason.
func (e *CodedError) Error() string { return string(e.Code) + ": " + e.Reason }

// Close codes used by sessions (RFC 6455 section 7.4.1). Those about frames come from the decoder.
const (
	CloseProtocolError = 1002
	ClosePolicy        = 1008
	CloseRestart       = 1012 // reconnect: the server has stopped, and may start again
	CloseTryAgain      = 1013 // reconnect: the server has no memory for what the client sends
)
