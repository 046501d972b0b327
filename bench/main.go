// Command bench compares ramai with other servers. All of them serve the same rehearsal on this machine, in turns, over
// several rounds, and what counts is the ratio within a round. See README.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are the flags.
type options struct {
	rounds  int
	length  time.Duration // of publishing in each measurement; 0: as defined by the case
	peers   []string
	ramai   string // server to measure; empty: built from this tree
	against []string
	extra   string // additional flags of ramai serve
	data    string // where data folders are created
	json    bool
	rig     bool // measure with the load generator in C
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintf(stderr, "usage: go run ./bench [flags] [case …]\n\ncases (default: all):\n")
		for _, c := range cases {
			fmt.Fprintf(stderr, "  %-8s %s\n", c.name, c.about)
		}
		fmt.Fprintf(stderr, "\nflags:\n%s", f.FlagUsages())
	}
	f.IntVar(&o.rounds, "rounds", 5, "number of measurements of each server in each case")
	f.DurationVar(&o.length, "duration", 0, "length of each measurement; 0: as defined by the case")
	f.StringSliceVar(&o.peers, "peers", nil, "peers to measure: "+peerNames+", or none (default: all that are installed)")
	f.StringVar(&o.ramai, "ramai", "", "ramai binary to measure (default: built from this tree)")
	f.StringArrayVar(&o.against, "against", nil, "another ramai binary to compare with (repeatable)")
	f.StringVar(&o.extra, "serve-flags", "", "additional flags of ramai serve, for the first binary only")
	f.StringVar(&o.data, "data", "", "folder for data, on the disk to measure (default: the folder for temporary files)")
	f.BoolVar(&o.rig, "rig", false, "measure with the load generator in C (bench/rig/rig.c, built by gcc) instead of ramai rehearse; only the first four cases")
	f.BoolVar(&o.json, "json", false, "print all figures as JSON")
	if err := f.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			return nil
		}
		return err
	}
	chosen, err := chooseCases(f.Args(), o.rig)
	if err != nil {
		return err
	}
	if o.rounds < 1 {
		return fmt.Errorf("invalid --rounds %d; want at least 1", o.rounds)
	}
	b := &bench{options: o, progress: stderr}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	var results []*result
	for _, c := range chosen {
		r, err := b.measure(ctx, c)
		if err != nil {
			return err
		}
		results = append(results, r)
		if !o.json {
			r.print(stdout)
		}
	}
	if o.json {
		return json.NewEncoder(stdout).Encode(results)
	}
	return nil
}

func chooseCases(names []string, rig bool) (chosen []*benchCase, err error) {
	for _, c := range cases {
		if rig && !c.rig {
			if slices.Contains(names, c.name) {
				return nil, fmt.Errorf("the case %s cannot be measured with --rig; use ramai rehearse", c.name)
			}
			continue
		}
		if len(names) == 0 || slices.Contains(names, c.name) {
			chosen = append(chosen, c)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(cases, func(c *benchCase) bool { return c.name == name }) {
			return nil, fmt.Errorf("unknown case %q; see --help", name)
		}
	}
	return chosen, nil
}

// bench is one run of this program.
type bench struct {
	options
	progress io.Writer
	work     string // temporary folder, removed at the end
	rehearse string // the ramai that runs rehearsals
	rigPath  string // the load generator in C, with --rig
	servers  []*candidate
}

// prepare builds what is to be measured.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.work, err = os.MkdirTemp(b.data, "ramai-bench-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(b.work)
		}
	}()
	b.rehearse = filepath.Join(b.work, "ramai")
	if err := build(ctx, ".", b.rehearse, "./cmd/ramai"); err != nil {
		return err
	}
	if b.rig {
		b.rigPath = filepath.Join(b.work, "rig")
		if err := buildC(ctx, "rig", b.rigPath); err != nil {
			return err
		}
	}
	if b.ramai == "" {
		b.ramai = b.rehearse
	}
	b.servers = []*candidate{ramai("ramai", b.ramai, strings.Fields(b.extra))}
	for _, path := range b.against {
		b.servers = append(b.servers, ramai(path, path, nil))
	}
	peers, err := findPeers(ctx, b.peers, b.work)
	b.servers = append(b.servers, peers...)
	return err
}

func build(ctx context.Context, dir, out, what string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, what)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, text)
	}
	return nil
}

// measure measures every server in every round. Each round begins with another server.
func (b *bench) measure(ctx context.Context, c *benchCase) (*result, error) {
	var servers []*candidate
	for _, s := range b.servers {
		if s.v1 || !c.v1 {
			servers = append(servers, s)
		}
	}
	r := &result{Case: c.name, About: c.about, metrics: c.metrics}
	for _, s := range servers {
		r.Servers = append(r.Servers, &series{Server: s.name})
	}
	for round := range b.rounds {
		for k := range servers {
			i := (round + k) % len(servers)
			fmt.Fprintf(b.progress, "%s, round %d of %d: %s\n", c.name, round+1, b.rounds, servers[i].name)
			f, err := c.run(ctx, b, servers[i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				fmt.Fprintf(b.progress, "  %v\n", err)
				f = nil
			}
			r.Servers[i].Rounds = append(r.Servers[i].Rounds, f)
		}
	}
	return r, nil
}
