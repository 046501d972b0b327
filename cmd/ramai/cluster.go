package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/server"
)

// newCluster returns the command that shows the state of a cluster.
func newCluster() *cobra.Command {
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cluster status",
		Short: "Show the members of a cluster",
		Long: `Show the members of a cluster, as the member that runs with the data folder sees them: whether each serves clients, how many
batches it is behind, which one leads, and how far the clocks differ. See docs/CLUSTER.md.

Exit codes: 0 all members serve, 1 one of them does not or is behind, 2 usage, 3 cannot connect, 4 the server runs alone.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "status" {
				return exit(exitUsage, fmt.Errorf("ramai cluster: unknown argument %q (want ramai cluster status)", args[0]))
			}
			answer, err := askServer(cmd.Context(), data, http.MethodGet, server.ClusterPath, "")
			if errors.Is(err, errNotRunning) {
				return exit(exitNoServer, fmt.Errorf("%w %s; a server that waits for a majority does not answer yet, and its log says what it waits for", err, data))
			}
			if err != nil {
				return err
			}
			var st server.ClusterStatus
			if err := json.Unmarshal(answer, &st); err != nil {
				return exit(exitNoServer, fmt.Errorf("unexpected answer at %s in %s: %w", server.SocketName, data, err))
			}
			if asJSON {
				_, err = cmd.OutOrStdout().Write(answer)
			} else {
				err = printCluster(cmd.OutOrStdout(), &st)
			}
			if err == nil && !st.Healthy() {
				err = exit(exitUnconfirmed, errors.New("not all members serve, or one is behind"))
			}
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printCluster(out io.Writer, st *server.ClusterStatus) error {
	majority := "has a majority"
	if !st.Majority {
		majority = "has no majority: messages are refused"
	}
	fmt.Fprintf(out, "log %s, %s; the stream has %d batches up to position %d, %d bytes\n\n", st.Log, majority, st.Last+1-st.First, st.Last, st.Bytes)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ADDRESS\tSTATE\tREPLICA\tBEHIND\tCLOCK\tVERSION\t")
	for _, m := range st.Members {
		state, note := m.State, ""
		if m.Leader {
			state += ", leads"
		}
		if m.Own {
			note = "this member"
		}
		if m.Name == "" {
			fmt.Fprintf(table, "%s\t%s\t\t\t\t\t\n", m.Address, state)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%+v\t%s\t%s\n", client.Printable(m.Address), state, m.Replica, m.Behind, time.Duration(m.ClockMS)*time.Millisecond, client.Printable(m.Version), note)
	}
	return table.Flush()
}
