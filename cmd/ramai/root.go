package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/exitcode"
)

const (
	exitUnconfirmed = exitcode.Unconfirmed
	exitUsage       = exitcode.Usage
	exitNoServer    = exitcode.NoServer
	exitRefused     = exitcode.Refused
	exitUnusable    = exitcode.Unusable
)

func exit(code int, err error) error { return exitcode.With(code, err) }

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
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "ramai: "+client.Printable(text)) // servers have a say in errors
	}
	return exitcode.Of(err, exitUsage) // what cobra itself finds wrong decides nothing
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
