package chat

import (
	"context"
	"time"

	"ramai/internal/store/search"
	"ramai/wire"
)

// searchCost is the number of events that a search costs, in addition to its time: as much as two reads.
const searchCost = 2 * readCost

// Search searches the messages. The time of the query is charged, too.
func (s *Service) Search(ctx context.Context, a *Actor, q search.Query) (*wire.SearchResponse, error) {
	now, addr := s.cfg.Now(), a.Addr.Addr()
	wait := s.rates.TakeSearch(now, a.SenderID, addr)
	if wait == 0 {
		wait = s.rates.Take(now, a.SenderID, addr, searchCost)
	}
	if wait > 0 {
		return nil, rateLimited(wait)
	}
	return s.SearchAgain(ctx, a, q)
}

// SearchAgain is Search for a query that was already counted, except for its time.
func (s *Service) SearchAgain(ctx context.Context, a *Actor, q search.Query) (*wire.SearchResponse, error) {
	if q.Room != "" {
		if err := s.MayRead(a, q.Room); err != nil {
			return nil, err
		}
	}
	addr := a.Addr.Addr()
	q.From = Network(addr)
	q.CanRead = func(room string) bool { return s.MayRead(a, room) == nil }
	q.Ran = func(took time.Duration) { s.rates.Searched(s.cfg.Now(), a.SenderID, addr, took) }
	found, err := s.cfg.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	return found, nil
}
