package server

import (
	"log/slog"
	"time"
)

// saying logs that nothing can be said, once for each reason, and once that it can be again.
type saying struct {
	logger *slog.Logger
	now    func() time.Time
	reason string    // as it was logged; empty: all is well
	since  time.Time // when it was not
}

// look is told now and then why nothing can be said; nil: it can.
func (s *saying) look(why error) {
	switch {
	case why != nil && s.reason != why.Error():
		if s.reason == "" {
			s.since = s.now()
		}
		s.reason = why.Error()
		s.logger.Error("saying is refused", "why", s.reason)
	case why == nil && s.reason != "":
		s.logger.Info("saying works again", "why_not", s.reason, "after", s.now().Sub(s.since).Round(time.Second).String())
		s.reason = ""
	}
}
