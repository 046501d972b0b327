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

	"ramai/internal/eventlog"
	"ramai/internal/session"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

// Durability says what a message must have survived before anyone hears it.
type Durability string

// The durabilities.
const (
	Full   Durability = "full"   // a power cut: it was synced to the disk
	Normal Durability = "normal" // an end of the program; after an unclean stop clients are told that the log is another
)

// IOMode says how the bytes of connections are moved.
type IOMode string

// The kinds of reactors. The zero value is Auto too.
const (
	Auto     IOMode = "auto"     // the best that this system has
	Epoll    IOMode = "epoll"    // loops over bare descriptors; Linux only
	Portable IOMode = "portable" // two goroutines a connection; everywhere
)

// Config is what a server is made from. Start from [Defaults].
type Config struct {
	Data               string             // folder of the data; made if it is not there
	InMemory           bool               // keep everything in memory instead, and nothing after Close
	Durability         Durability         // of the data in the folder
	Rate               float64            // events a second of a sender; 0: no limit of any kind
	Burst              int                // events of a sender at once
	MaxText            int                // bytes of a text
	MaxRoomsPerClient  int                // rooms a connection can be in
	AddressRate        int                // how many times a sender's rate and burst an address has, at least 1
	NewRooms           int                // rooms an address may make in a minute
	NewNames           int                // names that keys of SSH may come to own in an hour from one address; 0: no limit
	SlowClientTimeout  time.Duration      // how long a living peer may take nothing before its connection is closed
	Retention          eventlog.Retention // which messages of a room are kept; the zero value: all
	MaxRooms           int                // rooms there may be
	MaxConns           int                // connections at once, more are answered with 503; 0: what the descriptors of this process allow
	MaxConnsPerAddress int                // of them from one address (IPv6: /64), half-open ones included; 0: a quarter, three quarters for one of this machine, at least 512
	BufferMemory       int64              // bytes of recent messages kept ready to send
	IO                 IOMode             // how the bytes of connections are moved; empty: Auto
	AllowHosts         []string           // names this server is reached by, besides localhost and IP addresses
	AllowOrigins       []string           // origins of pages elsewhere that may connect, like https://example.org
	TLS                TLS                // encryption; the zero value: none
	TrustProxies       []netip.Prefix     // who is believed, in X-Forwarded-For, about where a request comes from
	Port               int                // of the listener that Serve will get, for addresses that are told; 0: unknown
	SSH                bool               // there is a door for SSH, see ServeSSH
	SSHKeysOnly        bool               // nobody comes in there without a key
	Quiet              bool               // do not log what clients do
	LogTexts           bool               // log what they say, unless Quiet
	LogDropped         func() uint64      // lines of the log that were dropped, for the metrics
	Version            string

	Logger *slog.Logger
	Now    func() time.Time
	Random io.Reader // for secrets; safe for concurrent use

	untended  bool               // tests let rooms and messages go by themselves
	sequencer eventlog.Sequencer // nil: local
}

// maxFragments is how many frames a message may have.
const maxFragments = 256

// MostText is the highest MaxText.
const MostText = 16 << 10

// Defaults is the configuration of a server without flags, but for Data.
func Defaults() Config {
	return Config{
		Durability: Full, Rate: 5, Burst: 20, AddressRate: 20,
		MaxText: 4000, MaxRoomsPerClient: 8, NewRooms: 30, NewNames: 30, MaxRooms: 10000,
		SlowClientTimeout: 10 * time.Minute, BufferMemory: 256 << 20, IO: Auto,
		Version: "dev", Logger: slog.Default(), Now: time.Now, Random: rand.Reader, LogDropped: func() uint64 { return 0 },
	}
}

// Descriptors that no connection takes: files, and who is told that there is no room. With fewer than that for
// connections there is no point.
const (
	spareDescriptors = 256
	leastConns       = 128
)

// complete makes Data absolute, as SQLite needs it, and MaxConns what there are descriptors for, if it was left open.
func (c *Config) complete() error {
	if !c.InMemory {
		var err error
		if c.Data, err = filepath.Abs(c.Data); err != nil {
			return fmt.Errorf("find the data folder %s: %w", c.Data, err)
		}
	}
	can := descriptors() - spareDescriptors
	if can < leastConns {
		return fmt.Errorf("this process may have only %d descriptors, and needs %d; raise the limit (ulimit -n, LimitNOFILE=)", can+spareDescriptors, leastConns+spareDescriptors)
	}
	if c.SSH {
		can -= sshConns(can)
	}
	if c.MaxConns > can {
		return fmt.Errorf("%d connections take more descriptors than this process may have: it can serve %d; raise the limit (ulimit -n, LimitNOFILE=), or lower --max-connections", c.MaxConns, can)
	}
	if c.MaxConns == 0 {
		c.MaxConns = can
	}
	return nil
}

// Check says what a server made from c would find, a sentence a line, or why it could not be made. It changes nothing.
func (c *Config) Check() ([]string, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	if c.IO == Epoll && runtime.GOOS != "linux" {
		return nil, errors.New("--io epoll needs Linux; leave it out")
	}
	found := []string{"everything is kept in memory, and nothing when the server ends"}
	if !c.InMemory {
		state, err := sqlite.Check(c.Data)
		if err != nil {
			return nil, err
		}
		found = []string{fmt.Sprintf("the data folder %s %s", c.Data, state)}
		if c.Retention != (eventlog.Retention{}) {
			goes, of, err := sqlite.Goes(c.Data, c.Retention, c.Now())
			if err != nil {
				return nil, err
			}
			found = append(found, fmt.Sprintf("retention (--retention %q) would delete %d of %d messages now", c.Retention, goes, of))
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
	return append(found, fmt.Sprintf("%d connections can be served at once", c.MaxConns)), nil
}

func (c *Config) limits() wire.Limits {
	return wire.Limits{Text: c.MaxText, Frame: wire.MaxRequest(c.MaxText), Rate: c.Rate, Burst: c.Burst, Rooms: c.MaxRoomsPerClient}
}

func (c *Config) rates() *session.Rates {
	return session.NewRates(session.RateLimits{
		PerSecond: c.Rate, Burst: c.Burst, Address: c.AddressRate, Rooms: c.NewRooms, Names: c.NewNames, AllRooms: c.MaxRooms,
	})
}
