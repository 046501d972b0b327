// Package exitcode defines the exit codes of the program, as a process and as a command over SSH.
package exitcode

import "errors"

// The exit codes. Documentation and scripts rely on them.
const (
	Unconfirmed = 1 // a message is not confirmed
	Usage       = 2
	NoServer    = 3 // the first connection failed
	Refused     = 4 // rejected by the server
	Unusable    = 5 // the data folder or the port cannot be used
)

// Error is an error with an exit code.
type Error struct {
	Code int
	Err  error // nil: already reported
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// With returns err with an exit code. err may be nil.
func With(code int, err error) error { return &Error{code, err} }

// Of returns the exit code of an error: 0 for nil, and fallback for an error without a code.
func Of(err error, fallback int) int {
	if err == nil {
		return 0
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return fallback
}
