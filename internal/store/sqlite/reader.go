package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// readers is the number of concurrent reads.
const readers = 4

// usualBody is the length in bytes for which space is reserved for each body of a read.
const usualBody = 64

// reader is the pool of read-only connections.
type reader struct {
	db            *sql.DB
	after, before *sql.Stmt
	marks         *sql.Stmt

	entry, entries *sql.Stmt
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
	// records. Kind and checksum come as one number, because each column takes time.
	const query = "SELECT -first, last, '', '', '', x'', 0 FROM rooms WHERE rooms.name = ?1 UNION ALL " +
		"SELECT * FROM (SELECT key, at, by, name, id, body, (kind << 32) + checksum FROM records WHERE " +
		"key > (SELECT id << 40 FROM rooms WHERE rooms.name = ?1) + ?2 AND key < (SELECT id << 40 FROM rooms WHERE rooms.name = ?1) + ?3 " +
		"ORDER BY key %s LIMIT ?4)"
	if r.after, err = db.Prepare(fmt.Sprintf(query, "ASC")); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.before, err = db.Prepare(fmt.Sprintf(query, "DESC")); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.marks, err = db.Prepare(marksQuery); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.entry, err = db.Prepare(entryQuery); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.entries, err = db.Prepare(entriesQuery); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *reader) close() error { return r.db.Close() }

// read runs one of the statements after and before. It returns records with numbers above low and below high, within
// the limits of a Store's Read, and the bounds of the room, zero if there is no such room. At a damaged or missing row
// it returns the rows before it, with an error.
func (r *reader) read(query *sql.Stmt, room string, low, high uint64, limit int) (records []eventlog.Record, head eventlog.Bounds, err error) {
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
	one := eventlog.Record{Room: room}
	var key, at, kindAndSum, sum int64 // here, not in the loop: they escape
	var body sql.RawBytes              // valid until the next row
	var bodies strings.Builder         // of all records: one allocation serves many
	for rows.Next() {
		if err := rows.Scan(&key, &at, &one.SenderID, &one.DisplayName, &one.ID, &body, &kindAndSum); err != nil {
			return records, head, err
		}
		if key < 0 {
			head = eventlog.Bounds{First: uint64(-key), Last: uint64(at)}
			if from, end := max(low+1, head.First), min(high, head.Last+1); from < end {
				count := int(min(uint64(limit), end-from))
				records = make([]eventlog.Record, 0, count)
				bodies.Grow(count * usualBody)
			}
			continue
		}
		begin := bodies.Len()
		bodies.Write(body)
		one.N, one.At, one.Kind, one.Body = uint64(key)%endNumber, wire.Time(at), eventlog.Kind(kindAndSum>>32), bodies.String()[begin:]
		if expect, more := r.next(query, head, low, high, len(records)); !more || one.N != expect {
			return records, head, fmt.Errorf("%w: record %d is missing", eventlog.ErrDamaged, expect)
		}
		if sum, scratch = checksum(scratch, &one); kindAndSum != int64(one.Kind)<<32+sum {
			return records, head, fmt.Errorf("%w: record %d is damaged: its checksum does not match", eventlog.ErrDamaged, one.N)
		}
		if err := one.Check(); err != nil {
			return records, head, fmt.Errorf("%w: record %d: %w", eventlog.ErrDamaged, one.N, err)
		}
		if bytes += len(body); bytes > eventlog.ReadBytes && len(records) > 0 {
			return records, head, nil
		}
		records = append(records, one)
	}
	if err := rows.Err(); err != nil {
		return records, head, err
	}
	if expect, more := r.next(query, head, low, high, len(records)); more && len(records) < limit {
		return records, head, fmt.Errorf("%w: record %d is missing", eventlog.ErrDamaged, expect)
	}
	return records, head, nil
}

// next is the number of the record after k others, of those above low and below high in a room with this head. It
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

// saved is the content of the database besides records and ids.
type saved struct {
	eventlog.Snapshot
	historyID string
	position  uint64
	at        wire.Time
	unsynced  bool
	run       string
	roomIDs   map[string]int64
	markedIDs []int64 // ids of rooms that have marks which are still to be deleted; also of removed rooms
}

