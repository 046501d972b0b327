package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

// Durability says what a message survives once it is delivered.
type Durability string

// The durabilities.
const (
	Full   Durability = "full"   // a power failure: it is synced to disk
	Normal Durability = "normal" // a crash of the program; after an unclean stop the history gets a new identity
)

// IOMode is how the server reads from and writes to connections.
type IOMode string

// The I/O modes. The zero value means Auto.
const (
	Auto     IOMode = "auto"     // the best mode of the system
	Epoll    IOMode = "epoll"    // event loops; Linux only
	Portable IOMode = "portable" // two goroutines per connection; every system
)

// Config is the configuration of a server. Start from [Defaults].
type Config struct {
	Data               string             // data folder; created if missing
	InMemory           bool               // keep all data in memory instead; it is lost in Close
	Durability         Durability         // of the data in the folder
	Rate               float64            // events per second for each sender; 0: no rate limits at all
	Burst              int                // events a sender may send at once
	MaxText            int                // maximum length of a message in bytes
	MaxRoomsPerClient  int                // rooms a connection can be in
	AddressRate        int                // rate and burst of an address as a multiple of those of a sender, at least 1
	NewRooms           int                // rooms an address may create per minute
	NewNames           int                // names that the SSH keys of one address may register per hour; 0: no limit
	SlowClientTimeout  time.Duration      // when to close the connection of a living peer that reads nothing
	Retention          eventlog.Retention // messages to keep in each room; the zero value: all
	EditWindow         time.Duration      // how long authors can edit and delete their messages; 0: never
	MaxRooms           int
	MaxConns           int            // connections beyond it are answered with 503; 0: as many as the descriptor limit allows
	MaxConnsPerAddress int            // connections from one address (IPv6: /64), including unfinished handshakes; 0: a quarter of MaxConns, three quarters for a local address, at least 512
	BufferMemory       int64          // bytes for data that waits for clients
	IO                 IOMode         // empty: Auto
	AllowHosts         []string       // host names of this server, besides localhost and IP addresses
	AllowOrigins       []string       // origins of other websites that may connect, for example https://example.org
	TLS                TLS            // the zero value: no encryption
	TrustProxies       []netip.Prefix // proxies whose X-Forwarded-For is trusted
	Tokens             Tokens         // the zero value: no tokens are accepted
	Origin             func() string  // URL, without a path, by which other machines reach the server now; empty: they cannot, or it is unknown; nil: the same
	Port               int            // port of the listener that Serve will get, for addresses shown to users; 0: unknown
	SSH                bool           // enable the transport SSH
	SSHKeysOnly        bool           // accept only SSH clients with a key
	Quiet              bool           // do not log client activity
	LogTexts           bool           // log the text of messages, unless Quiet
	LogDropped         func() uint64  // number of dropped log lines, for the metrics
	Cluster            Cluster        // the zero value: the server runs alone; otherwise Join must be called before New
	Version            string

	Logger *slog.Logger
	Now    func() time.Time
	Random io.Reader // for secrets; safe for concurrent use

	noMaintenance bool               // tests delete rooms and messages by themselves
	sequencer     eventlog.Sequencer // nil: local
	member        *member            // set by Join; nil: the server runs alone
	patience      time.Duration      // how long a member without a majority serves readers; 0: readersOnlyFor
}

// maxFragments is the maximum number of frames in a message.
const maxFragments = 256

// MaxTextLimit is the highest value of Config.MaxText.
const MaxTextLimit = 16 << 10

// MaxEditWindow is the highest value of Config.EditWindow.
const MaxEditWindow = eventlog.MaxEditWindow

// Defaults returns the default configuration, without Data.
func Defaults() Config {
	return Config{
		Durability: Full, Rate: 5, Burst: 20, AddressRate: 20,
		MaxText: 4000, MaxRoomsPerClient: 8, NewRooms: 30, NewNames: 30, MaxRooms: 10000, EditWindow: 15 * time.Minute,
		SlowClientTimeout: 10 * time.Minute, BufferMemory: 256 << 20, IO: Auto,
		Version: "dev", Logger: slog.Default(), Now: time.Now, Random: rand.Reader, LogDropped: func() uint64 { return 0 },
	}
}

const (
	spareDescriptors = 256 // for files, and for connections that are rejected with a reason
	minConns         = 128 // a server for fewer connections does not start
)

// complete makes Data absolute, as SQLite needs it, and sets MaxConns to the descriptor limit if it is 0.
func (c *Config) complete() error {
	if !c.InMemory {
		var err error
		if c.Data, err = filepath.Abs(c.Data); err != nil {
			return fmt.Errorf("data folder %s: %w", c.Data, err)
		}
	}
	if err := c.checkCluster(); err != nil {
		return err
	}
	available := descriptors() - spareDescriptors
	if available < minConns {
		return fmt.Errorf("the file descriptor limit is %d (need at least %d); raise it (ulimit -n, LimitNOFILE=)", available+spareDescriptors, minConns+spareDescriptors)
	}
	if c.SSH {
		available -= sshConns(available)
	}
	if c.MaxConns > available {
		return fmt.Errorf("--max-connections %d is too high: the file descriptor limit allows %d; raise that (ulimit -n, LimitNOFILE=) or lower --max-connections", c.MaxConns, available)
	}
	if c.MaxConns == 0 {
		c.MaxConns = available
	}
	return nil
}

// Check returns what a server with this configuration would find, one sentence per line, or why it could not start. It
// changes nothing.
func (c *Config) Check() ([]string, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	if c.IO == Epoll && runtime.GOOS != "linux" {
		return nil, errors.New("--io epoll requires Linux; use --io auto")
	}
	found := []string{"all data is kept in memory; it is lost on exit"}
	if !c.InMemory {
		state, err := sqlite.Check(c.Data)
		if err != nil {
			return nil, err
		}
		found = []string{fmt.Sprintf("the data folder %s %s", c.Data, state)}
		if c.Retention != (eventlog.Retention{}) {
			deletes, stored, err := sqlite.CountExpired(c.Data, c.Retention, c.Now())
			if err != nil {
				return nil, err
			}
			found = append(found, fmt.Sprintf("retention (--retention %q) would delete %d of %d messages now", c.Retention, deletes, stored))
		}
	}
	encryption, names, err := c.encryption()
	switch {
	case err != nil:
		return nil, err
	case encryption != nil:
		found = append(found, fmt.Sprintf("connections are encrypted, for %v", names))
	default:
		found = append(found, "connections are not encrypted")
	}
	if v, err := c.verifier(); err != nil {
		return nil, err
	} else if v != nil {
		found = append(found, fmt.Sprintf("tokens of %s for %s sign people in", c.Tokens.Issuer, c.Tokens.Audience))
	}
	return append(found, fmt.Sprintf("up to %d connections", c.MaxConns)), nil
}

func (c *Config) limits() wire.Limits {
	return wire.Limits{Text: c.MaxText, Frame: wire.MaxRequest(c.MaxText), Rate: c.Rate, Burst: c.Burst, Rooms: c.MaxRoomsPerClient, EditWindow: c.EditWindow.Milliseconds()}
}

func (c *Config) rates() chat.RateLimits {
	return chat.RateLimits{
		PerSecond: c.Rate, Burst: c.Burst, Address: c.AddressRate, Rooms: c.NewRooms, Names: c.NewNames, AllRooms: c.MaxRooms,
	}
}
