package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
	"ramai/internal/store/sqlite"
)

// Cluster makes a server one of the members of a cluster, which serve the same rooms. The zero value: the server runs alone.
type Cluster struct {
	Members    []string // addresses at which members reach each other, HOST:PORT: 3 or 5
	Listen     string   // address to listen on for members; empty: the one of Members that belongs to this machine
	SecretFile string   // file with the secret that all members share

	// Reach has the addresses to connect to instead of some of Members, for example when connections are forwarded. For the own
	// address it has the one that other members are told.
	Reach map[string]string
}

// Files in the cluster folder of a data folder, besides sqlite.MemberFile. That has the id of the history that the cluster
// shares; before the cluster exists, it has founding and the id.
const (
	nameFile      = "name"    // the name of this member
	startsFile    = "starts"  // how often the replica was started
	clusterLock   = "lock"    // held while a process uses the folder
	replicaFolder = "replica" // of jetstream

	founding = "founding "
)

const (
	// readersOnlyFor is how long a member without a majority serves readers. Later it could show a text that was deleted, to
	// somebody who was banned.
	readersOnlyFor = time.Minute
	joinInterval   = 200 * time.Millisecond
	joinTimeout    = 5 * time.Second // for one request
	probeInterval  = 5 * time.Second
)

// ErrNoMajority is returned by Serve when a member has been without a majority for a minute. Join can be called again: it waits
// for a majority.
var ErrNoMajority = errors.New("this member has been without a majority of the members for a minute, and stops serving readers: others may have deleted what it would show")

func (c *Cluster) enabled() bool { return len(c.Members) > 0 }

// checkCluster checks the settings of the cluster.
func (c *Config) checkCluster() error {
	if !c.Cluster.enabled() {
		if c.Cluster.Listen != "" || c.Cluster.SecretFile != "" {
			return errors.New("--cluster-listen and --cluster-secret-file need --cluster with the addresses of all members")
		}
		return nil
	}
	members := slices.Sorted(slices.Values(c.Cluster.Members))
	switch distinct := len(slices.Compact(slices.Clone(members))); {
	case distinct != len(members):
		return fmt.Errorf("--cluster: %s has an address twice; want the address of each member once", strings.Join(c.Cluster.Members, ","))
	case len(members) != 3 && len(members) != 5:
		return fmt.Errorf("--cluster: %s has %d addresses (want 3 or 5: with 2, the loss of either would stop both)", strings.Join(c.Cluster.Members, ","), len(members))
	case c.Cluster.SecretFile == "":
		return errors.New("--cluster needs --cluster-secret-file: a file with at least 32 random bytes, the same on all members, for example from: head -c 32 /dev/urandom | base64 > cluster.secret")
	case c.InMemory:
		return errors.New("--cluster cannot be used with --in-memory: a majority of disks must have a message before anyone receives it")
	case c.Durability != Full:
		return errors.New("--cluster cannot be used with --durability normal; leave that out")
	}
	for _, m := range members {
		if err := jetstream.CheckAddress(m); err != nil {
			return err
		}
	}
	return nil
}

// A member is this server's part of a cluster.
type member struct {
	cfg    Config
	name   string
	folder string // in the data folder
	lock   *flock.Flock
	own    string // address at which other members reach this one
	listen string
	secret *jetstream.Secret
	node   *jetstream.Node
	stream *jetstream.Stream // set by Join
	queue  *jetstream.Sequencer

	mu       sync.Mutex
	starts   uint64                // guarded by mu: of the replica, as in startsFile
	hello    jetstream.Hello       // guarded by mu
	store    eventlog.Store        // guarded by mu; nil: not open
	known    []eventlog.MemberInfo // guarded by mu: the members, as the data had them before it was opened
	position uint64                // guarded by mu: of the data before it was opened
}

// Join makes cfg.Data the data of a member: it waits until a majority of the members is connected, and gets a copy of the data
// of another member if there is none. The members of a new cluster wait for each other; a folder that a server has used alone
// is what they begin with. Join returns the configuration for New, which also closes what Join has opened. It returns cfg if
// the server runs alone.
func Join(ctx context.Context, cfg Config) (Config, error) {
	if !cfg.Cluster.enabled() {
		return cfg, nil
	}
	if err := cfg.complete(); err != nil {
		return cfg, err
	}
	m, err := startMember(cfg)
	if err != nil {
		return cfg, err
	}
	if err := m.join(ctx); err != nil {
		m.close()
		return cfg, err
	}
	cfg.member = m
	return cfg, nil
}

// Leave closes what Join has opened, if New is not called.
func (c *Config) Leave() { c.member.close() }

