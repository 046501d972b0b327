package rehearse

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// reportPage is the report as HTML: one file that needs no other.
var reportPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>ramai rehearse</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
svg { width: 100%; height: auto } polyline { fill: none; stroke-width: 2 } text { font-size: 12px; fill: currentColor }
.axis { stroke: currentColor; stroke-width: 1 } .l0 { stroke: #1668c0; color: #1668c0 } .l1 { stroke: #c2410c; color: #c2410c }
pre { overflow-x: auto }
</style>
<h1>{{.Conclusion}}</h1>
<p>{{.Target}}</p>
{{range .Plots}}<h2>{{.Title}}</h2>
<svg viewBox="0 0 640 220" role="img" aria-label="{{.Title}}">
<polyline class="axis" points="60,10 60,190 630,190"/>
<text x="55" y="20" text-anchor="end">{{.Top}}</text><text x="55" y="190" text-anchor="end">0</text>
<text x="60" y="208">{{.First}}</text><text x="630" y="208" text-anchor="end">{{.Last}}</text>
{{range $i, $l := .Lines}}<polyline class="l{{$i}}" points="{{$l.Points}}"/><text class="l{{$i}}" x="{{$l.X}}" y="20" stroke="none">{{$l.Name}}</text>
{{end}}</svg>
{{end}}{{if .Table}}<pre>{{.Table}}</pre>{{end}}
</html>
`))

// plot is a diagram of 570 by 180 units.
type plot struct {
	Title, Top, First, Last string
	Lines                   []line
}

type line struct {
	Name, Points string
	X            int // of the name
}

// newPlot returns a plot of values y by name over x, which rises.
func newPlot(title, unit, xUnit string, x []float64, names []string, y ...[]float64) plot {
	most := 0.0
	for _, values := range y {
		for _, v := range values {
			most = max(most, v)
		}
	}
	first, last := x[0], x[len(x)-1]
	p := plot{Title: title, Top: grouped(most) + unit, First: grouped(first) + xUnit, Last: grouped(last) + xUnit}
	for i, values := range y {
		var points strings.Builder
		for k, v := range values {
			across, up := 285.0, 0.0
			if last > first {
				across = (x[k] - first) / (last - first) * 570
			}
			if most > 0 {
				up = v / most * 175
			}
			fmt.Fprintf(&points, "%.1f,%.1f ", 60+across, 190-up)
		}
		p.Lines = append(p.Lines, line{Name: names[i], Points: points.String(), X: 70 + 90*i})
	}
	return p
}

// WriteHTML writes a report as a page with plots. trials are those of Find, or nil.
func (rep *Report) WriteHTML(w io.Writer, target string, trials []Trial) error {
	var table strings.Builder
	rep.Print(&table)
	data := struct {
		Conclusion, Target, Table string
		Plots                     []plot
	}{rep.Conclusion(), target, table.String(), nil}
	if len(trials) > 0 {
		data.Conclusion = Conclusion(trials)
		var rates, p50, p99 []float64
		for _, t := range sorted(trials) {
			if t.Report != nil {
				rates, p50, p99 = append(rates, t.Rate), append(p50, t.Report.P50), append(p99, t.Report.P99)
			}
		}
		data.Plots = append(data.Plots, newPlot("Latency by messages per second", " ms", " /s", rates, []string{"p50", "p99"}, p50, p99))
	}
	if len(rep.Series) > 0 {
		var at, deliveries, p50, p99 []float64
		for _, s := range rep.Series {
			at, deliveries, p50, p99 = append(at, s.At), append(deliveries, s.Deliveries), append(p50, s.P50), append(p99, s.P99)
		}
		data.Plots = append(data.Plots, newPlot("Latency", " ms", " s", at, []string{"p50", "p99"}, p50, p99),
			newPlot("Deliveries per second", "", " s", at, []string{""}, deliveries))
	}
	return reportPage.Execute(w, data)
}
