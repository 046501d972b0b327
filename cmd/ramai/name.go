package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newName returns the command for names that belong to keys.
func newName() *cobra.Command {
	return operated[eventlog.NameRegistration]{
		noun: "name", verb: "release", argument: "NAME",
		short: "List the names that belong to keys of SSH, or make one free",
		long: `Who speaks under a name over SSH, with a key, owns it from then on, and nobody else can have it. "name list" writes those
names, a line each: since when, whose (the "by" of their messages), the name. "name release" makes one free: after this anybody
can have it.`,
		listed: server.NamesPath,
		list:   (*sqlite.Store).RegisteredNames,
		line: func(o eventlog.NameRegistration) string {
			return fmt.Sprintf("%s  %s  %s", o.Since.Std().UTC().Format(time.DateOnly), client.OneLine(o.SenderID), client.OneLine(o.Name))
		},
		check:   names.Parse,
		changed: server.ReleasePath,
		change:  disown,
		done:    "%s is free",
	}.command()
}

// disown makes a name free on a server that does not run.
func disown(_ context.Context, s *sqlite.Store, name string) error {
	batch := eventlog.Batch{At: wire.TimeOf(time.Now()), Commands: []eventlog.Command{{Kind: eventlog.UnregisterName, Name: name, Key: names.Key(name)}}}
	outcomes, err := s.Apply(&batch, s.Position()+1)
	if err != nil {
		return exit(exitUnusable, err)
	}
	if o := outcomes[0]; o.Status == eventlog.Refused {
		return exit(exitRefused, errors.New(o.Err.Reason))
	}
	return nil
}
