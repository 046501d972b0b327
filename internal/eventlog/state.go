package eventlog

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ramai/wire"
)

// State is the part of a store that is held in memory: small, and everything that Decide needs besides the ids. A store
// fills it with Snapshot.LoadInto when it opens. After that only Delta.CommitTo changes it, so it is never ahead of the disk.
type State struct {
	mu             sync.RWMutex // for all below; written only by the goroutine that applies
	allBounds      map[string]Bounds
	roomCount      int                         // rooms that have messages, without those of moderators and owners
	removedLast    map[RemovedSlot]uint64      // of removed rooms
	newestTimes    map[string]wire.Time        // of the newest message of each room
	leases         map[string]NameLease        // by sender
	leaseKeys      map[string]string           // sender by each part of the key
	registrations  map[string]NameRegistration // by key
	registeredKeys map[string]string           // the key of a registration, by each part of it
	registeredBy   map[string]int              // registrations of each sender
	ids            IDGeneration
	limits         Limits
	level          uint64
	nodes          map[string]NodeState
	others         map[string][]wire.Range // by room, ascending; replaced, never changed. See others.go
	settings       map[string]roomSettings // by room; see settings.go
	ruleSets       map[string]ruleSet      // by room; none is 0
	owned          map[string]int          // rooms that a sender owns; none is 0
	ends           map[roomKey]wire.Time   // when rules end that have an end

	addressKeys []AddressKey // the newest one last; replaced, never changed

	held map[string]HeldCount // entries in Held and HeldDecisions, by room; none is 0

	link  Link   // the newest since the store was opened
	links []Link // by position modulo keptLinks; nil: there is none

	erasures map[string][]*Erasure // by room, ascending; lists and erasures are replaced, never changed

	pending map[string]int       // how many messages are pending, by room; none is 0
	tallies map[string]TallyTime // the newest of each room

	epoch  Epoch                 // the newest
	newest atomic.Pointer[Epoch] // epoch, for readers without mu; written with mu held
	epochs map[string]uint64     // numbers of the known epochs, by name
	spans  map[string][]Span     // by room, ascending; replaced, never changed. Lower numbers are of the first span or before it
}

// A Snapshot is the content of a State. Maps may be nil.
type Snapshot struct {
	Bounds        map[string]Bounds
	NewestTimes   map[string]wire.Time // of the newest message of each room
	RemovedLast   map[RemovedSlot]uint64
	Leases        []NameLease
	Registrations []NameRegistration
	IDs           IDGeneration
	Epochs        []Epoch
	Spans         map[string][]Span       // by room, ascending
	Others        map[string][]wire.Range // by room, ascending; see Others
	Settings      map[string][]Setting    // by room
	Erasures      []*Erasure
	AddressKeys   []AddressKey
	Pending       map[string]int       // by room; none is 0
	Held          map[string]HeldCount // by room; none is zero
	Tallies       map[string]TallyTime
	Limits        Limits
	Level         uint64
	Nodes         map[string]NodeState
}

// LoadInto replaces everything in s, which keeps the maps.
func (from *Snapshot) LoadInto(s *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allBounds, s.removedLast, s.newestTimes = orEmpty(from.Bounds), orEmpty(from.RemovedLast), orEmpty(from.NewestTimes)
	s.ids, s.limits, s.level, s.nodes = from.IDs, from.Limits, from.Level, orEmpty(from.Nodes)
	s.ids.Number = max(s.ids.Number, 1)
	s.others, s.pending, s.tallies, s.held = orEmpty(from.Others), orEmpty(from.Pending), orEmpty(from.Tallies), orEmpty(from.Held)
	s.roomCount = 0
	for room, b := range s.allBounds {
		if !b.Empty() && counted(room) {
			s.roomCount++
		}
	}
	s.loadSettings(from.Settings)
	s.loadErasures(from.Erasures)
	s.loadAddressKeys(from.AddressKeys)
	s.loadEpochs(from.Epochs, from.Spans)
	s.leases, s.leaseKeys = make(map[string]NameLease), make(map[string]string)
	for _, lease := range from.Leases {
		s.leases[lease.SenderID] = lease
		for _, part := range keyParts(lease.Key) {
			s.leaseKeys[part] = lease.SenderID
		}
	}
	s.registrations, s.registeredKeys, s.registeredBy = make(map[string]NameRegistration), make(map[string]string), make(map[string]int)
	for _, r := range from.Registrations {
		s.registrations[r.Key] = r
		for _, part := range keyParts(r.Key) {
			s.registeredKeys[part] = r.Key
		}
		s.registeredBy[r.SenderID]++
	}
}

