// Package metrics exposes the state of a server to Prometheus.
//
// Nothing here is on the path of a message to its readers. Counters are updated once per batch, or when a request is
// rejected or a connection is closed. Everything else is read when Prometheus scrapes the server.
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

// Metrics are the metrics of one server.
type Metrics struct {
	registry  *prometheus.Registry
	duration  prometheus.Histogram
	batchSize prometheus.Histogram
	commands  map[outcome]prometheus.Counter
	rejected  *prometheus.CounterVec
	closed    *prometheus.CounterVec
}

// outcome identifies a counter of commands.
type outcome struct {
	kind   eventlog.Kind
	status eventlog.Status
}

// CloseReason is why a connection was closed.
type CloseReason string

// The reasons for closing a connection.
const (
	Dead  CloseReason = "dead"  // the peer is gone
	Slow  CloseReason = "slow"  // the peer read nothing for too long
	Other CloseReason = "other" // mostly: the client closed it
)

var statuses = map[eventlog.Status]string{eventlog.Saved: "saved", eventlog.Repeat: "repeat", eventlog.Refused: "refused", eventlog.OnHold: "held"}

// New returns the metrics of a server without those that Register adds.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ramai_commit_duration_seconds", Help: "Duration of the transaction of a batch, including the sync.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 15), // to 3 s
		}),
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ramai_commit_batch_size", Help: "Commands in a batch. A batch is one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11), // to 1,024, the maximum
		}),
		commands: make(map[outcome]prometheus.Counter),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ramai_rejected_total", Help: "Requests that were rejected, by error code.",
		}, []string{"code"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ramai_connections_closed_total", Help: "Connections that were closed, by reason: dead (the peer is gone), slow (it read nothing for too long), other.",
		}, []string{"reason"}),
	}
	commands := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ramai_commands_total", Help: "Commands that were decided, by kind and status.",
	}, []string{"kind", "status"})
	for _, kind := range eventlog.Kinds() {
		for status, statusName := range statuses {
			m.commands[outcome{kind, status}] = commands.WithLabelValues(kind.String(), statusName)
		}
	}
	for _, code := range wire.Codes() {
		m.rejected.WithLabelValues(string(code))
	}
	for _, reason := range []CloseReason{Dead, Slow, Other} {
		m.closed.WithLabelValues(string(reason))
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ramai_build_info", Help: "1, labelled with the version of the program.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.duration, m.batchSize, commands, m.rejected, m.closed, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all metrics in the format that the client accepts: Prometheus text 0.0.4 or OpenMetrics 1.0.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Committed records that a batch was committed.
func (m *Metrics) Committed(commands int, duration time.Duration) {
	m.duration.Observe(duration.Seconds())
	m.batchSize.Observe(float64(commands))
}

// Decided records the outcomes of a batch.
func (m *Metrics) Decided(outcomes []eventlog.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		if counter := m.commands[outcome{o.Command.Kind, o.Status}]; counter != nil {
			counter.Inc()
		}
		if o.Status == eventlog.Refused {
			m.Rejected(o.Err.Code)
		}
	}
}

// Rejected records that a request was rejected.
func (m *Metrics) Rejected(code wire.Code) { m.rejected.WithLabelValues(string(code)).Inc() }

// Closed records that a connection was closed.
func (m *Metrics) Closed(reason CloseReason) { m.closed.WithLabelValues(string(reason)).Inc() }
