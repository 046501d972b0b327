package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/internal/store/sqlite"
)

func dataFlag(f *pflag.FlagSet, data *string) {
	*data = dataFolder()
	f.Var((*path)(data), "data", "data folder")
}

// newBackup returns the command that copies the data of a server that may be running.
func newBackup() *cobra.Command {
	var data string
	var force, skip bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up the data to one file",
		Long: `Back up all messages to FILE. The server may be running. The backup is a consistent snapshot that contains everything
acknowledged before it began. It is verified before it gets its name. Keep backups on another disk than the server's.

If the data is damaged, no backup is made, and the error names the first damage. With --skip-damaged, undamaged data is copied,
and stderr lists all damage. A placeholder replaces each damaged message, so numbers do not change.

Exit codes: 0 ok, 1 damaged data was skipped, 2 usage, 5 the data cannot be backed up.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			started := time.Now()
			damaged, backup := 0, func() (*sqlite.Summary, error) { return sqlite.Backup(ctx, data, args[0], force) }
			if skip {
				backup = func() (*sqlite.Summary, error) {
					return sqlite.BackupUndamaged(ctx, data, args[0], force, rand.Reader, func(damage string) {
						damaged++
						fmt.Fprintln(cmd.ErrOrStderr(), damage)
					})
				}
			}
			s, err := backup()
			if err != nil {
				return unusable(ctx, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, in %v\n", args[0], describe(s), time.Since(started).Round(time.Millisecond))
			if err == nil && damaged > 0 {
				err = exit(exitUnconfirmed, fmt.Errorf("%s lacks the damaged data, and its history has a new identity", args[0]))
			}
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&force, "force", false, "overwrite FILE")
	cmd.Flags().BoolVar(&skip, "skip-damaged", false, "copy undamaged data, and report damage")
	return cmd
}

// within adds the data folder to an error after a chroot into that folder, because paths in the error are relative to it.
func within(data, entered string, err error) error {
	if err == nil || err.Error() == "" || entered == data {
		return err
	}
	return fmt.Errorf("in the folder %s: %w", data, err)
}

// unusable returns the exit error for a problem with files, or for the signal that has interrupted the command.
func unusable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return exit(exitUnusable, err)
}

func describe(s *sqlite.Summary) string {
	return fmt.Sprintf("%d rooms, %d messages, %d bytes, log %s", s.Rooms, s.Messages, s.Bytes, s.HistoryID)
}

// newRestore returns the command that restores a backup.
func newRestore() *cobra.Command {
	var data string
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore the data of a stopped server from a backup",
		Long: `Restore the data of a stopped server from a backup. The history gets a new identity: clients that have received messages
newer than the backup are told that this is another history, and receive its newest messages.

If the folder has a database already, nothing is changed. With --force, that database is renamed. When run by root, the files
will belong to the owner of the folder.

Exit codes: 0 ok, 2 usage, 5 the backup or the folder cannot be used.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			from, err := sqlite.OpenCopy(args[0])
			if err != nil {
				return exit(exitUnusable, err)
			}
			defer from.Close()
			dir, err := asOwner(data)
			if err != nil {
				return exit(exitUnusable, err)
			}
			s, previous, err := sqlite.Restore(ctx, dir, from, force, rand.Reader, time.Now())
			if err != nil {
				return unusable(ctx, within(data, dir, err))
			}
			if previous != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "the previous database is now %s\n", filepath.Join(data, filepath.Base(previous)))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", data, describe(s))
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&force, "force", false, "rename an existing database")
	return cmd
}
