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

// kase is one thing to be measured.
type kase struct {
	name, about string
	v1          bool     // peers that speak only the plain door cannot be measured
	metrics     []metric // in the order of the table
	run         func(context.Context, *bench, *contestant) (figures, error)
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

var cases = []*kase{
	talking("fanout", "1,000 clients, 8 talk, 32 messages of 128 bytes in flight each", 10*time.Second,
		[]metric{serverCPU, deliveries, p50, p99, ownCPU, rss},
		"--clients", "1000", "--publishers", "8", "--in-flight", "32", "--size", "128"),
	talking("talk", "32 clients, all talk, 8 messages of 32 bytes in flight each", 10*time.Second,
		[]metric{deliveries, serverCPU, p50, p99, ownCPU},
		"--clients", "32", "--publishers", "32", "--in-flight", "8", "--size", "32"),
	talking("crowd", "10,000 clients, 4 messages of 128 bytes a second", 15*time.Second,
		[]metric{p99, p50, serverCPU, ownCPU, rss},
		"--clients", "10000", "--publishers", "4", "--rate", "4", "--size", "128", "--source-addresses", "50"),
	talking("steady", "1,000 clients, 30 messages of 128 bytes a second", 15*time.Second,
		[]metric{serverCPU, p50, p99, ownCPU},
		"--clients", "1000", "--publishers", "8", "--rate", "30", "--size", "128"),
	idle("idle", "10,000 plain clients that keep silent, after 30 s", "--plain"),
	idle("idle-v1", "10,000 clients of ramai.v1 that keep silent, after 30 s"),
	{name: "frozen", about: "1,000 messages of 1 kB a second for a minute to 100 clients, one of them frozen or none (--buffer-memory 16MiB)",
		metrics: []metric{
			{"p99 without", "ms"}, {"p99 with", "ms"}, {"rss without", "MiB"}, {"rss with", "MiB"},
			{"socket memory without", "MiB"}, {"socket memory with", "MiB"}, {"read after the thaw", "s"},
		}, run: frozen},
	{name: "storm", about: "10,000 connections cut at once, which come back to 50 messages each", v1: true,
		metrics: []metric{{"all back and complete", "s"}, {"since the cut", "s"}, {"server cpu", "s"}}, run: storm},
}

// rehearsal is a rehearsal and what was read of the server in it: before anybody came, when everybody was in, when the
// talk was over, and when all was heard.
type rehearsal struct {
	rehearse.Report
	empty, in, silent, heard reading
}

// rehearsed starts a server and rehearses with it. The talk takes length, unless --duration says otherwise. atIn, if not
// nil, is called when everybody is in.
func (b *bench) rehearsed(ctx context.Context, c *contestant, length time.Duration, serve, args []string, atIn func(port int) error) (*rehearsal, error) {
	s, err := b.start(ctx, c, serve...)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if b.length != 0 {
		length = b.length
	}
	r := new(rehearsal)
	if r.empty, err = s.read(); err != nil {
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
	told, failed := r.follow(bufio.NewScanner(stages), s, atIn)
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
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(told+" "+out.String()))
	}
	if r.heard.cpu == 0 {
		return nil, errors.New("the rehearsal did not tell when all was heard")
	}
	return r, bad
}

// follow reads the server at each stage of the rehearsal. It returns what else was told.
func (r *rehearsal) follow(lines *bufio.Scanner, s *server, atIn func(port int) error) (told string, err error) {
	for lines.Scan() && err == nil {
		switch line := strings.TrimPrefix(lines.Text(), "ramai: "); line {
		case rehearse.EverybodyIn:
			if r.in, err = s.read(); err == nil && atIn != nil {
				err = atIn(s.port)
			}
		case rehearse.TalkOver:
			r.silent, err = s.read()
		case rehearse.AllHeard:
			r.heard, err = s.read()
		default:
			told += line + " "
		}
	}
	return told, err
}

// perDelivery is processor time for each delivery, in microseconds.
func (r *rehearsal) perDelivery(seconds float64) float64 { return seconds * 1e6 / float64(r.Delivered) }

func (r *rehearsal) figures() figures {
	return figures{
		serverCPU.name:  r.perDelivery((r.heard.cpu - r.in.cpu).Seconds()),
		ownCPU.name:     r.perDelivery(r.CPU),
		deliveries.name: r.Rate,
		p50.name:        r.P50,
		p99.name:        r.P99,
		rss.name:        r.silent.rss / mib,
	}
}

// talking is a case that is one rehearsal at the plain door.
func talking(name, about string, length time.Duration, metrics []metric, args ...string) *kase {
	return &kase{name: name, about: about, metrics: metrics, run: func(ctx context.Context, b *bench, c *contestant) (figures, error) {
		r, err := b.rehearsed(ctx, c, length, nil, append([]string{"--plain"}, args...), nil)
		if err != nil {
			return nil, err
		}
		return r.figures(), nil
	}}
}

// idle is a case in which nobody says anything.
func idle(name, about string, door ...string) *kase {
	const clients = 10000
	args := append([]string{"--clients", strconv.Itoa(clients), "--publishers", "0", "--source-addresses", "50"}, door...)
	metrics := []metric{{"rss/client", "kiB"}, {"rss empty", "MiB"}, rss, socketBytes, {"connecting", "s"}}
	return &kase{name: name, about: about, v1: len(door) == 0, metrics: metrics, run: func(ctx context.Context, b *bench, c *contestant) (figures, error) {
		r, err := b.rehearsed(ctx, c, 30*time.Second, nil, args, nil)
		if err != nil {
			return nil, err
		}
		return figures{
			"rss/client":     (r.silent.rss - r.empty.rss) / clients / 1024,
			"rss empty":      r.empty.rss / mib,
			rss.name:         r.silent.rss / mib,
			socketBytes.name: r.silent.socket / mib,
			"connecting":     r.Connecting,
		}, nil
	}}
}

// frozen measures what one reader that reads nothing costs the others, and the server.
func frozen(ctx context.Context, b *bench, c *contestant) (figures, error) {
	all := figures{}
	for slow, which := range []string{" without", " with"} {
		r, err := b.rehearsed(ctx, c, time.Minute, []string{"--buffer-memory", "16MiB"},
			[]string{"--plain", "--clients", "100", "--publishers", "4", "--rate", "1000", "--size", "1000", "--slow", strconv.Itoa(slow)}, nil)
		if err != nil {
			return nil, err
		}
		all["p99"+which] = r.P99
		all["rss"+which] = r.silent.rss / mib
		all["socket memory"+which] = r.silent.socket / mib
		all["read after the thaw"] = r.Seconds - r.Talked
	}
	return all, nil
}

// storm has everybody but the talker cut off from outside. They are told apart by their addresses: the talker comes
// from 127.0.0.1, the others from 127.1/16.
func storm(ctx context.Context, b *bench, c *contestant) (figures, error) {
	r, err := b.rehearsed(ctx, c, 30*time.Second, nil,
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
	if r.Back == nil {
		return nil, errors.New("nobody was cut off")
	}
	return figures{
		"all back and complete": r.Back.Seconds,
		"since the cut":         r.Back.SinceCut,
		"server cpu":            (r.heard.cpu - r.in.cpu).Seconds(),
	}, nil
}
