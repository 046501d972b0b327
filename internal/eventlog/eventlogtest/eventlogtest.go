// Package eventlogtest has a test suite for every eventlog.Store, and one for an eventlog.Log over any store and any
// eventlog.Sequencer. [Faulty] is a store that fails on demand.
package eventlogtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// Location is where one store keeps its data.
type Location struct {
	Open       func() eventlog.Store // opens the store; the test closes it
	Persistent bool                  // Open after Close finds the same data
}

// RunStore tests a store. fresh creates a new, empty location, and ends the test if that fails.
func RunStore(t *testing.T, fresh func(t *testing.T) Location) { testStore(t, fresh) }

// RunLog tests a log with a store and a sequencer. fresh is as for RunStore; order creates a sequencer that has not ordered
// anything.
func RunLog(t *testing.T, fresh func(t *testing.T) Location, order func() eventlog.Sequencer) {
	testLog(t, suite{fresh, order})
}

// RunSequence tests logs over a [Sequence], which fails in every way in which a sequencer of several nodes may. seeds is
// the number of seeds of the cluster simulation.
func RunSequence(t *testing.T, fresh func(t *testing.T) Location, seeds uint64) {
	testLog(t, suite{fresh, func() eventlog.Sequencer { return NewSequence(1).Member(eventlog.Current) }})
	t.Run("level", func(t *testing.T) { testLevelTooEarly(t, fresh) })
	t.Run("cluster", func(t *testing.T) { testCluster(t, fresh, seeds) })
}

// start is the time of the first batch.
var start = wire.TimeOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))

// fatal is the part of a test that the suite uses; testing and rapid implement it.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// tested is a store, with the time of the next batch that a test applies to it.
type tested struct {
	eventlog.Store
	t  fatal
	at wire.Time

	derived []eventlog.Outcome // of the newest batch
}

func open(t *testing.T, location Location) *tested {
	t.Helper()
	j := &tested{Store: location.Open(), t: t, at: start}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return j
}

// apply applies commands as the next batch, or batches: a Start is alone in its batch.
func (j *tested) apply(commands ...eventlog.Command) (all []eventlog.Outcome) {
	j.t.Helper()
	isStart := func(c eventlog.Command) bool { return c.Kind == eventlog.Start }
	if i := slices.IndexFunc(commands, isStart); i >= 0 && len(commands) > 1 {
		for _, part := range [][]eventlog.Command{commands[:i], commands[i : i+1], commands[i+1:]} {
			if len(part) > 0 {
				all = append(all, j.apply(part...)...)
			}
		}
		return all
	}
	outcomes, err := j.Apply(j.batch(commands...), j.Position()+1)
	if err != nil {
		j.t.Fatalf("Apply: %v", err)
	}
	if len(outcomes) < len(commands) {
		j.t.Fatalf("Apply returned %d outcomes for %d commands", len(outcomes), len(commands))
	}
	j.derived = outcomes[len(commands):]
	return outcomes[:len(commands)]
}

// batch creates a batch of commands as a node would: names that were last used a day ago have expired, and a Start follows
// the one before it.
func (j *tested) batch(commands ...eventlog.Command) *eventlog.Batch {
	return prepare(j.Store, &eventlog.Batch{At: j.at, Node: eventlog.LocalNode, Commands: commands}, j.at-wire.Time(eventlog.NameLeaseTime/time.Millisecond))
}

func prepare(s eventlog.Store, b *eventlog.Batch, expiry wire.Time) *eventlog.Batch {
	b.Commands = slices.Clone(b.Commands)
	for i := range b.Commands {
		c := &b.Commands[i]
		c.SetExpiry(expiry)
		switch body := c.Body.(type) {
		case eventlog.ExpireNameBody:
			c.Body = eventlog.ExpireNameBody{Expiry: expiry}
		case eventlog.StartBody:
			body.After = s.Incarnation(eventlog.LocalNode)
			c.Body = body
		}
	}
	return b
}

