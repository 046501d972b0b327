package rehearse

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/reactor"
	"ramai/server"
)

func TestMain(m *testing.M) {
	if os.Getenv("REHEARSE_BATCHES") != "" {
		serveBatches()
	}
	goleak.VerifyTestMain(m)
}

// TestRehearsals runs each kind against a real server: nothing is lost, and everything is counted.
func TestRehearsals(t *testing.T) {
	base := Config{Clients: 12, Publishers: 3, Size: 64, Duration: 300 * time.Millisecond}
	for name, change := range map[string]func(*Config){
		"plain, closed loop": func(c *Config) { c.Plain, c.InFlight = true, 4 },
		"plain, open loop":   func(c *Config) { c.Plain, c.Rate = true, 200 },
		"v1, closed loop":    func(c *Config) { c.InFlight = 4 },
		"v1, open loop":      func(c *Config) { c.Rate = 200 },
		"slow readers":       func(c *Config) { c.InFlight, c.Slow = 8, 3 },
		"churn":              func(c *Config) { c.Rate, c.Churn = 500, 40 },
		"silence":            func(c *Config) { c.Publishers = 0 },
		"addresses":          func(c *Config) { c.Plain, c.InFlight, c.SourceAddresses = true, 1, 300 },
	} {
		for io, newReactor := range reactors {
			t.Run(name+"/"+io, func(t *testing.T) {
				c := base
				c.URL, c.Reactor = serve(t, nil), newReactor()
				change(&c)
				rep, err := Run(context.Background(), c)
				if err != nil {
					t.Fatal(err)
				}
				if !rep.Good() || (rep.Published == 0) != (c.Publishers == 0) || rep.Delivered != rep.Published*int64(c.Clients) {
					t.Errorf("%+v", rep)
				}
			})
		}
	}
}

// serve starts a server and returns the URL of a room. wrap, if not nil, wraps its listener.
func serve(t *testing.T, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	cfg := server.Defaults()
	cfg.InMemory, cfg.Rate, cfg.Quiet, cfg.Logger = true, 0, true, slog.New(slog.DiscardHandler)
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s.Handler())
	if wrap != nil {
		web.Listener = wrap(web.Listener)
	}
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(func() { s.Close() })
	return web.URL + "/r/rehearsal"
}

// reactors are what a rehearsal can run on. nil is its default.
var reactors = map[string]func() reactor.Reactor{
	"default":  func() reactor.Reactor { return nil },
	"portable": func() reactor.Reactor { return reactor.NewPortable(reactor.Options{}) },
}

// cutter is a listener whose connections from 127.1/16 can be cut.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *cutter) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasPrefix(nc.RemoteAddr().String(), "127.1.") {
		l.conns = append(l.conns, nc)
	}
	return struct{ net.Conn }{nc}, nil // not a *net.TCPConn, whose descriptor the server would duplicate
}

// cut closes all connections and returns their number.
func (l *cutter) cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.conns)
	for _, nc := range l.conns {
		nc.Close()
	}
	l.conns = nil
	return n
}

