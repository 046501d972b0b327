package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

type searchOptions struct {
	target
	room, before string
	limit        int
	json         bool
}

// newSearch returns the command that searches messages.
func newSearch() *cobra.Command {
	var o searchOptions
	cmd := &cobra.Command{
		Use:   "search WORDS...",
		Short: "Search for messages",
		Long: `Search for messages that contain all the words, newest first, and print for each one the room, number, time, name, and the
text around the first match. Case and accents are ignored, and the last word matches as a prefix. There are no operators.
Put -- before words that begin with two dashes. With --json, each hit is one JSON object per line.

If the newest messages are not indexed yet, stderr says so.`,
		Annotations: map[string]string{takesWords: ""},
		Args:        cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSearch(cmd.Context(), o, strings.Join(args, " "), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.flags(f)
	f.StringVar(&o.room, "room", "", "search only this room")
	f.StringVar(&o.before, "before", "", "search only messages before this one: ROOM:N, or N with --room")
	f.IntVar(&o.limit, "limit", 50, "maximum number of hits")
	f.BoolVar(&o.json, "json", false, "print JSON lines")
	return cmd
}

func runSearch(ctx context.Context, o searchOptions, words string, stdout, notes io.Writer) error {
	if err := checkServer(o.server); err != nil {
		return err
	}
	if o.room != "" {
		if err := checkRoom(o.room); err != nil {
			return err
		}
	}
	if o.limit < 1 {
		return exit(exitUsage, fmt.Errorf("--limit: invalid value %d (want at least 1)", o.limit))
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	config, err := o.config(notes)
	if err != nil {
		return err
	}
	hits := hitPrinter{w: stdout, json: o.json, marks: isTerminal(stdout)}
	s := client.Search{Words: words, Room: o.room, Before: o.before}
	for remaining := o.limit; remaining > 0; {
		s.Limit = min(remaining, wire.MaxHits)
		found, err := withRetry(ctx, func(ctx context.Context) (*client.SearchResponse, error) { return client.Find(ctx, config, s) })
		if err != nil {
			return err
		}
		if found.Behind > 0 && remaining == o.limit {
			fmt.Fprintf(notes, "the newest %d messages are not in the search index yet\n", found.Behind)
		}
		for i, h := range found.Hits {
			if err := hits.print(h, found.Raw[i]); err != nil {
				return err
			}
		}
		if !found.More || len(found.Hits) == 0 {
			return nil
		}
		remaining -= len(found.Hits)
		oldest := found.Hits[len(found.Hits)-1]
		s.Before = fmt.Sprintf("%s:%d", oldest.Room, oldest.N)
	}
	return nil
}

// withRetry makes a request over HTTP, and repeats it when the server limits the rate.
func withRetry[T any](ctx context.Context, request func(context.Context) (*T, error)) (*T, error) {
	timedOut := exit(exitNoServer, fmt.Errorf("the server did not answer within %v", pageTimeout))
	ctx, cancel := context.WithTimeoutCause(ctx, pageTimeout, timedOut)
	defer cancel()
	for {
		answer, err := request(ctx)
		refused := (*client.RefusedError)(nil)
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !errors.As(err, &refused):
			return nil, exit(exitNoServer, fmt.Errorf("%w; %s", err, hint(err)))
		case refused.Code != wire.RateLimited || refused.RetryAfter == 0:
			return nil, exit(exitRefused, err)
		}
		select {
		case <-time.After(refused.RetryAfter):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// hitPrinter prints one hit per line.
type hitPrinter struct {
	w           io.Writer
	json, marks bool
}

func (p *hitPrinter) print(h wire.Hit, raw json.RawMessage) error {
	line := string(linemode.JSON(raw))
	if !p.json {
		line = p.line(h)
	}
	if _, err := io.WriteString(p.w, line); err != nil {
		return unwritten(err)
	}
	return nil
}

// Escape sequences for bold text (ECMA-48 SGR).
const (
	bold   = "\x1b[1m"
	normal = "\x1b[22m"
)

func (p *hitPrinter) line(h wire.Hit) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d  %s  ", client.OneLine(h.Room), h.N, h.At.Std().Local().Format(time.DateTime))
	if h.DisplayName != "" {
		b.WriteString(client.OneLine(h.DisplayName) + ": ")
	}
	text := []rune(h.Snippet)
	at := 0
	for _, m := range h.Marks {
		from, to := m[0], m[1]
		if from < at || to <= from || to > len(text) { // the server may send anything
			continue
		}
		b.WriteString(client.OneLine(string(text[at:from])))
		hit := client.OneLine(string(text[from:to]))
		if p.marks {
			hit = bold + hit + normal
		}
		b.WriteString(hit)
		at = to
	}
	b.WriteString(client.OneLine(string(text[at:])) + "\n")
	return b.String()
}
