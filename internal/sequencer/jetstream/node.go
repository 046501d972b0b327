package jetstream

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"ramai/internal/eventlog"
)

// Options configure a Node.
type Options struct {
	Name    string   // of this member, unique in the cluster; it is never used again after the member was removed
	Dir     string   // folder of the replica, which only this member may use
	Address string   // at which other members reach this one, HOST:PORT
	Listen  string   // address to listen on for members; empty: Address
	Members []string // addresses of all members
	// Reach has the addresses to connect to instead of those of members, and for Address the one that others are told. Those
	// that are missing are reached as they are.
	Reach  map[string]string
	Secret *Secret
	Logger *slog.Logger
	Now    func() time.Time
	// Asking is set for a node without a replica, which only talks to the other members.
	Asking bool

	// unsynced leaves syncing to the operating system: for tests that do not lose power.
	unsynced bool
}

// A Node is one member's part of the cluster: a replica of the stream in which the members put their batches. It replicates
// with Raft, in this process. No client can connect from outside, and members connect only with the secret.
type Node struct {
	opt    Options
	run    string // of this process
	server *server.Server
	conn   *nats.Conn // this process's own
	peers  peers

	password string // of the users

	pausedUntil atomic.Int64  // in Unix nanoseconds: no batch is submitted before that
	pauses      chan struct{} // has an element if a pause has begun

	quit       chan struct{} // closed by Close
	background sync.WaitGroup
	callbacks  struct {
		sync.Mutex
		ended bool // none begins any more
	}
}

const (
	clusterName = "ramai"
	// startTimeout is how long the server may take until it accepts the connection of its own process.
	startTimeout = 30 * time.Second
	// maxPayload is the longest message in bytes: a batch and its envelope.
	maxPayload = eventlog.MaxBatchBytes + 1<<10
	// reconnectWait is the pause before this process connects to its own replica again.
	reconnectWait = 100 * time.Millisecond
)

// Users of the replica: this process only.
const (
	ownUser    = "ramai"
	systemUser = "system" // for changes of the members
)

// StartNode starts a member. It does not wait for others.
func StartNode(opt Options) (*Node, error) {
	if opt.Listen == "" {
		opt.Listen = opt.Address
	}
	host, text, err := net.SplitHostPort(opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("the address to listen on for members %.80q: %w; want HOST:PORT, for example 0.0.0.0:6222", opt.Listen, err)
	}
	port, err := parsePort(text)
	if err != nil {
		return nil, fmt.Errorf("the address to listen on for members %.80q: %w; want HOST:PORT, for example 0.0.0.0:6222", opt.Listen, err)
	}
	if ln, err := net.Listen("tcp", opt.Listen); err != nil { // the replica would only log that
		return nil, fmt.Errorf("cannot listen on %s for members: %w; it must be an address of this machine whose port is not in use", opt.Listen, cause(err))
	} else if err := ln.Close(); err != nil {
		return nil, err
	}
	tlsConfig, err := opt.Secret.tlsConfig(opt.Now())
	if err != nil {
		return nil, err
	}
	password := cryptorand.Text()
	so, err := opt.serverOptions(host, port, tlsConfig, password)
	if err != nil {
		return nil, err
	}
	ns, err := server.NewServer(so)
	if err != nil {
		return nil, fmt.Errorf("start the replica in %s: %w", opt.Dir, err)
	}
	ns.SetLoggerV2(logger{opt.Logger}, false, false, false)
	go ns.Start()
	n := &Node{opt: opt, run: cryptorand.Text(), server: ns, password: password, pauses: make(chan struct{}, 1), quit: make(chan struct{})}
	if !ns.ReadyForConnections(startTimeout) {
		n.Close()
		return nil, fmt.Errorf("start the replica in %s: it was not ready within %v", opt.Dir, startTimeout)
	}
	if n.conn, err = n.connect(ownUser); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// serverOptions returns the options of the embedded server. The routes wait for a listener for clients, even with DontListen. So there
// is one on the loopback interface, whose password only this process knows.
func (opt *Options) serverOptions(host string, port int, tlsConfig *tls.Config, password string) (*server.Options, error) {
	name, system := opt.Name, server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	if opt.Asking {
		name += "-asking"
	}
	so := &server.Options{
		ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		SystemAccount: server.DEFAULT_SYSTEM_ACCOUNT, Accounts: []*server.Account{system},
		Users:     []*server.User{{Username: ownUser, Password: password}, {Username: systemUser, Password: password, Account: system}},
		JetStream: !opt.Asking, StoreDir: opt.Dir, SyncAlways: !opt.unsynced, SyncInterval: 2 * time.Minute,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 40,
		MaxPayload: maxPayload, DisableJetStreamBanner: true, MaxTracedMsgLen: 1,
		Cluster: server.ClusterOpts{
			Name: clusterName, Host: host, Port: port, TLSConfig: tlsConfig, TLSTimeout: 5, PoolSize: -1, NoAdvertise: true, Advertise: cmp.Or(opt.Reach[opt.Address], opt.Address),
			Compression: server.CompressionOpts{Mode: server.CompressionOff},
		},
	}
	for _, m := range opt.Members {
		if m == opt.Address {
			continue
		}
		if err := CheckAddress(m); err != nil {
			return nil, err
		}
		so.Routes = append(so.Routes, &url.URL{Scheme: "nats-route", Host: cmp.Or(opt.Reach[m], m)})
	}
	if len(so.Routes) == 0 { // alone: without a cluster there is no election to wait for
		so.Cluster = server.ClusterOpts{}
	}
	return so, nil
}

// CheckAddress returns why an address cannot be that of a member; nil: it can.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == "" {
		err = errors.New("the host is missing")
	}
	if err == nil {
		_, err = parsePort(port)
	}
	if err != nil {
		return fmt.Errorf("the address of a member %.80q: %w; want HOST:PORT, for example 10.0.0.1:6222", address, err)
	}
	return nil
}

