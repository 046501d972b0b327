package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"ramai/internal/eventlog"
)

// ackError returns the error in the answer to a message.
func ackError(b []byte) error {
	var answer struct {
		Error *js.APIError `json:"error"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return fmt.Errorf("an acknowledgement: %w", err)
	}
	if answer.Error == nil { // not a nil *js.APIError in an error
		return nil
	}
	return answer.Error
}

// read reads the stream until ctx ends, again after each error. What the stream is, is checked each time: a consumer of a
// stream that was created anew, or that begins too late, would not say so.
func (q *Sequencer) read(ctx context.Context) {
	for ctx.Err() == nil {
		reading, stop := context.WithCancel(ctx)
		err := q.readFrom(reading, q.next(stop))
		stopped := reading.Err() != nil
		stop()
		if err == nil || stopped {
			continue
		}
		q.mu.Lock()
		q.failure, q.gap = err, q.gap || errors.Is(err, eventlog.ErrGap)
		q.mu.Unlock()
		q.signal()
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// next returns the position at which reading begins. stop ends it.
func (q *Sequencer) next(stop func()) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.restart, q.stop = false, stop
	if n := len(q.entries); n > 0 {
		return q.entries[n-1].position + 1
	}
	return q.after + 1
}

// readFrom reads batches from a position on, which follow each other without gaps.
func (q *Sequencer) readFrom(ctx context.Context, position uint64) error {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := q.stream.CheckPosition(asking, position-1); err != nil {
		return err
	}
	// The ordered consumer of the library waits up to 10 s for a leader before it reports anything. This loop checks the order
	// itself.
	consumer, err := q.stream.js.CreateConsumer(asking, q.stream.name, js.ConsumerConfig{
		DeliverPolicy: js.DeliverByStartSequencePolicy, OptStartSeq: position, AckPolicy: js.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerLife,
	})
	if err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	messages, err := consumer.Messages(js.PullMaxMessages(queued), js.PullHeartbeat(heartbeat), js.PullExpiry(5*time.Second))
	if err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(js.NextContext(ctx))
		switch {
		case errors.Is(err, js.ErrNoHeartbeat), errors.Is(err, js.ErrMsgIteratorClosed):
			return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
		case err != nil:
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if meta.Sequence.Stream != position {
			return fmt.Errorf("the stream continued with %d after %d", meta.Sequence.Stream, position-1)
		}
		batch, err := q.decode(m.Data())
		if q.skip[position] {
			batch, err = q.program.NewBatch(eventlog.Batch{}), nil
			q.logger.Warn("a batch is skipped, as by all members: see ramai cluster repair --skip", "position", position)
		}
		if err != nil {
			return fmt.Errorf("read batch %d of the stream: %w", position, err)
		}
		if !q.put(entry{batch, position}) {
			return nil
		}
		position++
	}
}

// decode returns the batch of a message, or an empty one if it is not a batch of this cluster. An error means that this version
// of the program cannot tell.
func (q *Sequencer) decode(message []byte) (*eventlog.Batch, error) {
	content, err := q.stream.node.opt.Secret.open(q.stream.history, message)
	var b *eventlog.Batch
	if err == nil {
		b, err = q.program.DecodeBatch(content)
	}
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, errEnvelopeVersion), errors.Is(err, eventlog.ErrEncodingVersion):
		return nil, fmt.Errorf("%w; install the version of ramai that the other members run", err)
	case errors.Is(err, errNotOurs):
		q.logger.Warn("the stream has a message that no member of this cluster has written; it is ignored", "err", err)
	default: // a command of a newer version, which counts for nobody yet: see eventlog.Program
		q.logger.Warn("the stream has a batch of another version of ramai; it is ignored, as by all members until all are upgraded", "err", err)
	}
	return q.program.NewBatch(eventlog.Batch{}), nil
}

// put queues an entry once there is space. It returns false if the reader must end or start elsewhere.
func (q *Sequencer) put(e entry) bool {
	q.mu.Lock()
	for len(q.entries) >= queued && !q.restart && !q.closed {
		q.taken.Wait()
	}
	ok := !q.restart && !q.closed
	if ok {
		q.entries = append(q.entries, e)
	}
	q.mu.Unlock()
	if ok {
		q.signal()
	}
	return ok
}
