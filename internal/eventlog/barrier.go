package eventlog

// A Barrier changes nothing. When a node receives the outcome of its own Barrier, it has applied everything that was ordered
// before.
type barrierKind struct {
	onDemand
	noBody
	noRecords
}

func (barrierKind) name() string { return "barrier" }

func (barrierKind) check(c *Command) error { return checkHead(c, 0) }

func (barrierKind) decide(*Delta, Tx, *Outcome) error { return nil }
