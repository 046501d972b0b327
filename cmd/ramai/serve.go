package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/internal/eventlog"
	"ramai/internal/logging"
	"ramai/server"
)

// newServe returns the command that runs a server.
func newServe() *cobra.Command {
	cfg := server.Defaults()
	o := serveOptions{listen: "127.0.0.1:2000", logFormat: "text"}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server",
		Long: `Run a server. Everyone in a room receives the same messages in the same order, and no message is delivered before it is on
disk.

SIGTERM, SIGHUP, or Ctrl-C shuts the server down gracefully within 10 seconds; a second signal stops it immediately. A crash or
a power failure loses no message that was delivered.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Durability = server.Durability(o.durability)
			cfg.BufferMemory = int64(o.bufferMemory)
			cfg.Retention = eventlog.Retention(o.retention)
			cfg.IO = server.IOMode(o.io)
			cfg.SSH = o.ssh != ""
			if o.check {
				return checkAll(cmd.Flags(), cfg, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return runServe(cmd.Context(), cfg, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags(), &cfg)
	return cmd
}

type serveOptions struct {
	listen, admin, ssh, durability, io, logFormat string
	bufferMemory                                  size
	check, logTexts                               bool
	retention                                     retention
}

// flags defines the flags of the command.
func (o *serveOptions) flags(f *pflag.FlagSet, cfg *server.Config) {
	o.bufferMemory = size(cfg.BufferMemory)
	f.Var(address{&o.listen, false}, "listen", "address and port to listen on; 0.0.0.0:2000 accepts the whole network")
	f.Var(address{&o.admin, true}, "admin", "address and port for Prometheus metrics and health checks, for example 127.0.0.1:2001")
	f.Var(address{&o.ssh, true}, "ssh", "address and port for SSH, for example :2022; any ssh client can join")
	f.BoolVar(&cfg.SSHKeysOnly, "ssh-keys-only", false, "accept only SSH clients with a key")
	dataFlag(f, &cfg.Data)
	f.BoolVar(&cfg.InMemory, "in-memory", false, "keep all data in memory; it is lost on exit")
	f.StringVar(&o.durability, "durability", string(cfg.Durability), `"full": sync to disk before delivery; "normal": faster, but a power failure may lose the newest messages`)
	f.Float64Var(&cfg.Rate, "rate", cfg.Rate, "requests per second for each sender (messages, names, joins); 0 disables all rate limits")
	f.IntVar(&cfg.Burst, "burst", cfg.Burst, "requests a sender may make at once")
	f.IntVar(&cfg.AddressRate, "address-rate", cfg.AddressRate, "rate and burst for each address, as a multiple of those for a sender")
	f.Var(&o.retention, "retention", `messages to keep in each room: an age (30d, 12h), a number ("100000 messages"), or all`)
	f.DurationVar(&cfg.EditWindow, "edit-window", cfg.EditWindow, "how long people can edit and delete their own messages; 0: never")
	f.IntVar(&cfg.MaxText, "max-text", cfg.MaxText, "maximum length of a message in bytes")
	f.IntVar(&cfg.MaxConns, "max-connections", cfg.MaxConns, "maximum number of connections; 0: the file descriptor limit minus 256")
	f.IntVar(&cfg.MaxConnsPerAddress, "max-connections-per-address", cfg.MaxConnsPerAddress, "maximum number of connections from one address (IPv6: /64), including unfinished handshakes; 0: a quarter of --max-connections (three quarters for local addresses), but at least 512")
	f.IntVar(&cfg.MaxRoomsPerClient, "max-rooms-per-client", cfg.MaxRoomsPerClient, "maximum number of rooms a connection can be in")
	f.IntVar(&cfg.MaxRooms, "max-rooms", cfg.MaxRooms, "maximum number of rooms")
	f.IntVar(&cfg.NewRooms, "new-rooms", cfg.NewRooms, "rooms an address may create per minute")
	f.IntVar(&cfg.NewNames, "new-names", cfg.NewNames, "names that the SSH keys of one address may register per hour; 0: no limit")
	f.DurationVar(&cfg.SlowClientTimeout, "slow-client-timeout", cfg.SlowClientTimeout, "close a connection that reads nothing for this long; the client can reconnect and resume")
	f.StringVar(&o.io, "io", string(cfg.IO), `network I/O: "epoll" (Linux), "portable" (two goroutines per connection), or "auto"`)
	f.Var(&o.bufferMemory, "buffer-memory", "memory for data that waits for clients, in bytes or with a unit, for example 64MiB; older messages are read from disk")
	f.Var(list[string]{&cfg.AllowHosts, "name", hostname}, "allow-host", "host name by which browsers reach this server (repeatable)")
	f.Var((*path)(&cfg.TLS.Cert), "tls-cert", "TLS certificate, a PEM file; reloaded when it changes")
	f.Var((*path)(&cfg.TLS.Key), "tls-key", "private key of the TLS certificate, a PEM file")
	f.Var(list[string]{&cfg.TLS.Domains, "domain", domain}, "acme", "domain to request a certificate for from an ACME server, which must reach this server on port 443 (repeatable)")
	f.Var((*directory)(&cfg.TLS.Directory), "acme-directory", "directory URL of the ACME server (default Let's Encrypt)")
	f.StringVar(&cfg.TLS.Email, "acme-email", "", "contact address for the ACME server")
	f.Var(list[netip.Prefix]{&cfg.TrustProxies, "network", network}, "trust-proxy", "address or network (CIDR) of a proxy whose X-Forwarded-For is trusted (repeatable)")
	f.Var((*path)(&cfg.Tokens.KeyFile), "jwt-key", "public key (PEM) or secret, in a file, of the issuer whose JSON Web Tokens sign people in")
	f.StringVar(&cfg.Tokens.JWKS, "jwt-jwks", "", "URL of the issuer's key set, instead of --jwt-key; it is read again when keys change")
	f.StringVar(&cfg.Tokens.Issuer, "jwt-issuer", "", "the iss of accepted tokens; required with --jwt-key and --jwt-jwks")
	f.StringVar(&cfg.Tokens.Audience, "jwt-audience", "", "the aud of accepted tokens, which names this server; required with --jwt-key and --jwt-jwks")
	f.Var(list[string]{&cfg.AllowOrigins, "origin", parseOrigin}, "allow-origin", "origin of other websites that may connect, for example https://example.org (repeatable)")
	f.StringSliceVar(&cfg.Cluster.Members, "cluster", nil, "serve the same rooms as other servers (a preview): the addresses HOST:PORT of all members, 3 or 5, separated by commas; see docs/CLUSTER.md")
	f.StringVar(&cfg.Cluster.Listen, "cluster-listen", "", "address and port to listen on for the other members; default: the address in --cluster that belongs to this machine")
	f.Var((*path)(&cfg.Cluster.SecretFile), "cluster-secret-file", "file with the secret that all members of the cluster share, at least 32 random bytes")
	f.BoolVar(&o.check, "check", false, "print the settings, check that the server could start, and exit")
	f.BoolVar(&cfg.Quiet, "quiet", false, "do not log client activity")
	f.StringVar(&o.logFormat, "log-format", o.logFormat, `"text" or "json"`)
	f.BoolVar(&o.logTexts, "log-texts", false, "log the text of messages; this is the default on a terminal, unless --quiet is set")
}

// runServe serves until a signal comes or ctx ends.
func runServe(ctx context.Context, cfg server.Config, o serveOptions, stdout, stderr io.Writer) error {
	if err := checkServe(cfg, o); err != nil {
		return exit(exitUsage, err)
	}
	logFormat := logging.Format(o.logFormat)
	logQueue := logging.NewQueue(stderr, logFormat)
	defer flush(logQueue)
	cfg.Logger, cfg.LogDropped = slog.New(logFormat.Handler(logQueue)), logQueue.Dropped
	cfg.LogTexts = o.logTexts || isTerminal(stderr)
	cfg.Version = version()
	warnAboutOwner(cfg)
	outQueue := logQueue // a terminal shows the address of the page before the log
	if !sameOutput(stdout, stderr) {
		outQueue = logging.NewQueue(stdout, logFormat) // so that an output that nobody reads does not block
		defer flush(outQueue)
	}
	for {
		err := serveOnce(ctx, cfg, o, outQueue)
		if !errors.Is(err, server.ErrNoMajority) && !errors.Is(err, server.ErrBehind) && !errors.Is(err, server.ErrReplica) {
			return err
		}
		cfg.Logger.Error("clients are disconnected until this member has joined the cluster again", "err", err)
	}
}

// serveOnce serves until a signal comes, ctx ends, or a member of a cluster has to join it again.
func serveOnce(ctx context.Context, cfg server.Config, o serveOptions, stdout io.Writer) error {
	cfg, err := joinCluster(ctx, cfg)
	if err != nil {
		return err
	}
	listeners, err := o.openListeners()
	if err != nil {
		cfg.Leave()
		return exit(exitUnusable, err)
	}
	addr := listeners[server.HTTP].Addr().(*net.TCPAddr)
	cfg.Port = addr.Port
	self := reachOf(addr, cfg.TLS)
	cfg.Origin = func() string { // looked up each time: a laptop changes networks
		if r := reachOf(addr, cfg.TLS); r.host != "localhost" {
			return r.origin()
		}
		return ""
	}
	s, err := server.New(cfg)
	if err != nil {
		return exit(exitUnusable, errors.Join(err, listeners.Close()))
	}
	var helpers sync.WaitGroup // goroutines that run until ended is closed
	defer helpers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	defer close(ended)
	helpers.Go(func() { stopOnSignal(ended, stop, cfg.Logger) })

	folder := cfg.Data
	if cfg.InMemory {
		folder = "none (in memory)"
	}
	var sshAddr *net.TCPAddr
	if ln := listeners[server.SSH]; ln != nil {
		sshAddr = ln.Addr().(*net.TCPAddr)
	}
	io.WriteString(stdout, howToJoin(self, sshAddr, startedAs())) // at once: nothing comes in between
	cfg.Logger.Info("listening", "address", addr, "data", folder, "version", cfg.Version)
	if sshAddr != nil {
		cfg.Logger.Info("listening for SSH", "address", sshAddr, "host_key", s.SSHFingerprint())
	}
	if ln := listeners[server.Admin]; ln != nil {
		logAdmin(ln.Addr().(*net.TCPAddr), cfg.Logger)
	}
	notify(daemon.SdNotifyReady, cfg.Logger)
	context.AfterFunc(ctx, func() { notify(daemon.SdNotifyStopping, cfg.Logger) })
	if err := s.Serve(ctx, listeners); err != nil {
		return exit(exitUnusable, err)
	}
	cfg.Logger.Info("stopped")
	return nil
}

// joinCluster waits until a member has joined its cluster. A server that runs alone has nothing to wait for.
func joinCluster(ctx context.Context, cfg server.Config) (server.Config, error) {
	if len(cfg.Cluster.Members) == 0 {
		return cfg, nil
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	cfg, err := server.Join(ctx, cfg)
	if err != nil {
		return cfg, unusable(ctx, err)
	}
	return cfg, nil
}

// warnAboutOwner warns if root is about to create files that the owner of the data folder cannot open.
func warnAboutOwner(cfg server.Config) {
	if uid, _, err := ownerBesidesRoot(cfg.Data); !cfg.InMemory && err == nil && uid != 0 {
		cfg.Logger.Warn("the data folder belongs to another user, who cannot open files that root creates there; run the server as that user", "data", cfg.Data, "user", uid)
	}
}

// notify sends a state to systemd, if it has started the server and expects that (sd_notify(3)).
func notify(state string, logger *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("cannot notify systemd", "state", state, "err", err)
	}
}

// openListeners opens a listener for each transport that has an address.
func (o *serveOptions) openListeners() (server.Listeners, error) {
	listeners := make(server.Listeners)
	for _, l := range []struct{ flag, transport, address string }{
		{"--listen", server.HTTP, o.listen}, {"--ssh", server.SSH, o.ssh}, {"--admin", server.Admin, o.admin},
	} {
		if l.address == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.address)
		if err != nil {
			return nil, errors.Join(listenError(l.flag, l.address, err), listeners.Close())
		}
		listeners[l.transport] = ln
	}
	return listeners, nil
}

func logAdmin(addr *net.TCPAddr, logger *slog.Logger) {
	if !addr.IP.IsLoopback() {
		logger.Info("the port of --admin is open to the network; anyone who can reach it can read the metrics", "address", addr)
	}
	logger.Info("listening for the operator's tools", "url", "http://"+addr.String()+"/metrics")
}

func checkServe(cfg server.Config, o serveOptions) error {
	switch {
	case o.logFormat != "text" && o.logFormat != "json":
		return fmt.Errorf(`--log-format: invalid value %q (want "text" or "json")`, o.logFormat)
	case cfg.Durability != server.Full && cfg.Durability != server.Normal:
		return fmt.Errorf("--durability: invalid value %q (want %q or %q)", cfg.Durability, server.Full, server.Normal)
	case cfg.IO != server.Auto && cfg.IO != server.Epoll && cfg.IO != server.Portable:
		return fmt.Errorf("--io: invalid value %q (want %q, %q or %q)", cfg.IO, server.Auto, server.Epoll, server.Portable)
	case cfg.Rate != 0 && !(cfg.Rate >= 0.001 && cfg.Rate <= 1e9): // NaN is neither
		return fmt.Errorf("--rate: invalid value %g (want 0.001 to 1e9 per second, or 0 for no limits)", cfg.Rate)
	case cfg.Burst > 1e6:
		return fmt.Errorf("--burst: invalid value %d (want at most 1000000)", cfg.Burst)
	case cfg.AddressRate > 1e6:
		return fmt.Errorf("--address-rate: invalid value %d (want at most 1000000)", cfg.AddressRate)
	case cfg.Data == "" && !cfg.InMemory:
		return errors.New("--data is empty (want a folder; the default is " + dataFolder() + ")")
	case cfg.MaxText < 1 || cfg.MaxText > server.MaxTextLimit:
		return fmt.Errorf("--max-text: invalid value %d (want 1 to %d bytes)", cfg.MaxText, server.MaxTextLimit)
	case cfg.EditWindow < 0 || cfg.EditWindow > server.MaxEditWindow:
		return fmt.Errorf("--edit-window: invalid value %v (want 0 to %v)", cfg.EditWindow, server.MaxEditWindow)
	case cfg.SlowClientTimeout < time.Minute:
		return fmt.Errorf("--slow-client-timeout: invalid value %v (want at least 1m)", cfg.SlowClientTimeout)
	}
	for _, f := range []struct {
		flag       string
		value, min int
	}{
		{"burst", cfg.Burst, 1}, {"address-rate", cfg.AddressRate, 1}, {"max-rooms", cfg.MaxRooms, 1}, {"max-connections", cfg.MaxConns, 0}, {"max-connections-per-address", cfg.MaxConnsPerAddress, 0},
		{"max-rooms-per-client", cfg.MaxRoomsPerClient, 1}, {"new-rooms", cfg.NewRooms, 1}, {"new-names", cfg.NewNames, 0},
	} {
		if f.value < f.min {
			return fmt.Errorf("--%s: invalid value %d (want at least %d)", f.flag, f.value, f.min)
		}
	}
	return checkCombination(o, cfg.SSHKeysOnly, cfg.TLS.Domains, cfg.TLS.Directory, cfg.TLS.Email)
}

// stopOnSignal shuts the server down gracefully at the first signal, and ends the process at the second. A terminal that
// closes may send SIGHUP twice, so a second SIGHUP is ignored. With nohup, SIGHUP is ignored altogether.
func stopOnSignal(ended <-chan struct{}, stop context.CancelFunc, logger *slog.Logger) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	for stopping := false; ; {
		select {
		case <-ended:
			return
		case s := <-signals:
			if stopping && s != syscall.SIGHUP {
				os.Exit(128 + int(s.(syscall.Signal)))
			}
			if !stopping {
				logger.Info("shutting down: storing and delivering accepted messages, then asking clients to reconnect; another signal stops immediately", "signal", s.String())
			}
			stopping = true
			stop()
		}
	}
}

// flushTimeout limits how long the output that is left may take to be written.
const flushTimeout = 2 * time.Second

// flush writes the contents of the queues, as far as they are read.
func flush(q *logging.Queue) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	q.Close(ctx) // there is nowhere to report an error
}

func listenError(flag, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("cannot listen on %s: the port is in use, perhaps by another ramai; stop that program, or choose another port with %s", addr, flag)
	}
	return fmt.Errorf("cannot listen on %s: %w; %s must be an address of this machine and a port, for example 127.0.0.1:2000", addr, err, flag)
}

// dataFolder returns the default data folder: $XDG_DATA_HOME/ramai, or its equivalent on the system.
func dataFolder() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ramai")
	}
	home, err := os.UserHomeDir()
	switch {
	case err != nil:
		return "ramai-data"
	case runtime.GOOS == "windows":
		return filepath.Join(home, "AppData", "Local", "ramai")
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "ramai")
	}
	return filepath.Join(home, ".local", "share", "ramai")
}
