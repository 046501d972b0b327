package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/internal/rehearse"
)

const rehearseHelp = `Fill a room with clients, let some of them publish, and check that every client receives every message once and in the
same order. The exit code is 1 if a message is lost, duplicated, or out of order.

Start the server with --rate 0. Without --rate, each publisher keeps --in-flight messages in flight (closed loop). With
--rate, messages are due at fixed times, and latency is measured from the time a message was due (open loop).

With --json, the report has these fields: clients, published (messages), connect_seconds, publish_seconds, total_seconds (until
the last delivery), delivered, lost, duplicated, out_of_order (deliveries), deliveries_per_second, p50_ms, p90_ms, p99_ms,
p99_9_ms, max_ms (latency, without slow clients), client_cpu_seconds (of ramai rehearse itself), and with --reconnect also
reconnect: clients (cut off), missed (messages), seconds (until they had caught up), since_cut_seconds.`

// newRehearse returns the command that load-tests a server and checks all deliveries.
func newRehearse() *cobra.Command {
	cfg := rehearse.Config{Clients: 100, Publishers: 4, Size: 128, Duration: 10 * time.Second}
	asJSON := false
	cmd := &cobra.Command{
		Use:   "rehearse URL",
		Short: "Load-test a server, and check every delivery",
		Long:  rehearseHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.URL = withScheme(args[0])
			if cfg.Rate == 0 && cfg.InFlight == 0 {
				cfg.InFlight = 8
			}
			err := cfg.Check()
			if err != nil {
				return exit(exitUsage, err)
			}
			cfg.OnStage = func(stage string) { fmt.Fprintln(cmd.ErrOrStderr(), "ramai:", stage) }
			report, err := rehearse.Run(cmd.Context(), cfg)
			if errors.Is(err, rehearse.ErrBroken) {
				return exit(exitUnconfirmed, err)
			}
			if err != nil {
				return exit(exitNoServer, err)
			}
			if asJSON {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(report); err != nil {
					return exit(exitUnconfirmed, err)
				}
			} else {
				report.Print(cmd.OutOrStdout())
			}
			if !report.Good() {
				return exit(exitUnconfirmed, errors.New("not every client received every message once and in order"))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Clients, "clients", cfg.Clients, "number of connections")
	f.IntVar(&cfg.Publishers, "publishers", cfg.Publishers, "number of clients that publish")
	f.Float64Var(&cfg.Rate, "rate", 0, "messages per second, for all publishers together (open loop)")
	f.IntVar(&cfg.InFlight, "in-flight", 0, "messages in flight for each publisher (closed loop; default 8 without --rate)")
	f.IntVar(&cfg.Size, "size", cfg.Size, "length of a message in bytes")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long to publish")
	f.DurationVar(&cfg.Drain, "drain", 30*time.Second, "how long to wait for the last message after publishing has ended")
	f.IntVar(&cfg.Slow, "slow", 0, "clients that read nothing until publishing has ended")
	f.Float64Var(&cfg.Churn, "churn", 0, "clients per second that disconnect and resume (ramai.v1)")
	f.BoolVar(&cfg.Plain, "plain", false, "use the plain protocol instead of ramai.v1")
	f.BoolVar(&cfg.Reconnect, "reconnect", false, "let clients that do not publish resume when their connections are cut from outside (ramai.v1)")
	f.IntVar(&cfg.Missed, "missed", 0, "messages published before these clients reconnect")
	f.IntVar(&cfg.SourceAddresses, "source-addresses", 0, "connect clients that do not publish from this many addresses in 127.1.0.0/16, to have more ports")
	f.BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	return cmd
}
