package session

import (
	"time"
)

// phase is a phase of the server's shutdown.
type phase uint8

const (
	phaseRunning phase = iota
	phaseQuiet         // nothing more is read from the client
	phaseLeaving       // say goodbye once everything has been sent
	phaseForced        // say goodbye now
)

// Quiet stops reading from the client. It is the first phase of a shutdown.
func (s *Session) Quiet() { s.shutdownPhase(phaseQuiet, 0) }

// Leave says goodbye once everything has been sent. The client is asked to reconnect after retry.
func (s *Session) Leave(retry time.Duration) {
	s.shutdownPhase(phaseLeaving, retry)
}

// Force says goodbye at once. The client is asked to reconnect after retry.
func (s *Session) Force(retry time.Duration) { s.shutdownPhase(phaseForced, retry) }

// shutdownPhase stores a phase in the lowest byte, and above it the retry time in milliseconds.
func (s *Session) shutdownPhase(p phase, retry time.Duration) {
	s.stop.Store(retry.Milliseconds()<<8 | int64(p))
	s.conn.Wake()
}

func (s *Session) stopPhase() phase { return phase(s.stop.Load() & 0xff) }

func (s *Session) reconnectAfter() time.Duration {
	return time.Duration(s.stop.Load()>>8) * time.Millisecond
}
