package rehearse

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ReconnectReport says how those came back whose connections were cut.
type ReconnectReport struct {
	Clients  int     `json:"clients"`     // connections cut
	Missed   int     `json:"missed"`      // messages said between the last cut and the first dial
	Seconds  float64 `json:"seconds"`     // from the first dial until everybody had heard all that was missed
	SinceCut float64 `json:"since_cut_s"` // the same, from the last cut
}

// reconnects is where clients are whose connections were cut.
type reconnects struct {
	mu      sync.Mutex
	waiting []*client // guarded by mu: those who wait to come back
	cutAt   int64     // guarded by mu: when the last of them was lost

	cut    chan struct{} // tells that there are some
	behind atomic.Int64  // how many have to hear what they missed
	done   chan int64    // when the last of them had
}

func newReconnects() *reconnects {
	return &reconnects{cut: make(chan struct{}, 1), done: make(chan int64, 1)}
}

// add takes a client whose connection has ended. It is called by who owns the client.
func (b *reconnects) add(c *client, now int64) {
	if c.behind > 0 { // cut off once more before it was complete: that is the next time's
		c.behind = 0
		b.complete(now)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting, b.cutAt = append(b.waiting, c), now
	select {
	case b.cut <- struct{}{}:
	default:
	}
}

// complete hears that a client has got all that it missed.
func (b *reconnects) complete(now int64) {
	if b.behind.Add(-1) == 0 {
		b.done <- now // reconnectAll waits for it
	}
}

// cutGap is the longest time between two cuts that belong together.
const cutGap = 200 * time.Millisecond

// reconnectLoop waits for connections to be cut while there is talk, and has their clients come back.
func (r *rehearsal) reconnectLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.reconnects.cut:
		}
		if err := r.reconnectAll(ctx); err != nil {
			r.fail(err)
			return
		}
	}
}

// collect takes all that were cut off, when no more have been for a moment, and tells when the last was.
func (b *reconnects) collect(now func() int64) (waiting []*client, cutAt int64) {
	for {
		b.mu.Lock()
		if now()-b.cutAt > int64(cutGap) {
			defer b.mu.Unlock()
			waiting, b.waiting = b.waiting, nil
			return waiting, b.cutAt
		}
		b.mu.Unlock()
		time.Sleep(cutGap / 10)
	}
}

// reconnectAll has everybody come back at once who was cut off, after something was said meanwhile.
func (r *rehearsal) reconnectAll(ctx context.Context) error {
	waiting, cutAt := r.reconnects.collect(r.since)
	if len(waiting) == 0 { // told of before
		return nil
	}
	enough := r.ledger.size.Load() + int64(r.cfg.Missed)
	for i := range r.cfg.Missed {
		r.clients[i%r.cfg.Publishers].publish(r.since())
	}
	for r.ledger.size.Load() < enough { // the talkers hear it
		select {
		case <-r.failed:
			return nil
		case <-time.After(quantum):
		}
	}
	begin, missed := r.since(), int(r.ledger.size.Load())
	r.reconnects.behind.Store(int64(len(waiting)))
	for _, c := range waiting {
		c.behind = missed + 1
	}
	r.dialAll(context.WithoutCancel(ctx), waiting)
	select {
	case end := <-r.reconnects.done:
		r.reconnectReport = &ReconnectReport{Clients: len(waiting), Missed: r.cfg.Missed, Seconds: float64(end-begin) / 1e9, SinceCut: float64(end-cutAt) / 1e9}
		return nil
	case <-r.failed:
		return nil
	case <-time.After(r.cfg.Drain):
		return errors.New("not everybody who was cut off was back and complete in time")
	}
}
