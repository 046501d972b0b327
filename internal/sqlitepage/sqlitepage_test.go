package sqlitepage

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// database is a DB over database/sql, for one goroutine.
type database struct {
	t    *testing.T
	path string
	*sql.DB
}

func open(t *testing.T, pragmas string) *database {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?"+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return &database{t, path, db}
}

func (d *database) exec(query string, args ...any) {
	d.t.Helper()
	if _, err := d.Exec(query, args...); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
}

func (d *database) Page(number uint32) (page []byte, err error) {
	return page, d.QueryRow("SELECT data FROM sqlite_dbpage WHERE pgno = ?", number).Scan(&page)
}

func (d *database) SetPages(numbers []uint32, edit func(uint32, []byte) bool) error {
	d.exec("BEGIN IMMEDIATE")
	for _, n := range numbers {
		page, err := d.Page(n)
		if err != nil {
			return err
		}
		if edit(n, page) {
			d.exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, n)
		}
	}
	d.exec("COMMIT")
	return nil
}

// clean cleans everything, count pages at a time.
func (d *database) clean(count int) {
	d.t.Helper()
	for next := uint32(1); next != 0; {
		var err error
		if next, err = Clean(d, next, count); err != nil {
			d.t.Fatal(err)
		}
	}
}

// left counts those of the secrets that are in the file.
func (d *database) left(secrets []string) (left int) {
	d.t.Helper()
	b, err := os.ReadFile(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, s := range secrets {
		if bytes.Contains(b, []byte(s)) {
			left++
		}
	}
	return left
}

// After Clean, nothing of what was deleted, moved or replaced is left in the file, and the database is as it was. Pages of
// 512 bytes make many pages, pointer maps and overflow pages out of few rows.
func TestClean(t *testing.T) {
	before := 0
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		// With secure_delete SQLite itself leaves little; without it, everything.
		d := open(t, fmt.Sprintf("_pragma=page_size(512)&_pragma=auto_vacuum(2)&_pragma=secure_delete(%d)", (seed+1)%2))
		d.exec("CREATE TABLE texts(key INTEGER PRIMARY KEY, body TEXT)")
		d.exec("CREATE TABLE ids(a INTEGER, b TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID")
		d.exec("BEGIN")
		var secrets []string
		var keys []int64 // of want
		want := map[int64]string{}
		for i := range 2500 {
			key := rng.Int64N(1<<20)<<12 | int64(i)
			secret := fmt.Sprintf("<secret %d>", key)
			text := secret
			for range rng.IntN(8) * rng.IntN(8) * rng.IntN(2) {
				text += " and more"
			}
			d.exec("INSERT INTO texts VALUES(?, ?)", key, text)
			d.exec("INSERT INTO ids VALUES(?, ?)", rng.IntN(100), secret)
			want[key] = text
			keys = append(keys, key)
			if rng.IntN(2) == 0 {
				continue
			}
			k := rng.IntN(len(keys))
			erased := keys[k]
			secrets = append(secrets, fmt.Sprintf("<secret %d>", erased))
			d.exec("DELETE FROM ids WHERE b = ?", secrets[len(secrets)-1])
			if rng.IntN(2) == 0 {
				d.exec("DELETE FROM texts WHERE key = ?", erased)
				delete(want, erased)
				keys[k] = keys[len(keys)-1]
				keys = keys[:len(keys)-1]
			} else {
				d.exec("UPDATE texts SET body = 'gone' WHERE key = ?", erased)
				want[erased] = "gone"
			}
		}
		d.exec("COMMIT")
		before += d.left(secrets)
		d.clean(1 + rng.IntN(300))
		if n := d.left(secrets); n > 0 {
			t.Errorf("seed %d: %d of %d erased texts are left", seed, n, len(secrets))
		}
		var result string
		if err := d.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
			t.Fatalf("seed %d: %v, %.300s", seed, err, result)
		}
		for key, text := range want {
			var got string
			if err := d.QueryRow("SELECT body FROM texts WHERE key = ?", key).Scan(&got); err != nil || got != text {
				t.Fatalf("row %d is %q (%v), want %q", key, got, err, text)
			}
		}
		if pages, err := os.Stat(d.path); err != nil || pages.Size()/512 < 3*512/mapEntry {
			t.Fatalf("the file has %v bytes (%v), too few for three pointer maps", pages.Size(), err)
		}
	}
	if before == 0 {
		t.Error("nothing was left before Clean, so this test shows nothing")
	}
	t.Logf("%d erased texts were left before Clean", before)
}

// Without a pointer map, the use of a page is unknown.
func TestCleanWithoutMap(t *testing.T) {
	d := open(t, "_pragma=page_size(512)&_pragma=auto_vacuum(0)")
	d.exec("CREATE TABLE texts(key INTEGER PRIMARY KEY, body TEXT)")
	if _, err := Clean(d, 1, 100); err == nil {
		t.Error("a file without a pointer map is cleaned")
	}
}

// A damaged page, and one that belongs to no tree, is left alone.
func TestClearLeavesOthersAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 100_000 {
		page := make([]byte, 64)
		for i := range page {
			page[i] = byte(rng.Uint32()) * byte(rng.IntN(2))
		}
		page[0] = []byte{2, 5, 10, 13, 0, 1}[rng.IntN(6)]
		page[3], page[5], page[1] = 0, 0, 0
		before := bytes.Clone(page)
		header, cells := 12, int(page[4])
		if page[0] >= 10 {
			header = 8
		}
		cleared := Clear(page)
		if cleared == bytes.Equal(page, before) {
			t.Fatalf("%x became %x, reported %v", before, page, cleared)
		}
		if kept := min(header+2*cells, len(page)); cleared && (page[0] < 2 || !bytes.Equal(page[:kept], before[:kept])) {
			t.Fatalf("%x became %x: pointers were cleared", before, page)
		}
	}
}
