package chat

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// Operator carries out requests of the operator and of the server itself, to which no rates apply. See [Service.Operator];
// for the data of a stopped server, Decide applies the command.
type Operator struct {
	Store eventlog.Store
	// Decide submits a command and waits for its outcome. An error of ctx, and ErrUnknown, leave the result unknown; after any
	// other error nothing was stored.
	Decide func(ctx context.Context, c eventlog.Command) (*eventlog.Outcome, error)
	Text   int // the limit of a text in bytes; 0: defaultText
}

// defaultText is the limit of a text that the operator posts on a stopped server.
const defaultText = 4000

// Operator returns the operator's methods on a running server.
func (s *Service) Operator() *Operator {
	return &Operator{Store: s.cfg.Store, Decide: s.decide, Text: s.cfg.Limits.Text}
}

// A RoomInfo describes a room to the operator.
type RoomInfo struct {
	Room        string
	First, Last uint64
	At          wire.Time // of the newest message
	Members     int       // people in the room
}

// Rooms returns all rooms with messages, sorted by name. members counts the people in a room; nil: none.
func (o *Operator) Rooms(members func(room string) int) []RoomInfo {
	all, times := o.Store.AllBounds(), o.Store.NewestTimes()
	var list []RoomInfo
	for _, room := range slices.Sorted(maps.Keys(all)) {
		bounds := all[room]
		if bounds.Empty() {
			continue
		}
		info := RoomInfo{Room: room, First: bounds.First, Last: bounds.Last, At: times[room]}
		if members != nil {
			info.Members = members(room)
		}
		list = append(list, info)
	}
	return list
}

// DeleteRoom deletes all messages of a room, in steps, so that messages are accepted meanwhile, and then the room itself. It
// returns false if ctx ends before that: call it again then. Connections stay in the room, and its numbers continue. Of the
// lobby only the messages are deleted. A room without messages is an error.
func (o *Operator) DeleteRoom(ctx context.Context, room string) (done bool, err error) {
	bounds := o.Store.Bounds(room)
	if bounds.Empty() {
		return false, fmt.Errorf("there is no room %q", room)
	}
	if base, _ := wire.BaseRoom(room); base == room { // these are removed with the room
		for _, attached := range []string{wire.ModeratorsRoom(room), wire.OwnersRoom(room)} {
			if done, err := o.deleteMessages(ctx, attached, o.Store.Bounds(attached)); err != nil || !done {
				return false, err
			}
		}
	}
	if done, err := o.deleteMessages(ctx, room, bounds); err != nil || !done {
		return false, err
	}
	_, err = o.RemoveRoom(context.WithoutCancel(ctx), room, bounds.Last) // false means that the room was used again
	return true, err
}

// deleteMessages deletes the messages of a room with given bounds, in steps. It returns false if ctx ends before that.
func (o *Operator) deleteMessages(ctx context.Context, room string, bounds eventlog.Bounds) (bool, error) {
	for first := bounds.First; first <= bounds.Last; {
		if ctx.Err() != nil {
			return false, nil
		}
		trimmed, err := o.Decide(context.WithoutCancel(ctx), eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: bounds.Last}})
		if err != nil {
			return false, err
		}
		if trimmed.Status == eventlog.Refused {
			return false, trimmed.Err
		}
		first = trimmed.N
	}
	return true, nil
}

// RemoveRoom removes a room whose newest number is last, with at most eventlog.MaxRemove messages. It returns false if the room
// was used meanwhile.
func (o *Operator) RemoveRoom(ctx context.Context, room string, last uint64) (bool, error) {
	removed, err := o.Decide(ctx, eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: last}})
	return err == nil && removed.Status == eventlog.Saved, err
}

// ReleaseName makes a registered name available to everyone. The error is a *wire.CodedError if nobody has registered the
// name.
func (o *Operator) ReleaseName(ctx context.Context, name string) error {
	released, err := o.Decide(ctx, eventlog.Command{Kind: eventlog.UnregisterName, Body: eventlog.UnregisterNameBody{Name: name, Key: names.Key(name)}})
	switch {
	case err != nil:
		return err
	case released.Status == eventlog.Refused:
		return released.Err
	}
	return nil
}

// Say posts a message as the operator, in whose name there may be notices. A *wire.CodedError refuses it.
func (o *Operator) Say(ctx context.Context, m Message) (*eventlog.Outcome, error) {
	if err := wire.CheckText(m.Text, cmp.Or(o.Text, defaultText)); err != nil {
		return nil, err
	}
	if err := wire.CheckAs(m.As, m.Options); err != nil {
		return nil, err
	}
	return o.post(ctx, eventlog.Command{
		Kind: eventlog.Say, SenderID: eventlog.OperatorSender, Room: m.Room, ID: m.ID, Text: m.Text, Re: m.Re, Once: m.Once, Body: m.body(),
	})
}

// Set changes a setting of a room. The operator can also set what is about somebody else's message. A *wire.CodedError refuses it.
func (o *Operator) Set(ctx context.Context, set Setting) (*eventlog.Outcome, error) {
	if err := set.hash(); err != nil {
		return nil, err
	}
	if err := set.normalize(); err != nil {
		return nil, err
	}
	return o.post(ctx, set.command(eventlog.OperatorSender))
}

// post returns the outcome of a command that adds a record.
func (o *Operator) post(ctx context.Context, c eventlog.Command) (*eventlog.Outcome, error) {
	outcome, err := o.Decide(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case outcome.Status == eventlog.Refused:
		return nil, outcome.Err
	}
	return outcome, nil
}

// Settings returns the settings of a room whose keys begin with prefix.
func (o *Operator) Settings(room, prefix string) []wire.Setting {
	settings, _, _ := o.Store.Settings(room, prefix, "", eventlog.MaxSettings)
	hidePassword(settings)
	return settings
}
