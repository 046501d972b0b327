package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/wire"
)

// completionTimeout limits how long a shell waits for the server to complete a word.
const completionTimeout = time.Second

// completeRoom makes a shell complete the first argument of cmd, and the flag --room if there is one, with the rooms of the
// server at t. Without a server there are no completions, and no error.
func completeRoom(cmd *cobra.Command, t *target) {
	rooms := func(cmd *cobra.Command, word string) []string {
		if configure(cmd, os.Environ(), io.Discard) != nil { // cobra does not do that before it completes
			return nil
		}
		config, err := t.config(io.Discard)
		if err != nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		page, err := client.Rooms(ctx, config, "", 0)
		if err == nil && page.More && word != "" {
			page, err = client.Rooms(ctx, config, word, 0)
		}
		if err != nil {
			return nil
		}
		var found []string
		for _, r := range page.Rooms {
			if wire.CheckRoom(r.Room) == nil && strings.HasPrefix(r.Room, word) {
				found = append(found, fmt.Sprintf("%s\t%d here", r.Room, r.Count))
			}
		}
		return found
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return rooms(cmd, word), cobra.ShellCompDirectiveNoFileComp
	}
	if cmd.Flags().Lookup("room") != nil {
		err := cmd.RegisterFlagCompletionFunc("room", func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return rooms(cmd, word), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // it is registered twice
		}
	}
}
