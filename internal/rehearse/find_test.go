package rehearse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ramai/server"
)

// TestSearch: the highest rate that is held is closed in on, from a rate that is held or not.
func TestSearch(t *testing.T) {
	for limit, want := range map[float64][]float64{
		10: {1, 2, 4, 8, 16, 12, 10, 11},
		3:  {1, 2, 4, 3, 3.5, 3.25},
		.3: {1, .5, .25, .375},
		0:  {1, .5, .25, .125},
	} {
		var tried []float64
		err := search(1, func(rate float64) (bool, error) {
			tried = append(tried, rate)
			return rate <= limit, nil
		})
		if err != nil || !slices.Equal(tried, want) {
			t.Errorf("limit %g: tried %v, %v; want %v", limit, tried, err, want)
		}
	}
	bad := errors.New("no")
	if err := search(1, func(float64) (bool, error) { return false, bad }); err != bad {
		t.Error(err)
	}
}

// TestJudge: what is held, and the limit that is named otherwise.
func TestJudge(t *testing.T) {
	good := Report{Clients: 10000, Published: 80, Publishing: 10, Seconds: 10, P99: 94, tally: tally{Delivered: 800000}}
	slow, lossy, late := good, good, good
	slow.P99, lossy.Lost, late.Published = 201, 3, 70
	var trials []Trial
	for _, c := range []struct {
		rate float64
		rep  *Report
		err  error
		why  string
	}{
		{16, &slow, nil, "p99 is 201 ms"},
		{8, &good, nil, ""},
		{9, &lossy, nil, "3 deliveries lost"},
		{12, &late, nil, "only 7 messages/s"},
		{10, nil, fmt.Errorf("connect: %w", syscall.EMFILE), "file descriptors"},
		{11, nil, fmt.Errorf("connect: %w", syscall.EADDRNOTAVAIL), "ports"},
		{11, nil, errors.New("the server answered 503 Service Unavailable: full"), "--max-connections"},
	} {
		got := judge(c.rate, c.rep, c.err, 10*time.Second, 200*time.Millisecond)
		if got.Held != (c.why == "") || !strings.Contains(got.Why, c.why) {
			t.Errorf("%+v; want %q", got, c.why)
		}
		trials = append(trials, got)
	}
	const want = "held 10,000 clients at 8 messages/s, p99 94 ms"
	if got := Conclusion(trials[:2]); got != want+"; the first limit, at 16 messages/s: p99 is 201 ms" {
		t.Error(got)
	}
	if got := Conclusion(append(trials[:2:2], trials[4])); !strings.HasPrefix(got, want+"; the first limit, at 10 messages/s: file descriptors") {
		t.Error(got)
	}
	if got := Conclusion(trials[:1]); got != "not held even at 16 messages/s: p99 is 201 ms" {
		t.Error(got)
	}
}

// TestTLSAndPage: a rehearsal over TLS, its seconds, and its page, which loads nothing from elsewhere.
func TestTLSAndPage(t *testing.T) {
	cfg := server.Defaults()
	cfg.InMemory, cfg.Rate, cfg.Quiet, cfg.Logger = true, 0, true, slog.New(slog.DiscardHandler)
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewUnstartedServer(s.Handler())
	web.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	web.StartTLS()
	defer web.Close()
	c := Config{URL: web.URL, Clients: 5, Publishers: 2, Rate: 50, Size: 64, Duration: 2500 * time.Millisecond}
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody has signed: %v", err)
	}
	c.AnyCertificate = true
	rep, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Good() || rep.Published == 0 || !slices.ContainsFunc(rep.Series, func(s Second) bool { return s.P99 > 0 }) {
		t.Errorf("%+v", rep)
	}
	var page strings.Builder
	trials := []Trial{{Rate: 50, Held: true, Report: rep}, {Rate: 100, Why: "<b>", Report: rep}}
	if err := rep.WriteHTML(&page, "<script>", trials); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"held 5 clients", "&lt;script&gt;", "the first limit, at 100 messages/s: &lt;b&gt;", "<polyline", "Deliveries per second"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in %s", want, page.String())
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "src=", "url("} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("%q in the page", bad)
		}
	}
}
