package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/linemode"
	"ramai/internal/names"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// maxExportLine is the length of the longest line of an export.
const maxExportLine = 1 << 20

// exportPerson writes everything of a sender, from a running server or from the data of a stopped one.
func exportPerson(cmd *cobra.Command, data, by string) error {
	if !eventlog.CanForget(by) {
		return exit(exitUsage, errors.New(chat.Nobody(by).Reason))
	}
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	out := bufio.NewWriter(cmd.OutOrStdout())
	write := func(line []byte) error {
		if _, err := out.Write(linemode.JSON(line)); err != nil {
			return unwritten(err)
		}
		return nil
	}
	answer, err := callServer(ctx, data, "GET", server.ExportPath+"?by="+url.QueryEscape(by), "")
	switch {
	case err == nil:
		defer answer.Close()
		err = copyExport(answer, write)
	case errors.Is(err, errNotRunning):
		err = offline(data, cmd.ErrOrStderr(), func(s *sqlite.Store) error {
			return refusedOrUnusable(operatorOf(s).ExportPerson(ctx, by, wire.TimeOf(time.Now()), write))
		})
	}
	if flush := out.Flush(); err == nil && flush != nil {
		err = unwritten(flush)
	}
	return err
}

// copyExport writes the lines of an export, up to the one that says that it is complete.
func copyExport(from io.Reader, write func([]byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxExportLine)
	ended := false
	for lines.Scan() {
		if err := write(lines.Bytes()); err != nil {
			return err
		}
		var end chat.ExportEnd
		ended = json.Unmarshal(lines.Bytes(), &end) == nil && end.Type == "end"
	}
	if !ended {
		return exit(exitUnconfirmed, errors.New("the export is incomplete; see the log of the server, and repeat it"))
	}
	return nil
}

// refusedOrUnusable returns an error with its exit code.
func refusedOrUnusable(err error) error {
	switch refused := chat.Refusal(err); {
	case refused != nil:
		return exit(exitRefused, errors.New(refused.Reason))
	case err != nil:
		return exit(exitUnusable, err)
	}
	return nil
}

type eraseOptions struct {
	data, by, name string
	dry, yes       bool
}

// newErase returns the command that erases everything of a person.
func newErase() *cobra.Command {
	var o eraseOptions
	cmd := &cobra.Command{
		Use:   "erase --by BY | --name NAME",
		Short: "Erase everything of one person for good",
		Long: `Erase everything that is stored of a sender (the "by" of its messages), in all rooms: messages, changes and marks, names and
registrations, proofs and sessions, roles, bans and mutes, and the invites that it made. Its sessions end. Records keep their
numbers, without a sender, name or text. A room that the sender owned has no owner afterwards. This cannot be undone.

--name finds the sender that has a name or has registered it, or, if nobody does, the one that has posted under it. If there are
several, they are printed, and nothing is erased.

The command prints what it has found, and asks for confirmation. While the server runs, what was erased leaves all files of the data
folder within 24 hours; see docs/OPERATING.md. If it is interrupted, run it again.

If a server is running with the data folder, the command uses its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 rejected or not confirmed, 5 the data folder cannot be used.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return o.run(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	dataFlag(f, &o.data)
	f.StringVar(&o.by, "by", "", "the sender")
	f.StringVar(&o.name, "name", "", "the sender's name")
	f.BoolVar(&o.dry, "dry-run", false, "only print what would be erased")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	return cmd
}

func (o *eraseOptions) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if (o.by == "") == (o.name == "") {
		return exit(exitUsage, errors.New("give either --by or --name"))
	}
	if o.name != "" {
		if err := o.find(ctx, stderr); err != nil {
			return err
		}
	}
	if !eventlog.CanForget(o.by) {
		return exit(exitUsage, errors.New(chat.Nobody(o.by).Reason))
	}
	if o.dry || !o.yes {
		found, err := o.erase(ctx, true, stderr)
		if err != nil {
			return err
		}
		if o.dry {
			return printPerson(stdout, "there are", found)
		}
		if err := printPerson(stderr, "there are", found); err != nil {
			return err
		}
		fmt.Fprint(stderr, "erase all of this for good? Type yes: ")
		if answer, _ := bufio.NewReader(stdin).ReadString('\n'); strings.TrimSpace(answer) != "yes" {
			return exit(exitRefused, errors.New("nothing was erased: it was not confirmed with yes (or --yes)"))
		}
	}
	erased, err := o.erase(ctx, false, stderr)
	if err != nil {
		return fmt.Errorf("part of it may have been erased; run the command again: %w", err)
	}
	return printPerson(stdout, "erased", erased)
}

// find sets by to the sender with the name.
func (o *eraseOptions) find(ctx context.Context, notes io.Writer) error {
	name, err := names.Parse(o.name)
	if err != nil {
		return exit(exitUsage, err)
	}
	list, err := askList[chat.NamedSender](ctx, o.data, server.PeoplePath+"?name="+url.QueryEscape(name))
	if errors.Is(err, errNotRunning) {
		err = offline(o.data, notes, func(s *sqlite.Store) (err error) {
			list, err = operatorOf(s).SendersNamed(ctx, name)
			return refusedOrUnusable(err)
		})
	}
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return exit(exitRefused, fmt.Errorf("nobody has the name %q, and nobody has posted under it", client.OneLine(name)))
	case len(list) > 1:
		for _, one := range list {
			has := "has it"
			if !one.Has {
				has = fmt.Sprintf("posted under it, records: %d", one.Messages)
			}
			fmt.Fprintf(notes, "%s  %s  %s\n", client.OneLine(one.SenderID), client.OneLine(one.Name), has)
		}
		return exit(exitRefused, fmt.Errorf("%d senders have or had the name %q; choose one with --by", len(list), client.OneLine(name)))
	}
	o.by = list[0].SenderID
	return nil
}

// erase erases or counts everything, on a running server or in the data of a stopped one.
func (o *eraseOptions) erase(ctx context.Context, dry bool, notes io.Writer) (found chat.Person, err error) {
	body, err := json.Marshal(server.ErasePerson{SenderID: o.by, Dry: dry})
	if err != nil {
		return found, err
	}
	answer, err := callServer(ctx, o.data, "POST", server.ErasePath, string(body))
	if errors.Is(err, errNotRunning) {
		return found, offline(o.data, notes, func(s *sqlite.Store) (err error) {
			if s.Level() < eventlog.HoldLevel {
				return exit(exitRefused, errors.New("the data was written by an earlier version; start this version with it once"))
			}
			found, err = operatorOf(s).ErasePerson(ctx, o.by, dry)
			return refusedOrUnusable(err)
		})
	}
	if err != nil {
		return found, err
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(text)).Decode(&found)
	}
	if err != nil {
		return found, exit(exitNoServer, fmt.Errorf("unexpected answer at %s in %s: %w", server.SocketName, o.data, err))
	}
	return found, nil
}

// printPerson prints how much there is, or was.
func printPerson(out io.Writer, what string, p chat.Person) error {
	var named []string
	for _, name := range p.Names {
		named = append(named, client.OneLine(name))
	}
	list := "none"
	if len(named) > 0 {
		list = strings.Join(named, ", ")
	}
	_, err := fmt.Fprintf(out, "%s, of %s: messages: %d, other records: %d, marks: %d, rooms: %d, names: %s, rules: %d, proofs: %d, sessions: %d, other entries: %d\n",
		what, p.SenderID, p.Messages, p.Records, p.Marks, p.Rooms, list, p.Rules, p.Proofs, p.Sessions, p.Entries)
	if err != nil {
		return unwritten(err)
	}
	return nil
}
