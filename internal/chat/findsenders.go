package chat

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"ramai/internal/eventlog"
	"ramai/internal/names"
)

// NamedSender is a sender that has or had a name.
type NamedSender struct {
	SenderID string `json:"by"`
	Name     string `json:"name"`
	Has      bool   `json:"has"`      // it has the name now, or has registered it
	Messages int    `json:"messages"` // that it has posted under the name; 0 for those that have it
}

// SendersNamed returns the senders that have a name; if nobody has it, those that have posted under it.
func (o *Operator) SendersNamed(ctx context.Context, name string) ([]NamedSender, error) {
	key, found := names.Key(name), map[string]*NamedSender{}
	for _, lease := range o.Store.NameLeases() {
		if lease.Key == key {
			found[lease.SenderID] = &NamedSender{SenderID: lease.SenderID, Name: lease.Name, Has: true}
		}
	}
	for _, r := range o.Store.RegisteredNames() {
		if r.Key == key {
			found[r.SenderID] = &NamedSender{SenderID: r.SenderID, Name: r.Name, Has: true}
		}
	}
	if len(found) == 0 {
		for room := range o.Store.AllBounds() {
			if err := o.postedAs(ctx, room, name, found); err != nil {
				return nil, fmt.Errorf("room %s: %w", room, err)
			}
		}
	}
	list := []NamedSender{}
	for _, by := range slices.Sorted(maps.Keys(found)) {
		list = append(list, *found[by])
	}
	return list, nil
}

// postedAs adds the senders that have posted under a name in a room.
func (o *Operator) postedAs(ctx context.Context, room, name string, found map[string]*NamedSender) error {
	for after := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		records, _, err := o.Store.Read(room, after, eventlog.MaxRead)
		if err != nil || len(records) == 0 {
			return err
		}
		for i := range records {
			r := &records[i]
			if after = r.N; r.DisplayName != name || !eventlog.CanForget(r.SenderID) {
				continue
			}
			if found[r.SenderID] == nil {
				found[r.SenderID] = &NamedSender{SenderID: r.SenderID, Name: name}
			}
			found[r.SenderID].Messages++
		}
	}
}
