package eventlog

import (
	"fmt"
	"time"
)

// maxMaxRooms is the highest limit of rooms.
const maxMaxRooms = 1<<31 - 1

// Limits are settings that Decide depends on. They are stored, so that all nodes have the same.
type Limits struct {
	_        struct{} `cbor:",toarray"`
	MaxRooms int      // maximum number of rooms, besides the lobby; 0: any number

	EditWindow time.Duration // how long authors may change a message; 0: nobody may change one
}

// ConfigureBody is the body of a Configure: Limits apply from now on. Repeated, the command changes nothing, unless other
// limits were set meanwhile; a node submits it only at its start, and only if the limits differ from its own.
type ConfigureBody struct {
	_      struct{} `cbor:",toarray"`
	Limits Limits
}

func (ConfigureBody) kind() Kind { return Configure }

type configureKind struct {
	onDemand
	withBody[ConfigureBody]
	noRecords
}

func (configureKind) name() string { return "configure" }

func (configureKind) check(c *Command) error {
	body, err := bodyOf[ConfigureBody](c)
	if err != nil {
		return err
	}
	if n := body.Limits.MaxRooms; n < 0 || n > maxMaxRooms {
		return fmt.Errorf("a configure command has the limit of %d rooms, want 0 to %d", n, maxMaxRooms)
	}
	if d := body.Limits.EditWindow; d < 0 || d > MaxEditWindow {
		return fmt.Errorf("a configure command has the edit window %v, want 0 to %v", d, MaxEditWindow)
	}
	return checkHead(c, 0)
}

func (configureKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ConfigureBody](o.Command)
	if err != nil {
		return err
	}
	c.limits = body.Limits
	return tx.PutLimits(c.limits)
}

// Limits returns the limits that apply.
func (s *State) Limits() Limits {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.limits
}
