package server

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// traces are bytes by what they are.
type traces map[string][]byte

// in returns which traces are in the files of a folder, and where. The index of the search is cleaned by itself, see
// TestErasedFromFiles.
func (all traces) in(t *testing.T, folder string) (found map[string]string) {
	t.Helper()
	found = map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "search.db") {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for what, trace := range all {
			if bytes.Contains(b, trace) {
				found[what] = d.Name()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestForgottenLeavesFiles: after 24 hours no file of the data folder has a text that a moderator has erased. After 14 days none has a
// key with which addresses were hashed, a hash, or a rule about one.
func TestForgottenLeavesFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := sweepHarnessOf(t, "all", folder)
	const spammer = "spammer-spammer0"
	texts, addresses := traces{}, traces{"the key": []byte(s.store.AddressKeys()[0].Secret)}
	say := func(by, text string, origin eventlog.Origin) *eventlog.Outcome {
		s.ids++
		o := s.do(eventlog.Command{Kind: eventlog.Say, SenderID: by, Room: "den", ID: fmt.Sprint(s.ids), Text: text, Origin: origin})
		if o.Status != eventlog.Saved {
			t.Fatalf("%q: %v", text, o.Err)
		}
		return o
	}
	say("owner-owner-owne", "welcome", eventlog.Origin{})
	var last uint64
	for i := range 30 {
		text := fmt.Sprintf("%dcanaryofthevault", i)
		origin := eventlog.Origin([]byte(fmt.Sprintf("orig%04d", i)))
		texts[text], addresses[string(origin[:])] = []byte(text), origin[:]
		last = say(spammer, text+strings.Repeat(" words", i), origin).N
	}
	for _, c := range []eventlog.Command{
		{Kind: eventlog.Set, SenderID: eventlog.OperatorSender, Room: "den", ID: "mute", Body: eventlog.SetBody{Key: wire.AddressKey, Value: wire.TextValue(wire.Mute), AddressOf: last}},
		{Kind: eventlog.Erase, SenderID: eventlog.OperatorSender, Room: "den", ID: "erase", Body: eventlog.EraseBody{By: []string{spammer}, From: 1, To: last, Count: 30, Asked: "by " + spammer}},
	} {
		if o := s.do(c); o.Status != eventlog.Saved {
			t.Fatalf("%v: %v", c.Kind, o.Err)
		}
	}
	addresses["the rule"] = fmt.Appendf(nil, "%x", "orig0029")
	for len(s.store.ErasureSteps(0, false)) > 0 {
		for _, step := range s.store.ErasureSteps(0, false) {
			s.do(step)
		}
	}
	scrub := func() {
		t.Helper()
		w := &scrubber{store: s.store.(scrubbed), erased: s.hub.Mark, file: filepath.Join(folder, scrubFile), clock: s.now}
		if err := w.run(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	later := func(d time.Duration) {
		t.Helper()
		s.setNow(s.now().Add(d))
		s.pass(2 * trustAfterDoubt) // the clock was set
		scrub()
	}
	scrub()
	if found := texts.in(t, folder); len(found) != len(texts) {
		t.Fatalf("the vault has %d texts of %d, so the test proves nothing: %v", len(found), len(texts), found)
	}
	before := s.forgotten.Load()
	later(22 * time.Hour)
	gone := func(all traces, when string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for found := all.in(t, folder); len(found) > 0; found = all.in(t, folder) {
			if time.Now().After(deadline) {
				t.Fatalf("%s, the folder has %v", when, found)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	gone(texts, "after 24 hours")
	if s.forgotten.Load() == before {
		t.Error("the scrubber is not told that there is something to remove")
	}
	if found := addresses.in(t, folder); len(found) < len(addresses)-1 {
		t.Fatalf("after 24 hours, the folder has only %v, so the test proves nothing", found)
	}
	later(7 * 24 * time.Hour)
	if found := addresses.in(t, folder); found["the key"] == "" || len(s.store.AddressKeys()) != 2 {
		t.Fatalf("after 8 days, the folder has only %v, so the test proves nothing", found)
	}
	before = s.forgotten.Load()
	later(6 * 24 * time.Hour)
	gone(addresses, "after 14 days")
	if s.forgotten.Load() == before {
		t.Error("the scrubber is not told that there is something to remove")
	}
	if keys := s.store.AddressKeys(); len(keys) == 0 || keys[len(keys)-1].Since.Std().Before(s.now().Add(-eventlog.AddressKeyLife)) {
		t.Errorf("the keys are of %v", keys)
	}
}
