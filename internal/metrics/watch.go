package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ramai/internal/eventlog"
	"ramai/internal/room"
)

// Sources are what is looked at when somebody asks. None of the functions may wait for a commit or for a client.
type Sources struct {
	Hub         *room.Hub
	Now         func() time.Time
	Connections func() map[string]int   // by door
	MaxConns    int                     // how many there may be
	Queued      func() int              // events that wait for the journal
	Files       func() map[string]int64 // bytes, by what is in them
	Free        func() (uint64, error)  // bytes left for the data
	LogDropped  func() uint64           // lines of the log that were dropped
	Health      func() eventlog.Health
}

// LagSampler has all that Sources tell among the metrics. Each is one number that is read at the scrape, from an atomic or under a
// lock that is held for no longer; what has labels, or may be missing, is in the watcher.
func (m *Metrics) Watch(s Sources) {
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "ramai", Name: name, Help: help}, read))
	}
	counter := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "ramai", Name: name, Help: help}, read))
	}
	hub := s.Hub
	gauge("connections_limit", "Connections that there may be at once.", func() float64 { return float64(s.MaxConns) })
	gauge("rooms_open", "Rooms that somebody is in.", func() float64 { return float64(hub.Rooms()) })
	gauge("tape_bytes", "Memory that recent messages take which are kept ready to send.", func() float64 { return float64(hub.Memory().Buffers) })
	gauge("tape_limit_bytes", "Limit of the memory for data that waits for clients: recent messages, backfills, and what is reserved.",
		func() float64 { return float64(hub.Memory().Max) })
	gauge("backfill_bytes", "Memory for messages that were read from the journal for clients that are behind.", func() float64 { return float64(hub.Memory().Backfills) })
	counter("backfills_evicted_total", "Backfills that were given up for lack of memory before they were sent.", func() float64 { return float64(hub.Memory().Evicted) })
	gauge("reserved_bytes", "Memory reserved for answers that clients have not received yet, and for what was read ahead from clients.",
		func() float64 { return float64(hub.Memory().Reserved) })
	counter("refills_total", "Reads of the journal for who is behind what is kept ready to send.", func() float64 { begun, _ := hub.Refills(); return float64(begun) })
	gauge("refills_running", "Those under way.", func() float64 { _, running := hub.Refills(); return float64(running) })
	gauge("queue_events", "Events that wait for the journal.", func() float64 { return float64(s.Queued()) })
	counter("log_dropped_total", "Log lines that were dropped because they were not read in time.", func() float64 { return float64(s.LogDropped()) })
	gauge("data_reliable", "1 while the stored data as a whole can be relied on; with 0 nothing is acknowledged.", func() float64 {
		if s.Health().Err != nil {
			return 0
		}
		return 1
	})
	m.registry.MustRegister(&watcher{Sources: s})
}

// watcher is a prometheus.Collector of what is no single number.
type watcher struct {
	Sources
	mu    sync.Mutex
	watch room.LagSampler // guarded by mu
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ramai_"+name, help, labels, nil)
}

var (
	connections = desc("connections", "Connections that are open, by door.", "door")
	behind      = desc("fanout_lag_messages", "How many messages each member of a room has not been sent yet, at this moment.")
	frozen      = desc("peers_frozen", "Members that are behind, and have taken nothing for 10 seconds or more, as far as was looked.")
	files       = desc("disk_bytes", "Size of the files of the data.", "file")
	free        = desc("disk_free_bytes", "Space left for the data.")
	damaged     = desc("room_damaged", "1 for each room whose stored messages are damaged.", "room")
)

// Describe implements prometheus.Collector.
func (w *watcher) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, behind, frozen, files, free, damaged} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (w *watcher) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for door, n := range w.Connections() {
		gauge(connections, float64(n), door)
	}
	w.lag(to, gauge)
	for file, size := range w.Files() {
		gauge(files, float64(size), file)
	}
	if n, err := w.Free(); err == nil {
		gauge(free, float64(n))
	}
	for room := range w.Health().Rooms {
		gauge(damaged, 1, room)
	}
}

// lag tells how far the members of all rooms are behind.
func (w *watcher) lag(to chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	buckets := map[float64]uint64{0: 0, 10: 0, 100: 0, 1000: 0, 10000: 0, 100000: 0}
	var count uint64
	var sum float64
	n := w.Hub.SampleLag(&w.watch, w.Now(), func(behind uint32) {
		count++
		sum += float64(behind)
		for most := range buckets {
			if float64(behind) <= most {
				buckets[most]++
			}
		}
	})
	to <- prometheus.MustNewConstHistogram(behind, count, sum, buckets)
	gauge(frozen, float64(n))
}
