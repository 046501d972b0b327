package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/session"
	"ramai/internal/token"
	"ramai/wire"
)

// Tokens says which JSON Web Tokens sign people in.
type Tokens struct {
	KeyFile  string // public key of the issuer in PEM, or a secret that it shares with this server
	JWKS     string // instead: URL of the issuer's key set
	Issuer   string // the iss of the tokens
	Audience string // in the aud of the tokens
}

// verifier returns the verifier of tokens; nil: none are accepted.
func (c *Config) verifier() (*token.Verifier, error) {
	if c.Tokens == (Tokens{}) {
		return nil, nil
	}
	return token.New(token.Config{
		Issuer: c.Tokens.Issuer, Audience: c.Tokens.Audience, KeyFile: c.Tokens.KeyFile, JWKS: c.Tokens.JWKS, Now: c.Now, Logger: c.Logger,
	})
}

// runTokens keeps the issuer's keys up to date until the server stops.
func (s *Server) runTokens() {
	ctx, cancel := context.WithCancel(context.Background())
	var canceller sync.WaitGroup
	canceller.Go(func() {
		<-s.quit
		cancel()
	})
	s.tokens.Run(ctx)
	canceller.Wait() // with a key file Run returns at once
}

// noteSessions collects the senders whose sessions have changed.
func (s *Server) noteSessions(outcomes []eventlog.Outcome) {
	affected := s.chat.Feed(outcomes)
	if len(affected) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.affected == nil {
		s.affected = make(map[string]bool)
	}
	for sender, signedOut := range affected {
		s.affected[sender] = s.affected[sender] || signedOut
	}
	select {
	case s.ended <- struct{}{}:
	default:
	}
}

const (
	recheckEvery = 100 * time.Millisecond // the shortest time between two passes over all sessions for those that have ended
	abortAfter   = 800 * time.Millisecond // after which a connection is aborted that could not be closed, because its socket is blocked
)

// recheck closes the connections of sessions that have ended.
func (s *Server) recheck() {
	for {
		select {
		case <-s.quit:
			return
		case <-s.ended:
		}
		s.mu.Lock()
		affected := s.affected
		s.affected = nil
		s.mu.Unlock()
		found := make(map[*session.Session]bool)
		s.each(func(c *session.Session) {
			if signedOut, is := affected[c.SenderID()]; is {
				found[c] = signedOut
			}
		})
		for c, signedOut := range found { // without mu: it reads the store
			if c.Recheck(signedOut) {
				time.AfterFunc(abortAfter, c.Abort)
			}
		}
		select {
		case <-s.quit:
			return
		case <-time.After(recheckEvery):
		}
	}
}

// listSenders lists the senders with a proof.
func (s *Server) listSenders(out http.ResponseWriter, _ *http.Request) {
	list, err := s.chat.Operator().KnownSenders(wire.TimeOf(s.cfg.Now()))
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for _, one := range list {
		if lines.Encode(one) != nil {
			return // the client is gone
		}
	}
}

// endSessions ends all sessions of a sender.
func (s *Server) endSessions(out http.ResponseWriter, r *http.Request) {
	by, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	if err != nil || len(by) != wire.SenderIDLen || wire.CheckID(string(by)) != nil {
		http.Error(out, fmt.Sprintf("the body must be a sender: the %d characters of the by of a message", wire.SenderIDLen), http.StatusBadRequest)
		return
	}
	if err := s.chat.Operator().EndSessions(r.Context(), string(by)); err != nil {
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	}
}
