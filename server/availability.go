package server

import (
	"log/slog"
	"time"
)

// availability logs when messages are rejected, once for each reason, and when they are accepted again.
type availability struct {
	logger *slog.Logger
	now    func() time.Time
	reason string    // the logged reason; empty: messages are accepted
	since  time.Time // when messages were first rejected
}

// update is called from time to time with the reason why messages are rejected; nil: they are accepted.
func (a *availability) update(reason error) {
	switch {
	case reason != nil && a.reason != reason.Error():
		if a.reason == "" {
			a.since = a.now()
		}
		a.reason = reason.Error()
		a.logger.Error("messages are rejected", "reason", a.reason)
	case reason == nil && a.reason != "":
		a.logger.Info("messages are accepted again", "reason", a.reason, "duration", a.now().Sub(a.since).Round(time.Second))
		a.reason = ""
	}
}
