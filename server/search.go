package server

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"ramai/internal/store/search"
	"ramai/wire"
)

// searchCost is what a search takes of the rates: as much as two reads of the past.
const searchCost = 4

// search answers GET /api/v1/search?q=&room=&before=&limit=.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	found, err := s.find(r)
	if err != nil {
		if err.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(err.RetryAfter.Seconds()))))
		}
		refuse(w, searchStatus(err.Code), err.Code, err.Reason)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.Encode(found) // an error is that of a client who is gone
}

func (s *Server) find(r *http.Request) (*wire.Found, *wire.Error) {
	by, err := bearer(r)
	if err != nil {
		return nil, err
	}
	address, _ := netip.ParseAddrPort(r.RemoteAddr)
	if wait := s.env.Rates.Take(s.cfg.Now(), by, address.Addr(), searchCost); wait > 0 {
		return nil, &wire.Error{Code: wire.RateLimited, Reason: "too fast; wait, then search again", RetryAfter: max(wait, time.Millisecond)}
	}
	values := r.URL.Query()
	q := search.Query{Words: values.Get("q"), Room: values.Get("room"), Before: values.Get("before")}
	if limit := values.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 || n > wire.MaxHits {
			return nil, &wire.Error{Code: wire.BadRequest, Reason: fmt.Sprintf("limit is a number from 1 to %d", wire.MaxHits)}
		}
		q.Limit = n
	}
	return s.index.Search(r.Context(), q)
}

// bearer returns the sender that a request names by its session; empty: nobody, who is told apart by address alone.
func bearer(r *http.Request) (string, *wire.Error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", nil
	}
	secret, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || wire.CheckSession(secret) != nil {
		return "", &wire.Error{Code: wire.NotAllowed, Reason: "Authorization is Bearer and a session, 22 characters of base64url; or leave it out"}
	}
	return wire.By(secret), nil
}

func searchStatus(code wire.Code) int {
	switch code {
	case wire.BadRequest:
		return http.StatusBadRequest
	case wire.NotAllowed:
		return http.StatusUnauthorized
	case wire.TooLong:
		return http.StatusRequestEntityTooLarge
	case wire.RateLimited:
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}
