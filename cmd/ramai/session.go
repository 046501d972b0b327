package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/chat"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newSession returns the command that ends sessions.
func newSession() *cobra.Command {
	return operated[chat.KnownSender]{
		noun: "session", verb: "end", argument: "BY",
		short: "List people who have signed in, or end all sessions of one",
		long: `"session list" prints everyone who has proved an identity with an SSH key or a token, one per line: the date, the sender (the
"by" of its messages), the kind of proof, the number of its sessions, the date on which one was last used, and the key or the subject.
A session that is not used for 180 days ends. "session end" signs a sender out everywhere: its sessions end, their
connections are closed, and tokens that were issued before are refused. A key or a new token can sign in again. Guests can be signed out,
too: they continue with a new session, as somebody else.`,
		listed: server.SendersPath,
		list: func(s *sqlite.Store) []chat.KnownSender {
			list, _ := (&chat.Operator{Store: s}).KnownSenders(wire.TimeOf(time.Now()))
			return list
		},
		line: func(k chat.KnownSender) string {
			used := "-"
			if k.Used != 0 {
				used = k.Used.Std().UTC().Format(time.DateOnly)
			}
			return fmt.Sprintf("%s  %s  %s  %d  %s  %s", k.Since.Std().UTC().Format(time.DateOnly), client.OneLine(k.SenderID), k.Kind, k.Sessions, used, client.OneLine(k.Label))
		},
		check: func(by string) (string, error) {
			if len(by) != wire.SenderIDLen || wire.CheckID(by) != nil {
				return "", fmt.Errorf("invalid sender %q (want the %d characters of the \"by\" of a message)", by, wire.SenderIDLen)
			}
			return by, nil
		},
		changed: server.EndSessionsPath,
		change: func(ctx context.Context, s *sqlite.Store, by string) error {
			err := operatorOf(s).EndSessions(ctx, by)
			if refused := chat.Refusal(err); refused != nil {
				return exit(exitRefused, errors.New(refused.Reason))
			}
			if err != nil {
				return exit(exitUnusable, err)
			}
			return nil
		},
		done: "all sessions of %s have ended",
	}.command()
}
