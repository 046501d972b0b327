package eventlog

import (
	"errors"
	"fmt"
	"slices"

	"ramai/wire"
)

// A Program is one version of the program as far as the log is concerned: the kinds of commands that it knows, each with
// the level from which it exists, and its own level, the highest of them.
//
// All nodes have to decide a batch identically, whatever their version. So a kind counts only after a Level command has
// raised the stored level to that of the kind. Until then a batch with such a command does nothing: a program that knows
// the kind ignores the batch by its level, and an older one because it cannot decode the batch. A program below the stored
// level applies nothing, because it cannot know what the others do; see ErrLevel.
type Program struct {
	level uint64
	kinds []leveledKind // by number; a kind without a definition is unknown
}

type leveledKind struct {
	definition
	level uint64
}

// The kinds. Each has its own file.
const (
	Say            Kind = 1
	ReserveName    Kind = 2
	ReleaseName    Kind = 3
	Start          Kind = 4
	Trim           Kind = 5
	UnregisterName Kind = 6
	ExpireName     Kind = 7
	RotateIDs      Kind = 8
	PruneIDs       Kind = 9
	RemoveRoom     Kind = 10
	Configure      Kind = 11
	Level          Kind = 12
	Barrier        Kind = 13
	RenewKeys      Kind = 14
	Change         Kind = 15
	Mark           Kind = 16
	Tally          Kind = 17
	PruneMarks     Kind = 18
	Set            Kind = 19
	SignIn         Kind = 20
	SignOut        Kind = 21
	Invite         Kind = 22
	Redeem         Kind = 23
	Report         Kind = 24
	Judge          Kind = 25
	PruneEntries   Kind = 28
	Erase          Kind = 26
	Restore        Kind = 27
	EraseStep      Kind = 29
	RestoreStep    Kind = 30
	AppendLog      Kind = 31
	Forget         Kind = 33

	RotateAddressKeys Kind = 32
	Member            Kind = 34
)

// HoldLevel is the level from which messages can be held, and rooms have rooms for their moderators.
const HoldLevel = 5

// Current is this version of the program.
var Current = &Program{level: MemberLevel, kinds: []leveledKind{
	Say:            {sayKind{}, 0},
	ReserveName:    {reserveNameKind{}, 0},
	ReleaseName:    {releaseNameKind{}, 0},
	Start:          {startKind{}, 0},
	Trim:           {trimKind{}, 0},
	UnregisterName: {unregisterNameKind{}, 0},
	ExpireName:     {expireNameKind{}, 0},
	RotateIDs:      {rotateIDsKind{}, 0},
	PruneIDs:       {pruneIDsKind{}, 0},
	RemoveRoom:     {removeRoomKind{}, 0},
	Configure:      {configureKind{}, 0},
	Level:          {levelKind{}, 0},
	Barrier:        {barrierKind{}, 0},
	RenewKeys:      {renewKeysKind{}, 0},
	Change:         {changeKind{}, 2},
	Mark:           {markKind{}, 3},
	Tally:          {tallyKind{}, 3},
	PruneMarks:     {pruneMarksKind{}, 3},
	Set:            {setKind{}, 3},
	SignIn:         {signInKind{}, 4},
	SignOut:        {signOutKind{}, 4},
	Invite:         {inviteKind{}, 4},
	Redeem:         {redeemKind{}, 4},
	PruneEntries:   {pruneEntriesKind{}, 4},
	Erase:          {eraseKind{}, 4},
	Restore:        {restoreKind{}, 4},
	EraseStep:      {eraseStepKind{}, 4},
	RestoreStep:    {restoreStepKind{}, 4},
	Forget:         {forgetKind{}, HoldLevel},
	AppendLog:      {logKind{}, HoldLevel},
	Report:         {reportKind{}, HoldLevel},
	Judge:          {judgeKind{}, HoldLevel},

	RotateAddressKeys: {rotateAddressKeysKind{}, HoldLevel},
	Member:            {memberKind{}, MemberLevel},
}}

// ErrLevel is wrapped in errors of a program whose level is below the stored one. Only a newer program helps.
var ErrLevel = errors.New("this version of ramai is too old for the stored data")

