package session

import (
	"net/netip"
	"time"

	"ramai/wire"
)

// Search lets a sender at an address search, if the rates allow that now. find says how long it ran, which is counted.
func (e *Env) Search(by string, addr netip.Addr, find func(from netip.Prefix, ran func(time.Duration)) (*wire.SearchResponse, *wire.CodedError)) (*wire.SearchResponse, *wire.CodedError) {
	now := e.Now()
	wait := e.Rates.TakeSearch(now, by, addr)
	if wait == 0 {
		wait = e.Rates.Take(now, by, addr, SearchCost)
	}
	if wait > 0 {
		return nil, tooFast(max(wait, time.Millisecond))
	}
	return find(Network(addr), func(took time.Duration) { e.Rates.Searched(e.Now(), by, addr, took) })
}