func orEmpty[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

// Bounds implements Store.
func (s *State) Bounds(room string) Bounds {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bounds(room)
}

// bounds is Bounds for a caller that holds mu.
func (s *State) bounds(room string) Bounds {
	if b, ok := s.allBounds[room]; ok {
		return b
	}
	return boundsAfter(s.removedLast[RemovedSlotOf(room)])
}

// boundsAfter returns the bounds of a room without messages, in which last is the highest number that may have been used.
func boundsAfter(last uint64) Bounds { return Bounds{First: last + 1, Last: last} }

// AllBounds implements Store.
func (s *State) AllBounds() map[string]Bounds {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.allBounds)
}

// NewestTimes implements Store.
func (s *State) NewestTimes() map[string]wire.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.newestTimes)
}

// IDGeneration implements Store.
func (s *State) IDGeneration() IDGeneration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids
}

// ExpiredNames implements Store.
func (s *State) ExpiredNames(expiry, now wire.Time, limit int) (senders []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for sender, lease := range s.leases {
		if len(senders) == limit {
			break
		}
		if !lease.Bound && (lease.Used <= expiry || lease.Used > now) {
			senders = append(senders, sender)
		}
	}
	return senders
}

// Name implements Store.
func (s *State) Name(senderID string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.leases[senderID].Name
}

// RegisteredNames implements Store.
func (s *State) RegisteredNames() []NameRegistration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.registrations), func(a, b NameRegistration) int { return strings.Compare(a.Name, b.Name) })
}

// CanRegister implements Store.
func (s *State) CanRegister(senderID string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := Delta{state: s}
	if lease := c.lease(senderID); lease != nil && c.canRegister(lease) {
		return lease.Key
	}
	return ""
}

// CommitTo applies c to the state. It is called when c is on disk.
func (c *Delta) CommitTo(s *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.roomCount, s.limits, s.level = c.ids, c.roomCount, c.limits, c.level
	s.addressKeys = c.addressKeys
	maps.Copy(s.nodes, c.nodes)
	maps.Copy(s.removedLast, c.removedLast)
	maps.Copy(s.newestTimes, c.newestTimes)
	merge(s.allBounds, c.allBounds)
	for room, b := range c.allBounds {
		if b == (Bounds{}) {
			delete(s.newestTimes, room)
		}
	}
	for sender, lease := range c.leases {
		if lease == nil {
			delete(s.leases, sender)
		} else {
			s.leases[sender] = *lease
		}
	}
	merge(s.leaseKeys, c.leaseKeys)
	merge(s.registrations, c.registrations)
	merge(s.registeredKeys, c.registeredKeys)
	merge(s.registeredBy, c.registeredBy)
	merge(s.pending, c.pending)
	merge(s.held, c.held)
	merge(s.tallies, c.tallies)
	for room, others := range c.others {
		if len(others) == 0 { // the room was removed
			delete(s.others, room)
		} else {
			s.others[room] = others
		}
	}
	s.commitSettings(c)
	merge(s.owned, c.owned)
	s.commitErasures(c)
	s.commitEpochs(c)
	s.commitLink(c.link)
}

// merge copies changes into a map. A zero value deletes the key.
func merge[V comparable](into, changes map[string]V) {
	var zero V
	for key, v := range changes {
		if v == zero {
			delete(into, key)
		} else {
			into[key] = v
		}
	}
}
