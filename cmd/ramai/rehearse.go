package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/internal/reactor"
	"ramai/internal/rehearse"
)

// readSize is how much the clients read at once, in bytes: about as much as a server writes to one at once. Reading
// costs more than checking.
const readSize = 128 << 10

// newRehearse returns the command that measures a server and checks all that it delivers.
func newRehearse() *cobra.Command {
	cfg := rehearse.Config{Clients: 100, Publishers: 4, Size: 128, Duration: 10 * time.Second}
	asJSON := false
	cmd := &cobra.Command{
		Use:   "rehearse URL",
		Short: "Fill a room with clients that talk, and check all that they hear",
		Long: `Fill a room of a server with clients, have some of them talk, and check at every client every message: that none is
lost, none comes twice, and all come in one order. Exit code 1 if one is not so.

The server has to be started with --rate 0. Without --rate, each talker keeps --in-flight messages on their way (closed
loop); with it, messages are due at fixed times, and the time to hear them counts from when they were due (open loop).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.URL = args[0]
			if cfg.Rate == 0 && cfg.InFlight == 0 {
				cfg.InFlight = 8
			}
			err := cfg.Check()
			if err != nil {
				return exit(exitUsage, err)
			}
			cfg.Stage = func(stage string) { fmt.Fprintln(cmd.ErrOrStderr(), "ramai:", stage) }
			if cfg.Reactor, err = reactor.New(reactor.Options{Read: readSize}); err != nil {
				return err
			}
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
				return exit(exitUnconfirmed, errors.New("not everybody heard everything once and in one order"))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Clients, "clients", cfg.Clients, "connections")
	f.IntVar(&cfg.Publishers, "talkers", cfg.Publishers, "how many of them talk")
	f.Float64Var(&cfg.Rate, "rate", 0, "messages a second, all talkers together (open loop)")
	f.IntVar(&cfg.InFlight, "in-flight", 0, "messages on their way of each talker (closed loop; 8 without --rate)")
	f.IntVar(&cfg.Size, "size", cfg.Size, "bytes of a message")
	f.DurationVar(&cfg.Duration, "for", cfg.Duration, "how long there is talk")
	f.DurationVar(&cfg.Drain, "drain", 30*time.Second, "how long after the talk the last message may take")
	f.IntVar(&cfg.Slow, "slow", 0, "clients that read nothing while there is talk, and everything after")
	f.Float64Var(&cfg.Churn, "churn", 0, "clients a second that break off and come back (ramai.v1)")
	f.BoolVar(&cfg.Plain, "plain", false, "the plain door; otherwise ramai.v1")
	f.BoolVar(&cfg.Reconnect, "reconnect", false, "clients that do not talk come back when their connections are cut from outside (ramai.v1)")
	f.IntVar(&cfg.Missed, "missed", 0, "messages that are said before they do")
	f.IntVar(&cfg.SourceAddresses, "sources", 0, "addresses of 127.1/16 that those who do not talk connect from, for more than one address has ports")
	f.BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	return cmd
}
