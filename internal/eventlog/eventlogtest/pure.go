package eventlogtest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

func testPure(t *testing.T, fresh func(t *testing.T) Location) {
	Same(t, fresh, fresh)
}

// Same applies the same random batches to a store of each kind, and compares their outcomes and what is stored. A
// persistent store has the same content after it was closed and opened again.
func Same(t *testing.T, left, right func(t *testing.T) Location) {
	rapid.Check(t, func(r *rapid.T) {
		locations := []Location{left(t), right(t)}
		stores := []eventlog.Store{locations[0].Open(), locations[1].Open()}
		// Most kinds require a level, and changes require an edit window.
		settings := eventlog.ConfigureBody{Limits: eventlog.Limits{EditWindow: 40 * time.Hour}}
		for _, batch := range append([]eventlog.Batch{
			{At: start, Node: eventlog.LocalNode, Commands: commands(raiseLevel(eventlog.Current.Level()))},
			{At: start, Node: eventlog.LocalNode, Commands: commands(eventlog.Command{Kind: eventlog.Configure, Body: settings})},
		}, rapid.SliceOfN(batches(), 1, 8).Draw(r, "batches")...) {
			applyToBoth(r, stores[0], stores[1], batch)
		}
		want := viewOf(r, stores[0])
		want.compare(r, "the other store has", viewOf(r, stores[1]))
		for i, s := range stores {
			historyID := s.HistoryID()
			if err := s.Close(); err != nil {
				r.Fatalf("Close: %v", err)
			}
			if !locations[i].Persistent {
				continue
			}
			s = locations[i].Open()
			want.compare(r, "opened again it has", viewOf(r, s))
			if s.HistoryID() != historyID {
				r.Fatalf("the log was %s, and opened again it is %s", historyID, s.HistoryID())
			}
			if err := s.Close(); err != nil {
				r.Fatalf("Close: %v", err)
			}
		}
	})
}

// view is everything that a store reports about the batches it applied, part by part.
type view map[string]any

func viewOf(t fatal, s eventlog.Store) view {
	v := view{"the position": s.Position(), "the heads": s.AllBounds(), "the times": s.NewestTimes(), "the ids": s.IDGeneration(), "the epoch": s.Epoch(), "the limits": s.Limits(), "the level": s.Level(), "the incarnation": s.Incarnation(eventlog.LocalNode)}
	v["the owners"] = s.RegisteredNames()
	stale, err := s.HasStaleIDs()
	if err != nil {
		t.Fatalf("Stale: %v", err)
	}
	v["old ids"] = stale
	v["the address keys"] = slices.Clone(s.AddressKeys())
	v["expired names"] = slices.Sorted(slices.Values(s.ExpiredNames(math.MaxInt64/2, math.MaxInt64/2, 100)))
	v["the pending tallies"] = s.PendingTallies()
	for _, room := range append([]string{"~lobby", "~~lobby", "~attic", "~cellar"}, someRooms...) {
		for _, by := range someSenders {
			mine, err := s.Marks(room, by, 0, eventlog.MaxNumber)
			if err != nil {
				t.Fatalf("Marks: %v", err)
			}
			v["the marks of "+by+" in "+room] = mine
		}
		v["the bounds of "+room] = s.Bounds(room)
		v["the settings of "+room], _, _ = s.Settings(room, "", "", math.MaxInt)
		for _, by := range someSenders {
			for _, at := range []wire.Time{start, start + 5*hour, start + 9*hour} {
				role, until := s.Role(room, by, at)
				v[fmt.Sprintf("the role of %s in %s at %v", by, room, at)] = []any{role, until, s.CanRead(room, by, at)}
			}
		}
		_, v["the settings of "+room+" when joining"] = s.Joined(room, 1000, 0)
		v["the rows of "+room] = (&tested{Store: s, t: t}).all(room)
		for k := range 12 {
			v[fmt.Sprintf("where the newest %d messages of %s begin", k, room)], v[fmt.Sprintf("the messages of %s after %d", room, k)] = s.StartOf(room, k), s.CountAfter(room, uint64(k))
		}
		for _, epoch := range someEpochs {
			for n := range uint64(20) {
				v[fmt.Sprintf("whether it contains number %d of %s, received in epoch %s,", n, room, epoch)] = s.Contains(room, &wire.Position{HistoryID: s.HistoryID(), Epoch: epoch, N: n})
			}
		}
	}
	for table := eventlog.Table(1); table <= 32; table++ {
		for _, room := range append([]string{""}, someRooms...) {
			entries, err := s.Entries(table, room, "", "", eventlog.MaxEntries)
			if err != nil {
				t.Fatalf("Entries: %v", err)
			}
			v[fmt.Sprintf("the entries of table %d in the room %q", table, room)] = entries
		}
	}
	for _, by := range someSenders {
		v["the name of "+by], v["the name that "+by+" can register"] = s.Name(by), s.CanRegister(by)
	}
	return v
}

