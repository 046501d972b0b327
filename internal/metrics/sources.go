package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ramai/internal/eventlog"
	"ramai/internal/room"
)

// Sources are read at each scrape. None of the functions may wait for a commit or for a client.
type Sources struct {
	Hub         *room.Hub
	Now         func() time.Time
	Connections func() map[string]int // by protocol
	MaxConns    int
	Queued      func() int              // commands that wait for a commit
	Files       func() map[string]int64 // sizes in bytes, by content
	Free        func() (uint64, error)  // free disk space in bytes
	LogDropped  func() uint64           // dropped log lines
	Health      func() eventlog.Health
}

// Register adds the metrics that are read from s. Metrics with labels, and those that can be missing, are in a collector;
// each of the others is one number, read from an atomic or under a lock that is held briefly.
func (m *Metrics) Register(s Sources) {
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "ramai", Name: name, Help: help}, read))
	}
	counter := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "ramai", Name: name, Help: help}, read))
	}
	hub := s.Hub
	gauge("connections_limit", "Maximum number of connections.", func() float64 { return float64(s.MaxConns) })
	gauge("rooms_active", "Rooms with at least one connection.", func() float64 { return float64(hub.Rooms()) })
	gauge("buffer_bytes", "Memory used by the fan-out buffers: recent messages, ready to send.", func() float64 { return float64(hub.Memory().Buffers) })
	gauge("buffer_limit_bytes", "Limit of the memory for data that waits for clients: fan-out buffers, backfills, and reserved memory.",
		func() float64 { return float64(hub.Memory().Max) })
	gauge("buffer_reserved_bytes", "Memory reserved for answers that clients have not read yet, and for input that was read ahead.",
		func() float64 { return float64(hub.Memory().Reserved) })
	gauge("backfill_bytes", "Memory used by backfills: messages read from disk for clients that are behind.", func() float64 { return float64(hub.Memory().Backfills) })
	counter("backfills_total", "Backfills that were started.", func() float64 { started, _ := hub.Backfills(); return float64(started) })
	gauge("backfills_active", "Backfills in progress.", func() float64 { _, active := hub.Backfills(); return float64(active) })
	counter("backfills_evicted_total", "Backfills that were evicted from memory before they were sent.", func() float64 { return float64(hub.Memory().Evicted) })
	gauge("commit_queue_length", "Commands that wait for a commit.", func() float64 { return float64(s.Queued()) })
	counter("log_dropped_total", "Log lines that were dropped because the log was not read fast enough.", func() float64 { return float64(s.LogDropped()) })
	gauge("storage_healthy", "1 if the stored data can be trusted as a whole; 0 if no message is accepted because it is damaged.", func() float64 {
		if s.Health().Err != nil {
			return 0
		}
		return 1
	})
	m.registry.MustRegister(&collector{Sources: s})
}

// collector is a prometheus.Collector of the metrics that have labels or can be missing.
type collector struct {
	Sources
	mu      sync.Mutex
	sampler room.LagSampler // guarded by mu
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ramai_"+name, help, labels, nil)
}

var (
	connections   = desc("connections", "Open connections, by transport.", "transport")
	subscribers   = desc("subscribers", "Subscribers of all rooms. A connection subscribes to each room it is in.")
	behind        = desc("subscribers_behind", "Subscribers that are behind by at least this many messages.", "messages")
	slowConsumers = desc("slow_consumers", "Subscribers that are behind and have made no progress for 10 s.")
	files         = desc("disk_bytes", "Size of the data files.", "file")
	free          = desc("disk_free_bytes", "Free disk space for the data.")
	damaged       = desc("room_damaged", "1 for each room with damaged messages.", "room")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, subscribers, behind, slowConsumers, files, free, damaged} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for protocol, n := range c.Connections() {
		gauge(connections, float64(n), protocol)
	}
	c.collectLag(gauge)
	for file, size := range c.Files() {
		gauge(files, float64(size), file)
	}
	if n, err := c.Free(); err == nil {
		gauge(free, float64(n))
	}
	for room := range c.Health().Rooms {
		gauge(damaged, 1, room)
	}
}

// lagThresholds are the values of the label of ramai_subscribers_behind.
var lagThresholds = []uint32{1, 100, 10000}

// collectLag reports how far the subscribers of all rooms are behind.
func (c *collector) collectLag(gauge func(*prometheus.Desc, float64, ...string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	counts := make([]int, len(lagThresholds))
	slow := c.Hub.SampleLag(&c.sampler, c.Now(), func(lag uint32) {
		total++
		for i, threshold := range lagThresholds {
			if lag >= threshold {
				counts[i]++
			}
		}
	})
	gauge(subscribers, float64(total))
	for i, threshold := range lagThresholds {
		gauge(behind, float64(counts[i]), strconv.FormatUint(uint64(threshold), 10))
	}
	gauge(slowConsumers, float64(slow))
}
