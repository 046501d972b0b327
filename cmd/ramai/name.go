package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/internal/store/sqlite"
	"ramai/server"
)

// newName returns the command for registered names.
func newName() *cobra.Command {
	return operated[eventlog.NameRegistration]{
		noun: "name", verb: "release", argument: "NAME",
		short: "List names registered by SSH keys, or release one",
		long: `A client that posts over SSH with a key registers its name: nobody else can use it. "name list" prints registered names, one
per line: the date, the sender (the "by" of its messages), and the name. "name release" makes a name available to everyone.`,
		listed: server.NamesPath,
		list:   (*sqlite.Store).RegisteredNames,
		line: func(o eventlog.NameRegistration) string {
			return fmt.Sprintf("%s  %s  %s", o.Since.Std().UTC().Format(time.DateOnly), client.OneLine(o.SenderID), client.OneLine(o.Name))
		},
		check:   names.Parse,
		changed: server.ReleasePath,
		change:  unregister,
		done:    "%s is released",
	}.command()
}

// unregister releases a name in the data of a stopped server.
func unregister(ctx context.Context, s *sqlite.Store, name string) error {
	o := operatorOf(s)
	for _, renew := range eventlog.RenewedKeys(s, names.Key) { // otherwise an earlier version's key hides the name
		if _, err := o.Decide(ctx, renew); err != nil {
			return exit(exitUnusable, err)
		}
	}
	err := o.ReleaseName(ctx, name)
	if refused := chat.Refusal(err); refused != nil {
		return exit(exitRefused, errors.New(refused.Reason))
	}
	if err != nil {
		return exit(exitUnusable, err)
	}
	return nil
}