// compare fails if the views differ.
func (v view) compare(t fatal, what string, other view) {
	t.Helper()
	for part, x := range v {
		if y := other[part]; !reflect.DeepEqual(x, y) {
			t.Fatalf("%s is\n%+v\nand %s\n%+v", part, x, what, y)
		}
	}
}

// applyToBoth applies a batch to a, and to b: there it is applied twice, after the store was reopened.
func applyToBoth(t fatal, a, b eventlog.Store, batch eventlog.Batch) {
	t.Helper()
	position := a.Position() + 1
	prepare(a, &batch, batch.At-wire.Time(eventlog.NameLeaseTime/time.Millisecond)) // from both
	x, err := a.Apply(&batch, position)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	if err := b.Reopen(); err != nil {
		t.Fatalf("Reopen: %v", err)
	}
	for range 2 {
		y, err := b.Apply(&batch, position)
		if err != nil {
			t.Fatalf("Apply: %v", err)
		}
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("outcomes:\n%s\nand\n%s", summarize(x), summarize(y))
		}
	}
}

var (
	someRooms   = []string{"lobby", "cellar", "attic"}
	someSenders = []string{"anna-1234567-abc", "bert-1234567-abc", "carl-1234567-abc"} // as long as those of clients
	someEpochs  = []string{"", "one", "two", "three"}
)

// batches draws from few ids, names and rooms, so that they collide.
func batches() *rapid.Generator[eventlog.Batch] {
	return rapid.Custom(func(t *rapid.T) eventlog.Batch {
		hours := rapid.IntRange(-2, 30).Draw(t, "hours")
		if rapid.IntRange(0, 3).Draw(t, "months later") == 0 {
			hours += rapid.IntRange(29, 32).Draw(t, "days") * 24
		}
		return eventlog.Batch{
			At:       start + wire.Time(hours)*hour,
			Node:     eventlog.LocalNode,
			Commands: rapid.OneOf(rapid.SliceOfN(anyCommand(), 0, 8), rapid.Map(aStart(), func(c eventlog.Command) []eventlog.Command { return commands(c) })).Draw(t, "commands"),
		}
	})
}

// aStart draws a Start, which is alone in its batch.
func aStart() *rapid.Generator[eventlog.Command] {
	return rapid.Map(rapid.SampledFrom(someEpochs[1:]), startEpoch)
}

func startKind(k eventlog.Kind) bool { return k == eventlog.Start }

// anyCommand draws a command of any kind but Start. Messages are drawn more often.
func anyCommand() *rapid.Generator[eventlog.Command] {
	return rapid.Custom(func(t *rapid.T) eventlog.Command {
		by := rapid.SampledFrom(someSenders).Draw(t, "by")
		kind := rapid.SampledFrom(append(slices.DeleteFunc(eventlog.Kinds(), startKind), eventlog.Say, eventlog.Say)).Draw(t, "kind")
		draw, ok := draws[kind]
		if !ok {
			panic(fmt.Sprintf("no commands of the kind %v are drawn; add some to draws", kind))
		}
		return draw(t, by)
	})
}

