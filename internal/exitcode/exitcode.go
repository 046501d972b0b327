// Package exitcode says what the program ends with, where a script can see it: as a process, and as a command over SSH.
package exitcode

import "errors"

// The codes. Docs and scripts rely on them.
const (
	Unconfirmed = 1 // something said is not confirmed
	Usage       = 2
	NoServer    = 3 // cannot connect the first time
	Refused     = 4
	Unusable    = 5 // the data folder or the port cannot be used
)

// Error is an error that decides the code.
type Error struct {
	Code int
	Err  error // nil: everything was said already
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap is for package errors.
func (e *Error) Unwrap() error { return e.Err }

// With makes an error that decides the code. err may be nil.
func With(code int, err error) error { return &Error{code, err} }

// Of returns the code of an error: 0 for none, and otherwise for one that decides nothing.
func Of(err error, otherwise int) int {
	if err == nil {
		return 0
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return otherwise
}
