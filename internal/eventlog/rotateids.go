package eventlog

import "ramai/wire"

const (
	// MinIDLife is the minimum time for which an id is remembered. Clients do not repeat older messages.
	MinIDLife = wire.IDLife
	// PruneStep is the maximum number of ids that one PruneIDs deletes.
	PruneStep = 2000
)

// An IDGeneration is the newest generation of ids. New ids are compared with those of this generation and of the one before
// it. A generation lasts for MinIDLife, so an id is remembered at least that long, and at most twice as long.
type IDGeneration struct {
	Number uint64 // from 1
	Since  wire.Time
}

// RotateIDsBody is the body of a RotateIDs: Generation, if it follows the newest one, begins now. If it is the newest one,
// its time is updated. Repeated, the command does the latter.
type RotateIDsBody struct {
	_          struct{} `cbor:",toarray"`
	Generation uint64
}

func (RotateIDsBody) kind() Kind { return RotateIDs }

type rotateIDsKind struct {
	inBackground
	withBody[RotateIDsBody]
	noRecords
}

func (rotateIDsKind) name() string { return "rotate_ids" }

func (rotateIDsKind) check(c *Command) error {
	if _, err := bodyOf[RotateIDsBody](c); err != nil {
		return err
	}
	return checkHead(c, 0)
}

func (rotateIDsKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RotateIDsBody](o.Command)
	if err != nil {
		return err
	}
	if body.Generation != c.ids.Number && body.Generation != c.ids.Number+1 {
		return nil
	}
	c.ids = IDGeneration{Number: body.Generation, Since: c.at}
	return tx.PutIDGeneration(c.ids)
}

// A PruneIDs deletes ids of generations that are no longer compared, at most PruneStep of them.
type pruneIDsKind struct {
	inBackground
	noBody
	noRecords
}

func (pruneIDsKind) name() string { return "prune_ids" }

func (pruneIDsKind) check(c *Command) error { return checkHead(c, 0) }

// decide uses the generation before the batch: when the batch is decided a second time, with its own rows stored, every id
// that it found the first time is still there.
func (pruneIDsKind) decide(c *Delta, tx Tx, _ *Outcome) error {
	if c.state.ids.Number < 2 {
		return nil
	}
	return tx.DeleteIDs(c.state.ids.Number - 1)
}
