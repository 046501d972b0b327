package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// readers is the number of concurrent reads.
const readers = 4

// reader is the pool of read-only connections.
type reader struct {
	db            *sql.DB
	after, before *sql.Stmt
}

func openReader(path string) (*reader, error) {
	db, err := sql.Open("sqlite", dataSource(path, "rw", "busy_timeout=5000", "query_only=1", "cell_size_check=1"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	r := &reader{db: db}
	// One statement reads one snapshot, so the bounds, which come as a row with a negative key, belong to the
	// messages.
	const query = "SELECT -first, last, '', '', '', '', 0 FROM rooms WHERE rooms.name = ?1 UNION ALL " +
		"SELECT * FROM (SELECT key, at, by, name, id, text, sum FROM messages WHERE " +
		"key > (SELECT id << 40 FROM rooms WHERE rooms.name = ?1) + ?2 AND key < (SELECT id << 40 FROM rooms WHERE rooms.name = ?1) + ?3 " +
		"ORDER BY key %s LIMIT ?4)"
	if r.after, err = db.Prepare(fmt.Sprintf(query, "ASC")); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.before, err = db.Prepare(fmt.Sprintf(query, "DESC")); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *reader) close() error { return r.db.Close() }

// read runs one of the statements after and before. It returns messages with numbers above low and below high, within
// the limits of a Store's Read, and the bounds of the room, zero if there is no such room. At a damaged or missing row
// it returns the rows before it, with an error.
func (r *reader) read(query *sql.Stmt, room string, low, high uint64, limit int) (messages []wire.Message, head eventlog.Bounds, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read room %s: %w", room, err)
		}
	}()
	limit = max(1, min(limit, eventlog.MaxRead))
	low, high = min(low, endNumber), min(high, endNumber)
	rows, err := query.Query(room, int64(low), int64(high), limit)
	if err != nil {
		return nil, head, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	bytes := 0
	var scratch []byte
	for rows.Next() {
		m := wire.Message{Room: room}
		var key, sum, got int64
		if err := rows.Scan(&key, &m.At, &m.SenderID, &m.DisplayName, &m.ID, &m.Text, &sum); err != nil {
			return messages, head, err
		}
		if key < 0 {
			head = eventlog.Bounds{First: uint64(-key), Last: uint64(m.At)}
			continue
		}
		m.N = uint64(key) % endNumber
		if expect, more := r.next(query, head, low, high, len(messages)); !more || m.N != expect {
			return messages, head, fmt.Errorf("%w: message %d is missing", eventlog.ErrDamaged, expect)
		}
		if got, scratch = checksum(scratch, &m); got != sum {
			return messages, head, fmt.Errorf("%w: message %d is damaged: its checksum is %08x and should be %08x", eventlog.ErrDamaged, m.N, got, sum)
		}
		if bytes += len(m.Text); bytes > eventlog.ReadBytes && len(messages) > 0 {
			return messages, head, nil
		}
		messages = append(messages, m)
	}
	if err := rows.Err(); err != nil {
		return messages, head, err
	}
	if expect, more := r.next(query, head, low, high, len(messages)); more && len(messages) < limit {
		return messages, head, fmt.Errorf("%w: message %d is missing", eventlog.ErrDamaged, expect)
	}
	return messages, head, nil
}

// next is the number of the message after k others, of those above low and below high in a room with this head. It
// returns false if there is none.
func (r *reader) next(query *sql.Stmt, head eventlog.Bounds, low, high uint64, k int) (uint64, bool) {
	first, end := max(low+1, head.First), min(high, head.Last+1)
	if first+uint64(k) >= end {
		return end, false
	}
	if query == r.before {
		return end - 1 - uint64(k), true
	}
	return first + uint64(k), true
}

// saved is the content of the database besides messages and ids.
type saved struct {
	eventlog.Snapshot
	historyID string
	position  uint64
	at        wire.Time
	unsynced  bool
	run       string
	roomIDs   map[string]int64
}

// load reads all tables but those of messages and ids.
func (r *reader) load() (*saved, error) {
	s := &saved{roomIDs: map[string]int64{}}
	s.Bounds, s.RemovedLast, s.NewestTimes = map[string]eventlog.Bounds{}, map[eventlog.RemovedSlot]uint64{}, map[string]wire.Time{}
	s.Spans, s.Nodes = map[string][]eventlog.Span{}, map[string]eventlog.NodeState{}
	err := r.each("SELECT log, position, at, unsynced, run FROM meta", func(scan func(...any) error) error {
		return scan(&s.historyID, &s.position, &s.at, &s.unsynced, &s.run)
	})
	if err != nil {
		return nil, err
	}
	if s.historyID == "" {
		return nil, errors.New("the database has no history id; restore a backup")
	}
	for _, table := range []struct {
		query string
		row   func(scan func(...any) error) error
	}{
		{"SELECT id, name, first, last, at FROM rooms", s.addRoom},
		{"SELECT grave, last FROM graves", func(scan func(...any) error) error {
			var slot, last int64
			err := scan(&slot, &last)
			s.RemovedLast[eventlog.RemovedSlot(slot)] = uint64(last)
			return err
		}},
		{"SELECT newest, since FROM generation", func(scan func(...any) error) error { return scan(&s.IDs.Number, &s.IDs.Since) }},
		{"SELECT by, name, key, bound, used, node FROM names", func(scan func(...any) error) error {
			var h eventlog.NameLease
			err := scan(&h.SenderID, &h.Name, &h.Key, &h.Bound, &h.Used, &h.Node)
			s.Leases = append(s.Leases, h)
			return err
		}},
		{"SELECT by, name, key, since FROM owners", func(scan func(...any) error) error {
			var o eventlog.NameRegistration
			err := scan(&o.SenderID, &o.Name, &o.Key, &o.Since)
			s.Registrations = append(s.Registrations, o)
			return err
		}},
		{"SELECT node, incarnation, seq FROM nodes", func(scan func(...any) error) error {
			var node string
			var state eventlog.NodeState
			err := scan(&node, &state.Incarnation, &state.Seq)
			if node == levelNode {
				s.Level = state.Incarnation
			} else {
				s.Nodes[node] = state
			}
			return err
		}},
		{"SELECT max_rooms FROM limits", func(scan func(...any) error) error { return scan(&s.Limits.MaxRooms) }},
		{"SELECT number, name FROM epochs", func(scan func(...any) error) error {
			var e eventlog.Epoch
			err := scan(&e.Number, &e.Name)
			s.Epochs = append(s.Epochs, e)
			return err
		}},
		{"SELECT rooms.name, epoch, spans.first FROM spans JOIN rooms ON rooms.id = spans.room ORDER BY spans.room, epoch", s.addSpan},
	} {
		if err := r.each(table.query, table.row); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *saved) addRoom(scan func(...any) error) error {
	var id int64
	var name string
	var bounds eventlog.Bounds
	var at wire.Time
	err := scan(&id, &name, &bounds.First, &bounds.Last, &at)
	s.roomIDs[name], s.Bounds[name], s.NewestTimes[name] = id, bounds, at
	return err
}

func (s *saved) addSpan(scan func(...any) error) error {
	var room string
	var span eventlog.Span
	err := scan(&room, &span.Epoch, &span.From)
	s.Spans[room] = append(s.Spans[room], span)
	return err
}

// each calls row for each row of a query.
func (r *reader) each(query string, row func(scan func(...any) error) error) (err error) {
	rows, err := r.db.Query(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
