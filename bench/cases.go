package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"ramai/internal/rehearse"
)

// benchCase is one case to measure.
type benchCase struct {
	name, about string
	rig         bool     // can be measured with the load generator in C
	v1          bool     // peers that speak only the plain protocol are left out
	metrics     []metric // in the order of the table
	run         func(context.Context, *bench, *candidate) (figures, error)
}

// metric is one row of the table for each server.
type metric struct {
	name, unit string
}

// figures are the results of one measurement, by metric name.
type figures map[string]float64

var (
	serverCPU   = metric{"server cpu/delivery", "µs"}
	ownCPU      = metric{"generator cpu/delivery", "µs"}
	deliveries  = metric{"deliveries", "/s"}
	p50         = metric{"p50", "ms"}
	p99         = metric{"p99", "ms"}
	rss         = metric{"rss", "MiB"}
	socketBytes = metric{"socket memory", "MiB"}
)

const mib = 1 << 20

var cases = []*benchCase{
	publishingCase("fanout", "1,000 clients, 8 of them publish, 32 messages of 128 bytes in flight each", 10*time.Second,
		[]metric{serverCPU, deliveries, p50, p99, ownCPU, rss},
		load{clients: 1000, publishers: 8, inFlight: 32, size: 128}),
	publishingCase("talk", "32 clients, all publish, 8 messages of 32 bytes in flight each", 10*time.Second,
		[]metric{deliveries, serverCPU, p50, p99, ownCPU},
		load{clients: 32, publishers: 32, inFlight: 8, size: 32}),
	publishingCase("crowd", "10,000 clients, 4 messages of 128 bytes a second", 15*time.Second,
		[]metric{p99, p50, serverCPU, ownCPU, rss},
		load{clients: 10000, publishers: 4, rate: 4, size: 128}),
	publishingCase("steady", "1,000 clients, 30 messages of 128 bytes a second", 15*time.Second,
		[]metric{serverCPU, p50, p99, ownCPU},
		load{clients: 1000, publishers: 8, rate: 30, size: 128}),
	idleCase("idle", "10,000 idle plain clients, after 30 s", "--plain"),
	idleCase("idle-v1", "10,000 idle clients of ramai.v1, after 30 s"),
	{name: "slow", about: "1,000 messages of 1 kB a second for a minute to 100 clients, with and without one that does not read (--buffer-memory 16MiB)",
		metrics: []metric{
			{"p99 without", "ms"}, {"p99 with", "ms"}, {"rss without", "MiB"}, {"rss with", "MiB"},
			{"socket memory without", "MiB"}, {"socket memory with", "MiB"}, {"caught up after", "s"},
		}, run: slowReader},
	{name: "storm", about: "10,000 connections cut at once, which resume and miss 50 messages each", v1: true,
		metrics: []metric{{"all resumed", "s"}, {"since the cut", "s"}, {"server cpu", "s"}}, run: storm},
}

// rehearsal is a rehearsal and the usage of the server at its stages: before clients connect, when all are connected,
// when publishing is done, and when everything is delivered.
type rehearsal struct {
	rehearse.Report
	beforeClients, connected, published, delivered usage
}

// rehearseWith starts a server and runs a rehearsal of the given length, unless --duration overrides it. onConnected,
// if not nil, is called when all clients are connected.
func (b *bench) rehearseWith(ctx context.Context, c *candidate, length time.Duration, serve, args []string, onConnected func(port int) error) (*rehearsal, error) {
	s, err := b.start(ctx, c, serve...)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if b.length != 0 {
		length = b.length
	}
	r := new(rehearsal)
	if r.beforeClients, err = s.readUsage(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args = append([]string{"rehearse", "--json", "--duration", length.String()}, args...)
	cmd := exec.CommandContext(ctx, b.rehearse, append(args, fmt.Sprintf("http://127.0.0.1:%d/", s.port))...)
	var out bytes.Buffer
	cmd.Stdout = &out
	stages, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	otherLines, failed := r.readStages(bufio.NewScanner(stages), s, onConnected)
	if failed != nil {
		cancel()
	}
	err = cmd.Wait()
	if failed != nil {
		return nil, failed
	}
	bad := json.Unmarshal(out.Bytes(), &r.Report)
	if bad == nil && !c.v1 && r.Lost == 0 && r.Duplicated == 0 && err != nil {
		fmt.Fprintf(b.progress, "  %d deliveries were out of order, which this server does not rule out\n", r.OutOfOrder)
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(otherLines+" "+out.String()))
	}
	if r.delivered.cpu == 0 {
		return nil, errors.New("the rehearsal did not report that all messages were delivered")
	}
	return r, bad
}

