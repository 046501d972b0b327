package client

import (
	"time"

	"ramai/wire"
)

// An Event is something that happened.
//
// Frame is what the server sent: [wire.Welcomed], [wire.Joined], [wire.Message], [wire.Gap], [wire.Saved],
// [wire.Refused], [wire.Presence], [wire.Typing], [wire.Name], [wire.Restarting], or [wire.Unknown] from a newer
// server; or one of this package's own: [Disconnected], [Failed], [Line], [Unconfirmed].
//
// What is said is settled by whichever comes first: its wire.Saved, its echo (a wire.Message with the own By and ID),
// a wire.Refused with RetryAfterMS 0, a Line with its ID, or Unconfirmed. A wire.Refused with RetryAfterMS > 0 tells
// why the client waits before it sends the same again.
type Event struct {
	Frame wire.Frame
	Raw   []byte // the frame or line as it came; nil if none did
}

// Disconnected says that the connection is gone, or that an attempt to get a new one failed.
type Disconnected struct {
	Err  error
	Wait time.Duration // until the next attempt
}

// Failed says that the server would not do what was asked. Request is the Join or Name that failed, or nil if it cannot
// be known which frame was meant. What History and Who ask for fails there.
type Failed struct {
	Request wire.Frame
	wire.Error
}

// Line is a line of the plain door, other than the welcome, which comes as a wire.Welcomed with nothing but its Text.
type Line struct {
	Text string
	ID   string // of the Say whose echo this is, or empty
}

// Unconfirmed says that a line was sent over the plain door and that the connection broke before its echo came: it was
// said or it was not, and it is not sent again. Over ramai.v1 it says that of a text that was sent first more than six days
// ago, and never confirmed: the server knows ids for a week ([wire.IDLife]), so another try might say it twice.
type Unconfirmed struct {
	ID   string
	Text string
}

// Type implements wire.Frame. These types never travel.
func (Disconnected) Type() string { return "disconnected" }
func (Line) Type() string         { return "line" }
func (Unconfirmed) Type() string  { return "unconfirmed" }