// Level is the highest level that the program can apply.
func (p *Program) Level() uint64 { return p.level }

// CheckLevel returns an ErrLevel if the program cannot apply commands to data of the stored level.
func (p *Program) CheckLevel(stored uint64) error {
	if stored <= p.level {
		return nil
	}
	return fmt.Errorf("%w: the data has the level %d, and this version reaches %d; install the version that wrote the data, or a newer one, "+
		"and start it on the same folder", ErrLevel, stored, p.level)
}

// Kinds returns all kinds that the program knows and that can be submitted, in the order of their numbers.
func (p *Program) Kinds() (kinds []Kind) {
	for k := range p.kinds {
		if p.kinds[k].definition != nil && Kind(k) != AppendLog {
			kinds = append(kinds, Kind(k))
		}
	}
	return kinds
}

// kind returns the definition of a kind, or an UnknownKindError.
func (p *Program) kind(k Kind) (leveledKind, error) {
	if int(k) >= len(p.kinds) || p.kinds[k].definition == nil {
		return leveledKind{}, UnknownKindError{k}
	}
	return p.kinds[k], nil
}

// maintenance reports whether commands of a kind are maintenance, for which nobody waits.
func (p *Program) maintenance(k Kind) bool {
	kind, err := p.kind(k)
	return err == nil && kind.maintenance()
}

// Levels from which a Say can reply to a message, and be more than a text, and from which messages have the time of an edit.
const (
	replyLevel    = 2
	asLevel       = 3
	editedAtLevel = 4
)

// fieldsOf returns the level from which the optional fields of a command exist.
func fieldsOf(c *Command) uint64 {
	if !c.Origin.IsZero() || !counted(c.Room) { // programs below know no rooms of moderators
		return HoldLevel
	}
	switch body := c.Body.(type) {
	case SetBody:
		if body.AddressOf != 0 || body.Replaces != nil {
			return HoldLevel
		}
		if wire.IsRule(body.Key) || body.Until != 0 {
			return RulesLevel
		}
	case EraseBody:
		if len(body.Of) > 0 || len(body.Held) > 0 {
			return HoldLevel
		}
	case ChangeBody:
		if body.Link {
			return RulesLevel
		}
	case RedeemBody:
		if body.Role != wire.RoleNone {
			return HoldLevel
		}
	case PruneEntriesBody:
		if body.Table == Sessions || body.binary() {
			return HoldLevel
		}
	}
	switch {
	case c.Link || c.Transient:
		return RulesLevel
	case c.Kind == Say && c.Body != nil:
		return asLevel
	case c.Re != 0:
		return replyLevel
	}
	return 0
}

// levelOf returns the level from which a command of the kind exists.
func (k leveledKind) levelOf(c *Command) uint64 { return max(k.level, fieldsOf(c)) }

// Versions returns two versions of the program for tests of upgrades: older does not know the kind added, and newer knows
// it from the next level on. Otherwise both are like p.
func (p *Program) Versions(added Kind) (older, newer *Program) {
	older, newer = &Program{level: p.level, kinds: slices.Clone(p.kinds)}, &Program{level: p.level + 1, kinds: slices.Clone(p.kinds)}
	older.kinds[added] = leveledKind{}
	newer.kinds[added].level = newer.level
	return older, newer
}

// NewBatch returns b as a batch of the program. A sequencer returns an empty one for an entry that is not a batch, so that
// a program that is too old stops there, too.
func (p *Program) NewBatch(b Batch) *Batch {
	b.program = p
	if p == Current {
		b.program = nil
	}
	return &b
}

// of returns the program that defines the kinds of the batch's commands.
func (b *Batch) of() *Program {
	if b.program == nil {
		return Current
	}
	return b.program
}

// above reports whether a batch has a command of a kind that does not exist at a level yet.
func (b *Batch) above(level uint64) bool {
	return slices.ContainsFunc(b.Commands, func(c Command) bool {
		kind, err := b.of().kind(c.Kind)
		return err != nil || kind.levelOf(&c) > level
	})
}
