package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// result is what was measured in one case. The first server is ramai.
type result struct {
	Case    string    `json:"case"`
	About   string    `json:"about"`
	Servers []*series `json:"servers"`
	metrics []metric
}

// series are the figures of one server, round by round; nil where the measurement failed.
type series struct {
	Server string    `json:"server"`
	Rounds []figures `json:"rounds"`
}

// summary is a metric of a server over all rounds.
type summary struct {
	Metric string  `json:"metric"`
	Unit   string  `json:"unit"`
	Server string  `json:"server"`
	Median float64 `json:"median"`
	Ratio  float64 `json:"ratio,omitempty"` // median of ramai/this one within each round; 0: unknown
	Rounds int     `json:"rounds"`          // number of measurements that did not fail
}

// MarshalJSON implements json.Marshaler. It adds the summaries.
func (r *result) MarshalJSON() ([]byte, error) {
	type plain result
	return json.Marshal(struct {
		*plain
		Summary []summary `json:"summary"`
	}{(*plain)(r), r.summary()})
}

func (r *result) summary() (all []summary) {
	for _, m := range r.metrics {
		for _, s := range r.Servers {
			var values, ratios []float64
			for round, f := range s.Rounds {
				v, ok := f[m.name]
				if !ok {
					continue
				}
				values = append(values, v)
				if ours, ok := r.Servers[0].Rounds[round][m.name]; ok && v > 0 && s != r.Servers[0] {
					ratios = append(ratios, ours/v)
				}
			}
			all = append(all, summary{m.name, m.unit, s.Server, median(values), median(ratios), len(values)})
		}
	}
	return all
}

// print writes the medians as a table.
func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", r.Case, r.About)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "metric\tserver\tmedian\tunit\tramai/it\trounds\n")
	for _, s := range r.summary() {
		ratio, value := "", "failed"
		if s.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f", s.Ratio)
		}
		if s.Rounds > 0 {
			value = fmt.Sprintf("%.4g", s.Median)
			if s.Median >= 1000 {
				value = fmt.Sprintf("%.0f", s.Median)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", s.Metric, s.Server, value, s.Unit, ratio, s.Rounds)
	}
	t.Flush()
}

// median returns 0 for no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
