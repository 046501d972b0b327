package rehearse

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Back says how those came back whose connections were cut.
type Back struct {
	Clients  int     `json:"clients"`     // connections cut
	Missed   int     `json:"missed"`      // messages said between the last cut and the first dial
	Seconds  float64 `json:"seconds"`     // from the first dial until everybody had heard all that was missed
	SinceCut float64 `json:"since_cut_s"` // the same, from the last cut
}

// back is where clients are whose connections were cut.
type back struct {
	mu    sync.Mutex
	lost  []*client // guarded by mu: those who wait to come back
	cutAt int64     // guarded by mu: when the last of them was lost

	cut    chan struct{} // tells that there are some
	behind atomic.Int64  // how many have to hear what they missed
	whole  chan int64    // when the last of them had
}

func newBack() *back { return &back{cut: make(chan struct{}, 1), whole: make(chan int64, 1)} }

// lose takes a client whose connection has ended. It is called by who owns the client.
func (b *back) lose(c *client, now int64) {
	if c.behind > 0 { // cut off once more before it was complete: that is the next time's
		c.behind = 0
		b.complete(now)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost, b.cutAt = append(b.lost, c), now
	select {
	case b.cut <- struct{}{}:
	default:
	}
}

// complete hears that a client has got all that it missed.
func (b *back) complete(now int64) {
	if b.behind.Add(-1) == 0 {
		b.whole <- now // comeBack waits for it
	}
}

// moment is the longest time between two cuts that belong together.
const moment = 200 * time.Millisecond

// bringBack waits for connections to be cut while there is talk, and has their clients come back.
func (r *rehearsal) bringBack(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.back.cut:
		}
		if err := r.comeBack(ctx); err != nil {
			r.fail(err)
			return
		}
	}
}

// take takes all that were cut off, when no more have been for a moment, and tells when the last was.
func (b *back) take(now func() int64) (lost []*client, cutAt int64) {
	for {
		b.mu.Lock()
		if now()-b.cutAt > int64(moment) {
			defer b.mu.Unlock()
			lost, b.lost = b.lost, nil
			return lost, b.cutAt
		}
		b.mu.Unlock()
		time.Sleep(moment / 10)
	}
}

// comeBack has everybody come back at once who was cut off, after something was said meanwhile.
func (r *rehearsal) comeBack(ctx context.Context) error {
	lost, cutAt := r.back.take(r.since)
	if len(lost) == 0 { // told of before
		return nil
	}
	enough := r.ledger.size.Load() + int64(r.cfg.Missed)
	for i := range r.cfg.Missed {
		r.clients[i%r.cfg.Publishers].say(r.since())
	}
	for r.ledger.size.Load() < enough { // the talkers hear it
		select {
		case <-r.failed:
			return nil
		case <-time.After(quantum):
		}
	}
	begin, missed := r.since(), int(r.ledger.size.Load())
	r.back.behind.Store(int64(len(lost)))
	for _, c := range lost {
		c.behind = missed + 1
	}
	r.dialAll(context.WithoutCancel(ctx), lost)
	select {
	case end := <-r.back.whole:
		r.returned = &Back{Clients: len(lost), Missed: r.cfg.Missed, Seconds: float64(end-begin) / 1e9, SinceCut: float64(end-cutAt) / 1e9}
		return nil
	case <-r.failed:
		return nil
	case <-time.After(r.cfg.Drain):
		return errors.New("not everybody who was cut off was back and complete in time")
	}
}