// startMember prepares the folder of this member, and connects it to the others. Its replica does not run yet.
func startMember(cfg Config) (_ *member, err error) {
	content, err := os.ReadFile(cfg.Cluster.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("--cluster-secret-file: %w", err)
	}
	secret, err := jetstream.NewSecret([]byte(strings.TrimSpace(string(content))))
	if err != nil {
		return nil, fmt.Errorf("--cluster-secret-file %s: %w", cfg.Cluster.SecretFile, err)
	}
	m := &member{cfg: cfg, folder: filepath.Join(cfg.Data, sqlite.ClusterFolder), secret: secret}
	if m.own, m.listen, err = cfg.Cluster.own(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(m.folder, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be used: %w", cfg.Data, err)
	}
	m.lock = flock.New(filepath.Join(m.folder, clusterLock))
	if locked, err := m.lock.TryLock(); err != nil || !locked {
		return nil, errors.Join(fmt.Errorf("%s: %w; stop it first, or choose another folder", cfg.Data, sqlite.ErrInUse), err)
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if m.name, err = m.readOrCreateName(); err != nil {
		return nil, err
	}
	if m.starts, err = m.readStarts(); err != nil {
		return nil, err
	}
	if err = m.readData(); err != nil {
		return nil, err
	}
	return m, m.startNode(true)
}

// startNode starts this member's node in place of the former one: without a replica, to ask the other members, or with it.
func (m *member) startNode(asking bool) (err error) {
	if m.node != nil {
		m.node.Close()
	}
	if !asking { // counted before it can vote
		m.mu.Lock()
		m.starts++
		err = m.writeStarts()
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
	m.node, err = jetstream.StartNode(jetstream.Options{
		Name: m.name, Dir: filepath.Join(m.folder, replicaFolder), Address: m.own, Listen: m.listen, Members: m.cfg.Cluster.Members, Reach: m.cfg.Cluster.Reach, Secret: m.secret,
		Logger: m.cfg.Logger, Now: m.cfg.Now, Asking: asking,
	})
	if err == nil {
		err = m.node.Announce(m.helloNow)
	}
	if err == nil {
		err = m.node.AnswerCandidates(m.judge)
	}
	return err
}

// own returns the address of this member among the members, and the one to listen on.
func (c *Cluster) own() (own, listen string, err error) {
	if slices.Contains(c.Members, c.Listen) {
		return c.Listen, c.Listen, nil
	}
	var local []string
	for _, a := range c.Members {
		host, _, err := net.SplitHostPort(a)
		if err == nil && isLocal(host) {
			local = append(local, a)
		}
	}
	switch {
	case len(local) == 0:
		return "", "", fmt.Errorf("none of the addresses %s belongs to this machine; add it to --cluster, or choose it with --cluster-listen", strings.Join(c.Members, ","))
	case len(local) > 1:
		return "", "", fmt.Errorf("the addresses %s belong to this machine; choose the one of this member with --cluster-listen", strings.Join(local, " and "))
	case c.Listen != "":
		return local[0], c.Listen, nil
	}
	return local[0], local[0], nil
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	ips, err := net.LookupIP(host)
	if err != nil {
		return false
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && slices.ContainsFunc(ips, n.IP.Equal)
	})
}

// say changes what this member says about itself.
func (m *member) say(change func(h *jetstream.Hello)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.hello)
}

// helloNow returns what the member says about itself now.
func (m *member) helloNow() jetstream.Hello {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hello
	h.Starts = m.starts
	if m.store != nil {
		h.Position, h.Log, h.Link = m.store.Position(), m.store.HistoryID(), m.store.NewestLink()
	}
	return h
}

// open returns the sequencer for the store of the member.
func (m *member) open(store eventlog.Store) (eventlog.Sequencer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	defer cancel()
	switch err := m.stream.CheckPosition(ctx, store.Position()); {
	case errors.Is(err, eventlog.ErrGap):
		return nil, fmt.Errorf("%w: %w", ErrBehind, err)
	case errors.Is(err, jetstream.ErrForeign):
		return nil, err
	case err != nil: // the reader checks again once there is a leader
		m.cfg.Logger.Debug("the stream cannot be checked yet", "err", err)
	}
	skip, err := readSkipped(m.folder)
	if err != nil {
		return nil, err
	}
	q, err := m.stream.NewSequencer(store.Position(), eventlog.Current, skip, m.cfg.Logger)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.store, m.queue, m.hello.Serves = store, q, true
	m.mu.Unlock()
	return q, nil
}

// leads reports whether this server is the one that submits maintenance. A server that runs alone does.
func (m *member) leads() bool { return m == nil || m.node.Leads() }

// yieldTime is how long members that do not lead leave a task to the leader. Every task is a command that does nothing when it is
// repeated, so two leaders do no harm, and none is replaced soon.
const yieldTime = 2 * time.Second

// close stops the replica. It does nothing for a server that runs alone.
func (m *member) close() {
	if m == nil {
		return
	}
	if m.node != nil {
		m.node.Close()
	}
	if err := m.lock.Unlock(); err != nil {
		m.cfg.Logger.Warn("cannot unlock the cluster folder", "err", err)
	}
}
