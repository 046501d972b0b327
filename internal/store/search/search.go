// Package search finds messages by their words. The index is a separate file, search.db: SQLite allows one writer at a
// time, so in the file of the event log it would delay messages.
//
// A goroutine fills the index behind the writer. It reads new messages from the event log, and rests longer while more
// is published. The progress in each room is stored in the index, in the same transactions. The index stores words, not
// texts; hits are read from the event log. So it can be deleted at any time, and is rebuilt if it is damaged, belongs
// to another history, or has another version. It is synced from time to time, in order, so after a crash it is older but
// consistent, and filling resumes from there.
package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/fairqueue"
	"ramai/internal/tokenize"
	"ramai/wire"
)

// FileName is the name of the index in a data folder.
const FileName = "search.db"

// queryTimeout is how long a query may wait for others, and then how long it may run.
const queryTimeout = 2 * time.Second

// Log is the part of eventlog.Store that an index reads.
type Log interface {
	HistoryID() string
	Epoch() eventlog.Epoch
	Contains(room string, p *wire.Position) bool
	AllBounds() map[string]eventlog.Bounds
	Bounds(room string) eventlog.Bounds
	Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error)
	Free() (uint64, error)
}

// Index is a search index. Make it with Open.
type Index struct {
	path   string // empty: in memory
	source Log
	logger *slog.Logger
	queue  *fairqueue.Queue // of queries: half the processors run at once, at least two
	wake   chan struct{}    // one token: there may be something to do
	noted  atomic.Int64     // events passed to Note

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended

	mu         sync.RWMutex // guards file: shared to use it, exclusive to open and close it
	file       *file        // nil: not open
	progressMu sync.Mutex   // guards progress; taken after mu
	progress   map[string]roomProgress
	damaged    atomic.Bool // a query found damage

	// Owned by run.
	pace       pace
	unverified bool              // the file existed before the start and is not verified yet
	stoppedAt  map[string]uint64 // where damaged rooms are indexed to
	rebuilding bool              // log when the index is complete

	mayNeedClean bool      // the file may have words of erased texts, see cleanDue
	cleanAgain   time.Time // not cleaned before, after a failure
}

// roomProgress is how far a room is indexed.
type roomProgress struct {
	id    int64  // of the room in the index
	first uint64 // numbers below are no longer in the index
	to    uint64 // numbers up to this are in the index
	epoch string // in which number "to" was read; may be empty
}

// Open opens the index at path, or one in memory if path is empty, and starts to fill it. It does not fail: an unusable
// file is rebuilt or tried again later, and meanwhile searches return unavailable.
func Open(path string, j Log, logger *slog.Logger, now func() time.Time) *Index {
	x := create(path, j, logger)
	x.pace.now = now
	go x.run()
	return x
}

func create(path string, j Log, logger *slog.Logger) *Index {
	x := &Index{
		path: path, source: j, logger: logger, queue: fairqueue.New(max(2, runtime.GOMAXPROCS(0)/2)), wake: make(chan struct{}, 1),
		done: make(chan struct{}), pace: pace{now: time.Now},
	}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	return x
}

// Note reports that events were added to the log. It is cheap and never blocks.
func (x *Index) Note(events int) {
	x.noted.Add(int64(events))
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Close stops filling and all queries, and writes the index to disk.
func (x *Index) Close() error {
	x.cancel()
	<-x.done
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		return nil
	}
	err := x.file.close()
	x.file = nil
	if err != nil {
		return fmt.Errorf("close the search index: %w", err)
	}
	return nil
}

// Query describes a search.
type Query struct {
	Words  string // see tokenize.Parse
	Room   string // empty: in all rooms
	Before string // only messages before this one: "ROOM:N", or "N" if Room is set; empty: all
	Limit  int    // maximum number of hits, up to wire.MaxHits; 0: wire.DefaultHits

	// CanRead reports whether the caller may read a room. Rooms that it may not read count as if they did not exist. Nil: it
	// may read all.
	CanRead func(room string) bool

	From netip.Prefix        // address of the caller; addresses take turns
	Ran  func(time.Duration) // called with the time that the query ran, without waiting; may be nil
}

