package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
)

// newCheck returns the command that checks the data of a stopped server.
func newCheck() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Check the data of a stopped server",
		Long: `Read all data of a stopped server, and report damage: unreadable pages of the database, missing, unreadable or altered
messages, inconsistent tables, and the search index. Nothing is changed.

The server repairs a damaged search index by itself. For other damage, see ramai restore.

Exit codes: 0 no damage, 2 usage, 5 damaged data, or the folder cannot be read.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				data = args[0]
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			dir, err := asOwner(data)
			if err != nil {
				return exit(exitUnusable, err)
			}
			out, damaged := cmd.OutOrStdout(), 0
			s, err := sqlite.Examine(ctx, dir, func(damage string) {
				damaged++
				fmt.Fprintln(out, damage)
			})
			if err != nil {
				return unusable(ctx, within(data, dir, err))
			}
			if err := search.Check(ctx, filepath.Join(dir, search.FileName)); err != nil {
				fmt.Fprintf(out, "the search index: %v; the server rebuilds it when it notices the damage, or when %s is deleted\n", err, search.FileName)
				damaged++
			}
			if _, err := fmt.Fprintf(out, "%s: %s\n", data, describe(s)); err != nil {
				return err
			}
			if damaged > 0 {
				return exit(exitUnusable, errors.New("the data is damaged; restore a backup with ramai restore FILE --force"))
			}
			return nil
		},
	}
	dataFlag(cmd.Flags(), &data)
	return cmd
}
