// Package jetstream orders the batches of the members of a cluster: each member has a replica of one stream of NATS
// JetStream, which replicates with Raft. The position of a batch is its number in the stream.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ramai/internal/eventlog"
)

const (
	streamName = "RAMAI" // in tests, also a prefix of several
	// historyKey is the key of the stream's metadata that has the id of the history.
	historyKey = "log"

	// queued is how many batches wait for Next at most.
	queued = 64
	// askTimeout is how long the answer to a question about the stream is waited for. Nobody answers while there is no leader,
	// and the next one does not know of questions that were asked before.
	askTimeout = time.Second
	// heartbeat is how often an idle reader hears that it still exists; after twice that it begins anew.
	heartbeat = 500 * time.Millisecond
	// consumerLife is when the members forget a reader that asks for nothing.
	consumerLife = 30 * time.Second
	// replicaLag is how many batches a replica can be behind and still count as current: those are on their way.
	replicaLag = 100
	// retryAfter is the pause before the stream is read again after an error.
	retryAfter = 200 * time.Millisecond
)

// A Stream is the order of one history's batches, as the members share it.
type Stream struct {
	node    *Node
	js      js.JetStream
	name    string
	history string
}

// subject returns the subject of the stream's messages.
func (s *Stream) subject() string { return "ramai.log." + s.name }

// CreateStream creates the stream of a history whose first batches, up to position, are in the store of the member that
// creates it. replicas is 1, 3 or 5, and as many members must be connected. If there is a stream already, it is returned if it
// is the one of this history.
func (n *Node) CreateStream(ctx context.Context, historyID string, position uint64, replicas int) (*Stream, error) {
	return n.createStream(ctx, streamName, historyID, position, replicas)
}

