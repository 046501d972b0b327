package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// load is what a publishing case does.
type load struct {
	clients, publishers int
	inFlight            int     // of each publisher; or
	rate                float64 // messages a second
	size                int
}

// flags returns the load as flags of ramai rehearse.
func (l load) flags() []string {
	loop := []string{"--in-flight", strconv.Itoa(l.inFlight)}
	if l.rate > 0 {
		loop = []string{"--rate", strconv.FormatFloat(l.rate, 'f', -1, 64)}
	}
	if l.clients >= 10000 {
		loop = append(loop, "--source-addresses", "50")
	}
	return append(loop, "--plain", "--clients", strconv.Itoa(l.clients), "--publishers", strconv.Itoa(l.publishers), "--size", strconv.Itoa(l.size))
}

// rigReport is what bench/rig/rig.c prints.
type rigReport struct {
	Published int64   `json:"published"`
	Delivered float64 `json:"delivered"`
	Lost      int64   `json:"lost"`
	Again     int64   `json:"again"`
	Orders    int     `json:"orders"`
	Rate      float64 `json:"deliveries_per_second"`
	ServerCPU float64 `json:"server_cpu_seconds"`
	OwnCPU    float64 `json:"own_cpu_seconds"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// runRig measures a server with the load generator in C.
func (b *bench) runRig(ctx context.Context, c *candidate, l load, length time.Duration) (figures, error) {
	s, err := b.start(ctx, c)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	loop := float64(l.inFlight)
	if l.rate > 0 {
		loop = -l.rate
	}
	cmd := exec.CommandContext(ctx, b.rigPath, fmt.Sprint(s.port), fmt.Sprint(s.cmd.Process.Pid), fmt.Sprint(l.clients), fmt.Sprint(l.publishers),
		fmt.Sprint(loop), fmt.Sprint(l.size), fmt.Sprint(length.Seconds()))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var r rigReport
	if bad := json.Unmarshal(out, &r); bad != nil || r.Delivered == 0 {
		return nil, errors.Join(err, bad, errors.New(strings.TrimSpace(errs.String()+string(out))))
	}
	if err != nil || c.v1 && r.Orders > 0 {
		return nil, fmt.Errorf("lost %d, doubled or out of order %d, clients with another order %d", r.Lost, r.Again, r.Orders)
	}
	usage, err := s.readUsage()
	return figures{
		serverCPU.name:  r.ServerCPU * 1e6 / r.Delivered,
		ownCPU.name:     r.OwnCPU * 1e6 / r.Delivered,
		deliveries.name: r.Rate,
		p50.name:        r.P50,
		p99.name:        r.P99,
		rss.name:        usage.rss / mib,
	}, err
}

// buildC builds a program of bench/rig.
func buildC(ctx context.Context, name, out string) error {
	cmd := exec.CommandContext(ctx, "gcc", "-std=gnu11", "-O2", "-Wall", "-o", out, filepath.Join("bench", "rig", name+".c"))
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s.c (requires gcc and libc6-dev): %w\n%s", name, err, text)
	}
	return nil
}