// TestReconnect: clients that are cut off reconnect and miss nothing, even if they had received nothing before.
func TestReconnect(t *testing.T) {
	for io, newReactor := range reactors {
		t.Run(io, func(t *testing.T) {
			l, cut := new(cutter), 0
			rep, err := Run(context.Background(), Config{
				URL:     serve(t, func(ln net.Listener) net.Listener { l.Listener = ln; return l }),
				Clients: 30, Publishers: 2, Rate: 100, Size: 64, Duration: time.Second, SourceAddresses: 10, Reconnect: true, Missed: 50,
				Reactor: newReactor(),
				OnStage: func(stage string) {
					if stage == AllConnected {
						cut = l.cut()
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if !rep.Good() || rep.Delivered != 30*rep.Published || rep.Published < 50 {
				t.Errorf("%+v", rep)
			}
			if cut != 28 || rep.Reconnect == nil || rep.Reconnect.Clients != cut || rep.Reconnect.Seconds <= 0 || rep.Reconnect.SinceCut <= rep.Reconnect.Seconds {
				t.Errorf("%d were cut off; %+v", cut, rep.Reconnect)
			}
		})
	}
}

// TestTexts: heads can be read back, and invalid letters are detected.
func TestTexts(t *testing.T) {
	s, due := stampOf(1<<16-1, 1<<32-2), int64(1<<48-3)
	text := appendText(nil, []byte("~12ab"), s, due, paddingOf(100))
	if len(text) != 100 {
		t.Errorf("%d bytes", len(text))
	}
	if gotStamp, gotDue, ok := readHead(text); gotStamp != s || gotDue != due || !ok {
		t.Errorf("got %x, %x, %v; want %x, %x", gotStamp, gotDue, ok, s, due)
	}
	for i := runLen; i < headLen; i++ {
		for _, wrong := range []byte{'@' - 1, 'O' + 1, 0, 255} {
			bad := bytes.Clone(text)
			bad[i] = wrong
			if _, _, ok := readHead(bad); ok {
				t.Errorf("read %q", bad[:headLen])
			}
		}
	}
}

// TestLatencies compares the histogram with the recorded values. The error is at most half a percent.
func TestLatencies(t *testing.T) {
	for _, ns := range []int64{1000, 511_999, 512_000, 1e6, 123_456_789, 1e9, 59e9, 1000e9} {
		w := newLatencies()
		s := w.begin()
		s.record(ns)
		w.end(s)
		if got, want := float64(w.all().Max()), float64(ns)/1000; got < want*0.995-1 || got > want*1.005+1 {
			t.Errorf("%d ns: %.0f µs", ns, got)
		}
	}
	w := newLatencies()
	s := w.begin()
	s.record(-5)
	s.record(1 << 62)
	w.end(s)
	if n := w.all().TotalCount(); n != 2 {
		t.Errorf("%d waits, want 2", n)
	}
}

// TestLedgerFindsFaults: the checker detects faults and counts them correctly.
func TestLedgerFindsFaults(t *testing.T) {
	for name, c := range map[string]struct {
		first, second []int // what two clients receive of one publisher's messages 1, 2 and 3
		want          tally
	}{
		"all well":           {[]int{1, 2, 3}, []int{1, 2, 3}, tally{Delivered: 6}},
		"lost in the middle": {[]int{1, 2, 3}, []int{1, 3}, tally{Delivered: 5, Lost: 1}},
		"lost at the end":    {[]int{1, 2, 3}, []int{1}, tally{Delivered: 4, Lost: 2}},
		"lost by all":        {[]int{1, 3}, []int{1, 3}, tally{Delivered: 4, Lost: 2}},
		"lost by the first":  {[]int{1}, []int{1, 2, 3}, tally{Delivered: 4, Lost: 2}},
		"doubled":            {[]int{1, 2, 3}, []int{1, 2, 2, 3}, tally{Delivered: 7, Duplicated: 1}},
		"doubled, not lost":  {[]int{1, 2, 2, 3}, []int{1, 3, 3}, tally{Delivered: 7, Duplicated: 2, Lost: 1}},
		"swapped":            {[]int{1, 2, 3}, []int{1, 3, 2}, tally{Delivered: 6, OutOfOrder: 1}},
		"swapped, doubled":   {[]int{1, 2, 3}, []int{1, 3, 2, 2}, tally{Delivered: 7, Duplicated: 1, OutOfOrder: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(1)
			a, b := receiver{ledger: l}, receiver{ledger: l}
			for _, seq := range c.first {
				a.receive(stampOf(0, seq))
			}
			for _, seq := range c.second {
				b.receive(stampOf(0, seq))
			}
			got := a.tally
			got.add(b.tally)
			if got.Lost = 6 - a.received() - b.received(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	l := newLedger(1)
	// The second receives what the first has not, and then the first receives it in another order: nothing is lost or
	// duplicated.
	a, b := receiver{ledger: l}, receiver{ledger: l}
	a.receive(stampOf(0, 1))
	b.receive(stampOf(0, 2))
	a.receive(stampOf(0, 2))
	b.receive(stampOf(0, 1))
	if a.received() != 2 || b.received() != 2 || a.OutOfOrder+b.OutOfOrder == 0 {
		t.Errorf("early: %+v and %+v", a.tally, b.tally)
	}
	l = newLedger(1)
	e := receiver{ledger: l}
	for _, seq := range []int{1, 2, 5, 4} {
		e.receive(stampOf(0, seq))
	}
	if l.disorder != 1 {
		t.Errorf("%d in disorder for all, want 1", l.disorder)
	}
}

// TestLedgerAgainstSets: in whatever order three clients receive messages, each counts what it has received at least
// once.
func TestLedgerAgainstSets(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 0))
		l := newLedger(2)
		var receivers [3]receiver
		var sets [3]map[stamp]bool
		for i := range receivers {
			receivers[i].ledger, sets[i] = l, make(map[stamp]bool)
		}
		for range 30 {
			i, s := random.IntN(3), stampOf(random.IntN(2), 1+random.IntN(5))
			receivers[i].receive(s)
			sets[i][s] = true
			if got := receivers[i].received(); got != int64(len(sets[i])) {
				t.Fatalf("seed %d: %d messages count as received, want %d", seed, got, len(sets[i]))
			}
		}
	}
}
