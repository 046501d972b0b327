// Package metrics tells Prometheus how a server is doing.
//
// Nothing here is on the way of a message to its readers. What is counted is counted a batch at a time, or when something
// is refused or ends; everything else is looked at when somebody asks.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Metrics are those of one server.
type Metrics struct {
	registry *prometheus.Registry
	commit   prometheus.Histogram
	batch    prometheus.Histogram
	events   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	ended    *prometheus.CounterVec
}

// New returns metrics without what is looked at; see Watch.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ramai_commit_seconds", Help: "How long the transaction of a batch took, the sync included.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 15), // to 3 s
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ramai_batch_events", Help: "Events of a batch, which is one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11), // to 1,024, the most
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ramai_events_total", Help: "Events that the journal has decided, by kind and by what became of them.",
		}, []string{"kind", "verdict"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ramai_refused_total", Help: "Requests that were refused, at any door, by code.",
		}, []string{"code"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ramai_connections_ended_total", Help: "Connections that have ended, by reason: dead (the peer is gone), stalled (it took nothing for too long), other.",
		}, []string{"reason"}),
	}
	for _, kind := range kinds {
		for _, verdict := range verdicts {
			m.events.WithLabelValues(kind, verdict)
		}
	}
	for _, code := range wire.Codes() {
		m.refused.WithLabelValues(string(code))
	}
	for _, reason := range []string{"dead", "stalled", "other"} {
		m.ended.WithLabelValues(reason)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ramai_build_info", Help: "1, with the version of the program.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.commit, m.batch, m.events, m.refused, m.ended, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all metrics, in the format that the client asks for: text 0.0.4 of Prometheus, or OpenMetrics 1.0.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Applied is told of each batch that was stored.
func (m *Metrics) Applied(events int, took time.Duration) {
	m.commit.Observe(took.Seconds())
	m.batch.Observe(float64(events))
}

var (
	kinds = map[eventlog.Kind]string{
		eventlog.Say: "say", eventlog.ReserveName: "claim", eventlog.ReleaseName: "release", eventlog.Restart: "restart", eventlog.Trim: "trim", eventlog.UnregisterName: "disown",
		eventlog.ExpireName: "expire", eventlog.RotateIDs: "turn", eventlog.PruneIDs: "forget", eventlog.RemoveRoom: "remove",
	}
	verdicts = map[eventlog.Status]string{eventlog.Saved: "saved", eventlog.Repeat: "repeat", eventlog.Refused: "refused"}
)

// Outcomes is told what became of the events of a batch. It is called by one goroutine at a time.
func (m *Metrics) Outcomes(outcomes []eventlog.Outcome) {
	var counts [eventlog.LastKind + 1][eventlog.Refused + 1]int
	for i := range outcomes {
		o := &outcomes[i]
		counts[o.Command.Kind][o.Status]++
		if o.Status == eventlog.Refused {
			m.Refused(o.Err.Code)
		}
	}
	for kind, name := range kinds {
		for verdict, what := range verdicts {
			if n := counts[kind][verdict]; n > 0 {
				m.events.WithLabelValues(name, what).Add(float64(n))
			}
		}
	}
}

// Refused is told of each refusal.
func (m *Metrics) Refused(code wire.Code) { m.refused.WithLabelValues(string(code)).Inc() }

// Ended is told of the end of each connection: "dead", "stalled" or "other".
func (m *Metrics) Ended(reason string) { m.ended.WithLabelValues(reason).Inc() }
