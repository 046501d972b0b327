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

	"github.com/spf13/cobra"

	"ramai/internal/logging"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

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
