package rehearse

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/reactor"
	"ramai/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRehearsals runs each kind against a real server: nothing is lost, and all is counted.
func TestRehearsals(t *testing.T) {
	base := Config{Clients: 12, Talkers: 3, Size: 64, For: 300 * time.Millisecond}
	for name, change := range map[string]func(*Config){
		"plain, closed loop": func(c *Config) { c.Plain, c.InFlight = true, 4 },
		"plain, open loop":   func(c *Config) { c.Plain, c.Rate = true, 200 },
		"v1, closed loop":    func(c *Config) { c.InFlight = 4 },
		"v1, open loop":      func(c *Config) { c.Rate = 200 },
		"slow readers":       func(c *Config) { c.InFlight, c.Slow = 8, 3 },
		"churn":              func(c *Config) { c.Rate, c.Churn = 500, 40 },
		"addresses":          func(c *Config) { c.Plain, c.InFlight, c.Sources = true, 1, 300 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := server.Defaults()
			cfg.Memory, cfg.Rate, cfg.Quiet, cfg.Log = true, 0, true, slog.New(slog.DiscardHandler)
			s, err := server.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(s.Handler())
			defer web.Close()
			defer s.Close()
			c := base
			c.URL, c.Reactor = web.URL+"/r/rehearsal", reactor.NewPortable(reactor.Options{})
			change(&c)
			rep, err := Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if !rep.Good() || rep.Said == 0 || rep.Delivered != rep.Said*int64(c.Clients) {
				t.Errorf("%+v", rep)
			}
		})
	}
}

// TestLedgerFindsWhatIsWrong: the checker can fail.
func TestLedgerFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		first, second []int // what two clients hear, of one talker
		want          tally
	}{
		"all well":           {[]int{1, 2, 3}, []int{1, 2, 3}, tally{Delivered: 6}},
		"lost in the middle": {[]int{1, 2, 3}, []int{1, 3}, tally{Delivered: 5, Lost: 1}},
		"lost at the end":    {[]int{1, 2, 3}, []int{1}, tally{Delivered: 4, Lost: 2}},
		"doubled":            {[]int{1, 2, 3}, []int{1, 2, 2, 3}, tally{Delivered: 7, Doubled: 1}},
		"swapped":            {[]int{1, 2, 3}, []int{1, 3, 2}, tally{Delivered: 6, OutOfOrder: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(1)
			a, b := ear{ledger: l}, ear{ledger: l}
			for _, seq := range c.first {
				a.hear(stampOf(0, seq))
			}
			for _, seq := range c.second {
				b.hear(stampOf(0, seq))
			}
			got := a.end()
			got.add(b.end())
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	l := newLedger(1)
	e := ear{ledger: l}
	for _, seq := range []int{1, 2, 5, 4} {
		e.hear(stampOf(0, seq))
	}
	if l.disorder != 1 || l.unheard(0, 5) != 1 {
		t.Errorf("for everybody: %d in disorder, %d unheard; want 1 and 1", l.disorder, l.unheard(0, 5))
	}
}
