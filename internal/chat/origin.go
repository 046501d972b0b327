package chat

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// origins are the hashes of an address with the keys that are in use.
type origins struct {
	since          wire.Time // of the newest key; 0: nothing was hashed
	newest, former eventlog.Origin
}

// withOrigin adds the origin of an actor to a command.
func (s *Service) withOrigin(a *Actor, c eventlog.Command) eventlog.Command {
	o := s.originsOf(a)
	c.Origin, c.FormerOrigin = o.newest, o.former
	return c
}

// originsOf returns the hashes of an actor's address. They are zero if the address says nothing about the client: it is that of
// this machine or of a trusted proxy, or unknown.
func (s *Service) originsOf(a *Actor) origins {
	keys := s.cfg.Store.AddressKeys()
	if len(keys) == 0 || s.cfg.Store.Level() < eventlog.HoldLevel {
		return origins{}
	}
	if newest := keys[len(keys)-1].Since; a.origins.since != newest {
		a.origins = s.hash(a.Addr.Addr(), keys)
	}
	return a.origins
}

// hash hashes an address with the newest keys.
func (s *Service) hash(addr netip.Addr, keys []eventlog.AddressKey) (o origins) {
	newest := &keys[len(keys)-1]
	o.since = newest.Since
	if !s.hasOrigin(addr) {
		return o
	}
	network := Network(addr).Addr()
	o.newest = originOf(newest, network)
	if len(keys) > 1 && s.cfg.Now().Sub(keys[len(keys)-2].Since.Std()) < eventlog.OriginLife {
		o.former = originOf(&keys[len(keys)-2], network)
	}
	return o
}

// hasOrigin reports whether an address says something about its client.
func (s *Service) hasOrigin(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsLoopback() && (s.cfg.IsProxy == nil || !s.cfg.IsProxy(addr))
}

// originOf hashes an address with a key.
func originOf(key *eventlog.AddressKey, addr netip.Addr) (o eventlog.Origin) {
	h := hmac.New(sha256.New, []byte(key.Secret))
	b := addr.As16()
	h.Write(b[:])
	copy(o[:], h.Sum(nil))
	return o
}
