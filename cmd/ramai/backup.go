package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/internal/linemode"
	"ramai/internal/logging"
	"ramai/internal/store/sqlite"
	"ramai/wire"
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

// newExport returns the command that exports a room.
func newExport() *cobra.Command {
	var to target
	var by, data string
	cmd := &cobra.Command{
		Use:   "export ROOM | export --by BY",
		Short: "Export all messages of a room, or everything of one person, as JSON lines",
		Long: `Write all messages of a room to stdout, oldest first, one JSON object per line, up to the newest message when the export
begins. Terminal control characters are escaped. ramai import reads this format.

With --by, write everything that is stored of a sender (the "by" of its messages) in all rooms: names, proofs and sessions without their
secrets, roles, bans and mutes, invites, messages, changes, settings and marks. Records have the form of frames of ramai.v1; see
docs/OPERATING.md. The last line has the type "end". This is for the operator: if a server is running with the data folder, the command uses
its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 1 incomplete, 2 usage, 3 cannot connect, 4 rejected, 5 the data folder cannot be used.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (by == "") == (len(args) == 0):
				return exit(exitUsage, errors.New("give either a room or --by"))
			case by != "":
				return exportPerson(cmd, data, by)
			}
			return runExport(cmd.Context(), to, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	to.flags(cmd.Flags())
	cmd.Flags().StringVar(&by, "by", "", "export everything of this sender, as the operator")
	dataFlag(cmd.Flags(), &data)
	return cmd
}

func runExport(ctx context.Context, to target, room string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(to.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := to.ask(ctx, nil, "send history", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	newest, err := fetch(ctx, c, wire.History{Room: room, Limit: 1})
	if err != nil {
		return err
	}
	if len(newest.Messages) == 0 {
		return exit(exitRefused, fmt.Errorf("there are no messages in the room %s", room))
	}
	last := newest.Messages[0].N
	out := bufio.NewWriter(stdout)
	read := func(h wire.History) (wire.Page, error) { return fetch(ctx, c, h) }
	written, err := exportTo(read, &newest, room, last, out)
	if flush := out.Flush(); err == nil && flush != nil {
		err = unwritten(flush)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d messages of %s, up to number %d of log %s\n", written, room, last, newest.HistoryID)
	return nil
}

// exportTo writes messages up to number last, and returns how many. It reads pages of history, and goes on if the server was
// restarted between two of them, unless it was reset to an older state.
func exportTo(read func(wire.History) (wire.Page, error), newest *wire.Page, room string, last uint64, out io.Writer) (written int, _ error) {
	e := exporter{out: out, room: room, last: last}
	epoch := newest.Epoch
	for e.after < last {
		page, err := read(wire.History{Room: room, After: &wire.Position{HistoryID: newest.HistoryID, Epoch: epoch, N: e.after}})
		if err != nil {
			return e.written, err
		}
		if page.HistoryID != newest.HistoryID || page.Reset {
			return e.written, exit(exitUnconfirmed, fmt.Errorf("the server was reset to an older state after %d messages; repeat the export", e.written))
		}
		if err := e.page(&page); err != nil {
			return e.written, err
		}
		epoch = page.Epoch
	}
	return e.written, nil
}

// exporter writes an export.
type exporter struct {
	out     io.Writer
	room    string
	last    uint64 // number of the last message to write
	after   uint64 // what was written, or is known not to be a message
	written int    // messages
}

// page writes a page that follows what was written.
func (e *exporter) page(page *wire.Page) error {
	before, skipped := e.after, page.Skipped
	for i := range page.Messages {
		m := &page.Messages[i]
		for ; len(skipped) > 0 && skipped[0].From < m.N; skipped = skipped[1:] {
			if err := e.skip(skipped[0]); err != nil {
				return err
			}
		}
		if err := e.put(m.N, m.N, wire.AppendMessage(nil, m)); err != nil {
			return err
		}
		if m.N <= e.last {
			e.written++
		}
	}
	for _, r := range skipped {
		if err := e.skip(r); err != nil {
			return err
		}
	}
	if e.after == before {
		return e.deleted(e.last)
	}
	return nil
}

// skip writes numbers that are not messages. An export begins with a message.
func (e *exporter) skip(r wire.Range) error {
	if e.written == 0 {
		e.after = r.To
		return nil
	}
	return e.put(r.From, r.To, fmt.Appendf(nil, `{"room":%q,"skipped":[[%d,%d]]}`, e.room, r.From, r.To)) // a room's name needs no escapes
}

// put writes a line about some numbers.
func (e *exporter) put(from, to uint64, line []byte) error {
	switch {
	case from > e.last:
		return nil
	case from != e.after+1 && e.written > 0: // only messages that were deleted before the export may be missing
		return e.deleted(from - 1)
	}
	e.after = to
	if _, err := e.out.Write(linemode.JSON(line)); err != nil {
		return unwritten(err)
	}
	return nil
}

func (e *exporter) deleted(to uint64) error {
	return exit(exitUnconfirmed, fmt.Errorf("messages %d to %d were deleted during the export; repeat it", e.after+1, to))
}

// newImport returns the command that imports a room.
func newImport() *cobra.Command {
	var data, room string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a room into the data of a stopped server",
		Long: `Import a room that ramai export has written into the data of a stopped server. Numbers, times, senders and ids are kept.
FILE can be "-" for stdin. The import is atomic, and fails if the room exists.

Exit codes: 0 ok, 2 usage, 5 the file or the folder cannot be used.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return exit(exitUnusable, err)
				}
				defer f.Close()
				in = f
			}
			dir, err := asOwner(data)
			if err != nil {
				return exit(exitUnusable, err)
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return within(data, dir, runImport(ctx, dir, room, args[0], in, cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().StringVar(&room, "room", "", "name of the room; default: its name in the export")
	return cmd
}

func runImport(ctx context.Context, data, room, name string, in io.Reader, stdout, stderr io.Writer) error {
	file := &exported{in: bufio.NewReader(in)}
	first, err := file.next()
	if errors.Is(err, io.EOF) {
		err = errors.New("there are no messages")
	}
	if err != nil {
		return exit(exitUnusable, fmt.Errorf("%s: %w", name, err))
	}
	if room == "" {
		room = first.Room
	}
	if err := checkRoom(room); err != nil {
		return err
	}
	messages := 0
	bounds, err := sqlite.Import(data, room, rand.Reader, slog.New(logging.Text.Handler(stderr)), func() (m *sqlite.Imported, err error) {
		if m, first = first, nil; m == nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			m, err = file.next()
		}
		if err == nil && len(m.Skipped) == 0 {
			messages++
		}
		return m, err
	})
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return exit(exitUnusable, fmt.Errorf("%s, line %d: %w; nothing was imported", name, file.line, err))
	}
	_, err = fmt.Fprintf(stdout, "%s: %d messages, numbers %d to %d\n", room, messages, bounds.First, bounds.Last)
	return err
}

