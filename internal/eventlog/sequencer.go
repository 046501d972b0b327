package eventlog

import "errors"

// A Sequencer puts the batches of all nodes into one order. [Log] pulls from it, so a sequencer that orders at once needs
// no goroutine of its own, and a test can step through everything. Every method but Close is called by one goroutine.
type Sequencer interface {
	// Exclusive reports whether no other node applies the batches. Only then can a batch be withdrawn that the store has
	// rolled back; its position is given to the next batch.
	Exclusive() bool

	// Submit offers b for ordering. It does not block. After an error it is unknown whether a copy of b was accepted, and
	// an accepted batch may be lost or ordered more than once. The log therefore submits b again until Next returns it.
	// b is not changed later.
	Submit(b *Batch) error

	// Next returns the first batch after the given position that the log has not yet received, and its position. The batch
	// is nil if there is none yet. Something in the order that is not a batch of this log's cluster is returned as an empty
	// batch. An error means that the next batch cannot be read; Next is called again later.
	Next(after uint64) (b *Batch, position uint64, err error)

	// Notify registers a function that the sequencer calls, from any goroutine, when Next has a batch again after it had
	// none. It is called once, before the other methods.
	Notify(wake func())

	// Close releases what the sequencer holds. Next and Submit are not called afterwards.
	Close() error
}

// A Feed receives outcomes in the order of their commands. submissions[i] is what outcomes[i] answers; it is valid only
// during the call; it is zero for a derived command. There are no submissions for commands that were submitted to other nodes.
type Feed func(outcomes []Outcome, submissions []Submission)

// ErrGap means that the order continues beyond the store's next position. The store needs a snapshot that contains the
// missing batches.
var ErrGap = errors.New("the sequence has a gap")

// ErrUnavailable means that a sequencer currently orders nothing, for example because a majority of nodes is unreachable.
var ErrUnavailable = errors.New("nothing can be ordered")
