package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"modernc.org/sqlite"
)

// conn is a connection of the driver itself: per row, database/sql costs more than the row does.
type conn struct{ driver.Conn }

// connect opens an existing database.
func connect(path string, pragmas ...string) (conn, error) {
	// Another program may be reading the file for a moment. cell_size_check finds a damaged page before it is used, and
	// secure_delete overwrites what is deleted.
	pragmas = append(pragmas, "busy_timeout=5000", "cell_size_check=1", "secure_delete=1")
	if runtime.GOOS == "darwin" {
		pragmas = append(pragmas, "fullfsync=1", "checkpoint_fullfsync=1") // fsync alone does not reach the disk there
	}
	return dial(dataSource(path, "rw", pragmas...))
}

// syncing is off in tests: no test cuts the power, so syncs prove nothing and take most of the time. Tests of the
// program itself check what is synced.
var syncing = true

// synchronous is the pragma that sets how much SQLite syncs: FULL or NORMAL.
func synchronous(level string) string {
	if !syncing {
		level = "OFF"
	}
	return "synchronous=" + level
}

// openReadOnly opens an existing database for reading, and does not change it. alone: ignore a write-ahead log beside
// it.
func openReadOnly(path string, alone bool) (conn, error) {
	source := dataSource(path, "ro", "busy_timeout=5000", "cell_size_check=1")
	if alone {
		source += "&immutable=1"
	}
	return dial(source)
}

// openAsLeft opens an existing database for reading as an earlier process left it, and does not change it. Without the write-ahead log
// beside it, it could be damaged: a checkpoint may have been interrupted.
func openAsLeft(path string) (conn, error) {
	info, err := os.Stat(path + "-wal")
	return openReadOnly(path, err != nil || info.Size() == 0)
}

func dial(source string) (conn, error) {
	connector, err := sqlite.NewConnector(source)
	if err != nil {
		return conn{}, err
	}
	c, err := connector.Connect(context.Background())
	return conn{c}, err
}

// dataSource is the name of a database for the driver. The mode is rw or ro.
func dataSource(path, mode string, pragmas ...string) string {
	pragmas = append(pragmas, "trusted_schema=0") // functions with side effects cannot be called by a schema
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	query := url.Values{"mode": {mode}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

func (c conn) exec(query string, args ...driver.Value) error {
	return c.execContext(context.Background(), query, args...)
}

// execContext is exec until ctx ends, which interrupts it.
func (c conn) execContext(ctx context.Context, query string, args ...driver.Value) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	_, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, s.bind(args))
	return errors.Join(err, s.Close())
}

func (c conn) ints(query string, args ...driver.Value) ([]int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	row, err := s.ints(args...)
	return row, errors.Join(err, s.Close())
}

// each calls f for each row of a query, with values that f may retain.
func (c conn) each(query string, f func(row []driver.Value) error, args ...driver.Value) error {
	return c.eachRow(context.Background(), query, f, args...)
}

// eachRow is each until ctx ends, which interrupts it.
func (c conn) eachRow(ctx context.Context, query string, f func(row []driver.Value) error, args ...driver.Value) (err error) {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, s.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := f(values); err != nil {
			return err
		}
	}
}

// text returns the first column of the first row, which is a text; empty if there is none.
func (c conn) text(query string) (text string, err error) {
	s, err := c.prepare(query)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text, _ = values[0].(string)
	return text, nil
}

func (c conn) prepare(query string) (*stmt, error) {
	s, err := c.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %.40q: %w", query, err)
	}
	return &stmt{Stmt: s}, nil
}

// stmt is a prepared statement.
type stmt struct {
	driver.Stmt
	args []driver.NamedValue // reused by each execution
}

func (s *stmt) bind(args []driver.Value) []driver.NamedValue {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s.args
}

// exec returns how many rows were changed.
func (s *stmt) exec(args ...driver.Value) (int64, error) {
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), s.bind(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// each calls f for each row, with values that are valid during the call.
func (s *stmt) each(f func(row []driver.Value) error, args ...driver.Value) (err error) {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := f(values); err != nil {
			return err
		}
	}
}

// ints returns the first row, which has only integers; nil if there is none.
func (s *stmt) ints(args ...driver.Value) (row []int64, err error) {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(args))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	switch err := rows.Next(values); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	row = make([]int64, len(values))
	for i, v := range values {
		n, ok := v.(int64)
		if !ok {
			return nil, fmt.Errorf("column %d is %T, not an integer", i+1, v)
		}
		row[i] = n
	}
	return row, nil
}

// resultCode is the primary result code of SQLite (https://sqlite.org/rescode.html) in err, or 0.
func resultCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}