func (n *Node) createStream(ctx context.Context, name, historyID string, position uint64, replicas int) (*Stream, error) {
	s, err := n.stream(name, historyID)
	if err != nil {
		return nil, err
	}
	if _, err := s.js.CreateStream(ctx, s.config(position, replicas)); err != nil && !errors.Is(err, js.ErrStreamNameAlreadyInUse) {
		return nil, fmt.Errorf("create the stream: %w", err)
	}
	if _, err := s.check(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenStream returns the stream of the cluster and the id of its history; nil: there is none. An error means that this is
// unknown, for example because there is no majority.
func (n *Node) OpenStream(ctx context.Context) (s *Stream, historyID string, err error) {
	if s, err = n.stream(streamName, ""); err != nil {
		return nil, "", err
	}
	stream, err := s.js.Stream(ctx, streamName)
	if errors.Is(err, js.ErrStreamNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("find the stream: %w", err)
	}
	s.history = stream.CachedInfo().Config.Metadata[historyKey]
	if _, err := s.check(ctx); err != nil {
		return nil, "", err
	}
	return s, s.history, nil
}

// CheckPosition returns an error if a member whose store is at a position cannot continue with the stream.
func (s *Stream) CheckPosition(ctx context.Context, position uint64) error {
	info, err := s.check(ctx)
	if err != nil {
		return err
	}
	switch first, last := info.State.FirstSeq, info.State.LastSeq; {
	case first > position+1:
		return fmt.Errorf("%w: the stream begins at %d, and this member needs %d: it was absent for too long, and needs a copy of the data of another member", eventlog.ErrGap, first, position+1)
	case last < position:
		return fmt.Errorf("%w: the stream ends at %d, and this member has applied %d: the stream was deleted or reset, or the folders of the other members are old copies; stop all members, and keep their folders", ErrForeign, last, position)
	}
	return nil
}

// Trim deletes the batches up to a position. It returns whether the stream has none any more: then nothing of them is left in its
// files.
func (s *Stream) Trim(ctx context.Context, to uint64) (whole bool, err error) {
	stream, err := s.js.Stream(ctx, s.name)
	if err == nil && to >= stream.CachedInfo().State.FirstSeq {
		err = stream.Purge(ctx, js.WithPurgeSequence(to+1))
	}
	var info *js.StreamInfo
	if err == nil {
		info, err = stream.Info(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("trim the stream: %w", err)
	}
	return info.State.Msgs == 0, nil
}

// Status is the state of the stream.
type Status struct {
	First, Last uint64            // positions; Last+1 is First if it is empty
	Bytes       uint64            // of the batches
	Leader      string            // name of the member that leads; empty: none does
	Replicas    map[string]string // of each replica, by the name of its member: "current", "behind" or "absent"
}

// Status returns the state of the stream.
func (s *Stream) Status(ctx context.Context) (*Status, error) {
	info, err := s.check(ctx)
	if err != nil {
		return nil, err
	}
	st := &Status{First: info.State.FirstSeq, Last: info.State.LastSeq, Bytes: info.State.Bytes, Replicas: make(map[string]string)}
	if info.Cluster == nil {
		return st, nil
	}
	if st.Leader = info.Cluster.Leader; st.Leader != "" {
		st.Replicas[st.Leader] = "current"
	}
	for _, r := range info.Cluster.Replicas {
		switch {
		case r.Offline:
			st.Replicas[r.Name] = "absent"
		case r.Lag > replicaLag || r.Active > silentAfter:
			st.Replicas[r.Name] = "behind"
		default:
			st.Replicas[r.Name] = "current"
		}
	}
	return st, nil
}

func (n *Node) stream(name, historyID string) (*Stream, error) {
	api, err := js.New(n.conn)
	if err != nil {
		return nil, err
	}
	return &Stream{node: n, js: api, name: name, history: historyID}, nil
}

// config returns the settings of the stream. There are no message ids, no expected sequence, and no limits: each could lose a
// batch, or settle one before it is read.
func (s *Stream) config(position uint64, replicas int) js.StreamConfig {
	return js.StreamConfig{
		Name: s.name, Subjects: []string{s.subject()}, Retention: js.LimitsPolicy, Discard: js.DiscardNew, Storage: js.FileStorage,
		Replicas: replicas, DenyDelete: true, FirstSeq: position + 1, MaxMsgSize: maxPayload, Duplicates: time.Second,
		MaxMsgs: -1, MaxBytes: -1, Metadata: map[string]string{historyKey: s.history},
	}
}

// check returns the state of the stream. It returns an error if the stream is not the one of this history, or has settings
// with which it could lose or repeat batches.
func (s *Stream) check(ctx context.Context) (*js.StreamInfo, error) {
	stream, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	info := stream.CachedInfo()
	cfg := info.Config
	if got := cfg.Metadata[historyKey]; got != s.history {
		return nil, fmt.Errorf("%w: the members of this cluster have the log %q, and this folder has the log %q; start this member with an empty folder, so that it gets a copy, or with the addresses of its own cluster", ErrForeign, got, s.history)
	}
	want := s.config(0, cfg.Replicas)
	for _, setting := range []struct {
		name      string
		got, want any
	}{
		{"discard", cfg.Discard, want.Discard}, {"deny_delete", cfg.DenyDelete, want.DenyDelete}, {"max_age", cfg.MaxAge, want.MaxAge},
		{"storage", cfg.Storage, want.Storage}, {"retention", cfg.Retention, want.Retention}, {"max_msgs", cfg.MaxMsgs, want.MaxMsgs},
		{"max_bytes", cfg.MaxBytes, want.MaxBytes}, {"subjects", fmt.Sprint(cfg.Subjects), fmt.Sprint(want.Subjects)},
		{"sources", len(cfg.Sources), 0}, {"mirror", cfg.Mirror != nil, false}, {"sealed", cfg.Sealed, false},
	} {
		if setting.got != setting.want {
			return nil, fmt.Errorf("%w: the stream %s has the setting %s=%v, want %v: another program has changed it, and it could lose messages; restore the setting, and let nothing but ramai use the stream",
				ErrForeign, s.name, setting.name, setting.got, setting.want)
		}
	}
	return info, nil
}

// ErrForeign is wrapped in errors about a stream that is not the one of this folder, or that another program has changed. Only
// the operator can decide what to do.
var ErrForeign = errors.New("this is not the stream of this member")

// A Sequencer implements eventlog.Sequencer for one member.
type Sequencer struct {
	stream  *Stream
	program *eventlog.Program
	skip    map[uint64]bool // positions of batches that do nothing
	logger  *slog.Logger
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	acks    *nats.Subscription
	inbox   string
	events  *nats.Conn // on which members say that they stop

	submitted atomic.Pointer[submitted] // the newest

	wake    atomic.Pointer[func()]
	refused atomic.Pointer[error] // why the newest batch that was submitted was not accepted; nil: none was refused since

	mu      sync.Mutex // guarded by mu: everything below
	entries []entry    // read, and not yet taken by Next
	taken   *sync.Cond // an entry was taken, or the reader is to start elsewhere
	after   uint64     // the position that Next was last asked for
	restart bool       // the reader must start after that
	stop    func()     // ends the present reading
	failure error      // why the stream cannot be read
	gap     bool       // the stream does not have the next batch any more
	closed  bool
}

// A submitted batch, as the message that was sent.
type submitted struct {
	message []byte
	at      time.Time
}

type entry struct {
	batch    *eventlog.Batch
	position uint64
}

// NewSequencer returns the sequencer of a member whose store is at a position, and that runs a version of the program. The batches at
// the positions skip do nothing, because the operator has decided so.
func (s *Stream) NewSequencer(position uint64, program *eventlog.Program, skip map[uint64]bool, logger *slog.Logger) (*Sequencer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	q := &Sequencer{stream: s, program: program, skip: skip, logger: logger, cancel: cancel, after: position, inbox: nats.NewInbox(), stop: func() {}}
	q.taken = sync.NewCond(&q.mu)
	var err error
	if q.acks, err = s.node.conn.Subscribe(q.inbox, q.acknowledged); err != nil {
		cancel()
		return nil, fmt.Errorf("listen for acknowledgements: %w", err)
	}
	if err := q.watch(); err != nil {
		cancel()
		return nil, err
	}
	q.ended.Go(func() { q.read(ctx) })
	return q, nil
}

// Gap reports whether the stream does not have the next batch any more. The store needs a copy of another member's.
func (q *Sequencer) Gap() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.gap
}

// Exclusive implements eventlog.Sequencer.
func (q *Sequencer) Exclusive() bool { return false }

// Notify implements eventlog.Sequencer.
func (q *Sequencer) Notify(wake func()) { q.wake.Store(&wake) }

func (q *Sequencer) signal() {
	if wake := q.wake.Load(); wake != nil {
		(*wake)()
	}
}

// Submit implements eventlog.Sequencer. The error is that of an earlier batch: the answer to this one is not waited for, and
// would not settle it anyway.
func (q *Sequencer) Submit(b *eventlog.Batch) error {
	content, err := b.Encode()
	if err != nil {
		return err
	}
	if q.stream.node.paused() { // the log submits it again
		return nil
	}
	message := q.stream.node.opt.Secret.seal(q.stream.history, content)
	q.submitted.Store(&submitted{message, time.Now()})
	if err := q.stream.node.conn.PublishRequest(q.stream.subject(), q.inbox, message); err != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, err)
	}
	if refused := q.refused.Swap(nil); refused != nil {
		return *refused
	}
	return nil
}