// Search returns the newest hits of q by time, over all rooms. Its error has the code bad_request, too_long, or
// unavailable if trying again may help.
func (x *Index) Search(ctx context.Context, q Query) (*wire.SearchResponse, *wire.CodedError) {
	s, refused := x.prepare(&q)
	if refused != nil {
		return nil, refused
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.ctx, cancel)()
	waiting, giveUp := context.WithTimeout(ctx, queryTimeout)
	defer giveUp()
	if x.queue.Enter(waiting, q.From) != nil {
		return nil, unavailable("too many searches at once; try again in a moment")
	}
	defer x.queue.Leave(q.From)
	ctx, cancel = context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	begin := time.Now()
	err := s.run(ctx)
	if q.Ran != nil {
		q.Ran(time.Since(begin))
	}
	switch {
	case err == nil:
		return s.response, nil
	case errors.Is(err, errNotOpen):
		return nil, unavailable("the search index is not ready; try again in a moment")
	case ctx.Err() != nil:
		return nil, unavailable(fmt.Sprintf("the search took longer than %v; search for rarer words or in one room", queryTimeout))
	case isDamage(err):
		x.damaged.Store(true)
		x.Note(0)
		return nil, unavailable("the search index was damaged and is being rebuilt; try again later")
	}
	x.logger.Error("search failed", "err", err)
	return nil, unavailable("the search failed; try again later")
}

func unavailable(reason string) *wire.CodedError {
	return &wire.CodedError{Code: wire.Unavailable, Reason: reason, RetryAfter: time.Second}
}

// search is a running query.
type search struct {
	*Index
	query    *tokenize.Query
	room     string
	canRead  func(room string) bool
	before   messageRef
	limit    int
	response *wire.SearchResponse
}

// messageRef identifies a message; without a room: after all messages.
type messageRef struct {
	room string
	n    uint64
}

// prepare validates a query.
func (x *Index) prepare(q *Query) (*search, *wire.CodedError) {
	query, err := tokenize.Parse(q.Words)
	if err != nil {
		return nil, err
	}
	if q.Room != "" {
		if err := wire.CheckRoom(q.Room); err != nil {
			return nil, err
		}
	}
	before, err := parseBefore(q.Before, q.Room)
	if err != nil {
		return nil, err
	}
	canRead := q.CanRead
	if canRead == nil {
		canRead = func(string) bool { return true }
	}
	if before.room != "" && !canRead(before.room) { // the hits would show when that message was posted
		return nil, &wire.CodedError{Code: wire.NotAllowed, Rule: wire.RuleRole, Reason: fmt.Sprintf("before %.80q is in a room that you may not read; leave it out", q.Before)}
	}
	if q.Limit < 0 || q.Limit > wire.MaxHits {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid limit %d; use 1 to %d", q.Limit, wire.MaxHits)}
	}
	if q.Limit == 0 {
		q.Limit = wire.DefaultHits
	}
	return &search{Index: x, query: query, room: q.Room, canRead: canRead, before: before, limit: q.Limit}, nil
}

