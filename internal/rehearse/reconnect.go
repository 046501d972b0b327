package rehearse

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ReconnectReport describes how clients reconnected after their connections were cut.
type ReconnectReport struct {
	Clients  int     `json:"clients"`           // connections cut
	Missed   int     `json:"missed"`            // messages published between the last cut and the first dial
	Seconds  float64 `json:"seconds"`           // from the first dial until all clients had everything they missed
	SinceCut float64 `json:"since_cut_seconds"` // the same, from the last cut
}

// reconnects holds the clients whose connections were cut.
type reconnects struct {
	mu      sync.Mutex
	waiting []*client // guarded by mu: clients waiting to reconnect
	cutAt   int64     // guarded by mu: when the last of them was cut

	cut    chan struct{} // one token: there may be some
	behind atomic.Int64  // number of clients that miss messages
	done   chan int64    // gets the time when the last of them is complete
}

func newReconnects() *reconnects {
	return &reconnects{cut: make(chan struct{}, 1), done: make(chan int64, 1)}
}

// add adds a client whose connection has ended. It is called by the owner of the client.
func (b *reconnects) add(c *client, now int64) {
	if c.behind > 0 { // cut again before it was complete: it counts for the next round
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

// complete records that a client has everything it missed.
func (b *reconnects) complete(now int64) {
	if b.behind.Add(-1) == 0 {
		b.done <- now // reconnectAll waits for it
	}
}

// cutGap is the longest time between two cuts that belong together.
const cutGap = 200 * time.Millisecond

// reconnectLoop waits for connections to be cut during publishing, and reconnects their clients.
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

// collect returns all clients that were cut, once no more have been for cutGap, and the time of the last cut.
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

// reconnectAll reconnects all cut clients at once, after publishing what they are to miss.
func (r *rehearsal) reconnectAll(ctx context.Context) error {
	waiting, cutAt := r.reconnects.collect(r.since)
	if len(waiting) == 0 { // collected before
		return nil
	}
	enough := r.ledger.size.Load() + int64(r.cfg.Missed)
	for i := range r.cfg.Missed {
		r.clients[i%r.cfg.Publishers].publish(r.since())
	}
	for r.ledger.size.Load() < enough { // the publishers receive it
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
		return errors.New("not all clients that were cut off had caught up in time")
	}
}
