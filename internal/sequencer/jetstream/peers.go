package jetstream

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"ramai/internal/eventlog"
)

const (
	// protocol is the version of what members tell each other.
	protocol = 1
	// helloInterval is how often a member says that it runs.
	helloInterval = time.Second
	// silentAfter is when a member that has said nothing counts as absent.
	silentAfter = 5 * time.Second

	helloSubject = "ramai.member"
)

// A Hello is what a member says about itself, every second.
type Hello struct {
	Protocol int    `json:"protocol"`
	Name     string `json:"name"`
	Address  string `json:"address"`  // for members
	Run      string `json:"run"`      // drawn by each process
	Version  string `json:"version"`  // of the program
	Level    uint64 `json:"level"`    // of the program, see eventlog.Program
	Log      string `json:"log"`      // of its data; empty: it has none
	Joined   bool   `json:"joined"`   // the data belongs to a cluster
	Serves   bool   `json:"serves"`   // its data is open: it serves clients, and snapshots
	Position uint64 `json:"position"` // of its data, which is on its disk
	Starts   uint64 `json:"starts"`   // how often its replica was started
	Answers  bool   `json:"answers"`  // it answers candidates

	Link    eventlog.Link `json:"link"`    // the newest of the hash chain of its data
	Differs []string      `json:"differs"` // names of the members whose hash chain differs from its own

	Clock time.Time `json:"clock"`
}

// A Peer is a member that was heard.
type Peer struct {
	Hello
	Heard time.Time // with a monotonic reading
}

// peers is what a member knows about the others.
type peers struct {
	mu    sync.Mutex
	hello func() Hello    // guarded by mu; nil: nothing is said yet
	known map[string]Peer // guarded by mu; by name

	reached map[string]Reached // guarded by mu; by name
}

// Reached is the most that a member has said about itself. Its folder was set back if it has less.
type Reached struct {
	Position uint64 // of its data
	Starts   uint64 // of its replica, which may have voted in each
}

// Announce says hello from now on, with what hello returns, often during a pause, and listens to others.
func (n *Node) Announce(hello func() Hello) error {
	n.peers.mu.Lock()
	n.peers.hello = hello
	n.peers.mu.Unlock()
	if err := n.subscribe(helloSubject, n.heard); err != nil {
		return fmt.Errorf("listen to the other members: %w", err)
	}
	n.background.Go(func() {
		for {
			n.sayHello()
			interval := helloInterval
			if n.paused() {
				interval = pausedHello
			}
			select {
			case <-n.quit:
				return
			case <-n.pauses:
			case <-time.After(interval):
			}
		}
	})
	return nil
}

func (n *Node) sayHello() {
	n.peers.mu.Lock()
	hello := n.peers.hello
	n.peers.mu.Unlock()
	h := hello()
	h.Protocol, h.Name, h.Run, h.Address, h.Clock, h.Answers = protocol, n.opt.Name, n.run, n.opt.Address, n.opt.Now(), true
	b, err := json.Marshal(h)
	if err == nil {
		err = n.conn.Publish(helloSubject, b)
	}
	if err != nil { // said again in a second
		n.opt.Logger.Debug("cannot say hello to the other members", "err", err)
	}
}

// heard notes a hello. A member that was absent is answered at once.
func (n *Node) heard(m *nats.Msg) {
	var h Hello
	if err := json.Unmarshal(m.Data, &h); err != nil || h.Run == n.run {
		return
	}
	n.peers.mu.Lock()
	if n.peers.known == nil {
		n.peers.known, n.peers.reached = make(map[string]Peer), make(map[string]Reached)
	}
	r := n.peers.reached[h.Name]
	n.peers.reached[h.Name] = Reached{max(r.Position, h.Position), max(r.Starts, h.Starts)}
	before, known := n.peers.known[h.Name]
	n.peers.known[h.Name] = Peer{Hello: h, Heard: time.Now()}
	n.peers.mu.Unlock()
	if !known || before.Run != h.Run || time.Since(before.Heard) > silentAfter {
		n.sayHello()
	}
}

// Reached returns the most that a member has said about itself; zero: it was not heard.
func (n *Node) Reached(name string) Reached {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	return n.peers.reached[name]
}

// Peers returns the other members that were heard recently, by name.
func (n *Node) Peers() []Peer {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	var present []Peer
	for name, p := range n.peers.known {
		if time.Since(p.Heard) > silentAfter {
			delete(n.peers.known, name)
			continue
		}
		present = append(present, p)
	}
	slices.SortFunc(present, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	return present
}

// CheckPeers returns an error if a member that is present cannot be in one cluster with this one. own is what this member says.
func (n *Node) CheckPeers(own Hello) error {
	for _, p := range n.Peers() {
		now := p.Clock.Add(time.Since(p.Heard))
		ahead := now.Sub(n.opt.Now())
		switch {
		case p.Protocol != protocol:
			return fmt.Errorf("%w: the member %s (ramai %s) speaks version %d of the protocol between members, and this one speaks %d; install the same version of ramai on both", ErrForeign, p.Address, p.Version, p.Protocol, protocol)
		case p.Name == n.opt.Name:
			return fmt.Errorf("%w: the member %s has the name %s, too: the data folder of one is a copy of the other; start the copy with an empty folder", ErrForeign, p.Address, p.Name)
		case p.Address == n.opt.Address:
			return fmt.Errorf("%w: another member says that %s is its address; give each member an address of its own with --cluster-listen", ErrForeign, p.Address)
		case own.Joined && p.Joined && own.Log != p.Log:
			return fmt.Errorf("%w: the member %s belongs to the cluster with the log %s, and this folder to the one with the log %s; start one of them with the addresses of its own cluster, or with an empty folder", ErrForeign, p.Address, p.Log, own.Log)
		case ahead.Abs() > maxClockDifference:
			return fmt.Errorf("%w: the clock of the member %s shows %s, and the one of this machine %s; set the clocks (NTP), then start again", ErrForeign, p.Address, now.UTC().Format(time.RFC3339), n.opt.Now().UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// maxClockDifference is how far the clocks of members may differ at the start of one.
const maxClockDifference = time.Minute

// Time returns the time for a batch: the median of the clocks of the members that are present, and the earlier of two. One
// clock that is wrong has no effect.
func (n *Node) Time() time.Time {
	clocks := []time.Time{n.opt.Now().Round(0)}
	for _, p := range n.Peers() {
		clocks = append(clocks, p.Clock.Add(time.Since(p.Heard)))
	}
	slices.SortFunc(clocks, time.Time.Compare)
	return clocks[(len(clocks)-1)/2]
}

// Leads reports whether this member leads the stream. For a moment two members may believe so.
func (n *Node) Leads() bool {
	return n.server.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, streamName)
}

// HasMajority reports whether this member is connected to a majority of a number of members, and they have elected a leader.
func (n *Node) HasMajority(members int) bool {
	return len(n.Peers())+1 > members/2 && n.server.JetStreamIsCurrent()
}
