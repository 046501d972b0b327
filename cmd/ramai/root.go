package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/client"
)

// Exit codes; docs and scripts rely on them.
const (
	exitUnconfirmed = 1 // something said is not confirmed
	exitUsage       = 2
	exitNoServer    = 3 // cannot connect the first time
	exitRefused     = 4
	exitUnusable    = 5 // the data folder or the port cannot be used
)

// exitError is an error that decides the exit code.
type exitError struct {
	code int
	err  error // nil: everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error { return &exitError{code: code, err: err} }

// run is the program as a function: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "ramai",
		Short:         "A broadcast chat: one room, and everyone hears it",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags(), os.LookupEnv)
		},
	}
	root.AddCommand(newServe(), newJoin(), newSay(), newHistory(), newSearch(), newRehearse(), newVersion())
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitUsage // what cobra itself finds wrong
	if e := (*exitError)(nil); errors.As(err, &e) {
		code = e.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "ramai: "+client.Printable(text)) // servers have a say in errors
	}
	return code
}

// fromEnvironment gives each flag that is not on the command line the value of its RAMAI_ variable, if there is one.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "RAMAI_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := lookup(name)
		if f.Changed || !ok || err != nil {
			return
		}
		if bad := flags.Set(f.Name, value); bad != nil {
			err = exit(exitUsage, fmt.Errorf("%s: %w", name, bad))
		}
	})
	return err
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "ramai", version())
		},
	}
}

// version is that of the module, if it was built from one, or else of the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "dev-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return "dev"
}
