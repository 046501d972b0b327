// Package search finds messages by their words. The index is a file of its own beside the journal, search.db: in the
// journal's file it would be in the writer's way, for SQLite lets one connection write at a time.
//
// A goroutine fills it behind the writer: it reads from the journal what it has not seen, and rests the longer the more
// is being said. How far it is in each room is in the index itself, in the same transactions. It keeps no texts, only
// which words are where; what is shown of a hit is read from the journal. So it can be thrown away at any time, and is:
// when it is damaged, of another log, or of another version. What is in it is synced now and then, in order, so after a crash
// it is as of a while ago, and the filling goes on from there.
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

// queryTimeout is how long a query may wait for others, and how long it may take then.
const queryTimeout = 2 * time.Second

// Log is what an index reads. It is a part of eventlog.Store.
type Log interface {
	HistoryID() string
	Epoch() eventlog.Epoch
	Contains(room string, p *wire.Position) bool
	AllBounds() map[string]eventlog.Bounds
	Bounds(room string) eventlog.Bounds
	Read(room string, after uint64, limit int) ([]wire.Message, eventlog.Bounds, error)
	Free() (uint64, error)
}

// Index implements searching. Make it with Open.
type Index struct {
	path   string // empty: in memory
	source Log
	logger *slog.Logger
	queue  *fairqueue.Queue // of queries; as many as half the processors run at once, and two at least
	wake   chan struct{}    // holds one token while there may be something to do
	noted  atomic.Int64     // events that Note was told of

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // closed when the filling has ended

	mu         sync.RWMutex // for file: held shared to use it, exclusively to open and close it
	file       *file        // nil: not open
	progressMu sync.Mutex   // for marks; taken after mu
	progress   map[string]roomProgress
	damaged    atomic.Bool // a query found the file damaged

	// Owned by the filling.
	pace       pace
	unverified bool              // the file was there, and has not been looked at as a whole
	stoppedAt  map[string]uint64 // up to where damaged rooms are indexed
	rebuilding bool              // it is being told in the log when this is over
}

// roomProgress is how far a room is indexed.
type roomProgress struct {
	id    int64  // of the room in the index
	first uint64 // numbers below are no longer in the index
	to    uint64 // numbers up to this are
	epoch string // the name of the one in which that number was read; empty: there was none
}

// Open opens the index at path, or one in memory if path is empty, and begins to fill it. What is wrong with the file is
// no error: it is made anew, or tried again later, and searches say that they are not to be had.
func Open(path string, j Log, logger *slog.Logger) *Index {
	x := create(path, j, logger)
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

// Note tells that so many events are in the journal now. It is cheap and never blocks.
func (x *Index) Note(events int) {
	x.noted.Add(int64(events))
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Close ends the filling and all queries, and brings the index onto the disk.
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

// Query is what is looked for.
type Query struct {
	Words  string // see tokenize.Parse
	Room   string // empty: in all rooms
	Before string // only what was said before this message: "ROOM:N", or "N" if there is a Room; empty: everything
	Limit  int    // hits at most, up to wire.MaxHits; 0: wire.DefaultHits

	From netip.Prefix        // who asks: queries of different ones run in turn
	Ran  func(time.Duration) // hears how long the query ran, without its waiting; nil: nobody does
}

// Search returns the newest hits of q: by the time at which they were said, over all rooms. Its error has the code
// bad_request, too_long, or unavailable if asking again later may help.
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
		return nil, unavailable("others are searching; try again in a moment")
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
		return nil, unavailable(fmt.Sprintf("the search did not end within %v; look for rarer words, or in one room", queryTimeout))
	case isDamage(err):
		x.damaged.Store(true)
		x.Note(0)
		return nil, unavailable("the search index was damaged and is being made anew; try again in a while")
	}
	x.logger.Error("a search failed", "err", err)
	return nil, unavailable("the search failed; try again in a while")
}

func unavailable(reason string) *wire.CodedError {
	return &wire.CodedError{Code: wire.Unavailable, Reason: reason, RetryAfter: time.Second}
}

// search is one query under way.
type search struct {
	*Index
	query    *tokenize.Query
	room     string
	before   messageRef
	limit    int
	response *wire.SearchResponse
}

// messageRef is a message; without a room: after all others.
type messageRef struct {
	room string
	n    uint64
}

// prepare checks what came from outside.
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
	if q.Limit < 0 || q.Limit > wire.MaxHits {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("limit is 1 to %d", wire.MaxHits)}
	}
	if q.Limit == 0 {
		q.Limit = wire.DefaultHits
	}
	return &search{Index: x, query: query, room: q.Room, before: before, limit: q.Limit}, nil
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
		return messageRef{}, &wire.CodedError{Code: wire.BadRequest, Reason: "before is a message: ROOM:N, or its number alone if a room is given"}
	}
	return messageRef{name, min(n, maxNumber)}, nil
}

// run looks the hits up.
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

// scope says how far the index is, before anything is looked up, and returns what to look for in it; false: nothing of it
// is there.
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
		to := max(s.progress[room].to, h.First-1)
		missing := h.Last - min(to, h.Last)
		s.response.Behind += missing
		if s.room != "" || missing > 0 && len(s.response.IndexedTo) < wire.MaxNotIndexed {
			s.response.IndexedTo[room] = to
		}
	}
	if s.room == "" {
		return s.query.Match(), true
	}
	m, ok := s.progress[s.room]
	return `"` + roomWord(m.id) + `" AND ` + s.query.Match(), ok
}

// addHit takes the next message that the index names, and returns whether it wants another.
func (s *search) addHit(room string, n uint64) (bool, error) {
	if n < s.source.Bounds(room).First { // gone, and not out of the index yet
		return true, nil
	}
	messages, _, err := s.source.Read(room, n-1, 1)
	if errors.Is(err, eventlog.ErrDamaged) {
		return true, nil // readers of the room are told
	}
	if err != nil {
		return false, err
	}
	if len(messages) == 0 || messages[0].N != n {
		return true, nil // it went this very moment
	}
	m := &messages[0]
	snippet, marks := s.query.Snippet(m.Text)
	if len(marks) == 0 {
		return true, nil // the journal has the last word
	}
	if len(s.response.Hits) == s.limit {
		s.response.More = true
		return false, nil
	}
	s.response.Hits = append(s.response.Hits, wire.Hit{
		Room: room, N: n, At: m.At, SenderID: m.SenderID, DisplayName: m.DisplayName, ID: m.ID, Snippet: snippet, Marks: marks,
	})
	return true, nil
}

var (
	errNotOpen = errors.New("the search index is not open")
)
