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
	Missed   int     `json:"missed"`      // messages said before the first came back
	Seconds  float64 `json:"seconds"`     // from the first dial until everybody had heard all that was missed
	SinceCut float64 `json:"since_cut_s"` // the same, from the first end of a connection
}

// back is where clients are whose connections were cut.
type back struct {
	mu    sync.Mutex
	lost  []*client // guarded by mu: those who wait to come back
	cutAt int64     // guarded by mu: when the first of them was lost

	cut    chan struct{} // tells that there are some
	behind atomic.Int64  // how many have to hear what they missed
	whole  chan int64    // when the last of them had
}

func newBack() *back { return &back{cut: make(chan struct{}, 1), whole: make(chan int64, 1)} }

// lose takes a client whose connection has ended.
func (b *back) lose(c *client, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lost) == 0 {
		b.cutAt = now
	}
	b.lost = append(b.lost, c)
	select {
	case b.cut <- struct{}{}:
	default:
	}
}

// complete hears that a client has got all that it missed.
func (b *back) complete(now int64) {
	if b.behind.Add(-1) == 0 {
		b.whole <- now // bringBack waits for it
	}
}

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

// comeBack has everybody come back at once who was cut off.
func (r *rehearsal) comeBack(ctx context.Context) error {
	for enough := r.ledger.size.Load() + int64(r.cfg.Missed); r.ledger.size.Load() < enough && ctx.Err() == nil; {
		time.Sleep(quantum)
	}
	r.back.mu.Lock()
	lost, cutAt := r.back.lost, r.back.cutAt
	r.back.lost = nil
	r.back.mu.Unlock()
	if len(lost) == 0 { // told of before
		return nil
	}
	begin, missed := r.since(), int(r.ledger.size.Load())
	r.back.behind.Store(int64(len(lost)))
	r.in.Add(len(lost))
	for _, c := range lost {
		c.behind = missed
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
