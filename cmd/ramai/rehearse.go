package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/internal/rehearse"
)

const rehearseHelp = `Fill a room with clients, let some of them publish, and check that every client receives every message once and in the
same order. The exit code is 1 if a message is lost, duplicated, or out of order.

Start the server with --rate 0. Without --rate, each publisher keeps --in-flight messages in flight (closed loop). With
--rate, messages are due at fixed times, and latency is measured from the time a message was due (open loop). With --find, the
rate is raised until p99 is above --bound, a message is not delivered, or connections fail; the last line says in a sentence
what was held, and what the first limit is. URL may begin with https:// or wss://.

With --json, the report has these fields: clients, published (messages), connect_seconds, publish_seconds, total_seconds (until
the last delivery), delivered, lost, duplicated, out_of_order (deliveries), deliveries_per_second, p50_ms, p90_ms, p99_ms,
p99_9_ms, max_ms (latency, without slow clients), client_cpu_seconds (of ramai rehearse itself), and with --reconnect also
reconnect: clients (cut off), missed (messages), seconds (until they had caught up), since_cut_seconds. series has at (second),
deliveries_per_second, p50_ms and p99_ms for each second of publishing. With --find, it has conclusion and trials: rate, held, why
and report.`

// rehearsal is one call of ramai rehearse.
type rehearsal struct {
	cfg    rehearse.Config
	asJSON bool
	html   string
	find   bool
	bound  time.Duration
}

// newRehearse returns the command that load-tests a server and checks all deliveries.
func newRehearse() *cobra.Command {
	r := &rehearsal{cfg: rehearse.Config{Clients: 100, Publishers: 4, Size: 128, Duration: 10 * time.Second}}
	cmd := &cobra.Command{
		Use:   "rehearse URL",
		Short: "Load-test a server, and check every delivery",
		Long:  rehearseHelp,
		Args:  cobra.ExactArgs(1),
		RunE:  r.run,
	}
	r.flags(cmd.Flags())
	return cmd
}

func (r *rehearsal) run(cmd *cobra.Command, args []string) error {
	cfg := &r.cfg
	cfg.URL = withScheme(args[0])
	switch {
	case r.find && (cfg.InFlight > 0 || cfg.Publishers == 0 || r.bound <= 0):
		return exit(exitUsage, errors.New("--find raises the rate of publishers until p99 passes --bound; it works without --in-flight, and with publishers and a positive bound"))
	case r.find:
		cfg.Rate = cmp.Or(cfg.Rate, 1)
	case cfg.Rate == 0 && cfg.InFlight == 0:
		cfg.InFlight = 8
	}
	if err := cfg.Check(); err != nil {
		return exit(exitUsage, err)
	}
	stderr := cmd.ErrOrStderr()
	cfg.OnStage = func(stage string) { fmt.Fprintln(stderr, "ramai:", stage) }
	if !r.asJSON {
		cfg.OnSecond = func(s rehearse.Second) {
			fmt.Fprintf(stderr, "ramai: %.0f s: %.0f deliveries/s, p50 %.2f ms, p99 %.2f ms\n", s.At, s.Deliveries, s.P50, s.P99)
		}
	}
	if r.find {
		return r.findRate(cmd)
	}
	report, err := rehearse.Run(cmd.Context(), *cfg)
	if err != nil {
		return rehearseFailed(err)
	}
	if err := r.print(cmd, report, report.Conclusion(), report, nil); err != nil {
		return exit(exitUnconfirmed, err)
	}
	if !report.Good() {
		return exit(exitUnconfirmed, errors.New("not every client received every message once and in order"))
	}
	return nil
}

// rehearseFailed returns the error for a rehearsal that could not be completed, with the limit that it met, if known.
func rehearseFailed(err error) error {
	if errors.Is(err, rehearse.ErrBroken) {
		return exit(exitUnconfirmed, err)
	}
	if limit := rehearse.Limit(err); limit != err.Error() {
		err = fmt.Errorf("not held; the first limit: %s", limit)
	}
	return exit(exitNoServer, err)
}

// findRate raises the rate until it is not held.
func (r *rehearsal) findRate(cmd *cobra.Command) error {
	trials, err := rehearse.Find(cmd.Context(), r.cfg, r.bound, func(t rehearse.Trial) {
		result := "held"
		if !t.Held {
			result = "not held: " + t.Why
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "ramai: %g messages/s: %s\n", t.Rate, result)
	})
	if err != nil {
		return rehearseFailed(err)
	}
	best := rehearse.Best(trials)
	conclusion := rehearse.Conclusion(trials)
	if err := r.print(cmd, best.Report, conclusion, map[string]any{"conclusion": conclusion, "trials": trials}, trials); err != nil {
		return exit(exitUnconfirmed, err)
	}
	if !best.Held {
		return exit(exitUnconfirmed, errors.New("no rate was held"))
	}
	return nil
}

// print prints a report and its conclusion, or object as JSON, and writes the HTML file.
func (r *rehearsal) print(cmd *cobra.Command, report *rehearse.Report, conclusion string, object any, trials []rehearse.Trial) error {
	if r.html != "" {
		var page bytes.Buffer
		if err := report.WriteHTML(&page, r.cfg.URL, trials); err != nil {
			return err
		}
		if err := os.WriteFile(r.html, page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if r.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(object)
	}
	report.Print(cmd.OutOrStdout())
	_, err := fmt.Fprintln(cmd.OutOrStdout(), conclusion)
	return err
}

func (r *rehearsal) flags(f *pflag.FlagSet) {
	cfg := &r.cfg
	f.IntVar(&cfg.Clients, "clients", cfg.Clients, "number of connections")
	f.IntVar(&cfg.Publishers, "publishers", cfg.Publishers, "number of clients that publish")
	f.Float64Var(&cfg.Rate, "rate", 0, "messages per second, for all publishers together (open loop)")
	f.IntVar(&cfg.InFlight, "in-flight", 0, "messages in flight for each publisher (closed loop; default 8 without --rate)")
	f.IntVar(&cfg.Size, "size", cfg.Size, "length of a message in bytes")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long to publish")
	f.DurationVar(&cfg.Drain, "drain", 30*time.Second, "how long to wait for the last message after publishing has ended")
	f.IntVar(&cfg.Slow, "slow", 0, "clients that read nothing until publishing has ended")
	f.Float64Var(&cfg.Churn, "churn", 0, "clients per second that disconnect and resume (ramai.v1)")
	f.BoolVar(&cfg.Plain, "plain", false, "use the plain protocol instead of ramai.v1")
	f.BoolVar(&cfg.Reconnect, "reconnect", false, "let clients that do not publish resume when their connections are cut from outside (ramai.v1)")
	f.IntVar(&cfg.Missed, "missed", 0, "messages published before these clients reconnect")
	f.IntVar(&cfg.SourceAddresses, "source-addresses", 0, "connect clients that do not publish from this many addresses in 127.1.0.0/16, to have more ports")
	f.BoolVar(&cfg.AnyCertificate, "insecure", false, "skip certificate verification (insecure)")
	f.BoolVar(&r.find, "find", false, "raise the rate, from --rate or 1, until it is not held, in rehearsals of --duration each")
	f.DurationVar(&r.bound, "bound", 200*time.Millisecond, "with --find: the p99 up to which a rate is held")
	f.Var((*path)(&r.html), "html", "also write the report to this file, as a page with plots")
	f.BoolVar(&r.asJSON, "json", false, "print the report as one JSON object")
}