// draws draw a command of each kind. by is the sender of commands that have one.
var draws = map[eventlog.Kind]func(t *rapid.T, by string) eventlog.Command{
	eventlog.Say:    aSay,
	eventlog.Change: aChange,
	eventlog.Set:    aSet,
	eventlog.Invite: func(t *rapid.T, _ string) eventlog.Command { return anyInvite(t) },
	eventlog.Redeem: anyRedeem,
	eventlog.ReserveName: func(t *rapid.T, by string) eventlog.Command {
		name := rapid.SampledFrom([]string{"Queen", "QUEEN", "King"}).Draw(t, "name")
		if rapid.Bool().Draw(t, "bound") {
			return bound(by, name)
		}
		return reserve(by, name)
	},
	eventlog.ExpireName:  func(_ *rapid.T, by string) eventlog.Command { return expire(by) },
	eventlog.ReleaseName: func(_ *rapid.T, by string) eventlog.Command { return release(by) },
	eventlog.UnregisterName: func(t *rapid.T, _ string) eventlog.Command {
		return unregister(rapid.SampledFrom([]string{"Queen", "King"}).Draw(t, "name"))
	},
	eventlog.RenewKeys: func(t *rapid.T, _ string) eventlog.Command {
		key := rapid.SampledFrom([]string{names.Key("Queen"), names.Key("QUEEN"), names.Key("King"), "another"})
		return renew(eventlog.RenewedKey{Old: key.Draw(t, "old"), New: key.Draw(t, "new")})
	},
	eventlog.Configure: func(t *rapid.T, _ string) eventlog.Command {
		limits := eventlog.Limits{MaxRooms: rapid.IntRange(0, len(someRooms)).Draw(t, "rooms"), EditWindow: time.Duration(rapid.IntRange(0, 40).Draw(t, "hours to edit")) * time.Hour}
		return eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: limits}}
	},
	eventlog.RotateIDs: func(t *rapid.T, _ string) eventlog.Command {
		return rotateIDs(rapid.Uint64Range(0, 5).Draw(t, "generation"))
	},
	eventlog.RotateAddressKeys: func(t *rapid.T, _ string) eventlog.Command {
		return rotateAddressKeys(rapid.StringMatching("[kl]{32}").Draw(t, "address key"))
	},
	eventlog.RemoveRoom: func(t *rapid.T, _ string) eventlog.Command {
		return remove(someRoom(t), rapid.Uint64Range(0, 6).Draw(t, "to"))
	},
	eventlog.Trim: func(t *rapid.T, _ string) eventlog.Command {
		return trim(someRoom(t), rapid.Uint64Range(0, 12).Draw(t, "to"))
	},
	eventlog.Mark: func(t *rapid.T, by string) eventlog.Command {
		key := rapid.SampledFrom([]string{"up", "👍", "❤️"}).Draw(t, "key")
		return markIn(someRoom(t), by, rapid.Uint64Range(1, 8).Draw(t, "of"), key, rapid.IntRange(0, 3).Draw(t, "on") > 0)
	},
	eventlog.Tally:        func(t *rapid.T, _ string) eventlog.Command { return tally(someRoom(t)) },
	eventlog.SignIn:       func(t *rapid.T, _ string) eventlog.Command { return anySession(t, eventlog.SignIn) },
	eventlog.SignOut:      func(t *rapid.T, _ string) eventlog.Command { return anySession(t, eventlog.SignOut) },
	eventlog.PruneIDs:     func(*rapid.T, string) eventlog.Command { return pruneIDs() },
	eventlog.PruneMarks:   func(*rapid.T, string) eventlog.Command { return pruneMarks() },
	eventlog.PruneEntries: aPruneEntries,
	eventlog.Forget: func(t *rapid.T, _ string) eventlog.Command {
		return aForget(t, rapid.SampledFrom(append(slices.Clone(someSenders), derived("one"))).Draw(t, "forgotten"))
	},
	eventlog.Erase: anErase,
	eventlog.Restore: func(t *rapid.T, _ string) eventlog.Command {
		c := restore(someID(t), rapid.Uint64Range(1, 8).Draw(t, "erasure"))
		c.Room = someRoom(t)
		return c
	},
	eventlog.EraseStep: func(t *rapid.T, _ string) eventlog.Command {
		body := eventlog.EraseStepBody{Erasure: rapid.Uint64Range(1, 8).Draw(t, "erasure"), Next: rapid.Uint64Range(1, 4).Draw(t, "next")}
		return eventlog.Command{Kind: eventlog.EraseStep, Room: someRoom(t), Body: body}
	},
	eventlog.RestoreStep: func(t *rapid.T, _ string) eventlog.Command {
		body := eventlog.RestoreStepBody{Erasure: rapid.Uint64Range(1, 8).Draw(t, "erasure"), Next: rapid.Uint64Range(1, 4).Draw(t, "next")}
		return eventlog.Command{Kind: eventlog.RestoreStep, Room: someRoom(t), Body: body}
	},
	eventlog.Report: func(t *rapid.T, by string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Report, SenderID: by, Room: someRoom(t), ID: "r", Body: eventlog.ReportBody{Of: rapid.Uint64Range(1, 8).Draw(t, "of")}}
	},
	eventlog.Judge: func(t *rapid.T, by string) eventlog.Command {
		judge := rapid.SampledFrom([]string{by, eventlog.OperatorSender}).Draw(t, "judge")
		body := eventlog.JudgeBody{
			SenderID: rapid.SampledFrom(someSenders).Draw(t, "author"), ID: rapid.StringMatching("[a-d]").Draw(t, "held"), Decision: eventlog.Decision(rapid.IntRange(1, 3).Draw(t, "decision")),
		}
		return eventlog.Command{Kind: eventlog.Judge, SenderID: judge, Room: someRoom(t), ID: "j", Body: body}
	},
	eventlog.Member: func(t *rapid.T, _ string) eventlog.Command {
		name := rapid.SampledFrom([]string{eventlog.LocalNode, "b"}).Draw(t, "member")
		if rapid.Bool().Draw(t, "gone") {
			return eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: name, Gone: true}}
		}
		return announce(name, rapid.SampledFrom([]string{"a:1", "b:1"}).Draw(t, "address"), rapid.Uint64Range(0, 9).Draw(t, "applied"))
	},
	eventlog.Barrier: func(*rapid.T, string) eventlog.Command { return eventlog.Command{Kind: eventlog.Barrier} },
	eventlog.Level:   func(*rapid.T, string) eventlog.Command { return raiseLevel(eventlog.Current.Level()) },
}

