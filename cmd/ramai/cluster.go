package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/server"
)

// newCluster returns the commands about a cluster.
func newCluster() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Show and change the members of a cluster",
		Long:  "Show and change the members of a cluster. See docs/CLUSTER.md.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return exit(exitUsage, fmt.Errorf("ramai cluster: unknown argument %q (want ramai cluster status, add, remove or repair)", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClusterStatus(), newClusterAdd(), newClusterRemove(), newClusterRepair())
	return cmd
}

func newClusterStatus() *cobra.Command {
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the members of a cluster",
		Long: `Show the members of a cluster, as the member that runs with the data folder sees them: whether each serves clients, how many
batches it is behind, which one leads, and how far the clocks differ. See docs/CLUSTER.md.

Exit codes: 0 all members serve, 1 one of them does not, is behind, or differs, 2 usage, 3 cannot connect, 4 the server runs alone.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, answer, err := clusterStatus(cmd.Context(), data)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = cmd.OutOrStdout().Write(answer)
			} else {
				err = printCluster(cmd.OutOrStdout(), st)
			}
			if err == nil && !st.Healthy() {
				err = exit(exitUnconfirmed, errors.New("not all members serve, or one is behind, or has stored something else"))
			}
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// clusterStatus asks the member with a data folder for the state of its cluster.
func clusterStatus(ctx context.Context, data string) (st *server.ClusterStatus, answer []byte, err error) {
	answer, err = askServer(ctx, data, http.MethodGet, server.ClusterPath, "")
	if err != nil {
		return nil, nil, memberError(data, err)
	}
	st = new(server.ClusterStatus)
	if err := json.Unmarshal(answer, st); err != nil {
		return nil, nil, exit(exitNoServer, fmt.Errorf("unexpected answer at %s in %s: %w", server.SocketName, data, err))
	}
	return st, answer, nil
}

// memberError explains the error of a question to a member.
func memberError(data string, err error) error {
	if errors.Is(err, errNotRunning) {
		return exit(exitNoServer, fmt.Errorf("%w %s; a server that waits for a majority does not answer yet, and its log says what it waits for", err, data))
	}
	return err
}

// changeMember asks the member with a data folder to change the members.
func changeMember(ctx context.Context, data, path, who string) error {
	answer, err := callServer(ctx, data, http.MethodPost, path, who)
	if err != nil {
		return memberError(data, err)
	}
	return answer.Close()
}

func newClusterAdd() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "add HOST:PORT",
		Short: "Wait for a new member of a cluster",
		Long: `Check that a new member can join a cluster at an address, say how to start it, and wait until it serves and holds a replica.
It takes the place of one that was removed, or makes the cluster larger, up to 5 members. See docs/CLUSTER.md.

Exit codes: 0 it serves, 1 interrupted, 2 usage, 3 cannot connect, 4 no member can be added there now.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			address := args[0]
			if err := changeMember(ctx, data, server.CanAddMemberPath, address); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "start the new member with an empty data folder, the secret of the cluster, the addresses of all members in --cluster, and --cluster-listen %s; waiting for it\n", address)
			for {
				st, _, err := clusterStatus(ctx, data)
				if err != nil && ctx.Err() == nil {
					return err
				}
				if st != nil && slices.ContainsFunc(st.Members, func(m server.MemberStatus) bool { return m.Address == address && m.Current() }) {
					fmt.Fprintf(out, "the member %s serves\n", address)
					return nil
				}
				select {
				case <-ctx.Done():
					return exit(exitUnconfirmed, errors.New("interrupted; the new member can still be started"))
				case <-time.After(time.Second):
				}
			}
		},
	}
	dataFlag(cmd.Flags(), &data)
	return cmd
}

func newClusterRemove() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "remove HOST:PORT",
		Short: "Remove a member from a cluster for good",
		Long: `Remove the member with an address from its cluster for good, for example because its disk is lost. If it runs, it stops. Another
member can take its place: start it with an empty folder. A member is not removed while another one is absent or behind, because
messages could not be accepted then. See docs/CLUSTER.md.

Exit codes: 0 it is removed, 2 usage, 3 cannot connect, 4 it cannot be removed now.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			if err := changeMember(ctx, data, server.RemoveMemberPath, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed the member %s; a new one can take its place\n", args[0])
			return nil
		},
	}
	dataFlag(cmd.Flags(), &data)
	return cmd
}

func newClusterRepair() *cobra.Command {
	var data string
	var skip uint64
	var yes bool
	cmd := &cobra.Command{
		Use:   "repair --yes",
		Short: "Continue without a majority, or without one batch",
		Long: `Continue with the data of one member when the majority of a cluster is lost for good. Stop all members first. The data gets a new
log, so clients reload; start this member together with others whose folders are empty, and they are a new cluster. What this member
had not received is lost: take the one with the highest position.

With --skip, the member ignores the batch at a position, which no member can apply. Do that on all members.

Exit codes: 0 done, 1 failed, 2 usage.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			skips := cmd.Flags().Changed("skip")
			switch {
			case skips && skip == 0:
				return exit(exitUsage, errors.New("--skip: invalid value 0 (want the position of a batch, from 1)"))
			case !skips && !yes:
				return exit(exitUsage, errors.New("the cluster is given up, and this data gets a new log; if that is what you want, add --yes"))
			case skips:
				if err := server.SkipBatch(data, skip, rand.Reader); err != nil {
					return exit(exitUnconfirmed, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "this member ignores the batch %d; do the same on all other members before any of them starts\n", skip)
				return nil
			}
			log, err := server.RepairCluster(data, rand.Reader)
			if err != nil {
				return exit(exitUnconfirmed, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s has the log %s now, and belongs to no cluster; start it together with members whose folders are empty\n", data, log)
			return nil
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().Uint64Var(&skip, "skip", 0, "ignore the batch at a position")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
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
		if len(m.DiffersFrom) > 0 {
			note = strings.TrimPrefix(note+", ", ", ") + "has stored something else than " + strings.Join(m.DiffersFrom, " and ")
		}
		if m.State == "absent" {
			fmt.Fprintf(table, "%s\t%s\t\t\t\t\t\n", m.Address, state)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%+v\t%s\t%s\n", client.Printable(m.Address), state, m.Replica, m.Behind, time.Duration(m.ClockMS)*time.Millisecond, client.Printable(m.Version), note)
	}
	return table.Flush()
}