func parseBefore(s, room string) (messageRef, *wire.CodedError) {
	if s == "" {
		return messageRef{}, nil
	}
	name, number, found := strings.Cut(s, ":")
	if !found {
		name, number = room, s
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || wire.CheckRoom(name) != nil {
		return messageRef{}, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid before %.80q; use ROOM:N, or N if a room is given", s)}
	}
	return messageRef{name, min(n, maxNumber)}, nil
}

// run runs the query.
func (s *search) run(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.file == nil {
		return errNotOpen
	}
	s.response = &wire.SearchResponse{HistoryID: s.source.HistoryID(), Hits: []wire.Hit{}, IndexedTo: map[string]uint64{}}
	match, ok := s.scope()
	if !ok {
		return nil
	}
	end, err := s.file.endKey(ctx, s.before, s.roomID)
	if err != nil {
		return err
	}
	return s.file.match(ctx, match, end, s.addHit)
}

// roomID returns the id of a room in the index.
func (s *search) roomID(room string) (int64, bool) {
	s.progressMu.Lock()
	defer s.progressMu.Unlock()
	m, ok := s.progress[room]
	return m.id, ok
}

// maxRoomWords is the maximum number of rooms that a query names to match, or not to match, messages of them.
const maxRoomWords = 256

// matchReadable returns what matches the messages of the rooms that the caller may read: rooms and hidden are the words of those
// that it may and may not. The index leaves out the others, so that hits in them take no time: the caller must not be able to
// measure them. It returns false if there is nothing to search.
func (s *search) matchReadable(rooms, hidden []string) (string, bool) {
	anyOf := func(words []string) string { return `("` + strings.Join(words, `" OR "`) + `")` }
	match := s.query.Match()
	switch {
	case len(hidden) == 0:
		return match, true
	case len(rooms) == 0:
		return "", false
	case len(rooms) <= maxRoomWords:
		return anyOf(rooms) + " AND " + match, true
	case len(hidden) <= maxRoomWords:
		return "(" + match + ") NOT " + anyOf(hidden), true
	}
	return match, true // addHit leaves them out
}

// scope records how far the index is, before the query runs, and returns what to match. It returns false if nothing of
// the room is indexed.
func (s *search) scope() (string, bool) {
	bounds := map[string]eventlog.Bounds{}
	if s.room == "" {
		bounds = s.source.AllBounds()
	} else {
		bounds[s.room] = s.source.Bounds(s.room)
	}
	s.progressMu.Lock()
	defer s.progressMu.Unlock()
	for room, h := range bounds {
		if !s.canRead(room) {
			continue
		}
		to := max(s.progress[room].to, h.First-1)
		missing := h.Last - min(to, h.Last)
		s.response.Behind += missing
		if s.room != "" || missing > 0 && len(s.response.IndexedTo) < wire.MaxNotIndexed {
			s.response.IndexedTo[room] = to
		}
	}
	if s.room == "" {
		var rooms, hidden []string
		for room, m := range s.progress {
			if s.canRead(room) {
				rooms = append(rooms, roomWord(m.id))
			} else {
				hidden = append(hidden, roomWord(m.id))
			}
		}
		return s.matchReadable(rooms, hidden)
	}
	m, ok := s.progress[s.room]
	return `"` + roomWord(m.id) + `" AND ` + s.query.Match(), ok
}

// addHit adds a message found in the index to the response, and reports whether more are wanted.
func (s *search) addHit(room string, n uint64) (bool, error) {
	if !s.canRead(room) {
		return true, nil
	}
	if n < s.source.Bounds(room).First { // deleted, but still in the index
		return true, nil
	}
	records, _, err := s.source.Read(room, n-1, 1)
	if errors.Is(err, eventlog.ErrDamaged) {
		return true, nil // readers of the room get the error
	}
	if err != nil {
		return false, err
	}
	if len(records) == 0 || records[0].N != n {
		return true, nil // just deleted
	}
	r := &records[0]
	text, err := r.SearchText()
	if err != nil {
		return false, err
	}
	snippet, marks := s.query.Snippet(text)
	if len(marks) == 0 {
		return true, nil // the text in the event log decides
	}
	if len(s.response.Hits) == s.limit {
		s.response.More = true
		return false, nil
	}
	s.response.Hits = append(s.response.Hits, wire.Hit{
		Room: room, N: n, At: r.At, SenderID: r.SenderID, DisplayName: r.DisplayName, ID: r.ID, Snippet: snippet, Marks: marks,
	})
	return true, nil
}

var (
	errNotOpen = errors.New("the search index is not open")
)
