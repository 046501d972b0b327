package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/doctor"
)

const doctorHelp = `Examine what is between this machine and a server: whether a proxy holds streams back, refuses WebSocket, cuts idle
connections, hides the addresses of clients, caches or compresses, and whether certificate and clocks are right. Each check prints
a line: what was found, and the setting to change. Nothing is posted. URL may name a room, whose stream is read.

The exit code is 1 if there is a problem, and 3 if the server cannot be reached.

With --json, the report has checks and conclusion. A check has name (server, certificate, version, clock, caching, address,
compression, stream, websocket, idle), result (ok, problem, unknown), found and fix.`

// doctorPatience is how long an answer may take that should come at once.
const doctorPatience = 10 * time.Second

// newDoctor returns the command that finds what a proxy breaks.
func newDoctor() *cobra.Command {
	var t target
	var asJSON bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "doctor URL",
		Short: "Examine what is between this machine and a server",
		Long:  doctorHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.server = withScheme(args[0])
			return examine(cmd, &t, wait, asJSON)
		},
	}
	f := cmd.Flags()
	f.Var((*path)(&t.ca), "ca", "PEM file with additional CA certificates to trust")
	f.BoolVar(&t.insecure, "insecure", false, "skip certificate verification (insecure)")
	f.DurationVar(&wait, "wait", 65*time.Second, "how long to keep idle connections open; 0: skip this check")
	f.BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	return cmd
}

// examine implements ramai doctor.
func examine(cmd *cobra.Command, t *target, wait time.Duration, asJSON bool) error {
	room, err := client.Room(t.server)
	if err != nil {
		return exit(exitUsage, err)
	}
	u, err := url.Parse(t.server)
	if err != nil {
		return exit(exitUsage, err)
	}
	u.Scheme = httpScheme(u.Scheme)
	config, err := t.config(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	cfg := doctor.Config{URL: u, Room: room, TLS: config.TLS, Patience: doctorPatience, Wait: wait}
	if !asJSON {
		cfg.OnCheck = func(c doctor.Check) {
			line := fmt.Sprintf("%s: %s: %s", c.Result, c.Name, c.Found)
			if c.Fix != "" {
				line += "; to change: " + c.Fix
			}
			fmt.Fprintln(out, client.Printable(line))
		}
	}
	report, err := doctor.Run(cmd.Context(), cfg)
	if err != nil {
		return exit(exitNoServer, fmt.Errorf("%w; %s", err, hint(err)))
	}
	if asJSON {
		err = json.NewEncoder(out).Encode(report)
	} else {
		_, err = fmt.Fprintln(out, report.Conclusion)
	}
	if err != nil {
		return exit(exitUnconfirmed, err)
	}
	if !report.Good() {
		return exit(exitUnconfirmed, errors.New("there are problems; see docs/PROXIES.md"))
	}
	return nil
}