// exported reads an export.
type exported struct {
	in   *bufio.Reader
	line int
	room string // of the first line
}

// maxExported limits the length of a line in bytes: the longest text of any server, escaped, and the other fields.
const maxExported = 128 << 10

// next returns what is in the next line that is not empty, or io.EOF. It accepts CRLF and a byte order mark, because
// some editors write them.
func (e *exported) next() (*sqlite.Imported, error) {
	for {
		line, err := e.read()
		if err != nil {
			return nil, err
		}
		if e.line == 1 {
			line = bytes.TrimPrefix(line, []byte(wire.BOM))
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return e.parse(line)
		}
	}
}

// read returns the next line.
func (e *exported) read() ([]byte, error) {
	var line []byte
	for {
		part, err := e.in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxExported {
			return nil, fmt.Errorf("longer than %d bytes", maxExported)
		}
		if err == nil || errors.Is(err, io.EOF) && len(line) > 0 {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
	e.line++
	return line, nil
}

func (e *exported) parse(line []byte) (*sqlite.Imported, error) {
	m := new(sqlite.Imported)
	if err := wire.ParseJSON(line, m); err != nil {
		return nil, fmt.Errorf("invalid message: %s", err.Reason)
	}
	if e.room == "" {
		e.room = m.Room
	}
	if m.Room != e.room {
		return nil, fmt.Errorf("the message belongs to room %.70q, but the first one to room %.70q", m.Room, e.room)
	}
	return m, nil
}
