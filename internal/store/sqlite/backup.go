package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ramai/internal/journal"
)

// Summary says what a database has.
type Summary struct {
	Log      string
	Rooms    int64
	Messages int64
	Bytes    int64 // of the file
}

// Backup copies the database of a data folder into a new file, at one moment: everything that was acknowledged before it
// began is there, and batches are there whole or not at all. A server may use the folder meanwhile; its write-ahead log
// grows for as long as it takes. If a server starts meanwhile, the copy is begun anew. The file appears under its name when it is complete, checked and synced. If there is
// one of that name already, that is an error, unless over says that it may be replaced.
func Backup(dir, file string, over bool) (*Summary, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	if file, err = filepath.Abs(file); err != nil {
		return nil, err
	}
	found, err := checkFile(path)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("there is no database in %s; --data says where the server keeps its own", dir)
	}
	switch within, err := sameFolder(filepath.Dir(file), dir); {
	case err != nil:
		return nil, err
	case within:
		return nil, fmt.Errorf("%s would lie in the data folder, among the server's own files; a backup belongs elsewhere", file)
	}
	if _, err := os.Lstat(file); err == nil && !over {
		return nil, fmt.Errorf("%s is there already; give another name, or --force", file)
	}
	unfinished, err := freshFile(file)
	if err != nil {
		return nil, err
	}
	defer os.Remove(unfinished) // does nothing once it has its name
	err = giveWay(filepath.Join(filepath.Dir(path), lockName), serverTakes, func(ctx context.Context) error {
		if err := os.Truncate(unfinished, 0); err != nil { // of an earlier try
			return err
		}
		source, err := connect(path)
		if err != nil {
			return err
		}
		return errors.Join(source.execContext(ctx, "VACUUM INTO ?", unfinished), source.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", path, err)
	}
	summary, err := examine(unfinished)
	if err != nil {
		return nil, fmt.Errorf("the copy cannot be used: %w", err)
	}
	return summary, publish(unfinished, file)
}

// How a backup gives way to a server that starts.
const (
	lookForServer = 100 * time.Millisecond
	serverTakes   = 10 * time.Second // to start
	copyTries     = 5
)

// giveWay calls copy until it was left in peace: a server that starts has to have the database for itself for a moment
// (see connect), and says so by touching its lock. Then the context of copy ends, and pause later copy is called again.
func giveWay(lock string, pause time.Duration, copy func(context.Context) error) error {
	for range copyTries {
		before, err := touched(lock)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- copy(ctx) }()
		look := time.NewTicker(lookForServer)
		for copying := true; copying; {
			select {
			case err = <-done:
				copying = false
			case <-look.C:
				if now, bad := touched(lock); bad != nil || !now.Equal(before) {
					cancel()
				}
			}
		}
		look.Stop()
		interrupted := ctx.Err() != nil
		cancel()
		if err == nil || !interrupted {
			return err
		}
		time.Sleep(pause)
	}
	return errors.New("a server was started on it again and again; try it when that is over")
}

// touched is when a lock was touched last; the zero time: never, for it is not there.
func touched(lock string) (time.Time, error) {
	info, err := os.Stat(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// sameFolder tells whether two names are of one folder.
func sameFolder(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(x, y), nil
}

// freshFile makes an empty file beside another, which nobody else may read, for what is to become that other.
func freshFile(beside string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(beside), "."+filepath.Base(beside)+".*")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// publish gives a file its name, when all of it is on disk.
func publish(unfinished, name string) error {
	f, err := os.OpenFile(unfinished, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// examine checks a database that nobody uses, and says what it has. See freshFile for its name: SQLite's journal would
// not be found under another.
func examine(path string) (*Summary, error) {
	found, err := checkFile(path)
	if err == nil && !found {
		err = fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return nil, err
	}
	c, err := connect(path, "query_only=1")
	if err != nil {
		return nil, err
	}
	s := new(Summary)
	err = s.fill(c)
	if err := errors.Join(err, c.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s.Bytes = info.Size()
	return s, nil
}

func (s *Summary) fill(c conn) error {
	found, err := c.text("PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("it is damaged: %.200s", found)
	}
	if s.Log, err = c.text("SELECT log FROM meta"); err != nil {
		return err
	}
	row, err := c.ints("SELECT (SELECT count(*) FROM rooms), (SELECT count(*) FROM messages)")
	if err != nil {
		return err
	}
	s.Rooms, s.Messages = row[0], row[1]
	return nil
}

// Restore puts a copy of a backup into a data folder that no server uses, and gives it a new log: what was said after the
// backup was taken, clients may have heard, and nobody is to take it for what is said next under the same numbers. If the
// folder has a database, that is an error, unless aside says that it may be renamed. It returns under which name it is
// now; empty: there was none.
func Restore(dir, file string, aside bool, random io.Reader, now time.Time) (summary *Summary, was string, err error) {
	if _, err := os.Stat(file); err != nil {
		return nil, "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, "", err
	}
	if err := makeFolder(dir); err != nil {
		return nil, "", unusable(dir, err)
	}
	lock, err := hold(dir)
	if err != nil {
		return nil, "", err
	}
	defer lock.Unlock()
	path := filepath.Join(dir, FileName)
	there := slices.ContainsFunc(suffixes, func(suffix string) bool { // also a write-ahead log alone: SQLite would take it for the new file's
		_, err := os.Lstat(path + suffix)
		return err == nil
	})
	if there && !aside {
		return nil, "", fmt.Errorf("%s has a database already, or a part of one; choose an empty folder, or rename that one with --force", dir)
	}
	unfinished, err := freshFile(path)
	if err != nil {
		return nil, "", unusable(dir, err)
	}
	defer os.Remove(unfinished)
	if err := errors.Join(copyFile(unfinished, file), own(unfinished, dir)); err != nil {
		return nil, "", err
	}
	if summary, err = examine(unfinished); err != nil {
		return nil, "", fmt.Errorf("%s is no backup that can be used: %w", file, err)
	}
	if summary.Log, err = journal.NewLog(random); err != nil {
		return nil, "", err
	}
	c, err := connect(unfinished, "synchronous=FULL")
	if err != nil {
		return nil, "", err
	}
	w := writer{conn: c}
	if err := errors.Join(w.mark(summary.Log, false), c.Close()); err != nil {
		return nil, "", fmt.Errorf("give the copy a new log: %w", err)
	}
	if there {
		was = path + ".until-" + now.UTC().Format("20060102T150405Z")
		if err := putAside(path, was); err != nil {
			return nil, "", fmt.Errorf("put the old database aside: %w", err)
		}
	}
	return summary, was, publish(unfinished, path)
}

// suffixes are those of the files of a database; its own comes last, so that no other is ever beside another's.
var suffixes = []string{"-wal", "-shm", ""}

// putAside gives a database another name, so that a new one can take its place. Until then it is still there: broken off
// in between, it is the database as before, for what was in its write-ahead log is brought into the file first, as far as
// that can be.
func putAside(from, to string) error {
	if found, _ := checkFile(from); found {
		if c, err := connect(from); err == nil {
			w := writer{conn: c}
			_ = errors.Join(w.checkpoint(), c.Close()) // it may be damaged: that may be why another takes its place
		}
	}
	for _, suffix := range suffixes {
		err := fs.ErrInvalid
		if suffix == "" {
			err = os.Link(from, to) // some file systems cannot
		}
		if err != nil {
			err = os.Rename(from+suffix, to+suffix)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(filepath.Dir(from))
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
