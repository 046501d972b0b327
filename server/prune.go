package server

import (
	"fmt"
	"io"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// What the sweeper deletes besides messages: names, ids, keys, marks, rules and entries.

// expireNames frees the names whose lease has expired.
func (w *sweeper) expireNames(now time.Time, quit <-chan struct{}) error {
	for {
		body := eventlog.ExpireNameBody{Expiry: wire.Time(w.clock.expiry.Load())}
		senders := w.store.ExpiredNames(body.Expiry, wire.TimeOf(now.Add(clockStep)), eventlog.TrimStep)
		commands := make([]eventlog.Command, len(senders))
		for i, sender := range senders {
			commands[i] = eventlog.Command{Kind: eventlog.ExpireName, SenderID: sender, Body: body}
		}
		if _, err := w.run(quit, commands...); err != nil || len(senders) < eventlog.TrimStep {
			return err
		}
	}
}

// rotateIDs begins a new generation of ids when the newest is old enough. A generation that begins in the future was begun
// while the clock was ahead, and one without a time is that of a new server: it gets the present time, and so lives longer.
func (w *sweeper) rotateIDs(now time.Time, quit <-chan struct{}) error {
	ids := w.store.IDGeneration()
	began, to := ids.Since.Std(), ids.Number
	switch {
	case ids.Since == 0 || began.After(now.Add(clockStep)):
	case now.Sub(began) >= eventlog.MinIDLife:
		to++
	default:
		return nil
	}
	_, err := w.run(quit, eventlog.Command{Kind: eventlog.RotateIDs, Body: eventlog.RotateIDsBody{Generation: to}})
	return err
}

// rotateAddressKeys begins to hash addresses with a new key when the newest one is old enough, and destroys older ones.
func (w *sweeper) rotateAddressKeys(now time.Time, quit <-chan struct{}) error {
	if w.store.Level() < eventlog.HoldLevel || !eventlog.NeedsAddressKey(w.store.AddressKeys(), wire.TimeOf(now)) {
		return nil
	}
	rotate, err := newAddressKey(w.random)
	if err == nil {
		_, err = w.run(quit, rotate)
	}
	return err
}

// newAddressKey returns the command that begins to hash addresses with a new key.
func newAddressKey(random io.Reader) (eventlog.Command, error) {
	secret := make([]byte, eventlog.AddressSecretBytes)
	if _, err := io.ReadFull(random, secret); err != nil {
		return eventlog.Command{}, fmt.Errorf("draw a key for the hashes of addresses: %w", err)
	}
	return eventlog.Command{Kind: eventlog.RotateAddressKeys, Body: eventlog.RotateAddressKeysBody{Secret: secret}}, nil
}

// pruneIDs deletes the ids of generations that are no longer needed.
func (w *sweeper) pruneIDs(quit <-chan struct{}) error {
	for {
		stale, err := w.store.HasStaleIDs()
		if err != nil || !stale {
			return err
		}
		if _, err := w.run(quit, eventlog.Command{Kind: eventlog.PruneIDs}); err != nil {
			return err
		}
	}
}

// pruneMarks deletes the marks of deleted messages.
func (w *sweeper) pruneMarks(quit <-chan struct{}) error {
	for {
		dropped, err := w.store.HasDroppedMarks()
		if err != nil || !dropped {
			return err
		}
		if _, err := w.run(quit, eventlog.Command{Kind: eventlog.PruneMarks}); err != nil {
			return err
		}
	}
}

// pruneRules deletes rules that are over, at most PruneStep of them.
func (w *sweeper) pruneRules(now time.Time, quit <-chan struct{}) error {
	rooms := map[string][]string{}
	for _, rule := range w.store.EndedRules(wire.TimeOf(now), eventlog.PruneStep) {
		rooms[rule.Room] = append(rooms[rule.Room], rule.Key)
	}
	for room, keys := range rooms {
		if _, err := w.run(quit, eventlog.Command{Kind: eventlog.PruneEntries, Room: room, Body: eventlog.PruneEntriesBody{Keys: keys}}); err != nil {
			return err
		}
	}
	return nil
}

// pruneEntries deletes entries that have no effect any more.
func (w *sweeper) pruneEntries(now time.Time, quit <-chan struct{}) error {
	rooms := map[string]bool{"": true} // some belong to no room
	for room := range w.store.AllBounds() {
		base, _ := wire.BaseRoom(room) // there may be invites to a room that does not exist yet
		rooms[room], rooms[base] = true, true
	}
	for room := range rooms {
		for _, table := range eventlog.PrunedTables() {
			if err := w.pruneTable(table, room, now, quit); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneTable is pruneEntries for one table of a room, or of no room.
func (w *sweeper) pruneTable(table eventlog.Table, room string, now time.Time, quit <-chan struct{}) error {
	if eventlog.EndsInOrder(table) {
		return w.pruneFirst(table, room, now, quit)
	}
	for after := ""; ; {
		entries, err := w.store.Entries(table, room, "", after, eventlog.MaxEntries)
		if err != nil || len(entries) == 0 {
			return err
		}
		var keys []string
		for i := range entries {
			over, err := eventlog.EntryOver(&entries[i], wire.TimeOf(now))
			if err != nil {
				return err
			}
			if over {
				keys = append(keys, entries[i].Key)
			}
		}
		if len(keys) > 0 {
			if _, err := w.run(quit, eventlog.Command{Kind: eventlog.PruneEntries, Room: room, Body: eventlog.PruneEntriesBody{Table: table, Keys: keys}}); err != nil {
				return err
			}
		}
		after = entries[len(entries)-1].Key
	}
}

// pruneFirst is pruneTable for a table whose entries end in the order of their keys.
func (w *sweeper) pruneFirst(table eventlog.Table, room string, now time.Time, quit <-chan struct{}) error {
	for last := ""; ; {
		entries, err := w.store.Entries(table, room, "", "", 1)
		if err != nil || len(entries) == 0 || entries[0].Key == last { // the batches have another clock
			return err
		}
		over, err := eventlog.EntryOver(&entries[0], wire.TimeOf(now))
		if err != nil || !over {
			return err
		}
		last = entries[0].Key
		if _, err := w.run(quit, eventlog.Command{Kind: eventlog.PruneEntries, Room: room, Body: eventlog.PruneEntriesBody{Table: table}}); err != nil {
			return err
		}
	}
}
