package main

import (
	"bufio"
	"bytes"
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

// benchCase is one thing to be measured.
type benchCase struct {
	name, about string
	v1          bool     // peers that speak only the plain door cannot be measured
	metrics     []metric // in the order of the table
	run         func(context.Context, *bench, *candidate) (figures, error)
}

// metric is one column of the table.
type metric struct {
	name, unit string
}

// figures are what one measurement found, by the name of the metric.
type figures map[string]float64

var (
	serverCPU   = metric{"server cpu/delivery", "µs"}
	ownCPU      = metric{"rehearse cpu/delivery", "µs"}
	deliveries  = metric{"deliveries", "/s"}
	p50         = metric{"p50", "ms"}
	p99         = metric{"p99", "ms"}
	rss         = metric{"rss", "MiB"}
	socketBytes = metric{"socket memory", "MiB"}
)

const mib = 1 << 20

var cases = []*benchCase{
	publishingCase("fanout", "1,000 clients, 8 talk, 32 messages of 128 bytes in flight each", 10*time.Second,
		[]metric{serverCPU, deliveries, p50, p99, ownCPU, rss},
		"--clients", "1000", "--publishers", "8", "--in-flight", "32", "--size", "128"),
	publishingCase("talk", "32 clients, all talk, 8 messages of 32 bytes in flight each", 10*time.Second,
		[]metric{deliveries, serverCPU, p50, p99, ownCPU},
		"--clients", "32", "--publishers", "32", "--in-flight", "8", "--size", "32"),
	publishingCase("crowd", "10,000 clients, 4 messages of 128 bytes a second", 15*time.Second,
		[]metric{p99, p50, serverCPU, ownCPU, rss},
		"--clients", "10000", "--publishers", "4", "--rate", "4", "--size", "128", "--source-addresses", "50"),
	publishingCase("steady", "1,000 clients, 30 messages of 128 bytes a second", 15*time.Second,
		[]metric{serverCPU, p50, p99, ownCPU},
		"--clients", "1000", "--publishers", "8", "--rate", "30", "--size", "128"),
	idleCase("idle", "10,000 plain clients that keep silent, after 30 s", "--plain"),
	idleCase("idle-v1", "10,000 clients of ramai.v1 that keep silent, after 30 s"),
	{name: "frozen", about: "1,000 messages of 1 kB a second for a minute to 100 clients, one of them frozen or none (--buffer-memory 16MiB)",
		metrics: []metric{
			{"p99 without", "ms"}, {"p99 with", "ms"}, {"rss without", "MiB"}, {"rss with", "MiB"},
			{"socket memory without", "MiB"}, {"socket memory with", "MiB"}, {"read after the thaw", "s"},
		}, run: slowReader},
	{name: "storm", about: "10,000 connections cut at once, which come back to 50 messages each", v1: true,
		metrics: []metric{{"all back and complete", "s"}, {"since the cut", "s"}, {"server cpu", "s"}}, run: storm},
}

// rehearsal is a rehearsal and what was read of the server in it: before anybody came, when everybody was in, when the
// talk was over, and when all was heard.
type rehearsal struct {
	rehearse.Report
	beforeClients, connected, published, delivered usage
}

// rehearseWith starts a server and rehearses with it. The talk takes length, unless --duration says otherwise. onConnected, if not
// nil, is called when everybody is in.
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
	if bad == nil && !c.v1 && r.Lost == 0 && r.Doubled == 0 && err != nil {
		fmt.Fprintf(b.progress, "  %d deliveries were out of order, which this server does not rule out\n", r.OutOfOrder)
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(otherLines+" "+out.String()))
	}
	if r.delivered.cpu == 0 {
		return nil, errors.New("the rehearsal did not tell when all was heard")
	}
	return r, bad
}

// readStages reads the server at each stage of the rehearsal. It returns what else was told.
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

// perDelivery is processor time for each delivery, in microseconds.
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

// publishingCase is a case that is one rehearsal at the plain door.
func publishingCase(name, about string, length time.Duration, metrics []metric, args ...string) *benchCase {
	return &benchCase{name: name, about: about, metrics: metrics, run: func(ctx context.Context, b *bench, c *candidate) (figures, error) {
		r, err := b.rehearseWith(ctx, c, length, nil, append([]string{"--plain"}, args...), nil)
		if err != nil {
			return nil, err
		}
		return r.figures(), nil
	}}
}

// idleCase is a case in which nobody says anything.
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

// slowReader measures what one reader that reads nothing costs the others, and the server.
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
		all["read after the thaw"] = r.Seconds - r.Publishing
	}
	return all, nil
}

// storm has everybody but the talker cut off from outside. They are told apart by their addresses: the talker comes
// from 127.0.0.1, the others from 127.1/16.
func storm(ctx context.Context, b *bench, c *candidate) (figures, error) {
	r, err := b.rehearseWith(ctx, c, 30*time.Second, nil,
		[]string{"--clients", "10000", "--publishers", "1", "--rate", "2", "--source-addresses", "50", "--reconnect", "--missed", "50"},
		func(port int) error {
			out, err := exec.CommandContext(ctx, "ss", "-K", "-Htn", "src", "127.1.0.0/16", "dport", "=", fmt.Sprintf(":%d", port)).CombinedOutput()
			if err == nil && bytes.Count(out, []byte("ESTAB")) == 0 {
				err = errors.New("nothing was cut: it needs root, and a kernel with INET_DIAG_DESTROY")
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
		return nil, errors.New("nobody was cut off")
	}
	return figures{
		"all back and complete": r.Reconnect.Seconds,
		"since the cut":         r.Reconnect.SinceCut,
		"server cpu":            (r.delivered.cpu - r.connected.cpu).Seconds(),
	}, nil
}