// readStages reads the usage of the server at each stage of the rehearsal. It returns all other lines.
func (r *rehearsal) readStages(lines *bufio.Scanner, s *server, onConnected func(port int) error) (otherLines string, err error) {
	for lines.Scan() && err == nil {
		switch line := strings.TrimPrefix(lines.Text(), "ramai: "); line {
		case rehearse.AllConnected:
			if r.connected, err = s.readUsage(); err == nil && onConnected != nil {
				err = onConnected(s.port)
			}
		case rehearse.PublishingDone:
			r.published, err = s.readUsage()
		case rehearse.AllDelivered:
			r.delivered, err = s.readUsage()
		default:
			otherLines += line + " "
		}
	}
	return otherLines, err
}

// perDelivery converts processor time to microseconds for each delivery.
func (r *rehearsal) perDelivery(seconds float64) float64 { return seconds * 1e6 / float64(r.Delivered) }

func (r *rehearsal) figures() figures {
	return figures{
		serverCPU.name:  r.perDelivery((r.delivered.cpu - r.connected.cpu).Seconds()),
		ownCPU.name:     r.perDelivery(r.CPU),
		deliveries.name: r.Rate,
		p50.name:        r.P50,
		p99.name:        r.P99,
		rss.name:        r.published.rss / mib,
	}
}

// publishingCase is a case that is one rehearsal with the plain protocol.
func publishingCase(name, about string, length time.Duration, metrics []metric, l load) *benchCase {
	return &benchCase{name: name, about: about, rig: true, metrics: metrics, run: func(ctx context.Context, b *bench, c *candidate) (figures, error) {
		if b.rig {
			return b.runRig(ctx, c, l, cmp.Or(b.length, length))
		}
		r, err := b.rehearseWith(ctx, c, length, nil, l.flags(), nil)
		if err != nil {
			return nil, err
		}
		return r.figures(), nil
	}}
}

// idleCase is a case in which nobody publishes.
func idleCase(name, about string, protocol ...string) *benchCase {
	const clients = 10000
	args := append([]string{"--clients", strconv.Itoa(clients), "--publishers", "0", "--source-addresses", "50"}, protocol...)
	metrics := []metric{{"rss/client", "kiB"}, {"rss empty", "MiB"}, rss, socketBytes, {"connecting", "s"}}
	return &benchCase{name: name, about: about, v1: len(protocol) == 0, metrics: metrics, run: func(ctx context.Context, b *bench, c *candidate) (figures, error) {
		r, err := b.rehearseWith(ctx, c, 30*time.Second, nil, args, nil)
		if err != nil {
			return nil, err
		}
		return figures{
			"rss/client":     (r.published.rss - r.beforeClients.rss) / clients / 1024,
			"rss empty":      r.beforeClients.rss / mib,
			rss.name:         r.published.rss / mib,
			socketBytes.name: r.published.socket / mib,
			"connecting":     r.Connecting,
		}, nil
	}}
}

// slowReader measures what a client that does not read costs the others and the server.
func slowReader(ctx context.Context, b *bench, c *candidate) (figures, error) {
	all := figures{}
	for slow, which := range []string{" without", " with"} {
		r, err := b.rehearseWith(ctx, c, time.Minute, []string{"--buffer-memory", "16MiB"},
			[]string{"--plain", "--clients", "100", "--publishers", "4", "--rate", "1000", "--size", "1000", "--slow", strconv.Itoa(slow)}, nil)
		if err != nil {
			return nil, err
		}
		all["p99"+which] = r.P99
		all["rss"+which] = r.published.rss / mib
		all["socket memory"+which] = r.published.socket / mib
		all["caught up after"] = r.Seconds - r.Publishing
	}
	return all, nil
}

// storm cuts the connections of all clients but the publisher from outside. The publisher connects from 127.0.0.1, the
// others from 127.1/16.
func storm(ctx context.Context, b *bench, c *candidate) (figures, error) {
	r, err := b.rehearseWith(ctx, c, 30*time.Second, nil,
		[]string{"--clients", "10000", "--publishers", "1", "--rate", "2", "--source-addresses", "50", "--reconnect", "--missed", "50"},
		func(port int) error {
			out, err := exec.CommandContext(ctx, "ss", "-K", "-Htn", "src", "127.1.0.0/16", "dport", "=", fmt.Sprintf(":%d", port)).CombinedOutput()
			if err == nil && bytes.Count(out, []byte("ESTAB")) == 0 {
				err = errors.New("no connection was cut: ss -K needs root and a kernel with INET_DIAG_DESTROY")
			}
			if err != nil {
				return fmt.Errorf("ss -K: %w: %.200s", err, out)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	if r.Reconnect == nil {
		return nil, errors.New("no client was cut off")
	}
	return figures{
		"all resumed":   r.Reconnect.Seconds,
		"since the cut": r.Reconnect.SinceCut,
		"server cpu":    (r.delivered.cpu - r.connected.cpu).Seconds(),
	}, nil
}
