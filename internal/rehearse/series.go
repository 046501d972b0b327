package rehearse

import (
	"context"
	"time"
)

// Second is what happened in one second of publishing, and is reported while the rehearsal goes on.
type Second struct {
	At         float64 `json:"at"` // seconds since publishing began
	Deliveries float64 `json:"deliveries_per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
}

// watch reports each second until ctx ends, and returns all.
func (r *rehearsal) watch(ctx context.Context) (all []Second) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	start, before, delivered := time.Now(), r.latencies.counts(), int64(0)
	last := start
	for {
		select {
		case <-ctx.Done():
			return all
		case <-ticker.C:
		}
		now, counts, sum := time.Now(), r.latencies.counts(), r.delivered.Load()
		var during latencyCounts
		for i := range counts {
			during[i] = counts[i] - before[i]
		}
		h := during.histogram()
		s := Second{
			At: now.Sub(start).Seconds(), Deliveries: float64(sum-delivered) / now.Sub(last).Seconds(),
			P50: float64(h.ValueAtQuantile(50)) / 1000, P99: float64(h.ValueAtQuantile(99)) / 1000,
		}
		before, delivered, last = counts, sum, now
		all = append(all, s)
		r.cfg.OnSecond(s)
	}
}
