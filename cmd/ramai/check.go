package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"ramai/internal/logging"
	"ramai/server"
)

// checkAll implements serve --check: it prints what serve would do, and fails where serve would fail.
func checkAll(flags *pflag.FlagSet, cfg server.Config, o serveOptions, stdout, stderr io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "check" {
			fmt.Fprintf(table, "%s\t%s\t%s\n", f.Name, f.Value, source(f))
		}
	})
	if err := table.Flush(); err != nil {
		return err
	}
	if err := checkServe(cfg, o); err != nil {
		return exit(exitUsage, err)
	}
	cfg.Logger = slog.New(logging.Format(o.logFormat).Handler(stderr))
	found, err := cfg.Check()
	if err != nil {
		return exit(exitUnusable, err)
	}
	for _, line := range found {
		fmt.Fprintln(stdout, line)
	}
	for _, port := range []struct{ flag, address string }{{"--listen", o.listen}, {"--admin", o.admin}, {"--ssh", o.ssh}} {
		if port.address == "" {
			continue
		}
		ln, err := net.Listen("tcp", port.address)
		if err != nil {
			return exit(exitUnusable, listenError(port.flag, port.address, err))
		}
		defer ln.Close() // keep it, so that two flags with the same port are an error
		fmt.Fprintf(stdout, "%s %s is available\n", port.flag, ln.Addr())
	}
	return nil
}
