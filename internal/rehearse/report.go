package rehearse

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Report is the result of a rehearsal.
type Report struct {
	Clients    int     `json:"clients"`
	Published  int64   `json:"published"`
	Connecting float64 `json:"connect_seconds"` // until all clients were connected
	Publishing float64 `json:"publish_seconds"`
	Seconds    float64 `json:"total_seconds"` // of publishing, and until the last message was received
	tally
	Rate float64 `json:"deliveries_per_second"`
	// From due to received, in milliseconds, without slow clients.
	P50       float64          `json:"p50_ms"`
	P90       float64          `json:"p90_ms"`
	P99       float64          `json:"p99_ms"`
	P999      float64          `json:"p99_9_ms"`
	Max       float64          `json:"max_ms"`
	CPU       float64          `json:"client_cpu_seconds"` // of this program, from the first message to the last
	Reconnect *ReconnectReport `json:"reconnect,omitempty"`
	Series    []Second         `json:"series,omitempty"` // the seconds of publishing
}

// report fills in the report. The reactor is closed, so the clients belong to this goroutine.
func (r *rehearsal) report(rep *Report) {
	for _, c := range r.clients[:r.cfg.Publishers] {
		rep.Published += int64(c.published)
	}
	for _, c := range r.clients {
		c.Lost = rep.Published - c.received()
		if c.Good() { // otherwise jumps in the numbers are counted already
			c.OutOfOrder += c.jumps
		}
		rep.add(c.tally)
	}
	rep.Reconnect = r.reconnectReport
	rep.OutOfOrder += r.ledger.disorder * int64(len(r.clients))
	rep.Rate = float64(rep.Delivered) / rep.Seconds
	h := r.latencies.all()
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	rep.P50, rep.P90, rep.P99, rep.P999, rep.Max = ms(50), ms(90), ms(99), ms(99.9), float64(h.Max())/1000
}

// Print writes the report as a table.
func (rep *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "clients\t%d\tconnected after %.2f s\n", rep.Clients, rep.Connecting)
	fmt.Fprintf(t, "published\t%d\tin %.2f s\n", rep.Published, rep.Publishing)
	fmt.Fprintf(t, "delivered\t%d\t%.0f a second\n", rep.Delivered, rep.Rate)
	fmt.Fprintf(t, "lost\t%d\n", rep.Lost)
	fmt.Fprintf(t, "duplicated\t%d\n", rep.Duplicated)
	fmt.Fprintf(t, "out of order\t%d\n", rep.OutOfOrder)
	fmt.Fprintf(t, "latency\tp50 %.2f ms\tp90 %.2f\tp99 %.2f\tp99.9 %.2f\tmax %.2f\n", rep.P50, rep.P90, rep.P99, rep.P999, rep.Max)
	fmt.Fprintf(t, "own CPU time\t%.2f s\n", rep.CPU)
	if b := rep.Reconnect; b != nil {
		fmt.Fprintf(t, "cut off\t%d\tall resumed after %.2f s, %.2f s since the cut\n", b.Clients, b.Seconds, b.SinceCut)
	}
	t.Flush()
}

// Conclusion returns the result in a sentence.
func (rep *Report) Conclusion() string {
	if !rep.Good() {
		return "not held: " + rep.faults()
	}
	clients := grouped(float64(rep.Clients)) + " clients"
	if rep.Published == 0 {
		return "held " + clients
	}
	conclusion := fmt.Sprintf("held %s at %s messages/s, p99 %s ms", clients, grouped(float64(rep.Published)/rep.Publishing), grouped(rep.P99))
	if share := rep.CPU / rep.Seconds / float64(runtime.NumCPU()); share > 0.4 {
		conclusion += fmt.Sprintf(" (ramai rehearse itself took %.0f %% of this machine's processors)", share*100)
	}
	return conclusion
}

// faults says what was delivered wrong.
func (rep *Report) faults() string {
	return fmt.Sprintf("%d deliveries lost, %d duplicated, %d out of order", rep.Lost, rep.Duplicated, rep.OutOfOrder)
}

// grouped formats a positive number: 0.12, 3.4, 94, 10,000.
func grouped(v float64) string {
	switch {
	case v < 1:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case v < 10:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// sorted returns the trials by rate.
func sorted(trials []Trial) []Trial {
	return slices.SortedFunc(slices.Values(trials), func(a, b Trial) int { return cmp.Compare(a.Rate, b.Rate) })
}
