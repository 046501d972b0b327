package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// When a member stops, or another one begins to lead, a batch on its way can be lost, and so can a reader: its state may be on the member that
// stops. Both would be noticed after a second. The replicas report both events, so that a stop in order costs less.

// resubmitted is how old a batch is at most that is sent again to a new leader. An older one is seen to by the log.
const resubmitted = 2 * time.Second

// watch listens to these events.
func (q *Sequencer) watch() (err error) {
	n := q.stream.node
	if q.events, err = n.connect(systemUser); err != nil {
		return err
	}
	_, err = q.events.Subscribe("$SYS.SERVER.*.SHUTDOWN", func(*nats.Msg) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.readAgain()
	})
	if err == nil {
		err = n.subscribe("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."+q.stream.name, func(*nats.Msg) { q.submitAgain() })
	}
	if err != nil {
		q.events.Close()
		return fmt.Errorf("listen for members that stop: %w", err)
	}
	return nil
}

// readAgain makes the reader continue with another consumer. mu is held.
func (q *Sequencer) readAgain() {
	q.restart = true
	q.stop()
	q.taken.Broadcast()
}

// submitAgain sends the newest batch again, which changes nothing if it has arrived.
func (q *Sequencer) submitAgain() {
	s := q.submitted.Load()
	if s == nil || time.Since(s.at) > resubmitted || q.stream.node.paused() {
		return
	}
	if err := q.stream.node.conn.PublishRequest(q.stream.subject(), q.inbox, s.message); err != nil { // the log submits it again
		q.logger.Debug("a batch is not sent again to the new leader", "err", err)
	}
}
