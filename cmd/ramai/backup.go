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

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/internal/logging"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

func dataFlag(f *pflag.FlagSet, data *string) {
	*data = dataFolder()
	f.Var((*path)(data), "data", "folder of the data")
}

// newBackup returns the command that copies the data of a server that may be running.
func newBackup() *cobra.Command {
	var data string
	var force, skip bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the data into one file, beside a running server",
		Long: `Copy all that was said into FILE, whether or not a server is running: everything that was acknowledged before the copy
began is in it, as of one moment. It is checked before it gets its name. Keep it where the disk of the server is not.

Damaged data is not copied: the error names the first thing that is damaged. With --skip-damaged everything else is copied, and
stderr names all that is damaged. A message that is damaged has another in its place which says so; numbers stay as they are.

Exit codes: 0 ok, 1 the copy lacks what is damaged, 2 usage, 5 the data cannot be copied.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			begun := time.Now()
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
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, in %v\n", args[0], describe(s), time.Since(begun).Round(time.Millisecond))
			if err == nil && damaged > 0 {
				err = exit(exitUnconfirmed, fmt.Errorf("%s lacks what is damaged, and has another log than the data", args[0]))
			}
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if there is one")
	cmd.Flags().BoolVar(&skip, "skip-damaged", false, "copy what is undamaged, and name what is not")
	return cmd
}

// within says in which folder something went wrong, if that was entered: its paths have no more than what is below it.
func within(data, entered string, err error) error {
	if err == nil || err.Error() == "" || entered == data {
		return err
	}
	return fmt.Errorf("in the folder %s: %w", data, err)
}

// unusable makes an exit code of what went wrong with files, unless a signal ended it.
func unusable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return exit(exitUnusable, err)
}

func describe(s *sqlite.Summary) string {
	return fmt.Sprintf("%d rooms, %d messages, %d bytes, log %s", s.Rooms, s.Messages, s.Bytes, s.HistoryID)
}

// newRestore returns the command that puts a backup where a server looks for its data.
func newRestore() *cobra.Command {
	var data string
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the data of a stopped server from a backup",
		Long: `Make the data of a server that does not run from a backup. The log is another one then: who has heard what was said after
the backup is told that this is another history, and hears the newest of it.

A folder that has data is left alone. With --force its database stays there under another name. Root does it as the user
whom the folder belongs to.

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
			s, was, err := sqlite.Restore(ctx, dir, from, force, rand.Reader, time.Now())
			if err != nil {
				return unusable(ctx, within(data, dir, err))
			}
			if was != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "what was there is now %s\n", filepath.Join(data, filepath.Base(was)))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", data, describe(s))
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&force, "force", false, "put a database that is there aside")
	return cmd
}