func someRoom(t *rapid.T) string { return rapid.SampledFrom(someRooms).Draw(t, "room") }

// someID draws an id of a command that is not a message.
func someID(t *rapid.T) string { return rapid.StringMatching("[a-h]").Draw(t, "id") }

func aSay(t *rapid.T, by string) eventlog.Command {
	e := say(by, someRoom(t), rapid.StringMatching("[a-d]").Draw(t, "id"), rapid.StringMatching("[xy]").Draw(t, "text"))
	e.Once = rapid.IntRange(0, 3).Draw(t, "once") == 0
	e.RegisterKey = rapid.SampledFrom([]string{"", names.Key("Queen"), names.Key("QUEEN"), names.Key("King")}).Draw(t, "own")
	e.Link, e.Transient = rapid.Bool().Draw(t, "link"), rapid.IntRange(0, 5).Draw(t, "transient") == 0
	e.Origin = rapid.SampledFrom([]eventlog.Origin{{}, {1}, {2}}).Draw(t, "origin")
	e.Re = rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 5}).Draw(t, "re")
	e.Body = rapid.SampledFrom([]eventlog.Body{nil, nil, nil, eventlog.SayAs{As: wire.Question}, eventlog.SayAs{As: wire.Poll, Options: []string{"yes", "no"}}, eventlog.SayAs{As: wire.Notice}}).Draw(t, "as")
	return e
}

func aChange(t *rapid.T, by string) eventlog.Command {
	body := eventlog.ChangeBody{Of: rapid.Uint64Range(1, 8).Draw(t, "of")}
	if rapid.IntRange(0, 3).Draw(t, "edit") > 0 {
		text := rapid.StringMatching("[xyz]").Draw(t, "new text")
		body.Text, body.Link = &text, rapid.Bool().Draw(t, "link")
	}
	return eventlog.Command{Kind: eventlog.Change, SenderID: by, Room: someRoom(t), ID: someID(t), Body: body}
}

