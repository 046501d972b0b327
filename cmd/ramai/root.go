package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

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
	root := newRoot(stderr)
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

// newRoot returns the command that all others hang on. Notes about settings go to notes.
func newRoot(notes io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "ramai",
		Short:         "A broadcast chat: one room, and everyone hears it",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return settle(cmd, os.Environ(), notes)
		},
	}
	root.PersistentFlags().String("config", configFile(), "file of settings; see docs/config.example.toml")
	root.AddCommand(newServe(), newJoin(), newSay(), newHistory(), newSearch(), newBackup(), newRestore(), newExport(), newImport(), newName(), newRehearse(), newVersion())
	return root
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