// expect applies commands like apply, and compares the outcomes with one line each.
func (j *tested) expect(commands []eventlog.Command, want ...string) {
	j.t.Helper()
	if got := summarize(j.apply(commands...)); got != strings.Join(want, "\n") {
		j.t.Fatalf("outcomes:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// all reads a whole room.
func (j *tested) all(room string) []eventlog.Record {
	j.t.Helper()
	var all []eventlog.Record
	for after := uint64(0); ; {
		page, _, err := j.Read(room, after, eventlog.MaxRead)
		if err != nil {
			j.t.Fatalf("Read(%q, %d): %v", room, after, err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].N
	}
}

// summarize describes outcomes, one line each.
func summarize(outcomes []eventlog.Outcome) string {
	lines := make([]string, len(outcomes))
	for i, o := range outcomes {
		lines[i] = summary(o)
	}
	return strings.Join(lines, "\n")
}

func summary(o eventlog.Outcome) string {
	switch {
	case o.Status == eventlog.Refused:
		return "refused " + string(o.Err.Code)
	case o.Status == eventlog.OnHold:
		return "held"
	case o.Command.Kind == eventlog.Trim:
		return fmt.Sprintf("from %d", o.N)
	case o.Command.Kind == eventlog.Mark && o.Status == eventlog.Repeat:
		return "repeat"
	case !slices.Contains([]eventlog.Kind{eventlog.Say, eventlog.Change, eventlog.Set, eventlog.Erase, eventlog.Restore, eventlog.Judge}, o.Command.Kind):
		return "done"
	case o.Status == eventlog.Repeat:
		return fmt.Sprintf("repeat %d", o.N)
	case o.Status == eventlog.Saved:
		return fmt.Sprintf("saved %d", o.N)
	}
	return fmt.Sprintf("status %d", o.Status)
}

func say(by, room, id, text string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Say, SenderID: by, Room: room, ID: id, Text: text}
}

func once(by, room, id, text string) eventlog.Command {
	e := say(by, room, id, text)
	e.Once = true
	return e
}

// reserve reserves a name.
func reserve(by, name string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name)}}
}

// nameOf returns the name that a command reserves, or "".
func nameOf(c *eventlog.Command) string {
	body, _ := c.Body.(eventlog.ReserveNameBody)
	return body.Name
}

func bound(by, name string) eventlog.Command {
	e := reserve(by, name)
	e.BindName()
	return e
}

// register returns a message of a sender with a cryptographic key, which registers a name.
func register(by, name, room, id, text string) eventlog.Command {
	e := say(by, room, id, text)
	e.RegisterKey = names.Key(name)
	return e
}

func unregister(name string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.UnregisterName, Body: eventlog.UnregisterNameBody{Name: name, Key: names.Key(name)}}
}

func release(by string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.ReleaseName, SenderID: by}
}

// restart returns a start of the node with its own nonce.
func restart(j *tested) eventlog.Command { return startEpoch(fmt.Sprint("restart-", j.Position())) }

func trim(room string, to uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: to}}
}

func expire(by string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.ExpireName, SenderID: by, Body: eventlog.ExpireNameBody{}} // batch sets Expiry
}

func rotateIDs(to uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.RotateIDs, Body: eventlog.RotateIDsBody{Generation: to}}
}

func pruneIDs() eventlog.Command { return eventlog.Command{Kind: eventlog.PruneIDs} }

func remove(room string, to uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: to}}
}

func limitRooms(n int) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{MaxRooms: n}}}
}

func renew(keys ...eventlog.RenewedKey) eventlog.Command {
	return eventlog.Command{Kind: eventlog.RenewKeys, Body: eventlog.RenewKeysBody{Keys: keys}}
}

func raiseLevel(level uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: level}}
}

func commands(e ...eventlog.Command) []eventlog.Command { return e }