func parsePort(text string) (int, error) {
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, errors.New("the port must be 1 to 65535")
	}
	return port, nil
}

// Failed reports whether the replica has given up, as it does when its disk is full. The node has to be started again.
func (n *Node) Failed() bool { return !n.opt.Asking && !n.server.JetStreamEnabled() }

// Close stops the member. If it leads, it hands over first, so that others go on at once.
func (n *Node) Close() {
	close(n.quit)
	if n.conn != nil {
		n.conn.Close()
	}
	n.callbacks.Lock()
	n.callbacks.ended = true
	n.callbacks.Unlock()
	n.background.Wait()
	if n.server.Running() {
		if err := n.server.JetStreamStepdownStream(server.DEFAULT_GLOBAL_ACCOUNT, streamName); err == nil {
			n.opt.Logger.Debug("handed over the lead of the stream")
		}
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// subscribe calls receive for each message of a subject, one after the other, until Close, which waits for the call that has begun: the
// library can call after its connection was closed.
func (n *Node) subscribe(subject string, receive func(m *nats.Msg)) error {
	_, err := n.conn.Subscribe(subject, func(m *nats.Msg) {
		if n.beginCallback() {
			defer n.background.Done()
			receive(m)
		}
	})
	return err
}

// beginCallback makes Close wait for background.Done. It returns false if Close waits already.
func (n *Node) beginCallback() bool {
	n.callbacks.Lock()
	defer n.callbacks.Unlock()
	if n.callbacks.ended {
		return false
	}
	n.background.Add(1)
	return true
}

// WaitMajority waits until a majority of the members is connected and has a leader.
func (n *Node) WaitMajority(ctx context.Context) error {
	for !n.server.JetStreamIsCurrent() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a majority of the members: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// logger passes the replica's log on. Nearly everything that it reports is what the member reports in words of its own: that
// other members cannot be reached.
type logger struct{ *slog.Logger }

func (l logger) Noticef(format string, v ...any) {
	l.Debug("replica", "notice", fmt.Sprintf(format, v...))
}
func (l logger) Warnf(format string, v ...any) {
	l.Debug("replica", "warning", fmt.Sprintf(format, v...))
}
func (l logger) Errorf(format string, v ...any) {
	l.Debug("replica", "err", fmt.Sprintf(format, v...))
}
func (l logger) Fatalf(format string, v ...any) {
	l.Error("the replica stopped", "err", fmt.Sprintf(format, v...))
}
func (logger) Debugf(string, ...any) {}
func (logger) Tracef(string, ...any) {}