// load reads all tables but those of records and ids.
func (r *reader) load() (*saved, error) {
	s := &saved{roomIDs: map[string]int64{}}
	s.Others, s.Settings = map[string][]wire.Range{}, map[string][]eventlog.Setting{}
	s.Pending, s.Tallies = map[string]int{}, map[string]eventlog.TallyTime{}
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
		{"SELECT slot, last FROM removed_rooms", s.addRemoved},
		{"SELECT newest, since FROM generation", func(scan func(...any) error) error { return scan(&s.IDs.Number, &s.IDs.Since) }},
		{"SELECT by, name, key, bound, used, node FROM names", s.addLease},
		{"SELECT by, name, key, since FROM registrations", s.addRegistration},
		{"SELECT node, incarnation, seq FROM nodes", s.addNode},
		{"SELECT max_rooms, edit_window FROM limits", func(scan func(...any) error) error { return scan(&s.Limits.MaxRooms, &s.Limits.EditWindow) }},
		{"SELECT number, name FROM epochs", func(scan func(...any) error) error {
			var e eventlog.Epoch
			err := scan(&e.Number, &e.Name)
			s.Epochs = append(s.Epochs, e)
			return err
		}},
		{fmt.Sprintf("SELECT rooms.name, count(*) FROM pending JOIN rooms ON rooms.id = record >> %d GROUP BY rooms.id", numberBits), s.addPending},
		{"SELECT rooms.name, tallies.at, through FROM tallies JOIN rooms ON rooms.id = room", s.addTally},
		{fmt.Sprintf("SELECT DISTINCT first >> %d FROM dropped_marks", numberBits), func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			s.markedIDs = append(s.markedIDs, id)
			return err
		}},
		{"SELECT rooms.name, epoch, spans.first FROM spans JOIN rooms ON rooms.id = spans.room ORDER BY spans.room, epoch", s.addSpan},
		{"SELECT rooms.name, key, value, n, until FROM settings JOIN rooms ON rooms.id = settings.room", s.addSetting},
		{fmt.Sprintf("SELECT room, key, value FROM entries WHERE tab = %d", eventlog.Erasures), s.addErasure},
		{fmt.Sprintf("SELECT key, value FROM entries WHERE tab = %d", eventlog.AddressKeys), s.addAddressKey},
		{fmt.Sprintf("SELECT room, sum(tab = %d), sum(tab = %d) FROM entries WHERE tab IN (%[1]d, %[2]d) GROUP BY room", eventlog.Held, eventlog.HeldDecisions), s.addHeld},
	} {
		if err := r.each(table.query, table.row); err != nil {
			return nil, err
		}
	}
	for room, id := range s.roomIDs {
		others, err := r.others(id, s.Bounds[room].Last)
		if err != nil {
			return nil, err
		}
		if len(others) > 0 {
			s.Others[room] = others
		}
	}
	return s, nil
}

func (s *saved) addRemoved(scan func(...any) error) error {
	var slot, last int64
	err := scan(&slot, &last)
	s.RemovedLast[eventlog.RemovedSlot(slot)] = uint64(last)
	return err
}

func (s *saved) addLease(scan func(...any) error) error {
	var l eventlog.NameLease
	err := scan(&l.SenderID, &l.Name, &l.Key, &l.Bound, &l.Used, &l.Node)
	s.Leases = append(s.Leases, l)
	return err
}

func (s *saved) addRegistration(scan func(...any) error) error {
	var r eventlog.NameRegistration
	err := scan(&r.SenderID, &r.Name, &r.Key, &r.Since)
	s.Registrations = append(s.Registrations, r)
	return err
}

func (s *saved) addErasure(scan func(...any) error) error {
	var key, value []byte
	e := eventlog.Entry{Table: eventlog.Erasures}
	if err := scan(&e.Room, &key, &value); err != nil {
		return err
	}
	e.Key, e.Value = string(key), string(value)
	erasure, err := eventlog.DecodeErasure(&e)
	s.Erasures = append(s.Erasures, erasure)
	return err
}

func (s *saved) addHeld(scan func(...any) error) error {
	var room string
	var count eventlog.HeldCount
	err := scan(&room, &count.Waiting, &count.Decided)
	if s.Held == nil {
		s.Held = map[string]eventlog.HeldCount{}
	}
	s.Held[room] = count
	return err
}

func (s *saved) addAddressKey(scan func(...any) error) error {
	var key, value []byte
	if err := scan(&key, &value); err != nil {
		return err
	}
	k, err := eventlog.DecodeAddressKey(&eventlog.Entry{Table: eventlog.AddressKeys, Key: string(key), Value: string(value)})
	s.AddressKeys = append(s.AddressKeys, k)
	return err
}

func (s *saved) addNode(scan func(...any) error) error {
	var node string
	var state eventlog.NodeState
	err := scan(&node, &state.Incarnation, &state.Seq)
	if node == levelNode {
		s.Level = state.Incarnation
	} else {
		s.Nodes[node] = state
	}
	return err
}

// others returns the numbers of a room that are not messages, among the newest messages that are counted.
func (r *reader) others(id int64, last uint64) (_ []wire.Range, err error) {
	rows, err := r.db.Query(othersQuery, keyOf(id, 0), keyOf(id, last))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := eventlog.Others{Last: last}
	for rows.Next() {
		var key int64
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		if !found.Add(uint64(key) % endNumber) {
			break
		}
	}
	slices.Reverse(found.Ranges)
	return found.Ranges, rows.Err()
}

// othersQuery reads the index others.
const othersQuery = "SELECT key FROM records INDEXED BY others WHERE kind <> 1 AND key BETWEEN ? AND ? ORDER BY key DESC"

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
