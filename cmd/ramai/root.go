package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

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

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(stderr)
	root.SetArgs(dashedWords(root, args))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "ramai: "+client.Printable(text)) // errors may contain text from a server
	}
	return exitcode.Of(err, exitUsage) // errors of cobra have no exit code
}

// takesWords is the annotation of commands whose arguments are text.
const takesWords = "words"

// dashedWords inserts "--" between the flags and the words of a command, so that a word can begin with a dash. Arguments that
// begin with two dashes are flags, known or mistyped, unless they follow a "--".
func dashedWords(root *cobra.Command, args []string) []string {
	cmd, rest, err := root.Find(args)
	if err != nil {
		return args
	}
	if _, ok := cmd.Annotations[takesWords]; !ok {
		return args
	}
	flags, words := []string{cmd.Name()}, []string(nil)
	for i := 0; i < len(rest); i++ {
		word := rest[i]
		switch name, dashed := strings.CutPrefix(word, "--"); {
		case word == "--":
			words = append(words, rest[i+1:]...)
			i = len(rest)
		case word == "-h":
			flags = append(flags, word)
		case dashed:
			flags = append(flags, word)
			if f := cmd.Flag(name); f != nil && f.NoOptDefVal == "" { // its value follows
				i++
				if i == len(rest) {
					return args // cobra reports the error
				}
				flags = append(flags, rest[i])
			}
		default:
			words = append(words, word)
		}
	}
	return slices.Concat(flags, []string{"--"}, words)
}

// newRoot returns the root command. Warnings about settings are printed to notes.
func newRoot(notes io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "ramai",
		Short:         "A broadcast chat: one room, and everyone hears it",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return configure(cmd, os.Environ(), notes)
		},
	}
	root.Version = version()
	root.SetVersionTemplate("ramai {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().String("config", configFile(), "configuration file; see docs/config.example.toml")
	root.AddCommand(newServe(), newJoin(), newSay(), newEdit(), newDelete(), newReact(), newVote(), newSet(), newSettings(), newHistory(), newSearch(), newWho(), newRooms(), newBackup(), newRestore(), newCheck(), newExport(), newImport(), newName(), newRoom(), newRole(), newBan(), newInvite(), newRedeem(), newSession(), newErase(), newAudit(), newCluster(), newRehearse(), newDoctor(), newVersion())
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

// version returns the version of the module, or the commit.
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