// acknowledged notes that a batch was not accepted. That one was accepted is known when it is read.
func (q *Sequencer) acknowledged(m *nats.Msg) {
	var err error
	if m.Header.Get("Status") == "503" {
		err = fmt.Errorf("%w: no majority of the members is connected", eventlog.ErrUnavailable)
	} else if problem := ackError(m.Data); problem != nil {
		err = fmt.Errorf("%w: %w", eventlog.ErrUnavailable, problem)
	}
	if err != nil {
		q.refused.Store(&err)
	}
}

// Next implements eventlog.Sequencer.
func (q *Sequencer) Next(after uint64) (*eventlog.Batch, uint64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.entries) > 0 && q.entries[0].position <= after { // a snapshot contains it
		q.drop()
	}
	if after < q.after { // the store was reset to an earlier position
		q.entries = nil
		q.readAgain()
	}
	q.after = after
	if len(q.entries) == 0 {
		err := q.failure
		q.failure = nil
		return nil, 0, err
	}
	e := q.entries[0]
	q.drop()
	return e.batch, e.position, nil
}

// drop removes the first entry. mu is held.
func (q *Sequencer) drop() {
	q.entries[0] = entry{}
	q.entries = q.entries[1:]
	q.taken.Broadcast()
}

// Close implements eventlog.Sequencer.
func (q *Sequencer) Close() error {
	q.cancel()
	q.mu.Lock()
	q.closed = true
	q.taken.Broadcast()
	q.mu.Unlock()
	q.events.Close()
	err := q.acks.Unsubscribe()
	q.ended.Wait()
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil
	}
	return err
}
