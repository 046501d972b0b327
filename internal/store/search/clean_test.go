package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// change edits a message from anna, or deletes it if there is no text.
func (p *testLog) change(room string, n uint64, text ...string) {
	p.t.Helper()
	limits := eventlog.ConfigureBody{Limits: eventlog.Limits{EditWindow: eventlog.MaxEditWindow}}
	body := eventlog.ChangeBody{Of: n}
	if len(text) > 0 {
		body.Text = &text[0]
	}
	p.at++
	for _, c := range []eventlog.Command{
		{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}},
		{Kind: eventlog.Configure, Body: limits},
		{Kind: eventlog.Change, SenderID: "anna", Room: room, ID: fmt.Sprint("change ", p.at), Body: body},
	} {
		outcomes, err := p.Apply(&eventlog.Batch{At: p.at, Commands: []eventlog.Command{c}}, p.Position()+1)
		if err != nil {
			p.t.Fatal(err)
		}
		if o := outcomes[0]; c.Kind == eventlog.Change && o.Status != eventlog.Saved {
			p.t.Fatalf("change of %d: %v", n, o.Err)
		}
	}
}

// TestChanged: a changed message is found only by its new words, even if it is changed before or while it is indexed.
func TestChanged(t *testing.T) {
	kinds(t, func(t *testing.T, path string) {
		log := newTestLog(t)
		s := open(t, path, log)
		log.publish("den", "alpha one", "beta two", "gamma three", "...")
		log.change("den", 2, "beta early")
		s.fill()
		log.change("den", 1, "delta")
		log.change("den", 3)
		log.change("den", 4, "epsilon")
		log.change("den", 4, "zeta")
		s.want(Query{Words: "alpha"}, "") // not indexed yet, but matches are checked against the text
		s.want(Query{Words: "gamma"}, "")
		s.fill()
		log.publish("den", "omega")
		s.fill()
		for words, want := range map[string]string{
			"alpha": "", "one": "", "delta": "den:1", "two": "", "early": "den:2", "beta": "den:2", "gamma": "", "three": "", "epsilon": "", "zeta": "den:4", "omega": "den:10",
		} {
			s.want(Query{Words: words}, want)
		}
	})
}

// TestErasedWordsLeaveTheFile: hours after words were erased, no file of the index contains them, even after a restart;
// until then nothing is merged. Other words are still found.
func TestErasedWordsLeaveTheFile(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		dir := t.TempDir()
		log := newTestLog(t)
		s := open(t, filepath.Join(dir, FileName), log)
		rng := rand.New(rand.NewPCG(11, 12))
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		s.pace.now = func() time.Time { return now }
		var erased []string
		kept := 0
		for i := range 2000 {
			log.publish("den", fmt.Sprintf("word%dsecret common", i))
			if n := log.Store.Bounds("den").Last; i%10 == 0 {
				if i%50 == 0 {
					s.fill()
				}
				if text := fmt.Sprintf("word%dsecret", i); rng.IntN(2) == 0 {
					log.change("den", n)
					erased = append(erased, text)
				} else {
					log.change("den", n, "changed common")
					erased = append(erased, text)
					kept++
				}
			} else {
				kept++
			}
		}
		s.fill()
		left := func() (left []string) {
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b, err := os.ReadFile(filepath.Join(dir, f.Name()))
				if err != nil {
					t.Fatal(err)
				}
				for _, word := range erased {
					// The first word of an index page is stored whole, the others only from where they differ from the
					// previous one.
					if bytes.Contains(b, []byte(word)) || bytes.Contains(b, []byte(strings.TrimPrefix(word, "word"))) {
						left = append(left, f.Name()+": "+word)
					}
				}
			}
			return left
		}
		if len(left()) == 0 {
			t.Error("the file contains no erased word before it is cleaned, so the test proves nothing")
		}
		if restarted {
			s.close()
			s = open(t, filepath.Join(dir, FileName), log)
			s.pace.now = func() time.Time { return now }
		}
		now = now.Add(cleanAfter - time.Minute)
		s.fill()
		if len(left()) == 0 {
			t.Error("the file is cleaned too early")
		}
		now = now.Add(2 * time.Minute)
		s.fill()
		if left := left(); len(left) > 0 {
			t.Errorf("restarted %v: of %d erased words, these are left: %.500q", restarted, len(erased), left)
		}
		found := 0
		for before := ""; ; {
			r := s.search(Query{Words: "common", Room: "den", Limit: 100, Before: before})
			if found += len(r.Hits); !r.More {
				break
			}
			before = fmt.Sprint(r.Hits[len(r.Hits)-1].N)
		}
		if found != kept {
			t.Errorf("found %d messages, want %d", found, kept)
		}
		if err := s.file.verify(t.Context()); err != nil {
			t.Error(err)
		}
		if due, err := s.cleanDue(); err != nil || !due.IsZero() {
			t.Errorf("after the cleaning, the next one is due at %v (%v)", due, err)
		}
	}
}