// newExport returns the command that writes a room down.
func newExport() *cobra.Command {
	var to target
	cmd := &cobra.Command{
		Use:   "export ROOM",
		Short: "Write all that was said in a room to stdout, as JSON lines",
		Long: `Write all messages of a room to stdout, oldest first, each as one JSON object a line, up to the newest there is when it
begins. Characters that act on a terminal are escaped, as JSON allows. ramai import makes a room of them again.

Exit codes: 0 ok, 1 not all could be written, 2 usage, 3 cannot connect, 4 refused.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExport(cmd.Context(), to, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	to.flags(cmd.Flags())
	return cmd
}

func runExport(ctx context.Context, to target, room string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(to.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := to.ask(ctx, nil, "tell what was said", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	newest, err := fetch(ctx, c, wire.History{Room: room, Limit: 1})
	if err != nil {
		return err
	}
	if len(newest.Messages) == 0 {
		return exit(exitRefused, fmt.Errorf("nothing is kept of the room %s", room))
	}
	last := newest.Messages[0].N
	out := bufio.NewWriter(stdout)
	written, err := exportTo(ctx, c, &newest, room, last, out)
	if flush := out.Flush(); err == nil && flush != nil {
		err = unwritten(flush)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d messages of %s, up to number %d of log %s\n", written, room, last, newest.HistoryID)
	return nil
}

// exportTo writes messages up to number last, and returns how many. All are of one run of the server, that of page newest:
// another may be one that was set back to an older state.
func exportTo(ctx context.Context, c *client.Client, newest *wire.Page, room string, last uint64, out io.Writer) (written int, err error) {
	for after := uint64(0); after < last; {
		page, err := fetch(ctx, c, wire.History{Room: room, After: &wire.Position{N: after}})
		if err != nil {
			return written, err
		}
		if page.HistoryID != newest.HistoryID || page.Epoch != newest.Epoch {
			return written, exit(exitUnconfirmed, fmt.Errorf("the server was started again after %d messages; export it again", written))
		}
		first := last + 1
		if len(page.Messages) > 0 {
			first = page.Messages[0].N
		}
		if first != after+1 && (written > 0 || first > last) { // only what was gone before it began may be missing
			return written, exit(exitUnconfirmed, fmt.Errorf("numbers %d to %d were let go of meanwhile; export it again", after+1, first-1))
		}
		for i := range page.Messages {
			m := &page.Messages[i]
			if m.N > last {
				return written, nil
			}
			if _, err := out.Write(linemode.JSON(wire.AppendMessage(nil, m))); err != nil {
				return written, unwritten(err)
			}
			after = m.N
			written++
		}
	}
	return written, nil
}

// newImport returns the command that makes a room of what export wrote.
func newImport() *cobra.Command {
	var data, room string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Add a room to the data of a stopped server, from what ramai export wrote",
		Long: `Add a room to the data of a server that does not run, from the lines that ramai export wrote: numbers, times, senders and
ids stay as they are. FILE - is stdin. The room is added as a whole or not at all, and must not be there before.

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
	cmd.Flags().StringVar(&room, "room", "", "name of the room; otherwise the one it had")
	return cmd
}

func runImport(ctx context.Context, data, room, name string, in io.Reader, stdout, stderr io.Writer) error {
	file := &exported{in: bufio.NewReader(in)}
	first, err := file.next()
	if errors.Is(err, io.EOF) {
		err = errors.New("there is no message")
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
	head, err := sqlite.Import(data, room, rand.Reader, slog.New(logging.Text.Handler(stderr)), func() (*wire.Message, error) {
		if m := first; m != nil {
			first = nil
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return file.next()
	})
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return exit(exitUnusable, fmt.Errorf("%s, line %d: %w; nothing was added", name, file.line, err))
	}
	_, err = fmt.Fprintf(stdout, "%s: %d messages, numbers %d to %d\n", room, head.Last-head.First+1, head.First, head.Last)
	return err
}

// exported reads what export wrote.
type exported struct {
	in   *bufio.Reader
	line int
	room string // of the first line
}

// maxExported is how long a line can be, in bytes: the longest text that any server takes, escaped, and what is around it.
const maxExported = 128 << 10

// next returns the message of the next line that is not empty, or io.EOF. Lines may end with CRLF, and the first begin with
// a byte order mark, as editors of other systems write them.
func (e *exported) next() (*wire.Message, error) {
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

// read reads a line.
func (e *exported) read() ([]byte, error) {
	var line []byte
	for {
		part, err := e.in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxExported {
			return nil, fmt.Errorf("it has more than %d bytes", maxExported)
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

func (e *exported) parse(line []byte) (*wire.Message, error) {
	m := new(wire.Message)
	if err := wire.ParseJSON(line, m); err != nil {
		return nil, fmt.Errorf("it is no message in JSON: %s", err.Reason)
	}
	if e.room == "" {
		e.room = m.Room
	}
	if m.Room != e.room {
		return nil, fmt.Errorf("it is of the room %.70q, and the first of %.70q", m.Room, e.room)
	}
	return m, nil
}
