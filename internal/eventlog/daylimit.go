package eventlog

import (
	"fmt"
	"time"

	"ramai/wire"
)

// Limits of what the guests of a room add to the room of its moderators within a day. One person may be many guests, and more than that
// helps nobody and would fill the disk.
const (
	MaxReportsOfDay   = 1000 // reports of senders below trusted
	MaxWithdrawnOfDay = 1000 // held messages that are withdrawn

	// AddressShare is what part of these limits the senders of one address have: a tenth. They also have no more than is left for everyone,
	// so that even many addresses together leave something for the next one.
	AddressShare = 10
)

// dayKey begins the keys of the entries of Reports that count what guests have added within a day: of the room, and followed by an origin,
// from that address. No sender has it. There are as many entries as addresses were counted in the last day, at most the sum of the limits
// in each of its two days.
const dayKey = "\x00day"

const day = wire.Time(24 * time.Hour / time.Millisecond)

// A dayEntry is the value of such an entry.
type dayEntry struct {
	_         struct{} `cbor:",toarray"`
	From      int64    // when the day began
	Reports   uint64
	Withdrawn uint64
}

func (d *dayEntry) end() wire.Time { return wire.Time(d.From) + day }

// A dayLimit limits one of the counts of a dayEntry.
type dayLimit struct {
	max   uint64
	count func(*dayEntry) *uint64
	what  string // what was done, after a number
}

var (
	reportsLimit   = dayLimit{MaxReportsOfDay, func(d *dayEntry) *uint64 { return &d.Reports }, "messages of this room were reported by people whom no moderator trusts"}
	withdrawnLimit = dayLimit{MaxWithdrawnOfDay, func(d *dayEntry) *uint64 { return &d.Withdrawn }, "messages that waited for a moderator of this room were withdrawn"}
)

// countReport counts a report, or refuses it if there are too many on the day. Reports of people whom a moderator trusts are not limited.
func (c *Delta) countReport(tx Tx, cmd *Command) (*wire.CodedError, error) {
	rules := c.rulesOf(cmd.Room)
	if role, _ := rules.role(cmd.SenderID); role >= wire.RoleTrusted || cmd.SenderID == OperatorSender {
		return nil, nil
	}
	refused, err := c.countToday(tx, cmd, &reportsLimit)
	if refused != nil {
		refused.Rule, refused.Params = wire.RuleReports, wire.Params{wire.ParamSeconds: wire.NumberValue(uint64(day / 1000))}
	}
	return refused, err
}

// countWithdrawn counts a held message that is withdrawn, or refuses that if there are too many on the day.
func (c *Delta) countWithdrawn(tx Tx, cmd *Command) (*wire.CodedError, error) {
	refused, err := c.countToday(tx, cmd, &withdrawnLimit)
	if refused != nil {
		refused.Reason += "; the message waits on"
	}
	return refused, err
}

// countToday counts what a command does, or refuses it if that was done too often on the day: by everyone, or from its address. An
// address that is unknown has no share of its own.
func (c *Delta) countToday(tx Tx, cmd *Command, l *dayLimit) (*wire.CodedError, error) {
	all, err := c.today(tx, cmd.Room, dayKey)
	if err != nil {
		return nil, err
	}
	done := l.count(&all)
	if *done >= l.max {
		return l.refuse(all.end(), "%d %s", *done, l.what), nil
	}
	if !cmd.Origin.IsZero() {
		refused, err := c.countAddress(tx, cmd, l, l.max-*done, all.end())
		if refused != nil || err != nil {
			return refused, err
		}
	}
	*done++
	return nil, c.putToday(tx, cmd.Room, dayKey, all)
}

// countAddress is countToday for the address of a command. left is what the limit leaves for everyone until the end of the day. What was counted
// before the key of addresses was replaced has the former origin.
func (c *Delta) countAddress(tx Tx, cmd *Command, l *dayLimit, left uint64, end wire.Time) (*wire.CodedError, error) {
	key := dayKey + "\x00" + cmd.Origin.subject()
	own, err := c.today(tx, cmd.Room, key)
	if err != nil {
		return nil, err
	}
	done := *l.count(&own)
	if !cmd.FormerOrigin.IsZero() {
		former, err := c.today(tx, cmd.Room, dayKey+"\x00"+cmd.FormerOrigin.subject())
		if err != nil {
			return nil, err
		}
		done += *l.count(&former)
	}
	switch {
	case done >= l.max/AddressShare:
		return l.refuse(own.end(), "from your address, %d %s", done, l.what), nil
	case done >= left: // more addresses than one have nearly used up the limit
		return l.refuse(end, "%d %s", l.max-left, l.what), nil
	}
	*l.count(&own)++
	return nil, c.putToday(tx, cmd.Room, key, own)
}

func (l *dayLimit) refuse(until wire.Time, format string, args ...any) *wire.CodedError {
	return &wire.CodedError{Code: wire.NotAllowed, Until: until, Reason: fmt.Sprintf(format, args...) + fmt.Sprintf(" within a day, which is the maximum; try again at %v", until)}
}

// today returns what an entry counts on the present day, which begins with the first thing that it counts.
func (c *Delta) today(tx Tx, room, key string) (d dayEntry, err error) {
	value, found, err := tx.Entry(Reports, room, key)
	if found && err == nil {
		d, err = decodeEntry[dayEntry](&Entry{Table: Reports, Room: room, Key: key, Value: value})
	}
	if err == nil && (d.end() <= c.at || wire.Time(d.From) > c.at) {
		d = dayEntry{From: int64(c.at)}
	}
	return d, err
}

func (c *Delta) putToday(tx Tx, room, key string, d dayEntry) error {
	return tx.PutEntry(&Entry{Table: Reports, Room: room, Key: key, Value: string(must(encoding.Marshal(d)))})
}