func aSet(t *rapid.T, by string) eventlog.Command {
	n := rapid.Uint64Range(1, 8).Draw(t, "n")
	body := rapid.SampledFrom([]eventlog.SetBody{
		{Key: "topic", Value: wire.TextValue("Tea")}, {Key: "topic"}, {Key: "pin", Value: wire.Value{Numbers: []uint64{n, n + 1}}}, {Key: "stage", Value: wire.NumberValue(n)},
		{Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: start + wire.Time(n)*hour}, {Key: wire.SlowKey, Value: wire.NumberValue(n * 3600)}, {Key: wire.NewcomerKey, Value: wire.NumberValue(n * 3600)}, {Key: wire.SlowKey},
		{Key: wire.PresetKey, Value: wire.TextValue(wire.PresetStream), Until: start + wire.Time(n)*hour}, {Key: wire.EveryoneKey, Value: wire.TextValue("reader"), Until: start + wire.Time(n)*hour}, {Key: wire.HoldKey, Value: wire.TextValue(wire.HoldFirst)}, {Key: wire.HoldKey},
		{Key: wire.PersonPrefix + someSenders[n%3], Value: wire.TextValue(wire.Mute), Until: start + wire.Time(n)*hour}, {Key: wire.PersonPrefix + someSenders[n%3], Value: wire.TextValue(wire.Ban)}, {Key: wire.PersonPrefix + someSenders[n%3]},
		{Key: wire.RolePrefix + someSenders[n%3], Value: wire.TextValue(wire.Role(1 + n%6).String())}, {Key: wire.RolePrefix + someSenders[n%3], Value: wire.TextValue("moderator"), Until: start + wire.Time(n)*hour}, {Key: wire.RolePrefix + someSenders[n%3]},
		{Key: wire.AddressKey, Value: wire.TextValue(wire.Mute), AddressOf: n}, {Key: wire.AddressKey, Value: wire.TextValue(wire.Ban), AddressOf: n, Until: start + wire.Time(n)*hour}, {Key: wire.AddressKey, AddressOf: n},
		{Key: fmt.Sprint("question/", n), Value: wire.TextValue(wire.Answered)}, {Key: fmt.Sprint("poll/", n), Value: wire.TextValue(wire.Hidden)},
	}).Draw(t, "setting")
	if rapid.IntRange(0, 3).Draw(t, "by the operator") == 0 {
		by = eventlog.OperatorSender
	}
	return eventlog.Command{Kind: eventlog.Set, SenderID: by, Room: someRoom(t), ID: someID(t), Body: body}
}

func aPruneEntries(t *rapid.T, by string) eventlog.Command {
	body := eventlog.PruneEntriesBody{Keys: []string{wire.LockKey, wire.SlowKey, wire.EveryoneKey, wire.PersonPrefix + by, wire.RolePrefix + by}}
	switch rapid.IntRange(0, 4).Draw(t, "table") {
	case 1:
		body = eventlog.PruneEntriesBody{Table: eventlog.Senders, Keys: someSenders}
	case 2:
		body = eventlog.PruneEntriesBody{Table: eventlog.Origins}
	case 3:
		id := rapid.StringMatching("[a-d]").Draw(t, "held")
		body = eventlog.PruneEntriesBody{Table: rapid.SampledFrom([]eventlog.Table{eventlog.Held, eventlog.HeldDecisions}).Draw(t, "table of held messages"), Keys: []string{by + "\x00" + id}}
	case 4:
		body = eventlog.PruneEntriesBody{Table: eventlog.Reports, Keys: []string{by, by + "\x001", by + "\x002"}}
	}
	if rapid.IntRange(0, 2).Draw(t, "sessions") == 0 {
		digest := eventlog.SessionDigest(rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "session"))
		return eventlog.Command{Kind: eventlog.PruneEntries, Body: eventlog.PruneEntriesBody{Table: eventlog.Sessions, Keys: []string{string(digest[:])}}}
	}
	return eventlog.Command{Kind: eventlog.PruneEntries, Room: someRoom(t), Body: body}
}

func anErase(t *rapid.T, _ string) eventlog.Command {
	from, senders := rapid.Uint64Range(1, 8).Draw(t, "from"), rapid.SampledFrom([][]string{someSenders[:1], someSenders[1:2], {someSenders[0], someSenders[2]}}).Draw(t, "senders")
	c := eraseBy(someID(t), from, from+rapid.Uint64Range(0, 4).Draw(t, "count"), senders...)
	c.Room = someRoom(t)
	if body := c.Body.(eventlog.EraseBody); rapid.IntRange(0, 2).Draw(t, "of") == 0 {
		body.Of = [][2]uint64{{from, from}}
		if body.To > from+1 {
			body.Of = append(body.Of, [2]uint64{from + 2, body.To})
		}
		c.Body = body
	}
	return c
}
