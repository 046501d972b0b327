package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pauseSubject = "ramai.pause"
	pauseEnd     = "end"
	// pauseTime is how long a pause lasts at most: it ends before messages are refused.
	pauseTime = 3 * time.Second
	// pausedHello is how often members say hello during a pause, which ends when all are equal.
	pausedHello = 100 * time.Millisecond
)

// paused reports whether this member submits no batch at present.
func (n *Node) paused() bool { return time.Now().UnixNano() < n.pausedUntil.Load() }

// ObeyPauses lets other members ask this one for a pause.
func (n *Node) ObeyPauses() error {
	err := n.subscribe(pauseSubject, func(m *nats.Msg) {
		if string(m.Data) == pauseEnd {
			n.pausedUntil.Store(0)
			return
		}
		n.pausedUntil.Store(time.Now().Add(pauseTime).UnixNano())
		select {
		case n.pauses <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("listen for pauses: %w", err)
	}
	return nil
}

// TrimWhole trims the stream completely, so that nothing is left in its files. If it never rests, the members stop submitting
// batches for a moment. ready reports whether all members have applied everything up to a position.
func (s *Stream) TrimWhole(ctx context.Context, ready func(last uint64) bool) (whole bool, err error) {
	if err := s.node.conn.Publish(pauseSubject, nil); err != nil {
		return false, fmt.Errorf("pause the members: %w", err)
	}
	defer s.node.conn.Publish(pauseSubject, []byte(pauseEnd)) // if it is lost, the pause ends by itself
	ctx, cancel := context.WithTimeout(ctx, pauseTime)
	defer cancel()
	for ctx.Err() == nil && !whole {
		st, err := s.Status(ctx)
		if err != nil {
			return false, err
		}
		if !ready(st.Last) {
			select {
			case <-ctx.Done():
			case <-time.After(pausedHello):
			}
			continue
		}
		if whole, err = s.Trim(ctx, st.Last); err != nil {
			return false, err
		}
	}
	return whole, nil
}
